"""The small project, reproduced once for all end-to-end tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from small_project import command, make_project


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The small project after its first `dvc repro`, committed; tests work on copies or leave it as it was."""
    base = tmp_path_factory.mktemp("e2e")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRAJPROBE_CACHE", str(base / "cache"))
        project = make_project(base / "project")
        command(project, "dvc", "repro")
        command(project, "git", "add", "-A")
        command(project, "git", "commit", "-q", "-m", "results")
        yield project

"""`trajprobe verify` on a real project: its hashes are DVC's, and a second run gives the same outputs."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from small_project import command, set_params
from trajprobe.commands.verify import _is_the_one, _outputs
from trajprobe.core import paths


def test_hashes_are_those_of_dvc(reproduced: Path) -> None:
    outputs = _outputs(reproduced / paths.LOCK)
    assert any(digest.endswith(".dir") for digest in outputs.values())
    for (_, path), digest in outputs.items():
        assert _is_the_one(reproduced / path, digest), path
        assert not _is_the_one(reproduced / path, "0" * 32)


def test_a_source_that_was_imported_is_verified(reproduced: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(reproduced, project, symlinks=True)
    walks = np.random.default_rng(0).normal(size=(24, 9, 2)).cumsum(axis=1)
    rows = (
        f"i{i},{'ab'[i % 2]},{t},{x},{y}" for i, walk in enumerate(walks) for t, (x, y) in enumerate(walk)
    )
    (project / "tracks.csv").write_text("id,label,t,x,y\n" + "\n".join(rows) + "\n")
    command(project, "trajprobe", "import", "tracks.csv", "--name", "mine")
    set_params(project, {"source": "mine"})
    command(project, "dvc", "repro")
    command(project, "git", "add", "-A")
    command(project, "git", "commit", "-q", "-m", "mine")
    printed = command(project, "trajprobe", "verify")
    assert ", 0 close, 0 different\nThe verdict holds." in printed, printed
    (costs,) = [line for line in printed.splitlines() if "data/costs/kinematics.json" in line]
    assert " ".join(costs.split()[2:]) == "identical but for the measured seconds"


@pytest.mark.slow
def test_a_second_run_gives_the_same_outputs(reproduced: Path) -> None:
    printed = command(reproduced, "trajprobe", "verify")
    assert ", 0 close, 0 different" in printed
    assert command(reproduced, "git", "status", "--porcelain") == ""

"""`trajprobe verify` on a real project: its hashes are DVC's, and a second run gives the same outputs."""

from pathlib import Path

import pytest

from small_project import command
from trajprobe.commands.verify import LOCK, _is_the_one, _outputs


def test_hashes_are_those_of_dvc(reproduced: Path) -> None:
    outputs = _outputs(reproduced / LOCK)
    assert any(digest.endswith(".dir") for digest in outputs.values())
    for (_, path), digest in outputs.items():
        assert _is_the_one(reproduced / path, digest), path
        assert not _is_the_one(reproduced / path, "0" * 32)


@pytest.mark.slow
def test_a_second_run_gives_the_same_outputs(reproduced: Path) -> None:
    printed = command(reproduced, "trajprobe", "verify")
    assert ", 0 close, 0 different" in printed
    assert command(reproduced, "git", "status", "--porcelain") == ""

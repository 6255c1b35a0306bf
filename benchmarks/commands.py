"""What the command line and DVC add: the start of a command, the default study from nothing, and nothing to do.

    python benchmarks/commands.py      # three minutes on two cores

In a copy of what git tracks, without DVC's cache and with an empty cache of features. `dvc repro` and `dvc status` take
turns; the best of each counts, as it does of `trajprobe --help`.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from results import HERE, report

TURNS = 5


def seconds(folder: Path, *command: str) -> float:
    """The wall time of `python -m` with a command, in `folder`."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(folder / "src"),
        "TRAJPROBE_CACHE": str(folder.parent / "cache"),
    }
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "study"
        subprocess.run(["git", "clone", "-q", str(HERE.parent), str(folder)], check=True)
        started = min(seconds(folder, "trajprobe", "--help") for _ in range(TURNS))
        report("help", f"{started:.2f} s")
        everything = seconds(folder, "dvc", "repro")
        report("run", f"{everything // 60:.0f} min {everything % 60:02.0f}")
        repro, status = float("inf"), float("inf")
        for _ in range(TURNS):
            repro = min(repro, seconds(folder, "dvc", "repro"))
            status = min(status, seconds(folder, "dvc", "status"))
        report("nothing", f"{repro / status:.2f}× ({repro:.1f} against {status:.1f} s)")


if __name__ == "__main__":
    main()

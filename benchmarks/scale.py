"""Does a study grow with its items as it should? Time and memory of every stage at several sizes.

    python benchmarks/scale.py                     # 1,000, 4,000 and 10,000 items: a quarter of an hour on two cores
    python benchmarks/scale.py --items 200 400 800

Studies of drawn paths with the embedded encoder, one random initialisation, one repeat of the folds and two pairs of
halves: fewer trainings than by default of the same kind. Every stage runs by the command line in one process and one
thread, in a copy of what git tracks with an empty cache. Processor time is that of all its processes, memory the peak
of the largest of them. Growth is what an added item costs between the two largest sizes, over the same between the two
smallest; the start of a command, which is the same at any size, cancels. Features are what a stage must hold: the size
of its features' file.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml

from results import HERE, report

ENCODER = "magvit2_mini"
STAGES = {
    "trajectories": ["trajectories"],
    "render": ["render", "--workers", "1"],
    "extract": ["extract", ENCODER],
    "controls": ["controls"],
    "probe": ["probe", ENCODER, "--workers", "1"],
    "probe controls": ["probe", "controls", "--workers", "1"],
    "analyse": ["analyse", ENCODER, "--workers", "1"],
    "baseline kinematics": ["baseline", "kinematics", "--workers", "1"],
    "compare": ["compare"],
    "plot": ["plot"],
}
HOLD_FEATURES = {"extract": ENCODER, "probe": ENCODER, "analyse": ENCODER, "probe controls": "controls"}
CLASSES = 4
SHORT = 0.003  # seconds an item, below which a stage's growth is not judged


@dataclass(frozen=True)
class Cost:
    """seconds: of processor time. memory: bytes at the peak. features: bytes of the features that the stage holds."""

    seconds: float
    memory: float
    features: float


def measure(folder: Path, items: int) -> dict[str, Cost]:
    """The cost of every stage of a study of `items` in a new folder."""
    subprocess.run(["git", "clone", "-q", str(HERE.parent), str(folder)], check=True)
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["synthesis"]["per_class"] = items // CLASSES
    params["extract"]["random_inits"] = 1
    params["probe"] |= {"repeats": 1, "split_halves": 2}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    cost(folder, ["fetch", ENCODER])
    found = {}
    for name, arguments in STAGES.items():
        seconds, memory = cost(folder, arguments)
        held = folder / f"data/features/{HOLD_FEATURES.get(name)}.safetensors"
        found[name] = Cost(seconds, memory, held.stat().st_size if held.exists() else 0)
        print(f"{items:>7} {name:<20} {seconds:8.1f} s {memory / 1e6:8.0f} MB", flush=True)
    return found


def cost(folder: Path, arguments: list[str]) -> tuple[float, float]:
    """Processor seconds and peak memory in bytes of a command with all its processes."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(folder / "src"),
        "TRAJPROBE_CACHE": str(folder / "cache"),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-c", "from trajprobe.cli import main; main()", *arguments]
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(arguments)}: ended with {status}")
    return used.ru_utime + used.ru_stime, 1024.0 * used.ru_maxrss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--items", type=int, nargs=3, default=[1000, 4000, 10_000])
    sizes = parser.parse_args().items
    with tempfile.TemporaryDirectory() as scratch:
        found = [measure(Path(scratch) / str(items), items) for items in sizes]
    small, middle, large = sizes
    linear, flat = [], []
    print(f"{'stage':<20} {'ms/item':>9} {'ms/item':>9} {'growth':>7} {'memory':>7} {'less features':>14}")
    for name in STAGES:
        few, some, many = (each[name] for each in found)
        early = (some.seconds - few.seconds) / (middle - small)
        late = (many.seconds - some.seconds) / (large - middle)
        memory, other = many.memory / few.memory, (many.memory - many.features) / (few.memory - few.features)
        if max(early, late) >= SHORT:
            linear.append((late / early, name))
        flat.append((other, name))
        print(
            f"{name:<20} {1e3 * early:9.2f} {1e3 * late:9.2f} {late / early:7.2f} {memory:7.2f} {other:14.2f}"
        )
    spread = f"N = {small:,} to {large:,}"
    report(
        "linear", f"{', '.join(f'{name} {ratio:.2f}×' for ratio, name in sorted(linear)[::-1])} ({spread})"
    )
    report("flat", f"{', '.join(f'{name} {ratio:.2f}×' for ratio, name in sorted(flat)[::-1])} ({spread})")


if __name__ == "__main__":
    main()

"""The benchmarks of speed, one after the other, and benchmarks/RESULTS.md made of what they find.

    python benchmarks/results.py              # the short ones: make bench, a quarter of an hour on two idle cores
    python benchmarks/results.py scale        # those that are named; the other rows stay as they are

A benchmark prints `RESULT <row>: <what was measured>` by `report`. Findings are kept in RESULTS.json, each with its
date, versions and machine.
"""

import datetime
import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
FOUND, PAGE = HERE / "RESULTS.json", HERE / "RESULTS.md"
MARK = "RESULT "
LIBRARIES = ("torch", "numpy", "dvc")


@dataclass(frozen=True)
class Row:
    """what is measured, against what, and what is aimed at."""

    what: str
    against: str
    target: str


@dataclass(frozen=True)
class Benchmark:
    """A script with its arguments, and the rows that it fills."""

    command: tuple[str, ...]
    rows: dict[str, Row]
    short: bool = True


ENCODER = "`open_magvit2`, full size, 5 × 128 × 128"
BENCHMARKS = {
    "gpu": Benchmark(
        ("gpu.py", "--device", "cpu", "--batch", "2", "--side", "4096", "--rounds", "2"),
        {
            "float32": Row(f"{ENCODER}, float32", "a large matrix product in float32", "≥ 85 %"),
            "bfloat16": Row(f"{ENCODER}, bfloat16", "float32", "≥ 2.2×, features within 1 %"),
        },
    ),
    "overhead": Benchmark(
        ("overhead.py",),
        {"vit_base": Row("extraction by 9 arms, ViT of base size", "the passes alone", "≤ 1.1×")},
    ),
    "overhead_mini": Benchmark(
        ("overhead.py", "--encoder", "magvit2_mini", "--clips", "480"),
        {"magvit2_mini": Row("extraction by 9 arms, `magvit2_mini`", "the passes alone", "≤ 1.1×")},
    ),
    "extract": Benchmark(
        ("extract.py",),
        {"order": Row("`magvit2_mini` in channels-last order", "torch's usual order", "the faster one")},
    ),
    "render": Benchmark(
        ("render.py",),
        {
            "figure": Row("render, 3-D view with trail", "a matplotlib 3-D figure for each frame", "≥ 300×"),
            "agg": Row("the same", "matplotlib at its best", "≥ 10×"),
        },
    ),
    "probe": Benchmark(
        ("probe.py",),
        {"sklearn": Row("training the probes of the default study", "`GridSearchCV` of scikit-learn", "–")},
    ),
    "large_probe": Benchmark(
        ("large_probe.py",),
        {
            "large_probe": Row(
                "probe of 9 arms, N = 100,000, D = 512, K = 10", "–", "≤ 10 minutes on 2 cores, ≤ 4 GB"
            )
        },
    ),
    "commands": Benchmark(
        ("commands.py",),
        {
            "help": Row("`trajprobe --help`", "–", "≤ 0.4 s"),
            "run": Row("`dvc repro` of the default study, from nothing", "–", "≤ 2 min 30"),
            "nothing": Row("`dvc repro` with nothing to do", "`dvc status`", "≤ 1.3×"),
        },
    ),
    "scale": Benchmark(
        ("scale.py",),
        {
            "linear": Row("time of an added item, every stage", "the same among fewer items", "within 10 %"),
            "flat": Row("memory of every stage, most items", "fewest items", "≤ 1.2× but for features"),
        },
        short=False,
    ),
}


def report(row: str, measured: str) -> None:
    """Called by a benchmark for each of its rows. measured: text for a cell of the table."""
    print(f"{MARK}{row}: {measured}", flush=True)


def run(benchmark: Benchmark) -> dict[str, str]:
    """What the script reports, by row; its output goes on to stdout."""
    found = {}
    command = [sys.executable, str(HERE / benchmark.command[0]), *benchmark.command[1:]]
    with subprocess.Popen(command, cwd=HERE.parent, stdout=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            if line.startswith(MARK):
                row, _, measured = line.removeprefix(MARK).rstrip("\n").partition(": ")
                found[row] = measured
    if process.returncode or found.keys() != benchmark.rows.keys():
        sys.exit(f"{benchmark.command[0]}: ended with {process.returncode}, reported {sorted(found)}")
    return found


def machine() -> str:
    """The processor's name, where Linux tells it, and the number of cores."""
    names = [line for line in _cpuinfo() if line.startswith("model name")]
    model = names[0].partition(":")[2].strip() if names else platform.machine()
    flags = " ".join(line for line in _cpuinfo()[:40] if line.startswith("flags")).split()
    with_bf16 = [name for name in ("amx_bf16", "avx512_bf16") if name in flags]
    return f"{os.cpu_count()} cores, {model}" + f" with {with_bf16[0]}" * bool(with_bf16)


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.is_file() else []


def page(found: dict[str, dict[str, str]]) -> str:
    """RESULTS.md."""
    lines = [
        "# Speed, measured",
        "",
        "Made by `make bench` (the rows of `scale`: `python benchmarks/results.py scale`). Both sides of a ratio are",
        "measured in one run on the same data. Missed targets are explained in [README.md](README.md#missed-targets).",
        "",
        "| what | against | target | measured |",
        "| --- | --- | --- | --- |",
    ]
    runs: dict[str, list[str]] = {}
    for benchmark in BENCHMARKS.values():
        for name, row in benchmark.rows.items():
            own = found.get(name)
            lines.append(
                f"| {row.what} | {row.against} | {row.target} | {own['measured'] if own else 'not measured'} |"
            )
            if own:
                runs.setdefault(f"{own['date']}, {own['machine']}, {own['versions']}", []).append(row.what)
    lines += ["", "Measured on:", ""]
    return "\n".join([*lines, *(f"- {where}: {', '.join(rows)}" for where, rows in runs.items())]) + "\n"


def main(names: Sequence[str]) -> None:
    if unknown := set(names) - BENCHMARKS.keys():
        sys.exit(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    found = json.loads(FOUND.read_text()) if FOUND.exists() else {}
    for name, benchmark in BENCHMARKS.items():
        if name in names or (not names and benchmark.short):
            print(f"\n{' '.join(benchmark.command)}", flush=True)
            for row, measured in run(benchmark).items():
                found[row] = {
                    "measured": measured,
                    "date": datetime.date.today().isoformat(),
                    "machine": machine(),
                    "versions": ", ".join(f"{library} {version(library)}" for library in LIBRARIES),
                }
            FOUND.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            PAGE.write_text(page(found), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])

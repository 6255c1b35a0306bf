"""What decides the last digits of a float: libraries, vector instructions, threads, device.

Sums are rounded in an order that these choose, so features, and with them a few predictions, differ between machines.
Nothing heavy is imported: the commands that only show results ask, too.
"""

import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = ("numpy", "torch", "transformers")
VECTORS = ("avx512f", "avx2", "avx", "sse4_2")  # the best of them decides which kernels a library takes
CPU_INFO = Path("/proc/cpuinfo")  # of Linux


def environment(device: str) -> dict[str, str]:
    """The environment of a computation on `device`, the same for equal machines."""
    found = {"device": device, "cpu": _cpu(), "threads": str(_threads())}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def differences(then: Mapping[str, str], now: Mapping[str, str]) -> str:
    """What differs between two environments, as a clause; empty if nothing does."""
    return ", ".join(
        f"{name} {then.get(name, 'none')} then, {now.get(name, 'none')} here"
        for name in dict.fromkeys([*then, *now])
        if then.get(name) != now.get(name)
    )


def _cpu() -> str:
    """The architecture, and the widest vector instructions, as `x86_64 avx512f`."""
    try:
        lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.machine()
    flags = next((set(line.partition(":")[2].split()) for line in lines if line.startswith("flags")), set())
    return " ".join([platform.machine(), *[name for name in VECTORS if name in flags][:1]])


def _threads() -> int:
    """Threads of torch, as it counts them."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    if given.isdigit() and int(given):
        return int(given)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

"""How long `trajprobe fetch open_magvit2` takes, and how much memory, on a checkpoint with the published structure.

    python benchmarks/fetch.py             # about a minute; 6.6 GB of disk in the temporary folder

Makes a checkpoint with the names and shapes of all 568 tensors of the published video_128_262144.ckpt (2.96 GB; the
list is in ../shared/reference/open_magvit2) and random values, beside what a Lightning checkpoint carries. Serves it on
the loopback as the Hugging Face Hub does, hanging up once after a gigabyte, and runs the command four times: from the
network, with weights that still fit, from the download cache, and after the file was dropped from the cache. Then
compares the result with the checkpoint. The command's peak memory must stay below 1.2 GB; most of it is torch itself.
"""

import json
import math
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MANIFEST = ROOT.parent / "shared/reference/open_magvit2/video_128_262144.manifest.json"
BOUND = 1.2e9  # bytes
ENCODER = "open_magvit2"
FILE = "video_128_262144.ckpt"
REPOSITORY = "TencentARC/Open-MAGVIT2-Tokenizer-262144-Video"

sys.path.insert(0, str(ROOT / "tests"))
from servers import Cut, Server, serving  # noqa: E402
from trajprobe.core.files import sha256  # noqa: E402


def make(path: Path) -> None:
    """Write the checkpoint; in a process of its own, whose 3 GB do not count."""
    import torch

    generator = torch.Generator().manual_seed(0)
    state = {
        name: torch.empty(shape, dtype=torch.int32 if name.endswith("num_updates") else torch.float32)
        for name, shape in json.loads(MANIFEST.read_text()).items()
    }
    for tensor in state.values():
        tensor.random_(0, 1000, generator=generator)
    torch.save({"epoch": 1, "state_dict": state, "callbacks": {"best": path}, "optimizer_states": []}, path)


def check(checkpoint: Path, weights: Path) -> None:
    """Compare the encoder's file with the averaged tensors of the checkpoint, as torch reads it."""
    import torch
    from safetensors import safe_open

    state = torch.load(checkpoint, mmap=True, weights_only=False)["state_dict"]
    with safe_open(weights / "encoder.safetensors", "pt") as file:
        for name in file.keys():  # noqa: SIM118
            averaged = "model_ema." + f"encoder.{name.removeprefix('encoder.')}".replace(".", "")
            assert torch.equal(file.get_tensor(name), state[averaged]), name


def apart(function: object, *arguments: object) -> None:
    process = multiprocessing.get_context("spawn").Process(target=function, args=arguments)  # type: ignore[arg-type]
    process.start()
    process.join()
    if process.exitcode:
        sys.exit(f"{function} failed")


def fetch(project: Path, server: Server) -> tuple[float, float, float]:
    """Run the command in `project`: its seconds, those of them on a processor, and its peak memory in bytes."""
    environment = os.environ | {
        "HF_ENDPOINT": server.url,
        "TRAJPROBE_CACHE": str(project / "cache"),
        "HF_HOME": str(project / "hf"),
        "OMP_NUM_THREADS": "1",
    }
    environment.pop("TRAJPROBE_MIRROR", None)
    command = [sys.executable, "-c", "from trajprobe.cli import main; main()", "fetch", ENCODER]
    start = time.perf_counter()
    with subprocess.Popen(command, cwd=project, env=environment) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"fetch failed with {process.returncode}")
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def main() -> None:
    if not MANIFEST.exists():
        sys.exit(f"{MANIFEST} is not there")
    count = sum(math.prod(shape) for shape in json.loads(MANIFEST.read_text()).values())
    with tempfile.TemporaryDirectory() as folder, serving() as server:
        project = Path(folder)
        checkpoint = project / FILE
        shutil.copytree(
            ROOT / "models" / ENCODER, project / "models" / ENCODER, ignore=shutil.ignore_patterns("weights")
        )
        start = time.perf_counter()
        apart(make, checkpoint)
        took = time.perf_counter() - start
        print(f"made {checkpoint.stat().st_size / 1e9:.2f} GB, {count / 1e6:.0f} M values, in {took:.0f} s")
        server.put_model(REPOSITORY, {FILE: checkpoint})
        (cdn,) = (path for path in server.resources if path.startswith("/cdn/"))
        server.faults[cdn].append(Cut(1_000_000_000))
        weights = project / "models" / ENCODER / "weights"
        rows = [("from the network", *fetch(project, server)), ("unchanged", *fetch(project, server))]
        first = {path.name: sha256(path) for path in weights.iterdir()}
        shutil.rmtree(weights)
        rows.append(("from the cache", *fetch(project, server)))
        ranges = [headers.get("Range") for headers in server.gets(cdn)]
        assert ranges == [None, "bytes=1000000000-"], ranges
        shutil.rmtree(weights)
        for path in (project / "cache").rglob(FILE):
            path.unlink()
        rows.append(("the cache dropped", *fetch(project, server)))
        assert first == {path.name: sha256(path) for path in weights.iterdir()}
        apart(check, checkpoint, weights)
        print(json.loads((weights / "provenance.json").read_text())["summary"])
        for name, seconds, busy, peak in rows:
            print(f"{name:>18}: {seconds:6.1f} s, {busy:.1f} s of them on a processor")
            print(f"{'':>18}  peak {peak / 1e6:.0f} MB (bound {BOUND / 1e6:.0f})")
            assert peak < BOUND


if __name__ == "__main__":
    main()

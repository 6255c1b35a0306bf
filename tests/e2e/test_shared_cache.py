"""A spot machine that dies takes its disk along: what it had finished lies at an address, and a new machine goes on.

A soak against an S3 server on the loopback, not part of `make test`. TRAJPROBE_KILLS sets how many machines die (20).
The oracle is an extraction in one go, with a cache in a folder.
"""

import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
from test_kills import started

from remotes import BUCKET, s3_server
from small_project import ENCODER, command, make_project, set_params

KILLS = int(os.environ.get("TRAJPROBE_KILLS", "20"))
FEATURES = f"data/features/{ENCODER}.safetensors"
SHARDS = 6  # of each of four arms


@pytest.mark.slow
def test_machines_that_die_lose_at_most_a_shard_each(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    set_params(project, {"synthesis.per_class": 16 * SHARDS, "render.size": 48})
    for arguments in (("trajectories",), ("render",), ("fetch", ENCODER), ("extract", ENCODER)):
        command(project, "trajprobe", *arguments, TRAJPROBE_CACHE=str(tmp_path / "one machine"))
    expected = (project / FEATURES).read_bytes()
    (project / FEATURES).unlink()
    draws, died = random.Random(0), 0
    with s3_server(tmp_path) as server:
        environment = {**server.environment, "TRAJPROBE_CACHE": f"s3://{BUCKET}/cache"}

        def stored() -> list[str]:
            return [path for method, path in server.requests() if method == "PUT" and path.endswith(".shard")]

        while True:
            machine = tmp_path / "machine"
            shutil.copytree(project, machine, symlinks=True)
            home = {"HOME": str(machine), **environment}
            process = started(machine, "trajprobe", "extract", ENCODER, **home)
            if died == KILLS:
                assert process.wait() == 0
                break
            before = len(stored())
            while process.poll() is None and len(stored()) == before:
                time.sleep(0.02)
            time.sleep(draws.uniform(0, 0.3))  # into the next shard
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            died += 1
            shutil.rmtree(machine)
        computed, asked = stored(), server.requests()
    assert (machine / FEATURES).read_bytes() == expected
    # None twice; two of the order of frames, one of the multiply-adds.
    assert len(computed) == len(set(computed)) == 4 * SHARDS + 3
    counts = {method: sum(each == method for each, _ in asked) for method in ("GET", "PUT", "HEAD", "POST")}
    print(f"{died} machines died; requests: {counts}")

"""A checkpoint of the published size goes from a server to the encoder's file within 1.2 GB of memory."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = ROOT.parent / "shared/reference/open_magvit2/video_128_262144.manifest.json"


@pytest.mark.slow
@pytest.mark.skipif(not MANIFEST.exists(), reason="the reference material is not there")
@pytest.mark.skipif(shutil.disk_usage(tempfile.gettempdir()).free < 8e9, reason="needs 8 GB of disk")
def test_the_published_size() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "fetch.py")]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "133 of 133 tensors, 144.9 M parameters, EMA" in output
    assert "(bound 1200)" in output

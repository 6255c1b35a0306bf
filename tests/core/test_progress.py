"""Progress lines as a log shows them, and the bar as a terminal shows it; both on stderr alone."""

import io
import sys

import pytest

from trajprobe.core import progress as module
from trajprobe.core.progress import progress


def test_a_log_gets_plain_lines_with_what_is_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 1000, 6))
    monkeypatch.setattr(module.time, "monotonic", lambda: float(next(clock)))
    with progress("extract", 4, "clips") as advance:
        for step in range(4):
            advance(1, f"loss {step}")
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[-1].startswith("extract: 4 of 4 clips, ")
    assert lines[-1].endswith("loss 3")
    assert any("s left" in line for line in lines[:-1])


def test_bytes_are_told_in_megabytes_with_a_rate(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("download", 3_000_000, "bytes") as advance:
        advance(3_000_000)
    assert "download: 3.0 of 3.0 MB (" in capsys.readouterr().err


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    for unit in ("clips", "bytes"):
        with progress("render", 3, unit) as advance:
            for _ in range(3):
                advance(1, "steady")
    assert "render" in terminal.getvalue()
    assert "steady" in terminal.getvalue()

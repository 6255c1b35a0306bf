"""Progress of long work: a live bar on a terminal, a plain line now and then in a log. Always on stderr."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

LOG_INTERVAL = 10.0  # seconds between two plain lines


class Advance(Protocol):
    """Called with how much was done since the last call, and an optional short note (a loss, a rate)."""

    def __call__(self, amount: float = 1, note: str = "") -> None: ...


@contextmanager
def progress(description: str, total: float, unit: str = "items") -> Iterator[Advance]:
    """Report the progress of `total` units of work; yields the function that advances it.

    unit: what is counted; "bytes" is shown in decimal megabytes.
    """
    report = _bar if sys.stderr.isatty() else _lines
    with report(description, total, unit) as advance:
        yield advance


@contextmanager
def _bar(description: str, total: float, unit: str) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    counts = (DownloadColumn(), TransferSpeedColumn()) if unit == "bytes" else (MofNCompleteColumn(),)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        *counts,
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(description, total=total, note="")

        def advance(amount: float = 1, note: str = "") -> None:
            bar.advance(task, amount)
            if note:
                bar.update(task, note=note)

        yield advance


@contextmanager
def _lines(description: str, total: float, unit: str) -> Iterator[Advance]:
    start = last = time.monotonic()
    done = 0.0

    def line(note: str) -> None:
        elapsed = time.monotonic() - start
        left = f", {elapsed / done * (total - done):.0f} s left" if 0 < done < total else ""
        amounts = (
            f"{done / 1e6:.1f} of {total / 1e6:.1f} MB ({done / 1e6 / max(elapsed, 1e-9):.1f} MB/s)"
            if unit == "bytes"
            else f"{done:.0f} of {total:.0f} {unit}"
        )
        print(
            f"{description}: {amounts}, {elapsed:.0f} s{left}{', ' if note else ''}{note}",
            file=sys.stderr,
            flush=True,
        )

    def advance(amount: float = 1, note: str = "") -> None:
        nonlocal done, last
        done += amount
        now = time.monotonic()
        if done >= total or now - last >= LOG_INTERVAL:
            last = now
            line(note)

    yield advance

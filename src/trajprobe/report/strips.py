"""Intervals drawn by the page itself: where each stands against zero and the band of gains too small to matter."""

from collections.abc import Sequence
from dataclasses import dataclass

from trajprobe.report.tables import Estimate

MARGIN = 0.06  # of the scale's length, left free at both of its ends


@dataclass(frozen=True)
class Strip:
    """One interval on the scale of its family: positions in percent of the strip's width."""

    zero: float
    rope_low: float
    rope_width: float
    low: float
    width: float
    value: float


def strips(gains: Sequence[Estimate], rope: float) -> list[Strip]:
    """A strip for each gain, all on one scale that has every interval and the whole band ±`rope` in view."""
    left = min([-2 * rope, *(gain.low for gain in gains)])
    right = max([2 * rope, *(gain.high for gain in gains)])
    margin = MARGIN * (right - left)

    def at(value: float) -> float:
        return round(100 * (value - left + margin) / (right - left + 2 * margin), 2)

    return [
        Strip(
            zero=at(0),
            rope_low=at(-rope),
            rope_width=round(at(rope) - at(-rope), 2),
            low=at(gain.low),
            width=round(at(gain.high) - at(gain.low), 2),
            value=at(gain.value),
        )
        for gain in gains
    ]

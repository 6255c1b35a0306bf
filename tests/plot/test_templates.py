"""The intervals that the pages draw themselves."""

import pytest

from trajprobe.core.schema import Interval
from trajprobe.plot.templates import interval_strips


def test_intervals_share_one_scale_that_holds_them_and_the_band() -> None:
    first, second = interval_strips([Interval(0.2, 0.1, 0.3), Interval(-0.1, -0.2, 0.0)], 0.02)
    length = (first.value - second.value) / 0.3  # percent of the strip for a gain of 1
    assert first.zero == second.zero
    assert first.width == pytest.approx(0.2 * length, abs=0.02)
    assert first.low - first.zero == pytest.approx(0.1 * length, abs=0.02)
    assert first.rope_width == pytest.approx(0.04 * length, abs=0.02)
    assert 0 < second.low < first.low + first.width < 100
    (alone,) = interval_strips([Interval(0, 0, 0)], 0.02)
    assert 0 < alone.rope_low < alone.rope_low + alone.rope_width < 100

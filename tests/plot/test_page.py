"""What the page derives from its data beyond formatting."""

from trajprobe.artifacts.comparisons import ClassGain
from trajprobe.core.schema import Interval
from trajprobe.plot.page import class_rows


def test_a_class_is_coloured_if_its_gain_is_significant() -> None:
    def gain(value: float, p_value: float) -> ClassGain:
        return ClassGain("c", 9, 0.5, 0.5, Interval(value, value - 0.1, value + 0.1), p_value)

    gains = [gain(0.3, 0.01), gain(-0.3, 0.01), gain(0.3, 0.06)]
    rows = class_rows(gains, rope=0.02, confidence=0.95)
    assert [row for row, _, _ in rows] == gains
    assert [tone for _, _, tone in rows] == ["helps", "hurts", "inconclusive"]
    assert len({strip.zero for _, strip, _ in rows}) == 1  # one scale

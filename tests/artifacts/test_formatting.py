"""Numbers as people read them, against hand-written examples."""

import pytest

from trajprobe.artifacts.formatting import (
    bare,
    counted,
    p_equals,
    p_value,
    percent,
    plus_minus,
    points,
    points_range,
    signed,
)


@pytest.mark.parametrize(
    ("value", "with_sign", "unsigned"),
    [(0.193, "+19.3", "19.3"), (-0.02, "−2.0", "−2.0"), (0.0, "0.0", "0.0"), (-0.0002, "0.0", "0.0")],
)
def test_points(value: float, with_sign: str, unsigned: str) -> None:
    assert points(value) == with_sign
    assert bare(value) == unsigned
    assert points_range(value, 0.5) == f"{unsigned} to 50.0"


def test_signed() -> None:
    assert [signed(value) for value in (0.612, -0.1, -0.004, 0.0)] == ["+0.61", "−0.10", "0.00", "0.00"]


def test_percent_and_plus_minus() -> None:
    assert percent(0.8637) == "86.4 %"
    assert percent(0.95, 0) == "95 %"
    assert (percent(0.95, None), percent(0.995, None)) == ("95 %", "99.5 %")
    assert (plus_minus(0.02), plus_minus(0.025)) == ("±2", "±2.5")


@pytest.mark.parametrize(
    ("value", "text"),
    [(2e-300, "< 0.001"), (0.0, "< 0.001"), (0.0312, "0.031"), (0.242, "0.24"), (1.0, "1.00")],
)
def test_p_value(value: float, text: str) -> None:
    assert p_value(value) == text
    assert p_equals(value) == (f"p {text}" if "<" in text else f"p = {text}")


def test_counted() -> None:
    assert [counted(1, "class"), counted(1200, "class"), counted(2, "clip")] == [
        *("1 class", "1,200 classes", "2 clips")
    ]

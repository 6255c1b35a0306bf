"""Numbers as people read them, against hand-written examples."""

import pytest

from trajprobe.artifacts.formatting import (
    ACCURACY,
    R2,
    bare,
    counted,
    p_equals,
    p_value,
    percent,
    points,
    points_range,
    scale_of,
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


def test_percent() -> None:
    assert percent(0.8637) == "86.4 %"
    assert percent(0.95, 0) == "95 %"
    assert (percent(0.95, None), percent(0.995, None)) == ("95 %", "99.5 %")


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


@pytest.mark.parametrize("value", [0.0, 0.00049, 0.29, 0.5735, -0.0004, -0.193, 1.0])
def test_accuracy_is_written_as_percent_and_points(value: float) -> None:
    assert ACCURACY.difference(value) == points(value)
    assert ACCURACY.bare(value) == bare(value)
    assert ACCURACY.between(value, 0.5) == points_range(value, 0.5)
    if value >= 0:
        assert ACCURACY.value(value) == percent(value)


def test_r2_is_written_with_two_decimals_and_no_unit() -> None:
    assert scale_of(0) is R2
    assert [R2.value(value) for value in (0.614, -0.004, -1.5)] == ["0.61", "0.00", "−1.50"]
    assert [R2.difference(value) for value in (0.124, -0.2, 0.001)] == ["+0.12", "−0.20", "0.00"]
    assert (R2.sized(0.12), R2.region(0.02), R2.between(-0.1, 0.25)) == ("0.12", "±0.02", "−0.10 to 0.25")
    assert (R2.measure, R2.axis) == ("R²", "held-out R²")
    assert scale_of(2) is ACCURACY
    assert (ACCURACY.sized(0.12), ACCURACY.region(0.025)) == ("12.0 points", "±2.5 points")
    assert (ACCURACY.measure, ACCURACY.axis) == ("points", "held-out accuracy, %")

"""Attributes of paths against closed forms; R^2 and its interval against known variances."""

import numpy as np
import pytest

from made_harness import make_harness
from trajprobe.analyse.attributes import attribute_gains, middle_frame, path_attributes
from trajprobe.analyse.harness import mean_interval
from trajprobe.compare.random_effects import ratio_scores
from trajprobe.probe.held_out import HalfPair, make_split_halves

SECONDS = np.linspace(0, 2, 401)
RADIUS, RATE, RISE = (
    3.0,
    2 * np.pi,
    1.5,
)  # of circle and helix: radians and height per second, so two whole turns
ACROSS, FALL = 1.2, 4.0  # of the parabola: speed and acceleration


def attributes(*axes: np.ndarray, strokes: np.ndarray | None = None) -> dict[str, np.ndarray]:
    points = np.stack(axes, axis=1).astype(np.float32)
    found = path_attributes([SECONDS], [points], None if strokes is None else [strokes], 9)
    return {name: rows[0] for name, rows in found.items()}


def expect(found: dict[str, np.ndarray], direction: list[float], **sizes: float) -> None:
    assert list(found) == ["speed", "direction", "curvature", "acceleration", "length"]
    for name, size in sizes.items():
        assert np.expm1(found[name]) == pytest.approx(size, rel=5e-3, abs=2e-3), name
    assert found["direction"] == pytest.approx(direction, abs=2e-3)


def test_a_circle() -> None:
    angle = RATE * SECONDS
    expect(
        attributes(RADIUS * np.cos(angle), RADIUS * np.sin(angle)),
        [0, 0],
        speed=RADIUS * RATE,
        curvature=1 / RADIUS,
        acceleration=RADIUS * RATE**2,
        length=2 * RADIUS * RATE,
    )


def test_a_helix_leads_along_its_axis() -> None:
    angle, speed = RATE * SECONDS, np.hypot(RADIUS * RATE, RISE)
    expect(
        attributes(RADIUS * np.cos(angle), RADIUS * np.sin(angle), RISE * SECONDS),
        [0, 0, RISE / speed],
        speed=speed,
        curvature=RADIUS * RATE**2 / speed**2,
        acceleration=RADIUS * RATE**2,
        length=2 * speed,
    )


def test_a_line_has_a_unit_direction_and_nothing_else_but_speed_and_length() -> None:
    found = attributes(3 * SECONDS, -4 * SECONDS)
    expect(found, [0.6, -0.8], speed=5, curvature=0, acceleration=0, length=10)


def test_a_parabola() -> None:
    end, middle = SECONDS[-1], SECONDS[200]

    def speed(time: float) -> float:
        return float(np.hypot(ACROSS, FALL * time))

    length = end * speed(end) / 2 + ACROSS**2 / (2 * FALL) * np.arcsinh(FALL * end / ACROSS)
    expect(
        attributes(ACROSS * SECONDS, -FALL * SECONDS**2 / 2),
        [ACROSS * end / length, -FALL * end**2 / 2 / length],
        speed=speed(middle),
        curvature=ACROSS * FALL / speed(middle) ** 3,
        acceleration=FALL,
        length=length,
    )


def test_nothing_is_measured_while_the_pen_is_lifted() -> None:
    jump = np.where(SECONDS < 1, 0.0, 50.0)
    found = attributes(2 * SECONDS, jump, strokes=(SECONDS >= 1).astype(np.int32))
    expect(found, [1, 0], speed=2, curvature=0, acceleration=0, length=2 * (2 - SECONDS[1]))


def test_a_path_that_never_moves_has_zeros() -> None:
    still = np.zeros_like(SECONDS)
    expect(attributes(still, still), [0, 0], speed=0, curvature=0, acceleration=0, length=0)


def test_the_middle_frame_is_a_part_of_the_pixels() -> None:
    pixels = np.arange(2 * 5 * 144, dtype=np.float32).reshape(2, -1)
    assert np.array_equal(middle_frame(pixels, 5), pixels[:, 2 * 144 : 3 * 144])


def halves(y: np.ndarray, count: int = 4) -> list[HalfPair]:
    names = [str(item) for item in range(len(y))]
    return make_split_halves(y, names, [""] * len(y), split="folds", folds=3, count=count, seed=0)


def test_r2_is_one_for_features_that_hold_the_attribute_and_none_for_noise() -> None:
    rng = np.random.default_rng(1)
    y = np.arange(240) % 3
    length, direction = rng.normal(size=(240, 1)), rng.normal(size=(240, 2))
    noise = rng.normal(size=(3, 240, 4))
    arms = [
        np.column_stack([length, direction]),
        *(np.column_stack([length + one[:, :1], one]) for one in noise),
    ]
    given = {"length": length, "direction": direction, "speed": np.full((240, 1), 2.0)}
    found = attribute_gains(make_harness(arms, y), given, noise[0], halves(y))
    assert [each.attribute for each in found] == [
        "length",
        "direction",
    ]  # one speed has no variance to explain
    for each in found:
        assert each.pretrained.value == pytest.approx(1, abs=1e-2)
        assert each.gain.value == pytest.approx(each.pretrained.value - each.random.value, abs=1e-9)
        assert each.gain.low < each.gain.value < each.gain.high
        assert each.single_frame.value == pytest.approx(0, abs=0.06)
    # length + noise of equal variance, with the noise itself in the next columns: nothing is lost
    assert found[0].random.value == pytest.approx(1, abs=1e-2)
    assert found[1].random.value == pytest.approx(0, abs=0.06)


def test_half_of_the_variance_is_an_r2_of_a_half() -> None:
    rng = np.random.default_rng(2)
    length = rng.normal(size=(3000, 1))
    arms = [length + rng.normal(size=length.shape) for _ in range(3)]
    y = np.arange(3000) % 3
    found = attribute_gains(make_harness(arms, y), {"length": length}, arms[0], halves(y, 2))
    assert found[0].pretrained.value == pytest.approx(0.5, abs=0.04)
    assert found[0].single_frame.value == pytest.approx(
        found[0].pretrained.value, abs=1e-6
    )  # the same, in float64
    assert found[0].gain.low < 0 < found[0].gain.high


def test_the_interval_of_a_ratio_covers_it() -> None:
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(400):
        base = rng.gamma(2, size=100)
        saved = 0.6 * base + 0.3 * rng.normal(size=100) + 0.1 * rng.normal(size=(6, 1)) * base
        saved = saved + 0.5 * rng.normal(size=saved.shape)
        scores = ratio_scores(saved, base)
        assert scores.mean() == pytest.approx(saved.mean() / base.mean())
        found = mean_interval(scores, np.arange(100), 0.95)
        covered += found.low <= 0.6 <= found.high
    assert 0.92 <= covered / 400 <= 0.985

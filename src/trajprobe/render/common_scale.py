"""What clips share: one scale and one clock for all paths, or each path fitted to its own frame and duration.

With `render.fit: item` and `render.time: item` every path fills the frame and the clip, so its shape is seen best, but
its size and its speed cannot be seen at all. Under `dataset` they can: paths keep the ratios of their sizes, and of
their speeds. The price is that the largest and the longest path decide for all: the others are small, or rest for the
remainder of the clip. `describe_scale` tells how much either way.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from trajprobe.core.schema import YAxis
from trajprobe.render.camera import CommonFit, fit_all
from trajprobe.render.params import RenderParams


@dataclass(frozen=True)
class CommonScale:
    """fit: of all paths, or None. duration: of all clips in seconds, or None."""

    fit: CommonFit | None = None
    duration: float | None = None


def common_scale(
    points: Sequence[np.ndarray],
    times: Sequence[np.ndarray],
    render: RenderParams,
    y_axis: YAxis,
    generator: Callable[[int], np.random.Generator],
) -> CommonScale:
    """What N paths share under `render.fit` and `render.time`. generator: of item i, for its camera.

    points: (P, 2|3) each. times: (P,) seconds each. Raises UserError if `render.view` does not fit the points.
    """
    fit = None
    if render.fit == "dataset":
        fit = fit_all([np.asarray(path, np.float64) for path in points], render, y_axis, generator)
    return CommonScale(fit, max(map(_duration, times)) if render.time == "dataset" else None)


def describe_scale(
    points: Sequence[np.ndarray], times: Sequence[np.ndarray], render: RenderParams
) -> list[str]:
    """Two lines on what the clips show of the sizes and of the durations of N paths, with the figures."""
    sizes = np.array([np.ptp(path.astype(np.float64), axis=0).max() for path in points])
    durations = np.array([_duration(clock) for clock in times])
    lines = []
    for key, values, shared, lost in (
        (
            "fit",
            sizes,
            "one scale for all: the median path is {:.0%} as large as the largest",
            "each path has its own scale: their sizes, which {}, are not shown",
        ),
        (
            "time",
            durations,
            "one clock for all: the median path moves during {:.0%} of its clip, then rests",
            "each clip lasts as long as its path: their durations, which {}, are not shown",
        ),
    ):
        if getattr(render, key) == "dataset":
            lines.append(f"render.{key}: dataset: {shared.format(np.median(values) / values.max())}")
        else:
            lines.append(f"render.{key}: item: {lost.format(_differ(values))}")
    return lines


def _differ(values: np.ndarray) -> str:
    """How much positive numbers differ, in words. A path at rest has the size zero."""
    low, high = np.quantile(values, (0.05, 0.95))
    if high <= 1.005 * low:
        return "are equal"
    if low <= 0:
        return "differ without bound (some paths are at rest)"
    return f"differ by a factor of {high / low:.2g} (between the 5 % and 95 % quantiles)"


def _duration(times: np.ndarray) -> float:
    return float(times[-1] - times[0])

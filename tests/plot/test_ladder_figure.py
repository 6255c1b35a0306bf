"""The figure of the ladder: every row has its name, its mark with its interval and its costs in one line, the best
first; filled where it is tied for best."""

import pytest
from matplotlib.colors import to_rgba

from trajprobe.artifacts.comparisons import LadderRow
from trajprobe.core.schema import Interval
from trajprobe.plot.ladder_figure import draw_ladder
from trajprobe.plot.style import drawing
from trajprobe.plot.theme import THEMES, Theme


def row(
    name: str, arm: str, accuracy: float, tied: bool, parameters: int | None, multiply_adds: int | None = None
) -> LadderRow:
    interval = Interval(accuracy, accuracy - 0.05, accuracy + 0.03)
    return LadderRow(name, arm, 1, interval, None, 1.0, tied, False, parameters, multiply_adds)


ROWS = [
    row("e", "pretrained", 0.8, False, 10_000, 3_000_000),
    row("kinematics", "baseline", 0.9, True, 100),
    row("finetune", "pretrained", 0.78, False, 10_000, 3_000_000),
    row("e", "random", 0.6, False, 10_000, 3_000_000),
    row("pixels", "control", 0.7, True, None),
]


@pytest.mark.parametrize("theme", THEMES, ids=["light", "dark"])
@pytest.mark.parametrize("rows", [ROWS, ROWS[1:2], ROWS[4:]], ids=["all", "sized", "unsized"])
def test_every_row_has_its_name_its_interval_and_its_costs_in_one_line(
    rows: list[LadderRow], theme: Theme
) -> None:
    with drawing(theme):
        figure = draw_ladder(rows, 0.25, theme)
    best_first = sorted(rows, key=lambda each: -each.accuracy.value)
    accuracy, *costs = figure.axes
    assert [label.get_text() for label in accuracy.get_yticklabels()] == [
        "e, random" if each.arm == "random" else each.name for each in best_first
    ]
    assert [label.get_fontweight() == "bold" for label in accuracy.get_yticklabels()] == [
        each.tied for each in best_first
    ]
    found = {
        gid: [line for line in accuracy.lines if line.get_gid() == gid] for gid in ("estimate", "interval")
    }
    for line, each in enumerate(best_first):
        estimate, interval = found["estimate"][line], found["interval"][line]
        assert (estimate.get_xdata()[0], estimate.get_ydata()[0]) == (each.accuracy.value, line)
        assert (tuple(interval.get_xdata()), set(interval.get_ydata())) == (
            (each.accuracy.low, each.accuracy.high),
            {line},
        )
        assert (to_rgba(estimate.get_markerfacecolor()) != to_rgba(theme.surface)) == each.tied
    counts = [[each.parameters for each in best_first], [each.multiply_adds for each in best_first]]
    counts = [each for each in counts if any(each)]
    assert len(costs) == len(counts)
    for axes, expected in zip(costs, counts, strict=True):
        drawn = {line.get_ydata()[0]: 10 ** line.get_xdata()[0] for line in axes.lines}
        assert drawn == pytest.approx({line: count for line, count in enumerate(expected) if count})
        low, high = axes.get_xlim()
        assert all(low < line.get_xdata()[0] < high for line in axes.lines)


def test_nothing_overlaps_however_many_rows_there_are() -> None:
    rows = [
        row(f"number{index}", "baseline", 0.8 + index / 1000, False, 500, 10 ** (index % 9 + 3))
        for index in range(20)
    ]
    with drawing(THEMES[0]):
        figure = draw_ladder(rows, 0.25, THEMES[0])
        figure.canvas.draw()
        labels = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
        beside = [text.get_window_extent() for axes in figure.axes for text in axes.texts]
        ticks = [
            label.get_window_extent()
            for axes in figure.axes
            for label in axes.get_xticklabels()
            if axes.get_xlim()[0] <= label.get_position()[0] <= axes.get_xlim()[1]
        ]
    for boxes in (labels, beside, ticks):
        assert not any(one.overlaps(other) for one in boxes for other in boxes if one is not other)
    assert all(box.x0 >= 0 for box in labels)
    assert all(box.x1 <= figure.bbox.width for box in beside)

"""The figure of the ladder: every row has one mark with its interval, at its size; filled where it is tied for best."""

import itertools

import pytest
from matplotlib.colors import to_rgba

from trajprobe.artifacts.comparisons import LadderRow
from trajprobe.core.schema import Interval
from trajprobe.plot.ladder_figure import draw_ladder
from trajprobe.plot.style import drawing
from trajprobe.plot.theme import THEMES


def row(name: str, arm: str, accuracy: float, tied: bool, parameters: int | None) -> LadderRow:
    interval = Interval(accuracy, accuracy - 0.05, accuracy + 0.03)
    return LadderRow(name, arm, 1, interval, None, 1.0, tied, False, parameters)


ROWS = [
    row("e", "pretrained", 0.8, False, 10_000),
    row("kinematics", "baseline", 0.9, True, 100),
    row("finetune", "pretrained", 0.78, False, 10_000),
    row("e", "random", 0.6, False, 10_000),
    row("pixels", "control", 0.7, True, None),
]


@pytest.mark.parametrize("rows", [ROWS, ROWS[:4], ROWS[4:]], ids=["both", "sized", "unsized"])
def test_every_row_has_its_mark_its_interval_and_its_name(rows: list[LadderRow]) -> None:
    theme = THEMES[0]
    with drawing(theme):
        figure = draw_ladder(rows, 0.25, theme)
    sizes = {each.accuracy.value: each.parameters for each in rows}
    tied = {each.accuracy.value: each.tied for each in rows}
    marks, ends, names = {}, set(), []
    for axes in figure.axes:
        names += [text.get_text() for text in axes.texts]
        for line in axes.lines:
            if line.get_gid() == "estimate":
                value = float(line.get_ydata()[0])
                marks[value] = float(line.get_xdata()[0])
                filled = to_rgba(line.get_markerfacecolor()) != to_rgba(theme.surface)
                assert filled == tied[value]
            elif line.get_gid() == "interval":
                ends.add(tuple(line.get_ydata()))
    assert marks.keys() == sizes.keys()
    assert ends == {(each.accuracy.low, each.accuracy.high) for each in rows}
    assert len({*marks.values()}) == len(rows)  # no mark hides another
    for value, size in sizes.items():
        if size:
            assert 10 ** marks[value] == pytest.approx(size, rel=0.3)

    assert sorted(names) == sorted(
        f"{each.name}, random" if each.arm == "random" else each.name for each in rows
    )


def test_names_of_one_size_do_not_overlap() -> None:
    rows = [row(f"number{index}", "baseline", 0.8 + index / 1000, False, 500) for index in range(6)]
    with drawing(THEMES[0]):
        figure = draw_ladder(rows, 0.25, THEMES[0])
        figure.canvas.draw()
        boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    levels = sorted(box.y0 for box in boxes)
    assert min(b - a for a, b in itertools.pairwise(levels)) >= 0.9 * boxes[0].height

"""The page of a study: each row in the unit of its own score."""

from dataclasses import replace

from trajprobe.artifacts.formatting import R2
from trajprobe.commands.study_page import ExperimentRow, render_study
from trajprobe.core.schema import Interval

ROW = ExperimentRow("one", 90, 0.75, 0.5, Interval(0.25, 0.125, 0.375), 0.25, "helps", "So.", "")


def test_accuracy_is_in_points_and_r2_is_not() -> None:
    def page(*rows: ExperimentRow) -> str:
        return render_study("s", "Why?", rows, [], {}, "", 0.02).replace("\N{NO-BREAK SPACE}", " ")

    classes, numbers = page(ROW), page(replace(ROW, scale=R2))
    for said in ("75.0 %", "+25.0", "12.5 to 37.5", "±25.0"):
        assert said in classes
        assert said not in numbers
    for said in ("0.75", "+0.25", "0.12 to 0.38", "±0.25", "R² takes the place of accuracy"):
        assert said in numbers
        assert said not in classes

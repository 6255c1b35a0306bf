"""The plan as it is printed, against the design functions (see tests/compare/test_design.py) and the costs of a run."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from made_study import make_study
from trajprobe import cli
from trajprobe.artifacts.formatting import bare
from trajprobe.artifacts.predictions import read_predictions, write_predictions
from trajprobe.commands import planning
from trajprobe.commands.planning import Goal, assumed_pilot, describe_pilot, designs_for, read_pilot
from trajprobe.commands.preview.cost_model import (
    ControlTimes,
    EncoderTimes,
    FitTimes,
    StageCost,
    StudyPlan,
    extract_seconds,
    in_total,
    money,
)
from trajprobe.commands.preview.previewing import duration, size
from trajprobe.commands.preview.run_costs import EncoderWork, MeasuredWork, stage_costs
from trajprobe.compare.design import ENDLESS, Design, components_of_study
from trajprobe.compare.paired_predictions import pair_predictions
from trajprobe.core import paths
from trajprobe.core.errors import UserError
from trajprobe.params import load_params

ROOT = Path(__file__).parents[2]
PLAN = StudyPlan(items=1000, classes=4, folds=5, repeats=3, split_halves=20, random_inits=8, workers=2)
FITS = FitTimes(items=1000, rows=800, full=0.8, half=0.05, tiny_rows=100, tiny=0.05)
TIMES = EncoderTimes(0.5, 0.01, [128])
WEIGHTS = StageCost("fetch e", "", 0.0, 2e6)


def work(device: str = "cpu") -> MeasuredWork:
    return MeasuredWork(
        plan=PLAN,
        read=2.0,
        path_bytes=1e6,
        drawn=0.002,
        clip_bytes=5e3,
        controls=ControlTimes(0.3, 0.001, 1800),
        control_fits=FITS,
        encoders={"e": EncoderWork(WEIGHTS, (TIMES, FITS))},
        step=0.001,
        device=device,
    )


def test_costs_are_those_of_the_size_that_is_planned() -> None:
    larger = work().resized(3000, 20)
    assert (larger.plan.items, larger.plan.random_inits, larger.read, larger.path_bytes) == (
        3000,
        20,
        6.0,
        3e6,
    )
    rows = {row.stage: row for row in stage_costs(larger, load_params(ROOT / "params.yaml"))}
    assert rows["extract e"].seconds == extract_seconds(larger.plan, TIMES)
    assert rows["extract e"].work == "21 arms x 3,000 clips"
    assert rows["render"].disk == 3000 * 5e3
    assert rows["fetch e"] == WEIGHTS


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_table_names_the_designs_and_their_costs(
    device: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    params, own = load_params(), work(device)
    chosen = SimpleNamespace(trajectories=SimpleNamespace(labels=["a"] * 1000, classes=["a"]))
    monkeypatch.setattr(planning, "choose_items", lambda params: chosen)
    monkeypatch.setattr(planning, "measure_work", lambda *given: own)
    planning.run(params, None, (0.02, 0.3), 0.08, None, 1.5)
    said = capsys.readouterr().out
    parts = assumed_pilot(0.02, 0.3, Design(8, 1000)).components
    goal = Goal("", lambda design: parts.detectable(design, 0.95), 0.08)
    needed = dict(designs_for(assumed_pilot(0.02, 0.3, Design(8, 1000)), goal))
    items = needed[20]
    assert items is not None
    total = in_total(stage_costs(own.resized(items, 20), params))
    extract = extract_seconds(own.resized(items, 20).plan, TIMES)
    assert total.seconds is not None
    expected = [
        "20",
        f"{items:,}",
        f"±{bare(parts.half_width(Design(20, items), 0.95))}",
        *duration(total.seconds).split(),
        *([f"{extract / 3600:.2g}"] if device == "cuda" else duration(extract).split()),
        *size(total.disk).split(),
        f"{money(total.seconds, 1.5):.2f}",
    ]
    assert expected in [line.split() for line in said.splitlines()]
    assert ("GPU-hours" in said) == (device == "cuda")
    assert "To detect a gain of 8.0 points (80 % power in both tests, two-sided 5 %)" in said
    assert "To show equivalence within ±2 points" in said
    least = parts.equivalence(Design(5, ENDLESS), 0.95)
    assert least > 0.02
    assert f"none: {bare(least)} at best" in said


@pytest.mark.parametrize(("spread", "limit"), [(0.05, "Initialisations limit."), (0.001, "Items limit.")])
def test_it_says_what_limits(spread: float, limit: str) -> None:
    pilot = assumed_pilot(spread, 0.3, Design(8, 480))
    detect = Goal("", lambda design: pilot.components.detectable(design, 0.95), 0.05)
    equal = Goal("", lambda design: pilot.components.equivalence(design, 0.95), 0.02)
    said = " ".join(describe_pilot(pilot, detect, equal, 0.95))
    assert limit in said
    least = pilot.components.detectable(Design(8, ENDLESS), 0.95)
    assert f"With 8 initialisations no number of items detects less than about {bare(least)} points" in said


def test_a_finished_study_is_a_pilot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_study(tmp_path, encoders={"tiny": (0.9, 0.6), "lone": (0.8, 0.7)}, per_class=20, inits=3)
    pilot = read_pilot("tiny")
    files = {name: read_predictions(paths.predictions(name)) for name in ("tiny", "controls")}
    paired = pair_predictions(files)
    assert pilot.components == components_of_study(paired, paired.contrasts["tiny"][0])
    assert (pilot.design, pilot.group_size) == (Design(3, 40), 1)
    assert pilot.about.startswith("Pilot: tiny, 40 items held out, 3 initialisations, gain +")
    never = Goal("", lambda design: 1 / design.groups, 0.0)
    said = " ".join(describe_pilot(pilot, never, never, 0.95))
    spread = pilot.components.draw(pilot.design).scale / (1 + 1 / 3) ** 0.5
    assert f"has a standard deviation of {bare(spread)} points (" in said

    paths.predictions("tiny").unlink()
    with pytest.raises(UserError, match=r"tiny\.parquet: is missing; .* or give --spread and --disagreement"):
        read_pilot("tiny")
    one = tmp_path / "one"
    one.mkdir()
    monkeypatch.chdir(one)
    make_study(one, per_class=20, inits=1)
    with pytest.raises(UserError, match="2 or more random initialisations are required of a pilot, found 1"):
        read_pilot("tiny")
    with pytest.raises(UserError, match=r"extract\.random_inits: 2 or more are required of a plan, got 1"):
        assumed_pilot(0.02, 0.3, Design(1, 100))


@pytest.mark.parametrize(
    ("inits", "remedy"),
    [
        (8, "Raise extract.random_inits to 20 in the pilot, to see how often that happens."),
        (20, "Plan for more initialisations than it asks for."),
    ],
)
def test_an_outlying_initialisation_of_the_pilot_is_a_warning(
    inits: int, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_study(tmp_path, per_class=20, inits=inits)
    assert read_pilot("tiny").warning == ""
    file = read_predictions(paths.predictions("tiny"))
    place = next(
        place for place, each in enumerate(file.arms) if (each.arm.arm, each.arm.init) == ("random", 3)
    )
    collapsed = replace(file.arms[place], predicted=np.zeros_like(file.arms[place].predicted) + (file.y == 0))
    arms = [*file.arms[:place], collapsed, *file.arms[place + 1 :]]
    write_predictions(paths.predictions("tiny"), replace(file, arms=arms))  # always wrong
    pilot = read_pilot("tiny")
    never = Goal("", lambda design: 1 / design.groups, 0.0)
    _, warning, *_ = describe_pilot(pilot, never, never, 0.95)
    assert warning.startswith("Warning: initialisation 3 of the pilot (0.0 %) lies far from the others. ")
    assert warning.endswith(remedy)


def test_assumed_figures_come_in_twos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    done = CliRunner().invoke(cli.app, ["plan", "--spread", "3"])
    assert done.exit_code == 2
    assert "both are required, or neither" in done.output

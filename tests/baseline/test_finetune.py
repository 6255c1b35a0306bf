"""Fine-tuning: at a rate of zero it is the frozen probe, in both arms of any family; it learns what the frozen
encoder does not show; at chance on shuffled labels; the same numbers again; mistakes in one line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from made_baselines import MAGVIT, baseline_params, make_encoder, make_moves, shuffle_labels
from running import run
from trajprobe.artifacts.clips import open_clips, write_clips
from trajprobe.artifacts.predictions import Predictions, read_predictions
from trajprobe.core import paths
from trajprobe.core.errors import UserError

SETTINGS = {"epochs": 1, "batch": 8, "rate": 0.0, "seeds": 2, "repeats": 1, "split_halves": 1}
RESNET: dict[str, Any] = {}  # the encoder of made_baselines, with batch norms


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRAJPROBE_CACHE", str(tmp_path / "cache"))


def finetuned(workers: int = 1, **changes: Any) -> Predictions:
    run("baseline", baseline_params(finetune={**SETTINGS, **changes}), "finetune", workers=workers)
    return read_predictions(paths.predictions("finetune"))


def accuracy(found: Predictions, kind: str) -> float:
    return float(np.mean([arm.predicted == found.y for arm in found.arms if arm.arm.arm == kind]))


@pytest.mark.parametrize("encoder", [RESNET, MAGVIT], ids=["resnet", "open_magvit2"])
def test_at_a_rate_of_zero_it_is_the_frozen_probe(encoder: dict[str, Any]) -> None:
    make_encoder(**encoder)
    y = make_moves(18)
    run("extract", baseline_params(), "small")
    run("probe", baseline_params(), "small", workers=1)
    frozen = {
        (each.arm.arm, each.arm.init): each for each in read_predictions(paths.predictions("small")).arms
    }
    found = finetuned()
    assert [(each.arm.arm, each.arm.init) for each in found.arms] == [
        *(("pretrained", 0), ("pretrained", 1), ("random", 0), ("random", 1))
    ]
    for each in found.arms:
        init = 0 if each.arm.arm == "pretrained" else each.arm.init
        expected = frozen[each.arm.arm, init]
        assert each.probability == pytest.approx(expected.probability, abs=1e-4)
        assert np.array_equal(each.fold, expected.fold)
    assert np.array_equal(found.y, y)
    assert found.split_half_counts.shape == (1, 2, 2)


@pytest.mark.slow
def test_it_learns_what_the_frozen_encoder_does_not_show() -> None:
    """Stripes that fall or rise, under noise: convolutions can be tuned to them."""
    make_encoder()
    y = make_moves(96)
    rng = np.random.default_rng(1)
    i, j = np.mgrid[:16, :16]
    waves = [np.sin((i + j if up else i - j) * np.pi / 3 + rng.uniform(0, 2 * np.pi)) for up in y]
    noisy = 128 + 30 * np.array(waves)[:, None, :, :, None] + rng.normal(0, 60, (96, 1, 16, 16, 3))
    clips = noisy.clip(0, 255).astype(np.uint8)
    write_clips(paths.VIDEOS, clips.shape, [clips], items=open_clips(paths.VIDEOS).items, drawn={})
    settings = {"epochs": 12, "seeds": 1, "split_halves": 0}
    frozen, trained = finetuned(**settings), finetuned(**settings, rate=4e-3)
    for kind in ("pretrained", "random"):
        assert accuracy(trained, kind) > accuracy(frozen, kind) + 0.02
        assert accuracy(trained, kind) > 0.9


def test_on_shuffled_labels_it_is_at_chance() -> None:
    make_encoder(**MAGVIT)
    make_moves(40)
    shuffle_labels()
    found = finetuned(rate=0.01, epochs=2, seeds=1, split_halves=0)
    for kind in ("pretrained", "random"):
        correct = round(40 * accuracy(found, kind))
        assert binom.ppf(0.001, 40, 0.5) <= correct <= binom.ppf(0.999, 40, 0.5)


def test_a_killed_stage_and_processes_give_the_same_bytes() -> None:
    make_encoder(**MAGVIT)
    make_moves(18)
    finetuned(rate=0.01, epochs=1, seeds=1)
    written = paths.predictions("finetune").read_bytes()
    finished = sorted(Path("cache/trainings").rglob("*.shard"))
    # Two arms and three folds, and two halves of each arm.
    assert len(finished) == 2 * 3 + 2 * 2
    for shard in finished[::2]:
        shard.unlink()
    finetuned(workers=2, rate=0.01, epochs=1, seeds=1)
    assert paths.predictions("finetune").read_bytes() == written


def test_an_encoder_without_weights_is_one_line() -> None:
    make_encoder(**MAGVIT)
    make_moves(12)
    params = baseline_params()
    extract = params.extract.model_copy(update={"layer": ["codes"], "pooling": ["mean"]})
    with pytest.raises(
        UserError, match=r"^baselines: finetune needs an encoder that can be trained, and codes of small"
    ):
        run("baseline", params.model_copy(update={"extract": extract}), "finetune", workers=1)
    assert not paths.predictions("finetune").exists()

"""A finished study made up for the tests of the page: every artifact that `plot` reads, of any shape, in seconds.

Predictions are drawn so that each arm has about the accuracy asked for; the metrics are what the comparison makes of
them. The working directory must be the study's folder.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from trajprobe import paths
from trajprobe.features.order import DISORDERS
from trajprobe.files import write_json
from trajprobe.params.encoder_card import EncoderCard
from trajprobe.params.study import Params, load_params
from trajprobe.probe.predictions import Arm, Held, Predictions, write_predictions
from trajprobe.stages import compare
from trajprobe.trajectories.table import TrajectorySet, write_trajectories
from trajprobe.video.store import write_clips

ROOT = Path(__file__).parents[2]
CONTROLS = {"coordinates": 0.97, "pixels": 0.5, "random_projection": 0.45}
ASKED = ("label_efficiency", "description_length", "selectivity", "knn")
PROVENANCE = {
    "summary": "133 of 133 tensors, 144.9 M parameters, EMA",
    "source": "hf://TencentARC/Open-MAGVIT2-Tokenizer-262144-Video/video_128_262144.ckpt",
    "revision": "1f2e3d4c",
    "sha256": "ab" * 32,
}


def make_study(
    folder: Path,
    classes: Sequence[str] = ("linear", "circular"),
    encoders: Mapping[str, tuple[float, float]] | None = None,
    per_class: int = 6,
    inits: int = 3,
    repeats: int = 2,
    folds: int = 3,
    places: Sequence[tuple[str, str]] = (("mid", "mean"),),
    size: int = 16,
    frames: int = 5,
    source: str = "synthetic",
    rope: float = 0.02,
    aside: int = 0,
    seed: int = 0,
    asked: Sequence[str] = ASKED,
) -> Params:
    """Write the study into `folder` and return its params.

    encoders: accuracy of the pretrained arm and mean accuracy of the random ones, by name. folds: 1 makes the last
    third of the items the published test part. aside: items in the quarantine. asked: the analyses that are on.
    """
    encoders = encoders or {"tiny": (0.9, 0.6)}
    rng, certainty = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    count = len(classes) * per_class
    codes = np.arange(count) % len(classes)
    labels = [classes[code] for code in codes]
    ids = [f"item-{index:04d}" for index in range(count)]
    held_out = np.arange(count) if folds > 1 else np.arange(count * 2 // 3, count)
    splits = [""] * count if folds > 1 else ["test" if i in set(held_out) else "train" for i in range(count)]

    _write_config(folder, list(encoders), source, per_class, rope)
    times = [np.arange(4.0)] * count
    points = [rng.normal(size=(4, 2)).astype(np.float32) for _ in range(count)]
    trajectories = TrajectorySet(
        ids, labels, ids, splits, times, points, list(classes), source, "0" * 64, "up"
    )
    write_trajectories(trajectories, folder / "data/trajectories.parquet")
    manifest = "item_id,label,reason\n" + "bad,linear,made up\n" * aside
    (folder / "data/quarantine.csv").write_text(manifest)
    clips = rng.integers(0, 40, (count, frames, size, size, 3), dtype=np.uint8)
    for frame in range(frames):
        clips[:, frame, size // 2, : 1 + frame * (size - 1) // max(frames - 1, 1)] = (249, 115, 22)
    write_clips(folder / "data/videos.zarr", clips.shape, [clips])

    def held(arm: Arm, accuracy: float) -> Held:
        shape = (repeats if folds > 1 else 1, len(held_out))
        right = rng.random(shape) < accuracy
        wrong = (codes[held_out] + rng.integers(1, len(classes), shape)) % len(classes)
        predicted = np.where(right, codes[held_out], wrong)
        least = 1 / len(classes)
        sure = least + (1 - least) * certainty.beta(2 + 2 * right, 2 - 0.5 * right)
        rest = ((1 - sure) / (len(classes) - 1))[..., None]
        probability = np.broadcast_to(rest, (*shape, len(classes))).astype(np.float32)
        np.put_along_axis(probability, predicted[..., None], sure[..., None].astype(np.float32), axis=-1)
        fold = np.tile(np.arange(len(held_out)) % folds, (shape[0], 1))
        return Held(arm, fold, predicted, np.ones(shape), probability)

    def write(name: str, arms: list[Held]) -> None:
        own = [ids[index] for index in held_out]
        target = folder / f"data/predictions/{name}.parquet"
        features = {
            "card": _card(name),
            "provenance": PROVENANCE,
            "layers": [place[0] for place in places],
            "poolings": [place[1] for place in places],
            "order": {
                arm: {f"{layer}/{pooling}": dict.fromkeys(DISORDERS, 0.5) for layer, pooling in places}
                for arm in ("pretrained", "random")
            },
        }
        predictions = Predictions(
            own, own, codes[held_out], list(classes), "digest", (1e-4, 1e2), arms, features
        )
        write_predictions(target, predictions)

    for name, (pretrained, random) in encoders.items():
        arms = []
        for number, (layer, pooling) in enumerate(places):
            drop = 0.04 * number
            arms.append(held(Arm(name, "pretrained", 0, layer, pooling), pretrained - drop))
            for init in range(inits):
                level = random - drop + rng.normal(0, 0.01)
                arms.append(held(Arm(name, "random", init, layer, pooling), level))
        write(name, arms)
        made = make_analyses(name, len(classes), pretrained, random, inits, asked)
        write_json(folder / paths.analyses(name), made)
    floor = {"hash_noise": 1 / len(classes)}
    write("controls", [held(Arm(name, "control"), level) for name, level in {**CONTROLS, **floor}.items()])
    params = load_params(folder / "params.yaml")
    compare.run(params)
    return params


def make_analyses(
    encoder: str, n_classes: int, pretrained: float, random: float, inits: int, asked: Sequence[str] = ASKED
) -> dict[str, Any]:
    """What the stage `analyse` writes for an encoder whose arms are so accurate with all labels."""
    chance, labels = 1 / n_classes, [1, 2, 5, 10, 20, 50]

    def curve(level: float, half: float) -> dict[str, list[float]]:
        """Accuracies on a line over log labels, with `level` at the largest budget."""
        value = [level + 0.1 * float(np.log(label / labels[-1])) for label in labels]
        return {
            "value": value,
            "low": [each - half for each in value],
            "high": [each + half for each in value],
        }

    def measured(value: float, half: float) -> dict[str, float]:
        return {"value": value, "low": value - half, "high": value + half}

    gain = pretrained - random
    times = 6.84  # as many labels does the random arm need, wherever that is within the budgets
    needed = [label * times if label * times <= labels[-1] else None for label in labels]
    ends = [(4, 12), (8, 30), (21, None), (44, None), (50, None), (50, None)]
    efficiency = {
        "labels": labels,
        "draws": 10,
        "pretrained": curve(pretrained, 0.03),
        "random": curve(pretrained - 0.1 * float(np.log(times)), 0.03),
        "gain": {"value": [gain] * 6, "low": [gain - 0.04] * 6, "high": [gain + 0.04] * 6},
        "worth": [
            {"labels": label, "random_labels": value, "low": low, "high": high}
            for label, value, (low, high) in zip(labels, needed, ends, strict=True)
        ],
    }
    bits = float(np.log2(n_classes))
    length = {
        "uniform": bits,
        "draws": 3,
        "pretrained": bits * (1.1 - pretrained),
        "random": bits * (1.1 - random),
        "random_low_seed": bits * (1.08 - random),
        "random_high_seed": bits * (1.12 - random),
        "saving": measured(bits * gain, 0.06),
    }
    selectivity = {
        "pretrained": {"true": pretrained, "shuffled": chance, "selectivity": pretrained - chance},
        "random": {"true": random, "shuffled": chance, "selectivity": random - chance},
        "difference": measured(gain, 0.04),
    }
    switched = {"label_efficiency": efficiency, "description_length": length, "selectivity": selectivity}
    return {
        "encoder": encoder,
        "n_classes": n_classes,
        "chance": chance,
        "seeds": inits,
        "confidence": 0.95,
        **{name: value if name in asked else None for name, value in switched.items()},
        "probes": [
            {
                "probe": name,
                "pretrained": pretrained - 0.05,
                "random": random - 0.03,
                "gain": measured(gain - 0.02, 0.05),
            }
            for name in ("knn", "mlp", "attentive")
            if name in asked
        ],
    }


def _write_config(folder: Path, encoders: list[str], source: str, per_class: int, rope: float) -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params |= {"encoders": encoders, "source": source}
    params["plot"]["clips_per_class"] = min(6, per_class)
    params["compare"]["rope"] = rope
    card = {"name": source, "summary": "Made for a test & nothing else", "format": "synthetic"}
    for path, content in (("params.yaml", params), (f"data/sources/{source}.yaml", card)):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(yaml.safe_dump(content, sort_keys=False))
    for name in encoders:
        target = folder / "models" / name / "card.yaml"
        target.parent.mkdir(parents=True)
        target.write_text(yaml.safe_dump(_card(name)))


def _card(name: str) -> dict[str, Any]:
    card = EncoderCard.model_validate(
        {
            "name": name,
            "summary": "Open-MAGVIT2 video tokenizer, causal 3-D CNN encoder, 262144 codes",
            "family": "open_magvit2",
            "architecture": {},
            "weights": {
                "hub": "TencentARC/Open-MAGVIT2-Tokenizer-262144-Video",
                "file": "x.ckpt",
                "ema": True,
            },
            "training": "self-supervised video reconstruction on UCF-101",
            "licence": "Apache-2.0",
            "input": {"frames": "4k+1", "size": 128, "scale": "x/127.5 - 1"},
            "features": {"layer": "mid", "pooling": "mean_std"},
        }
    )
    return card.model_dump()

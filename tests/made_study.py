"""A finished synthetic study for tests of the report: every artifact that `plot` reads, of any shape, in seconds.

Predictions are sampled so that each arm has approximately a given accuracy; the metrics come from the stage `compare`.
The working directory must be the study's folder.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from running import run
from trajprobe.artifacts.analyses import (
    Analyses,
    ArmSelectivity,
    AttributeGain,
    DescriptionLength,
    Injection,
    LabelEfficiency,
    LabelsSaved,
    OtherProbe,
    PlantedGain,
    Selectivity,
    write_analyses,
)
from trajprobe.artifacts.clips import write_clips
from trajprobe.artifacts.encoder_card import EncoderCard
from trajprobe.artifacts.features import DISORDERS
from trajprobe.artifacts.predictions import Arm, ArmPredictions, Predictions, write_predictions
from trajprobe.artifacts.trajectories import TrajectorySet, items_digest, write_trajectories
from trajprobe.core import paths
from trajprobe.core.schema import Interval
from trajprobe.params import Params, load_params

ROOT = Path(__file__).parents[1]
CONTROLS = {"coordinates": 0.97, "pixels": 0.5, "random_projection": 0.45}
ASKED = ("label_efficiency", "description_length", "selectivity", "knn")
PROVENANCE = {
    "summary": "133 of 133 tensors, 144.9 M parameters, EMA",
    "source": "hf://TencentARC/Open-MAGVIT2-Tokenizer-262144-Video/video_128_262144.ckpt",
    "revision": "1f2e3d4c",
    "sha256": "ab" * 32,
    "parameters": 144_900_000,
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
    quarantined: int = 0,
    seed: int = 0,
    asked: Sequence[str] = ASKED,
    content: str = "trajectories",
) -> Params:
    """Write the study into `folder` and return its params.

    encoders: by name, the accuracy of the pretrained arm and the mean accuracy of the random ones. folds: 1 makes the
    last third of the items the published test part. quarantined: items in the quarantine. asked: the analyses that were
    run. content: what the clips are said to show.
    """
    encoders = encoders or {"tiny": (0.9, 0.6)}
    rng, certainty = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    count = len(classes) * per_class
    y = np.arange(count) % len(classes)
    labels = [classes[code] for code in y]
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
    manifest = "item_id,label,reason\n" + "bad,linear,made up\n" * quarantined
    (folder / "data/quarantine.csv").write_text(manifest)
    clips = rng.integers(0, 40, (count, frames, size, size, 3), dtype=np.uint8)
    for frame in range(frames):
        clips[:, frame, size // 2, : 1 + frame * (size - 1) // max(frames - 1, 1)] = (249, 115, 22)
    drawn = {"content": content, "view": "3d", "trail": "whole"}
    write_clips(folder / "data/videos.zarr", clips.shape, [clips], items=items_digest(ids), drawn=drawn)

    def simulate(arm: Arm, accuracy: float) -> ArmPredictions:
        shape = (repeats if folds > 1 else 1, len(held_out))
        right = rng.random(shape) < accuracy
        wrong = (y[held_out] + rng.integers(1, len(classes), shape)) % len(classes)
        predicted = np.where(right, y[held_out], wrong)
        least = 1 / len(classes)
        sure = least + (1 - least) * certainty.beta(2 + 2 * right, 2 - 0.5 * right)
        rest = ((1 - sure) / (len(classes) - 1))[..., None]
        probability = np.broadcast_to(rest, (*shape, len(classes))).astype(np.float32)
        np.put_along_axis(probability, predicted[..., None], sure[..., None].astype(np.float32), axis=-1)
        fold = np.tile(np.arange(len(held_out)) % folds, (shape[0], 1))
        return ArmPredictions(arm, fold, predicted, np.ones(shape), probability)

    def write_arms(name: str, arms: list[ArmPredictions]) -> None:
        own = [ids[index] for index in held_out]
        target = folder / f"data/predictions/{name}.parquet"
        features = {
            "card": _card(name),
            **({"parameters": 188} if name == "kinematics" else {"provenance": PROVENANCE}),
            "training_items": count - len(held_out) // folds,
            "layers": [place[0] for place in places],
            "poolings": [place[1] for place in places],
            "order": {
                arm: {f"{layer}/{pooling}": dict.fromkeys(DISORDERS, 0.5) for layer, pooling in places}
                for arm in ("pretrained", "random")
            },
        }
        predictions = Predictions(own, own, y[held_out], list(classes), "digest", (1e-4, 1e2), arms, features)
        write_predictions(target, predictions)

    for name, (pretrained, random) in encoders.items():
        arms = []
        for number, (layer, pooling) in enumerate(places):
            drop = 0.04 * number
            arms.append(simulate(Arm(name, "pretrained", 0, layer, pooling), pretrained - drop))
            for init in range(inits):
                level = random - drop + rng.normal(0, 0.01)
                arms.append(simulate(Arm(name, "random", init, layer, pooling), level))
        write_arms(name, arms)
        made = make_analyses(name, len(classes), pretrained, random, inits, asked)
        write_analyses(folder / paths.analyses(name), made)
    write_arms("kinematics", [simulate(Arm("kinematics", "baseline"), 0.7)])
    floor = {"hash_noise": 1 / len(classes)}
    write_arms(
        "controls", [simulate(Arm(name, "control"), level) for name, level in {**CONTROLS, **floor}.items()]
    )
    params = load_params(folder / "params.yaml")
    run("compare", params)
    return params


def make_analyses(
    encoder: str, n_classes: int, pretrained: float, random: float, inits: int, asked: Sequence[str] = ASKED
) -> Analyses:
    """The output of the stage `analyse` for an encoder whose arms have these accuracies with all labels."""
    chance, labels, gain = 1 / n_classes, [1, 2, 5, 10, 20, 50], pretrained - random

    def around(value: float, half: float) -> Interval:
        return Interval(value, value - half, value + half)

    def curve(level: float) -> list[Interval]:
        """Accuracies on a line over log labels, with `level` at the largest budget."""
        return [around(level + 0.1 * float(np.log(label / labels[-1])), 0.03) for label in labels]

    factor = 6.84  # the random arm needs this many times as many labels, where that is within the budgets
    needed = [label * factor if label * factor <= labels[-1] else None for label in labels]
    ends = [(4, 12), (8, 30), (21, None), (44, None), (50, None), (50, None)]
    efficiency = LabelEfficiency(
        labels=labels,
        draws=10,
        pretrained=curve(pretrained),
        random=curve(pretrained - 0.1 * float(np.log(factor))),
        gain=[around(gain, 0.04)] * len(labels),
        labels_saved=[
            LabelsSaved(labels=label, random_labels=value, low=low, high=high)
            for label, value, (low, high) in zip(labels, needed, ends, strict=True)
        ],
    )
    bits = float(np.log2(n_classes))
    length = DescriptionLength(
        uniform=bits,
        draws=3,
        pretrained=bits * (1.1 - pretrained),
        random=bits * (1.1 - random),
        random_low_seed=bits * (1.08 - random),
        random_high_seed=bits * (1.12 - random),
        saving=around(bits * gain, 0.06),
    )
    selectivity = Selectivity(
        pretrained=ArmSelectivity(true=pretrained, shuffled=chance, selectivity=pretrained - chance),
        random=ArmSelectivity(true=random, shuffled=chance, selectivity=random - chance),
        difference=around(gain, 0.04),
    )
    return Analyses(
        encoder=encoder,
        n_classes=n_classes,
        chance=chance,
        seeds=inits,
        confidence=0.95,
        label_efficiency=efficiency if "label_efficiency" in asked else None,
        description_length=length if "description_length" in asked else None,
        selectivity=selectivity if "selectivity" in asked else None,
        probes=[
            OtherProbe(
                probe=name, pretrained=pretrained - 0.05, random=random - 0.03, gain=around(gain - 0.02, 0.05)
            )
            for name in ("knn", "mlp", "attentive")
            if name in asked
        ],
        attributes=[
            AttributeGain(
                attribute=name,
                pretrained=around(pretrained - 0.1, 0.05),
                random=around(random - 0.1, 0.06),
                gain=around(gain, 0.07),
                single_frame=around(-0.02, 0.01),
            )
            for name in ("speed", "direction")
        ]
        if "attributes" in asked
        else None,
        injection=Injection(
            size=0.05,
            plantings=[
                PlantedGain(planted=0.05, gain=around(value, 0.03), prediction=around(value, 0.04))
                for value in (0.05, 0.035, 0.1)
            ],
        )
        if "injection" in asked
        else None,
    )


def _write_config(folder: Path, encoders: list[str], source: str, per_class: int, rope: float) -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params |= {"encoders": encoders, "source": source}
    params["plot"]["clips_per_class"] = min(6, per_class)
    params["compare"]["rope"] = rope
    card = {"name": source, "summary": "Made for a test & nothing else", "format": "synthetic"}
    for path, content in (("params.yaml", params), (f"data/sources/{source}/card.yaml", card)):
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

"""data/predictions/<name>.parquet: what every arm predicted for every item when that item was held out.

In memory an arm's predictions are arrays over repeats and items, because each item is held out once a repeat. In the
file they are one row per item, arm, initialisation, repeat and fold. The file's metadata hold the order of the
classes (none if labels are numbers to predict, which are then themselves in the columns `label` and `predicted`,
without probabilities), the digest of the item ids (by which a comparison sees whether two files concern the same
items), the ends of the penalty grid, the metadata of the features, and the results in split halves. Writing the same
predictions twice gives the same bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa

from trajprobe.core.errors import UserError
from trajprobe.core.parquet_file import create_parquet, read_parquet_metadata, read_row_groups

# What an item counts with. Of classes: whether it is classified correctly; or, of its probabilities p, one less half of
# the Brier score, sum_k (p_k - [k is true])^2 / 2 (Brier, Verification of forecasts expressed in terms of probability,
# Monthly Weather Review 78, 1950). Both are 1 at best, 0 at worst. Of numbers: its part in the coefficient of
# determination.
ClassScore = Literal["accuracy", "brier"]
Score = ClassScore | Literal["r2"]
CLASS_SCORES: tuple[ClassScore, ...] = get_args(ClassScore)
DECIMALS = 6  # of a sum of scores in the file

REMEDY = "run `dvc repro` to make it again"
NAMES = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [
        ("item_id", pa.string()),
        ("group", pa.string()),
        ("label", NAMES),
        ("encoder", NAMES),
        ("arm", NAMES),
        ("init", pa.int32()),
        ("layer", NAMES),
        ("pooling", NAMES),
        ("repeat", pa.int32()),
        ("fold", pa.int32()),
        ("predicted", NAMES),
        ("probability", pa.list_(pa.float32())),
        ("l2", pa.float64()),
    ]
)


NUMERIC_SCHEMA = pa.schema(
    [
        pa.field(field.name, pa.float64()) if field.name in ("label", "predicted") else field
        for field in SCHEMA
        if field.name != "probability"
    ]
)


@dataclass(frozen=True)
class Arm:
    """What was probed. encoder: its name, or the control's; arm: pretrained, random or control; init: the seed's
    number; layer and pooling are empty for a control."""

    encoder: str
    arm: str
    init: int = 0
    layer: str = ""
    pooling: str = ""

    def __str__(self) -> str:
        place = "/".join(filter(None, (self.layer, self.pooling)))
        seed = f" {self.init}" if self.arm == "random" else ""
        return f"{self.encoder} {self.arm}{seed}" + (f" {place}" if place else "")


@dataclass(frozen=True)
class ArmPredictions:
    """One arm's held-out predictions: (R, N) fold, predicted class or number and chosen l2, (R, N, K) probabilities.

    split_half_scores: by score, (B, 2, K) its sum over the tested items of each class in each half of B split halves.
    Of numbers K is 0 in `probability` and 1 in `split_half_scores`: R^2 in the half times its tested items.
    """

    arm: Arm
    fold: np.ndarray
    predicted: np.ndarray
    l2: np.ndarray
    probability: np.ndarray
    split_half_scores: Mapping[Score, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Predictions:
    """All arms of one file over the same N held-out items; a file without arms has no items.

    y: (N,) integers into `classes`, or numbers if there are none. items: digest of all item ids of the study, held out
    or not. l2_grid: the weakest and the strongest penalty that was searched. features: the metadata of the features
    that were probed, with the encoder's card and the provenance of its weights. split_half_counts: (B, 2, K) items of
    each class that are tested in each half of B split halves; of numbers K is 1.
    """

    item_ids: list[str]
    groups: list[str]
    y: np.ndarray
    classes: list[str]
    items: str
    l2_grid: tuple[float, float]
    arms: list[ArmPredictions]
    features: Mapping[str, Any] = field(default_factory=dict)
    split_half_counts: np.ndarray = field(default_factory=lambda: np.zeros((0, 2, 0), int))


def item_scores(score: ClassScore, probability: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(..., m) float64 scores of m items of the classes y, (m,) integers, with the probabilities (..., m, K)."""
    if score == "accuracy":
        return np.asarray(probability.argmax(axis=-1) == y, np.float64)
    probability = probability.astype(np.float64)
    true = probability[..., np.arange(len(y)), y]
    return np.asarray((1 - (probability**2).sum(axis=-1)) / 2 + true)


def class_sums(probability: np.ndarray, y: np.ndarray) -> dict[Score, np.ndarray]:
    """By score, (K,) float64 sums over the items of each class; probability: (m, K), y: (m,) integers below K."""
    width = probability.shape[1]
    return {score: np.bincount(y, item_scores(score, probability, y), width) for score in CLASS_SCORES}


def write_predictions(path: Path | str, predictions: Predictions) -> None:
    """Write the rows in order of arm, repeat and item, one row group an arm."""
    metadata = {
        "classes": predictions.classes,
        "items": predictions.items,
        "l2_grid": list(predictions.l2_grid),
        "features": dict(predictions.features),
        "split_half_counts": predictions.split_half_counts.tolist(),
        "split_half_scores": [
            {score: np.round(sums, DECIMALS).tolist() for score, sums in arm.split_half_scores.items()}
            for arm in predictions.arms
        ],
    }
    schema = SCHEMA if predictions.classes else NUMERIC_SCHEMA
    with create_parquet(path, schema, metadata) as write:
        for arm in predictions.arms:
            write(_table(predictions, arm))


def _table(predictions: Predictions, own: ArmPredictions) -> pa.Table:
    repeats, count = own.fold.shape
    n_classes = len(predictions.classes)

    def name(text: str) -> pa.Array:
        return pa.DictionaryArray.from_arrays(np.zeros(repeats * count, np.int32), [text])

    def labels(y: np.ndarray) -> pa.Array:
        if not n_classes:
            return pa.array(y.astype(np.float64).ravel())
        return pa.DictionaryArray.from_arrays(
            y.astype(np.int32).ravel(), pa.array(predictions.classes, pa.string())
        )

    offsets = np.arange(repeats * count + 1, dtype=np.int32) * n_classes
    columns = [
        pa.array(predictions.item_ids * repeats, pa.string()),
        pa.array(predictions.groups * repeats, pa.string()),
        labels(np.tile(predictions.y, repeats)),
        name(own.arm.encoder),
        name(own.arm.arm),
        pa.array(np.full(repeats * count, own.arm.init, np.int32)),
        name(own.arm.layer),
        name(own.arm.pooling),
        pa.array(np.repeat(np.arange(repeats, dtype=np.int32), count)),
        pa.array(own.fold.astype(np.int32).ravel()),
        labels(own.predicted),
        *(
            [pa.ListArray.from_arrays(offsets, own.probability.astype(np.float32).ravel())]
            if n_classes
            else []
        ),
        pa.array(own.l2.astype(np.float64).ravel()),
    ]
    return pa.table(columns, schema=SCHEMA if n_classes else NUMERIC_SCHEMA)


def read_predictions(path: Path | str, remedy: str = REMEDY) -> Predictions:
    """Read what `write_predictions` wrote. Raises UserError if the file is missing, damaged, or not such a file.

    remedy: a clause for messages.
    """
    schema, metadata = read_parquet_metadata(path, remedy)
    if not schema.equals(SCHEMA if metadata.get("classes") else NUMERIC_SCHEMA):
        raise UserError(f"{path}: is not a file of predictions; {remedy}")
    if "split_half_scores" not in metadata:
        raise UserError(f"{path}: was not written by this version of trajprobe; {remedy}")
    tables = list(read_row_groups(path, schema.names, remedy))
    classes = metadata["classes"]
    counts = _per_half(metadata["split_half_counts"], classes, int)
    first = tables[0] if tables else schema.empty_table()
    repeats = int(first["repeat"][-1].as_py()) + 1 if tables else 1
    count = len(first) // repeats
    return Predictions(
        item_ids=first["item_id"][:count].to_pylist(),
        groups=first["group"][:count].to_pylist(),
        y=_values(first["label"][:count], classes) if tables else np.zeros(0, int),
        classes=classes,
        items=metadata["items"],
        l2_grid=(metadata["l2_grid"][0], metadata["l2_grid"][1]),
        arms=[
            _arm_predictions(table, classes, repeats, scores)
            for table, scores in zip(tables, metadata["split_half_scores"], strict=True)
        ],
        features=metadata["features"],
        split_half_counts=counts,
    )


def read_training_items(path: Path | str) -> int | None:
    """On how many items the first fold of an encoder trains, from the metadata alone; None if they cannot be read."""
    try:
        _, metadata = read_parquet_metadata(path, REMEDY)
    except UserError:
        return None
    found = metadata.get("features", {}).get("training_items")
    return found if isinstance(found, int) else None


def _arm_predictions(
    table: pa.Table, classes: list[str], repeats: int, scores: Mapping[Score, list[Any]]
) -> ArmPredictions:
    encoder, arm, init, layer, pooling = (
        table[name][0].as_py() for name in ("encoder", "arm", "init", "layer", "pooling")
    )
    shape = repeats, -1, len(classes)
    if classes:
        probability = table["probability"].combine_chunks().flatten().to_numpy().reshape(shape)
    else:
        probability = np.zeros((repeats, len(table) // repeats, 0), np.float32)
    return ArmPredictions(
        arm=Arm(encoder, arm, init, layer, pooling),
        fold=table["fold"].to_numpy().reshape(repeats, -1),
        predicted=_values(table["predicted"], classes).reshape(repeats, -1),
        l2=table["l2"].to_numpy().reshape(repeats, -1),
        probability=probability,
        split_half_scores={score: _per_half(sums, classes, float) for score, sums in scores.items()},
    )


def _per_half(values: list[Any], classes: list[str], kind: type) -> np.ndarray:
    return np.array(values, kind).reshape(-1, 2, len(classes) or 1)


def _values(column: pa.ChunkedArray, classes: list[str]) -> np.ndarray:
    """The integers of class names, or the numbers that the column holds."""
    if not classes:
        return np.asarray(column.to_numpy())
    encoded = column.combine_chunks()
    order = np.array([classes.index(name) for name in encoded.dictionary.to_pylist()])
    return order[encoded.indices.to_numpy()]

"""data/predictions/<name>.parquet: what every arm said about every item when that item was held out.

In memory an arm's predictions are arrays over repeats and items, because each item is held out once a repeat; in the
file they are one row per item, arm, initialisation, repeat and fold, which anyone can read. The file's metadata hold
the order of the classes and the digest of the item ids, so that a comparison can tell whether two files speak of the
same items, and what the probes did in halves of the items (see `halves`). Writing the same predictions twice gives
the same bytes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trajprobe.errors import UserError
from trajprobe.files import atomic

METADATA = b"trajprobe"
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
        ("strength", pa.float64()),
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
class Held:
    """One arm's held-out predictions: (R, N) fold, predicted class and chosen strength, (R, N, K) probabilities.

    halves: (B, 2, K) items of each class that it gets right in the halves of B halvings.
    """

    arm: Arm
    fold: np.ndarray
    predicted: np.ndarray
    strength: np.ndarray
    probability: np.ndarray
    halves: np.ndarray = field(default_factory=lambda: np.zeros((0, 2, 0), int))


@dataclass(frozen=True)
class Predictions:
    """All arms of one file over the same N held-out items.

    codes: (N,) integers into `classes`. items: digest of all item ids of the study, held out or not. strengths: the
    ends of the grid that was searched. features: the metadata of the features that were probed: the encoder's card
    and the provenance of its weights travel with what they led to. halves: (B, 2, K) items of each class that are
    held out in the halves of B halvings.
    """

    item_ids: list[str]
    groups: list[str]
    codes: np.ndarray
    classes: list[str]
    items: str
    strengths: tuple[float, float]
    arms: list[Held]
    features: Mapping[str, Any] = field(default_factory=dict)
    halves: np.ndarray = field(default_factory=lambda: np.zeros((0, 2, 0), int))


def write_predictions(path: Path | str, predictions: Predictions) -> None:
    """Write the rows in order of arm, repeat and item, one row group an arm."""
    described = {
        "classes": predictions.classes,
        "items": predictions.items,
        "strengths": list(predictions.strengths),
        "features": dict(predictions.features),
        "halves": predictions.halves.tolist(),
        "right_in_halves": [held.halves.tolist() for held in predictions.arms],
    }
    schema = SCHEMA.with_metadata({METADATA: json.dumps(described, sort_keys=True, ensure_ascii=False)})
    with atomic(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for held in predictions.arms:
            writer.write_table(_rows(predictions, held, schema), row_group_size=held.fold.size)


def _rows(predictions: Predictions, held: Held, schema: pa.Schema) -> pa.Table:
    repeats, count = held.fold.shape
    n_classes = len(predictions.classes)

    def name(text: str) -> pa.Array:
        return pa.DictionaryArray.from_arrays(np.zeros(repeats * count, np.int32), [text])

    def coded(codes: np.ndarray) -> pa.Array:
        return pa.DictionaryArray.from_arrays(
            codes.astype(np.int32).ravel(), pa.array(predictions.classes, pa.string())
        )

    offsets = np.arange(repeats * count + 1, dtype=np.int32) * n_classes
    columns = [
        pa.array(predictions.item_ids * repeats, pa.string()),
        pa.array(predictions.groups * repeats, pa.string()),
        coded(np.tile(predictions.codes, repeats)),
        name(held.arm.encoder),
        name(held.arm.arm),
        pa.array(np.full(repeats * count, held.arm.init, np.int32)),
        name(held.arm.layer),
        name(held.arm.pooling),
        pa.array(np.repeat(np.arange(repeats, dtype=np.int32), count)),
        pa.array(held.fold.astype(np.int32).ravel()),
        coded(held.predicted),
        pa.ListArray.from_arrays(offsets, held.probability.astype(np.float32).ravel()),
        pa.array(held.strength.astype(np.float64).ravel()),
    ]
    return pa.table(columns, schema=schema)


def read_predictions(path: Path | str) -> Predictions:
    """Read what `write_predictions` wrote. Raises UserError where the file is missing, broken, or something else."""
    try:
        with pq.ParquetFile(path) as file:
            described = json.loads((file.schema_arrow.metadata or {})[METADATA])
            tables = [file.read_row_group(number) for number in range(file.num_row_groups)]
    except (OSError, pa.ArrowInvalid, KeyError, ValueError) as error:
        reason = (
            "is missing"
            if isinstance(error, FileNotFoundError)
            else f"cannot be read as predictions ({error})"
        )
        raise UserError(f"{path}: {reason}; `dvc repro` makes it anew") from None
    classes = described["classes"]
    first = tables[0]
    repeats = int(first["repeat"][-1].as_py()) + 1
    count = len(first) // repeats
    return Predictions(
        item_ids=first["item_id"][:count].to_pylist(),
        groups=first["group"][:count].to_pylist(),
        codes=_codes(first["label"][:count], classes),
        classes=classes,
        items=described["items"],
        strengths=(described["strengths"][0], described["strengths"][1]),
        arms=[
            _held(table, classes, repeats, right)
            for table, right in zip(tables, described["right_in_halves"], strict=True)
        ],
        features=described["features"],
        halves=_halves(described["halves"], classes),
    )


def _held(table: pa.Table, classes: list[str], repeats: int, right: list[Any]) -> Held:
    encoder, arm, init, layer, pooling = (
        table[name][0].as_py() for name in ("encoder", "arm", "init", "layer", "pooling")
    )
    probability = table["probability"].combine_chunks()
    return Held(
        arm=Arm(encoder, arm, init, layer, pooling),
        fold=table["fold"].to_numpy().reshape(repeats, -1),
        predicted=_codes(table["predicted"], classes).reshape(repeats, -1),
        strength=table["strength"].to_numpy().reshape(repeats, -1),
        probability=probability.flatten().to_numpy().reshape(repeats, -1, len(classes)),
        halves=_halves(right, classes),
    )


def _halves(counts: list[Any], classes: list[str]) -> np.ndarray:
    return np.array(counts, int).reshape(-1, 2, len(classes))


def _codes(names: pa.ChunkedArray, classes: list[str]) -> np.ndarray:
    coded = names.combine_chunks()
    order = np.array([classes.index(name) for name in coded.dictionary.to_pylist()])
    return order[coded.indices.to_numpy()]

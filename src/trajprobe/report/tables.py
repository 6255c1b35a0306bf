"""metrics/arms.csv and metrics/confusion.csv as the figures and the page need them.

`arms.csv` has a row for each arm at each layer and pooling. Here its rows come together as comparisons: an encoder's
pretrained arm against all random initialisations of the same architecture, at one layer and pooling. The first that
the file names for an encoder is its headline; the others make the layer-wise curve.
"""

import csv
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trajprobe.errors import UserError


@dataclass(frozen=True)
class Estimate:
    """A number with the ends of its interval; both ends are None where none was computed."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Arm:
    """One row of arms.csv."""

    encoder: str
    arm: str
    init: int
    layer: str
    pooling: str
    accuracy: Estimate
    gain: Estimate | None
    p_value: float | None
    verdict: str


@dataclass(frozen=True)
class Comparison:
    """An encoder at one layer and pooling: its pretrained arm and the random initialisations, in order."""

    pretrained: Arm
    random: tuple[Arm, ...]

    @property
    def encoder(self) -> str:
        return self.pretrained.encoder

    @property
    def random_mean(self) -> float:
        return statistics.fmean(arm.accuracy.value for arm in self.random)

    @property
    def random_sd(self) -> float | None:
        """Sample standard deviation over the initialisations; None where there is only one."""
        values = [arm.accuracy.value for arm in self.random]
        return statistics.stdev(values) if len(values) > 1 else None

    @property
    def gain(self) -> Estimate:
        if self.pretrained.gain is not None:
            return self.pretrained.gain
        return Estimate(self.pretrained.accuracy.value - self.random_mean)


@dataclass(frozen=True)
class Arms:
    """All of arms.csv: for each encoder its comparisons, headline first, and the controls."""

    encoders: dict[str, tuple[Comparison, ...]]
    controls: tuple[Arm, ...]

    @property
    def headlines(self) -> tuple[Comparison, ...]:
        return tuple(comparisons[0] for comparisons in self.encoders.values())


def read_arms(path: Path, encoders: Sequence[str]) -> Arms:
    """The rows of arms.csv of `encoders`, in that order, and of all controls.

    Raises UserError where a column is missing, or an encoder lacks its pretrained or its random arm.
    """
    rows = [_arm(row) for row in _read(path, ("encoder", "arm", "init", "layer", "pooling", "accuracy"))]
    comparisons = {}
    for encoder in encoders:
        own = [row for row in rows if row.encoder == encoder and row.arm in ("pretrained", "random")]
        places = dict.fromkeys((row.layer, row.pooling) for row in own)
        comparisons[encoder] = tuple(_compare(path, own, place) for place in places)
        if not places:
            raise UserError(f"{path}: no rows of {encoder}, which params.yaml lists; run `dvc repro compare`")
    return Arms(comparisons, tuple(row for row in rows if row.arm == "control"))


def _compare(path: Path, rows: list[Arm], place: tuple[str, str]) -> Comparison:
    here = [row for row in rows if (row.layer, row.pooling) == place]
    pretrained = [row for row in here if row.arm == "pretrained"]
    random = sorted((row for row in here if row.arm == "random"), key=lambda row: row.init)
    if len(pretrained) != 1 or not random:
        where = "/".join(filter(None, (rows[0].encoder, *place)))
        found = f"{len(pretrained)} pretrained and {len(random)} random"
        raise UserError(f"{path}: {where}: required one pretrained arm and random ones, got {found} rows")
    return Comparison(pretrained[0], tuple(random))


def _arm(row: dict[str, str]) -> Arm:
    return Arm(
        encoder=row["encoder"],
        arm=row["arm"],
        init=int(row["init"] or 0),
        layer=row["layer"],
        pooling=row["pooling"],
        accuracy=_estimate(row, "accuracy") or Estimate(float("nan")),
        gain=_estimate(row, "gain"),
        p_value=_number(row, "p_value"),
        verdict=row.get("verdict") or "",
    )


def _estimate(row: dict[str, str], name: str) -> Estimate | None:
    value = _number(row, name)
    return None if value is None else Estimate(value, _number(row, f"{name}_ci_low"), _number(row, f"{name}_ci_high"))


def _number(row: dict[str, str], name: str) -> float | None:
    return float(row[name]) if row.get(name) else None


def _read(path: Path, required: Sequence[str]) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            missing = [name for name in required if name not in (rows.fieldnames or [])]
            if missing:
                raise UserError(f"{path}: columns missing: {', '.join(missing)}; run `dvc repro compare`")
            return list(rows)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); run `dvc repro compare`") from None

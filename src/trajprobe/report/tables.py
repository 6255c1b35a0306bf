"""metrics/arms.csv as the figures and the page need it.

The file has a row for each arm at each layer and pooling. Here its rows come together as comparisons: an encoder's
pretrained arm against all random initialisations of the same architecture, at one layer and pooling. The first that
the file names for an encoder is its headline; the others make the layer-wise curve.
"""

import csv
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trajprobe.errors import UserError

Row = dict[str, str]
COLUMNS = (
    *("encoder", "arm", "init", "layer", "pooling", "accuracy", "accuracy_ci_low", "accuracy_ci_high"),
    *("ece", "gain", "gain_ci_low", "gain_ci_high", "p_adjusted", "verdict", "confounded", "warning"),
)
MEND = "run `dvc repro compare`"


@dataclass(frozen=True)
class Estimate:
    """A number with the ends of its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Arm:
    """One row of arms.csv. ece: its expected calibration error."""

    encoder: str
    arm: str
    init: int
    layer: str
    pooling: str
    accuracy: Estimate
    ece: float


@dataclass(frozen=True)
class Comparison:
    """An encoder at one layer and pooling: its pretrained arm against the random initialisations, in order.

    p_value: of no gain, after Holm's correction over encoders (of other layers and poolings: over all comparisons).
    confounded, warning: what to mind about the verdict.
    """

    pretrained: Arm
    random: tuple[Arm, ...]
    gain: Estimate
    p_value: float
    verdict: str
    confounded: bool
    warning: str

    @property
    def encoder(self) -> str:
        return self.pretrained.encoder

    @property
    def random_mean(self) -> float:
        return statistics.fmean(arm.accuracy.value for arm in self.random)

    @property
    def random_ece(self) -> float:
        return statistics.fmean(arm.ece for arm in self.random)

    @property
    def random_sd(self) -> float | None:
        """Sample standard deviation over the initialisations; None where there is only one."""
        values = [arm.accuracy.value for arm in self.random]
        return statistics.stdev(values) if len(values) > 1 else None


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

    Raises UserError where the file or a column is missing, or an encoder lacks its pretrained or its random arm.
    """
    rows = read_rows(path, COLUMNS)
    comparisons = {}
    for encoder in encoders:
        own = [row for row in rows if row["encoder"] == encoder and row["arm"] in ("pretrained", "random")]
        places = dict.fromkeys((row["layer"], row["pooling"]) for row in own)
        if not places:
            raise UserError(f"{path}: no rows of {encoder}, which params.yaml lists; {MEND}")
        comparisons[encoder] = tuple(_compare(path, own, place) for place in places)
    return Arms(comparisons, tuple(_arm(row) for row in rows if row["arm"] == "control"))


def _compare(path: Path, rows: list[Row], place: tuple[str, str]) -> Comparison:
    here = [row for row in rows if (row["layer"], row["pooling"]) == place]
    pretrained = [row for row in here if row["arm"] == "pretrained"]
    random = [_arm(row) for row in here if row["arm"] == "random"]
    if len(pretrained) != 1 or not random:
        where = "/".join(filter(None, (rows[0]["encoder"], *place)))
        found = f"{len(pretrained)} pretrained and {len(random)} random"
        raise UserError(f"{path}: {where}: required one pretrained and some random rows, got {found}; {MEND}")
    row = pretrained[0]
    return Comparison(
        pretrained=_arm(row),
        random=tuple(sorted(random, key=lambda arm: arm.init)),
        gain=estimate(row, "gain"),
        p_value=float(row["p_adjusted"]),
        verdict=row["verdict"],
        confounded=row["confounded"] == "1",
        warning=row["warning"],
    )


def _arm(row: Row) -> Arm:
    names = (row["encoder"], row["arm"], int(row["init"]), row["layer"], row["pooling"])
    return Arm(*names, accuracy=estimate(row, "accuracy"), ece=float(row["ece"]))


def estimate(row: Row, name: str) -> Estimate:
    """The number in column `name` with its interval's ends beside it."""
    return Estimate(float(row[name]), float(row[f"{name}_ci_low"]), float(row[f"{name}_ci_high"]))


def read_rows(path: Path, columns: Sequence[str]) -> list[Row]:
    """All rows of a table of the comparison. Raises UserError where the file or one of `columns` is missing."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            missing = [name for name in columns if name not in (rows.fieldnames or [])]
            if missing:
                raise UserError(f"{path}: columns missing: {', '.join(missing)}; {MEND}")
            return list(rows)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); {MEND}") from None

"""The tables of metrics/ arranged as the figures, the page and the terminal show them.

The rows of arms.csv come together as comparisons: an encoder's pretrained arm against all random initialisations of the
same architecture, at one layer and pooling. The first of an encoder in the file is its headline; the others make the
layer-wise curve.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

from trajprobe.artifacts.metrics import (
    ARM_COLUMNS,
    CLASS_COLUMNS,
    LADDER_COLUMNS,
    RELIABILITY_COLUMNS,
    RERUN,
    damage_told,
    read_table,
)
from trajprobe.core.errors import UserError
from trajprobe.core.schema import Interval

BEST_OF = (
    "Whichever encoder, layer or pooling is best here was partly lucky with these items, so its gain is overstated; "
    "confirm a choice on other items."
)


@dataclass(frozen=True)
class ArmScores:
    """One row of arms.csv. ece: expected calibration error. Where numbers are predicted, accuracy is R^2, log_loss the
    mean absolute error, and ece and macro_f1 are NaN.
    """

    encoder: str
    arm: str
    init: int
    layer: str
    pooling: str
    accuracy: Interval
    ece: float
    macro_f1: float
    log_loss: float


@dataclass(frozen=True)
class Comparison:
    """An encoder at one layer and pooling: its pretrained arm against the random initialisations, in order.

    prediction: the gain with its prediction interval over one untrained network. p_value: of this checkpoint against
    the average untrained network; p_draw: of it as one more of them. p_adjusted: the larger of the two after Holm's
    correction over encoders (at other layers and poolings than the headline: over all comparisons). error_reduction,
    odds_ratio: None where they are not defined. confounded, contaminated,
    warning: what limits the verdict.
    """

    pretrained: ArmScores
    random: tuple[ArmScores, ...]
    gain: Interval
    prediction: Interval
    p_value: float
    p_draw: float
    p_adjusted: float
    error_reduction: float | None
    odds_ratio: float | None
    verdict: str
    confounded: bool
    warning: str
    contaminated: bool = False

    @property
    def encoder(self) -> str:
        return self.pretrained.encoder

    @property
    def random_mean(self) -> float:
        """Accuracy averaged over the initialisations."""
        return fmean(arm.accuracy.value for arm in self.random)

    @property
    def random_ece(self) -> float:
        return fmean(arm.ece for arm in self.random)

    @property
    def random_loss(self) -> float:
        """Log loss, or the mean absolute error, averaged over the initialisations."""
        return fmean(arm.log_loss for arm in self.random)

    @property
    def random_sd(self) -> float | None:
        """Sample standard deviation over the initialisations; None if there is only one."""
        values = [arm.accuracy.value for arm in self.random]
        return stdev(values) if len(values) > 1 else None


@dataclass(frozen=True)
class Arms:
    """All of arms.csv: for each encoder its comparisons, headline first, and the controls."""

    encoders: dict[str, tuple[Comparison, ...]]
    controls: tuple[ArmScores, ...]

    @property
    def missing_control(self) -> str:
        """What is to be said of the control that the items do not allow; empty if there are all."""
        if any(control.encoder == "coordinates" for control in self.controls):
            return ""
        return (
            "no control `coordinates`, and no alternatives that need paths (kinematics, dtw, multirocket): the items "
            "are clips without trajectories"
        )

    @property
    def headlines(self) -> tuple[Comparison, ...]:
        return tuple(comparisons[0] for comparisons in self.encoders.values())


def read_arms(path: Path, encoders: Sequence[str] | None = None) -> Arms:
    """The rows of `encoders` in arms.csv, in that order, and of all controls; None stands for all encoders in the file.

    Raises UserError if the file or a column is missing, if the file is damaged, or if an encoder lacks its pretrained
    or its random arm.
    """
    with damage_told(path):
        rows = read_table(path, ARM_COLUMNS)
        if encoders is None:
            encoders = list(dict.fromkeys(row["encoder"] for row in rows if row["arm"] != "control"))
        comparisons = {}
        for encoder in encoders:
            own = [
                row for row in rows if row["encoder"] == encoder and row["arm"] in ("pretrained", "random")
            ]
            places = dict.fromkeys((row["layer"], row["pooling"]) for row in own)
            if not places:
                raise UserError(f"{path}: no rows of {encoder}, which params.yaml lists; {RERUN}")
            comparisons[encoder] = tuple(_compare(path, own, place) for place in places)
        return Arms(comparisons, tuple(_arm(row) for row in rows if row["arm"] == "control"))


def _compare(path: Path, rows: Sequence[Mapping[str, str]], place: tuple[str, str]) -> Comparison:
    here = [row for row in rows if (row["layer"], row["pooling"]) == place]
    pretrained = [row for row in here if row["arm"] == "pretrained"]
    random = [_arm(row) for row in here if row["arm"] == "random"]
    if len(pretrained) != 1 or not random:
        where = "/".join(filter(None, (rows[0]["encoder"], *place)))
        found = f"{len(pretrained)} pretrained and {len(random)} random"
        raise UserError(
            f"{path}: {where}: expected one pretrained row and at least one random row, found {found}; {RERUN}"
        )
    row = pretrained[0]
    return Comparison(
        pretrained=_arm(row),
        random=tuple(sorted(random, key=lambda arm: arm.init)),
        gain=_interval(row, "gain"),
        prediction=_interval(row, "gain", "pi"),
        p_value=float(row["p_value"]),
        p_draw=float(row["p_draw"]),
        p_adjusted=float(row["p_adjusted"]),
        error_reduction=_optional(row["error_reduction"]),
        odds_ratio=_optional(row["odds_ratio"]),
        verdict=row["verdict"],
        confounded=row["confounded"] == "1",
        warning=row["warning"],
        contaminated=row["contaminated"] == "1",
    )


def _arm(row: Mapping[str, str]) -> ArmScores:
    return ArmScores(
        encoder=row["encoder"],
        arm=row["arm"],
        init=int(row["init"]),
        layer=row["layer"],
        pooling=row["pooling"],
        accuracy=_interval(row, "accuracy"),
        ece=float(row["ece"] or "nan"),
        macro_f1=float(row["macro_f1"] or "nan"),
        log_loss=float(row["log_loss"]),
    )


def _interval(row: Mapping[str, str], name: str, kind: str = "ci") -> Interval:
    return Interval(float(row[name]), float(row[f"{name}_{kind}_low"]), float(row[f"{name}_{kind}_high"]))


def _optional(cell: str) -> float | None:
    return float(cell) if cell else None


@dataclass(frozen=True)
class ClassGain:
    """One row of per_class.csv: fractions of a class's held-out items that were recognised, and their difference.

    p_value: of no gain, after Holm's correction over the encoder's classes.
    """

    label: str
    items: int
    pretrained: float
    random: float
    gain: Interval
    p_value: float


def read_class_gains(path: Path, encoders: Sequence[str]) -> dict[str, list[ClassGain]]:
    """For each of `encoders` its classes in order. Raises UserError if the file or an encoder is missing."""
    with damage_told(path):
        rows = read_table(path, CLASS_COLUMNS)
        gains = {
            encoder: [
                ClassGain(
                    label=row["label"],
                    items=int(row["items"]),
                    pretrained=float(row["pretrained"]),
                    random=float(row["random"]),
                    gain=_interval(row, "gain"),
                    p_value=float(row["p_value_holm"]),
                )
                for row in rows
                if row["encoder"] == encoder
            ]
            for encoder in encoders
        }
        for encoder, found in gains.items():
            if not found:
                raise UserError(f"{path}: no rows of {encoder}, which params.yaml lists; {RERUN}")
        return gains


@dataclass(frozen=True)
class Bin:
    """One row of reliability.csv. items: averaged over repeats and initialisations, more than 0."""

    low: float
    high: float
    items: float
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Bins:
    """The bins of both arms that hold any items, in order of confidence."""

    pretrained: list[Bin]
    random: list[Bin]


def read_bins(path: Path, encoders: Sequence[str]) -> dict[str, Bins]:
    """The bins of each of `encoders`. Raises UserError if the file or an arm is missing."""
    with damage_told(path):
        rows = [row for row in read_table(path, RELIABILITY_COLUMNS) if float(row["items"]) > 0]

        def bins(encoder: str, arm: str) -> list[Bin]:
            own = [row for row in rows if (row["encoder"], row["arm"]) == (encoder, arm)]
            if not own:
                raise UserError(f"{path}: no rows of {encoder}, {arm}; {RERUN}")
            names = ("bin_low", "bin_high", "items", "confidence", "accuracy")
            return [Bin(*(float(row[name]) for name in names)) for row in own]

        return {encoder: Bins(bins(encoder, "pretrained"), bins(encoder, "random")) for encoder in encoders}


@dataclass(frozen=True)
class LadderRow:
    """One row of ladder.csv. difference: from the first row, None of itself."""

    name: str
    arm: str
    seeds: int
    accuracy: Interval
    difference: Interval | None
    p_holm: float
    tied: bool
    contaminated: bool = False
    parameters: int | None = None
    multiply_adds: int | None = None


def read_ladder(path: Path) -> list[LadderRow]:
    """The rows in order, the headline's pretrained arm first. Raises UserError if the file or a column is missing."""
    with damage_told(path):
        return [
            LadderRow(
                name=row["alternative"],
                arm=row["arm"],
                seeds=int(row["seeds"]),
                accuracy=_interval(row, "accuracy"),
                difference=_interval(row, "difference") if row["difference"] else None,
                p_holm=float(row["p_holm"] or 1),
                tied=row["tied"] == "1",
                contaminated=row["contaminated"] == "1",
                parameters=int(row["parameters"]) if row["parameters"] else None,
                multiply_adds=int(row["multiply_adds"]) if row["multiply_adds"] else None,
            )
            for row in read_table(path, LADDER_COLUMNS)
        ]

"""metrics/per_class.csv as the page needs it: each class in the headline's arms, and its gain with its interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trajprobe.errors import UserError
from trajprobe.report.tables import MEND, Estimate, estimate, read_rows

COLUMNS = (
    *("encoder", "label", "items", "pretrained", "random", "gain", "gain_ci_low", "gain_ci_high"),
    "p_value_holm",
)


@dataclass(frozen=True)
class ClassGain:
    """Shares of a class's held-out items that were recognised, and their difference.

    p_value: of no gain, after Holm's correction over the encoder's classes.
    """

    label: str
    items: int
    pretrained: float
    random: float
    gain: Estimate
    p_value: float


def read_class_gains(path: Path, encoders: Sequence[str]) -> dict[str, list[ClassGain]]:
    """For each of `encoders` its classes in order. Raises UserError where the file or an encoder is missing."""
    gains: dict[str, list[ClassGain]] = {encoder: [] for encoder in encoders}
    for row in read_rows(path, COLUMNS):
        shares = (float(row["pretrained"]), float(row["random"]))
        gain = ClassGain(
            row["label"], int(row["items"]), *shares, estimate(row, "gain"), float(row["p_value_holm"])
        )
        if row["encoder"] in gains:
            gains[row["encoder"]].append(gain)
    for encoder, found in gains.items():
        if not found:
            raise UserError(f"{path}: no rows of {encoder}, which params.yaml lists; {MEND}")
    return gains

"""The files of metrics/, written by the stage `compare`: their columns, their writers and their readers.

`summary.json` is the headline. It is flat and holds neither NaN nor null, because `dvc metrics diff` shows both as
changed for ever. The tables are CSV with a header, and an empty cell where a row has no value in a column. Numbers are
rounded to six decimals, far below their uncertainty.

`read_summary` and `read_table` return what is in the files; `artifacts/comparisons.py` arranges it for the figures.
"""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from trajprobe.artifacts.features import DISORDERS
from trajprobe.core.errors import UserError
from trajprobe.core.files import atomic, write_json

RERUN = "run `dvc repro compare`"

# A row for each arm of each encoder at each layer and pooling, the encoder's headline first, then one for each control.
# The columns from `gain` on are filled for pretrained arms only.
ARM_COLUMNS = (
    *("encoder", "arm", "init", "layer", "pooling"),
    *("accuracy", "accuracy_ci_low", "accuracy_ci_high", "balanced_accuracy", "macro_f1", "log_loss", "ece"),
    *("l2", "l2_at_edge"),
    *(
        "gain",
        "gain_ci_low",
        "gain_ci_high",
        "gain_pi_low",
        "gain_pi_high",
        "p_value",
        "p_draw",
        "p_adjusted",
    ),
    *("error_reduction", "odds_ratio", "verdict", "confounded", "contaminated", "warning"),
)
# A row for each alternative, the headline's pretrained arm first, then by accuracy. The difference is from the headline
# and empty in its own row; p_holm is corrected over all rows. tied: whether it is statistically tied for best.
# contaminated: it contains a pretrained encoder that saw held-out items. parameters: numbers that the model keeps, of
# an encoder without its probe; empty where nothing counted them. Seconds are not here, since they differ in every run.
LADDER_COLUMNS = (
    *("alternative", "arm", "seeds", "accuracy", "accuracy_ci_low", "accuracy_ci_high"),
    *(
        "difference",
        "difference_ci_low",
        "difference_ci_high",
        "p_value",
        "p_holm",
        "tied",
        "contaminated",
        "parameters",
    ),
)
# A row for each class of each encoder's headline.
CLASS_COLUMNS = (
    *("encoder", "label", "items", "pretrained", "random"),
    *("gain", "gain_ci_low", "gain_ci_high", "p_value", "p_value_holm"),
)
# A row for each bin of confidence of both arms of each encoder's headline.
RELIABILITY_COLUMNS = ("encoder", "arm", "bin_low", "bin_high", "items", "confidence", "accuracy")
# A row for each held-out item, in the first repeat, of every arm of each encoder's headline.
CONFUSION_COLUMNS = ("encoder", "arm", "actual", "predicted")
# A row for both arms of each encoder at each layer and pooling: how far features move when frames change their order.
ORDER_COLUMNS = ("encoder", "arm", "layer", "pooling", *DISORDERS)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """metrics/summary.json: the first encoder at its first layer and pooling, in at most 20 keys.

    weights: the arm that accuracy, macro_f1 and log_loss belong to; all other fields are the same for both. All
    accuracies and gains are fractions. chance: of always naming the most frequent class. p_value: of this checkpoint
    against the average untrained network; p_draw: of it as one more untrained network; both before Holm's correction.
    minimum_detectable_gain: found by both tests with a power of 80 %.
    """

    encoder: str
    weights: str
    n_items: int
    n_classes: int
    chance: float
    accuracy: float
    macro_f1: float
    log_loss: float
    random_accuracy: float
    gain: float
    gain_ci_low: float
    gain_ci_high: float
    p_value: float
    p_draw: float
    minimum_detectable_gain: float
    verdict: str
    confounded: bool
    contaminated: bool
    sentence: str
    warning: str


def write_summary(path: Path, summary: Summary) -> None:
    """Write the fields in the order above."""
    write_json(path, {key: rounded(value) for key, value in asdict(summary).items()})


def read_summary(path: Path) -> Summary:
    """Read what `write_summary` wrote. Raises UserError if the file is missing, broken, or lacks a key."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
        raise UserError(f"{path}: {reason}; {RERUN}") from None
    names = [field.name for field in fields(Summary)]
    if not isinstance(found, dict) or any(name not in found for name in names):
        raise UserError(f"{path}: is not a summary of a comparison; {RERUN}")
    return Summary(**{name: found[name] for name in names})


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows under a header. A column that a row lacks stays empty; a key that is no column is a ValueError."""
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({key: rounded(value) for key, value in row.items()})


def read_table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """All rows of a table. Raises UserError if the file or one of `columns` is missing."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            missing = [name for name in columns if name not in (rows.fieldnames or [])]
            if missing:
                raise UserError(f"{path}: columns missing: {', '.join(missing)}; {RERUN}")
            return list(rows)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); {RERUN}") from None


def rounded(value: Any) -> Any:
    """A float to six decimals, or to six significant digits where it is below 0.001; anything else as it is."""
    if not isinstance(value, float):
        return value
    return round(value, 6) if abs(value) >= 1e-3 else float(f"{value:.6g}")

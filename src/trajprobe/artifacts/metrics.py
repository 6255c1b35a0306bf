"""The files of metrics/, written by the stage `compare`: their columns, their writers and their readers.

`summary.json` is the headline. It is flat and holds neither NaN nor null, because `dvc metrics diff` shows both as
changed for ever. The tables are CSV with a header, and an empty cell where a row has no value in a column. Numbers are
rounded to six decimals, far below their uncertainty.

Where numbers are predicted there is R^2 in place of accuracy and the mean absolute error, in their unit, in place of
log loss: the same files have the names of `numeric_name`, lack what only classes have, and are read back as if they had
not.

`read_summary` and `read_table` return what is in the files; `artifacts/comparisons.py` arranges it for the figures.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
# an encoder without its probe; multiply_adds: of a network for one clip; both empty where nothing counted them. Seconds
# are not here, since they differ in every run.
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
        "multiply_adds",
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


NUMERIC = "r2"  # the name by which a file is known to be of numbers
OF_CLASSES = ("n_classes", "balanced_accuracy", "macro_f1", "ece", "odds_ratio")  # that numbers do not have


def numeric_name(name: str) -> str:
    """accuracy_ci_low -> r2_ci_low: what a key or a column is called where numbers are predicted."""
    return name.replace("accuracy", NUMERIC).replace("log_loss", "mean_absolute_error")


def _renamed(row: Mapping[str, Any]) -> dict[str, Any]:
    return {numeric_name(key): value for key, value in row.items() if key not in OF_CLASSES}


@dataclass(frozen=True, kw_only=True)
class Summary:
    """metrics/summary.json: the first encoder at its first layer and pooling, in at most 20 keys.

    weights: the arm that accuracy, macro_f1 and log_loss belong to; all other fields are the same for both. All
    accuracies and gains are fractions. chance: of always naming the most frequent class. If numbers are predicted,
    n_classes is 0, macro_f1 None, and the other names are those of `numeric_name` in the file. p_value: of this
    checkpoint against the average untrained network; p_draw: of it as one more untrained network; both before Holm's
    correction. minimum_detectable_gain: found by both tests with a power of 80 %.
    """

    encoder: str
    weights: str
    n_items: int
    n_classes: int
    chance: float
    accuracy: float
    macro_f1: float | None
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
    content = {key: rounded(value) for key, value in asdict(summary).items()}
    write_json(path, content if summary.n_classes else _renamed(content))


def read_summary(path: Path) -> Summary:
    """Read what `write_summary` wrote. Raises UserError if the file is missing, broken, or lacks a key."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
        raise UserError(f"{path}: {reason}; {RERUN}") from None
    names = [field.name for field in fields(Summary)]
    if isinstance(found, dict) and NUMERIC in found:
        known = {name: found[numeric_name(name)] for name in names if numeric_name(name) in found}
        found = known | {"n_classes": 0, "macro_f1": None}
    if not isinstance(found, dict) or any(name not in found for name in names):
        raise UserError(f"{path}: is not a summary of a comparison; {RERUN}")
    return Summary(**{name: found[name] for name in names})


def write_table(
    path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]], numeric: bool = False
) -> None:
    """Write rows under a header. A column that a row lacks stays empty; a key that is no column is a ValueError.

    numeric: numbers are predicted, so the file has the columns of `numeric_name`.
    """
    if numeric:
        columns, rows = list(_renamed(dict.fromkeys(columns))), map(_renamed, rows)
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({key: rounded(value) for key, value in row.items()})


def read_table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """All rows of a table. Raises UserError if the file or one of `columns` is missing, or if the file is damaged.

    Of a table of numbers the rows have the names in `columns`, and empty cells in those that only classes have.
    """
    try:
        with damage_told(path), path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            header = reader.fieldnames or []
            names = {name: name for name in columns}
            if NUMERIC in header:
                names = {name: numeric_name(name) for name in columns if name not in OF_CLASSES}
            missing = [name for name in names.values() if name not in header]
            if missing:
                raise UserError(f"{path}: columns missing: {', '.join(missing)}; {RERUN}")
            rows = list(reader)
            if any(None in row or None in row.values() for row in rows):
                raise ValueError("a row has more or fewer cells than the header")
            if NUMERIC not in header:
                return rows
            return [
                dict.fromkeys(columns, "") | {name: row[own] for name, own in names.items()} for row in rows
            ]
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); {RERUN}") from None


@contextmanager
def damage_told(path: Path) -> Iterator[None]:
    """Turn what a damaged table raises when it is read or its cells are converted into a UserError."""
    try:
        yield
    except (ValueError, csv.Error) as error:
        raise UserError(f"{path}: is damaged ({error}); {RERUN}") from None


def rounded(value: Any) -> Any:
    """A float to six decimals, or to six significant digits where it is below 0.001; anything else as it is."""
    if not isinstance(value, float):
        return value
    return round(value, 6) if abs(value) >= 1e-3 else float(f"{value:.6g}")

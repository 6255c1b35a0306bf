"""Row tables, as in the UCI archive: one path per row, its coordinates and a label, all rows of one length."""

from pathlib import Path

import numpy as np

from trajprobe.artifacts.source_card import RowsCard
from trajprobe.core.errors import UserError
from trajprobe.trajectories.sources.cleaning import is_missing
from trajprobe.trajectories.sources.parsed import Raw
from trajprobe.trajectories.sources.text_table import NUMBER, read_text

HEAD = 2**20  # bytes that show the layout
FEWEST = 9  # cells in a line: of fewer, a table with one point per row is likelier


def read_row_table(path: Path, card: RowsCard) -> Raw:
    """The paths of the table, in the layout that the card describes; items are numbered by row, from 0.

    Raises UserError, with the line of the file, if a row does not fit the layout or the other rows or contains
    something other than numbers; and if `test_rows` names a row that does not exist.
    """
    text, notes = read_text(path)
    lines = text.splitlines()
    labels: list[str] = []
    rows: list[list[float]] = []
    for number, line in enumerate(lines[card.skip_lines :], card.skip_lines + 1):
        if not line.strip():
            continue
        cells = _cells(line, card.separator)
        label = cells.pop(0 if card.label == "first" else -1)
        try:
            rows.append([np.nan if is_missing(cell) else float(cell) for cell in cells])
        except ValueError as error:
            raise UserError(f"{path}: line {number}: {error}") from None
        if len(cells) != len(rows[0]) or len(cells) % card.dimensions or not cells:
            raise UserError(
                f"{path}: line {number}: has {len(cells)} numbers beside the label; required {len(rows[0])} as in the "
                f"first row, and a multiple of {card.dimensions} (dimensions in the card)"
            )
        labels.append(label)
    if not rows:
        raise UserError(f"{path}: has no rows of data")
    shape = (-1, card.dimensions) if card.layout == "points" else (card.dimensions, -1)
    paths = [np.array(row).reshape(shape) for row in rows]
    order = "x1 y1 x2 y2 ..." if card.layout == "points" else "x1 x2 ... y1 y2 ..."
    notes.append(f"rows: one path in each, {card.dimensions}-D, in the order {order}, the label {card.label}")
    notes.append(f"time: none in the file; points {card.time_step:g} s apart")
    return Raw(
        labels,
        paths if card.layout == "points" else [path.T for path in paths],
        splits=_splits(card.test_rows, len(rows), path),
        notes=notes,
    )


def guess_layout(path: Path) -> dict[str, object]:
    """The keys of a card for a table of one path per row, if the file looks like one; empty if it does not.

    It does if all cells of its first line but the first or the last are numbers, eight or more. Raises UserError if the
    line can be both 2-D and 3-D.
    """
    text, _ = read_text(path, HEAD)
    lines = [line for line in text[:HEAD].splitlines() if line.strip()][:2]
    if not lines or (len(lines) > 1 and len(_cells(lines[0], "either")) != len(_cells(lines[1], "either"))):
        return {}
    separator = "comma" if "," in lines[0] and ", " not in lines[0] else "either"
    cells = _cells(lines[0], separator)
    numeric = [NUMBER.fullmatch(cell) is not None and not is_missing(cell) for cell in cells]
    if len(cells) < FEWEST or not all(numeric[1:-1]) or not (numeric[0] or numeric[-1]):
        return {}
    label = "last" if numeric[0] else "first"
    fitting = [dimensions for dimensions in (2, 3) if (len(cells) - 1) % dimensions == 0]
    return {
        "separator": separator,
        "label": label,
        **({"dimensions": fitting[0]} if len(fitting) == 1 else {}),
    }


def _cells(line: str, separator: str) -> list[str]:
    if separator == "comma":
        return [cell.strip() for cell in line.split(",")]
    return line.replace(",", " ").split() if separator == "either" else line.split()


def _splits(test_rows: list[int] | None, count: int, path: Path) -> list[str] | None:
    if test_rows is None:
        return None
    if max(test_rows) >= count or len(set(test_rows)) < len(test_rows):
        raise UserError(f"{path}: test_rows in the card: must be different row numbers below {count}")
    tested = set(test_rows)
    return ["test" if index in tested else "train" for index in range(count)]

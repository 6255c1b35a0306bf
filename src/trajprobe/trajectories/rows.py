"""Row tables: one row a path, its coordinates and a label, all rows of one length, as UCI's archives have them."""

from pathlib import Path

import numpy as np

from trajprobe.errors import UserError
from trajprobe.params.source_card import RowsCard
from trajprobe.trajectories.parsed import Parsed, parse


def read_rows(path: Path, card: RowsCard) -> Parsed:
    """The rows of the table, as its card lays them out; items are numbered by row, from 0.

    Raises UserError, one line that names the line of the file, where a row does not fit the others or the layout,
    holds something other than numbers, or where `test_rows` names a row that is not there.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as text ({error})") from None
    labels: list[str] = []
    rows: list[list[float]] = []
    for number, line in enumerate(lines[card.skip_lines :], card.skip_lines + 1):
        if not line.strip():
            continue
        cells = _cells(line, card.separator)
        label = cells.pop(0 if card.label == "first" else -1)
        try:
            rows.append([float(cell) for cell in cells])
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
    return parse(
        labels,
        paths if card.layout == "points" else [path.T for path in paths],
        time_step=card.time_step,
        splits=_splits(card.test_rows, len(rows), path),
    )


def _cells(line: str, separator: str) -> list[str]:
    if separator == "comma":
        return [cell.strip() for cell in line.split(",")]
    return line.replace(",", " ").split() if separator == "either" else line.split()


def _splits(test_rows: list[int] | None, count: int, path: Path) -> list[str] | None:
    if test_rows is None:
        return None
    if max(test_rows) >= count or len(set(test_rows)) < len(test_rows):
        raise UserError(f"{path}: test_rows in the card: must be different rows below {count}")
    tested = set(test_rows)
    return ["test" if index in tested else "train" for index in range(count)]

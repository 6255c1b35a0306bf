"""Text tables in whatever dialect they were written: compression, encoding, separator, header.

A file is decompressed by its first bytes. It is UTF-8, or UTF-16 with a byte order mark, or else Windows-1252. The
separator is the character that divides the first lines most evenly. Cells are text here; `clock.numbers` reads both
decimal points and decimal commas.
"""

import bz2
import csv
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from trajprobe.core.errors import UserError

# Bytes: a file that unpacks to more than this and to 200 times its size is refused. As columns and names, text may take
# 25 times as much memory.
LARGEST = 2**26
COMPRESSED = (".gz", ".zst", ".bz2", ".xz")  # endings
SAMPLE = 20  # lines that show the separator
SEPARATORS = "\t;|,"  # in a tie the first; a comma may be a decimal comma between any of the others
NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?|(?i:na|nan|none|null|)")
NAMES = {"\t": "tab", " ": "blanks"}


@dataclass(frozen=True)
class TextTable:
    """A table of text cells. names: of the columns. has_header: whether the first line of the file names them."""

    path: str
    names: list[str]
    has_header: bool
    body: bytes
    separator: str
    notes: list[str] = field(default_factory=list)

    def load(self, positions: Sequence[int]) -> pa.Table:
        """The columns at `positions`, as text. Raises UserError if a row has more or fewer cells than the header."""
        unique = [f"{position}" for position in range(len(self.names))]
        chosen = [unique[position] for position in positions]
        try:
            return pa.csv.read_csv(
                pa.BufferReader(self.body),
                read_options=pa.csv.ReadOptions(column_names=unique),
                parse_options=pa.csv.ParseOptions(delimiter=self.separator),
                convert_options=pa.csv.ConvertOptions(
                    include_columns=chosen,
                    column_types=dict.fromkeys(chosen, pa.string()),
                    strings_can_be_null=False,
                ),
            ).combine_chunks()
        except pa.ArrowException as error:
            raise UserError(f"{self.path}: cannot be read as a table ({error})") from None


def read_text(path: Path, most: int = -1) -> tuple[str, list[str]]:
    """The text of a file, and notes on its compression and encoding. Raises UserError if it is not text.

    most: bytes to read of a file that is not compressed; -1 for all.
    """
    try:
        with path.open("rb") as file:
            data, notes = unpack(file.read() if path.suffix.lower() in COMPRESSED else file.read(most))
        text, encoding = decode(data)
    except (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError, pa.ArrowException) as error:
        raise UserError(f"{path}: cannot be read as text ({error})") from None
    return text, [*notes, *encoding]


def unpack(data: bytes) -> tuple[bytes, list[str]]:
    """The bytes without compression, known by their first ones. Raises what the decompressor does, or ValueError."""
    readers: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
    limit = max(LARGEST, 200 * len(data))
    for magic, reader in readers.items():
        if data.startswith(magic):
            with reader(io.BytesIO(data)) as file:
                content = bytes(file.read(limit + 1))
            break
    else:
        if not data.startswith(b"\x28\xb5\x2f\xfd"):
            return data, []
        with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
            content = stream.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"it unpacks to more than {limit} bytes")
    return content, ["read: compressed"]


def decode(data: bytes) -> tuple[str, list[str]]:
    """The text, and a note if it is not UTF-8. Raises ValueError if it is in no known encoding or has zero bytes."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16"), ["read: encoded as UTF-16"]
    if b"\0" in data:
        raise ValueError("it contains zero bytes")
    try:
        return data.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        pass
    try:
        return data.decode("cp1252"), ["read: not UTF-8; decoded as Windows-1252"]
    except UnicodeDecodeError as error:  # two different bytes must not become one character
        byte, place = data[error.start], error.start
        raise ValueError(
            f"byte {place} is {byte:#x}: neither UTF-8 nor Windows-1252; save it as UTF-8"
        ) from None


def open_text(
    text: str, path: str, separator: str | None = None, header: Sequence[str] | None = None
) -> TextTable:
    """The table in `text`. separator, header: as in `TableCard`.

    Raises UserError if there are no lines, or if the first one contains numbers only and no header is given.
    """
    if "\r" in text and "\n" not in text:
        text = text.replace("\r", "\n")
    lines = [line for line in text[: 2**18].splitlines() if line.strip()][:SAMPLE]
    if not lines:
        raise UserError(f"{path}: cannot be read as a table (it is empty)")
    separator = separator or find_separator(lines)
    notes = [f"read: cells separated by {NAMES.get(separator, separator)}"] if separator != "," else []
    if separator == " ":
        text, separator = re.sub(r"(?m)^[ \t]+|[ \t]+$", "", text), "\t"
        text = re.sub(r"[ \t]+", "\t", text)
        lines = [re.sub(r"[ \t]+", "\t", line.strip()) for line in lines]
    elif separator != "\t" and f'{separator} "' in text:  # a quote counts only right behind the separator
        text = re.sub(rf'{re.escape(separator)} +"', f'{separator}"', text)
        lines = [re.sub(rf'{re.escape(separator)} +"', f'{separator}"', line) for line in lines]
    cells = split_line(lines[0], separator)
    named = not all(NUMBER.fullmatch(cell) for cell in cells) and (
        header is None or _is_header(lines, separator)
    )
    if header is None and (
        not named or sum(NUMBER.fullmatch(cell) is not None and cell != "" for cell in cells) > 1
    ):
        raise UserError(
            f"{path}: has no header row, as the first line is {lines[0][:80]!r}; name its {len(cells)} columns with "
            "--columns, for example --columns id,t,x,y,label"
        )
    if header is not None and len(header) != len(cells):
        raise UserError(
            f"{path}: has {len(cells)} columns, but --columns names {len(header)}; first line {lines[0][:80]!r}"
        )
    if header is not None:
        notes.append(
            f"read: columns named {', '.join(header)}" + ("; the header row is skipped" if named else "")
        )
    body = text.lstrip("\r\n").partition("\n")[2] if named else text
    if not body.strip():
        raise UserError(f"{path}: has no rows")
    return TextTable(path, [*(header or cells)], named, body.encode(), separator, notes)


def find_separator(lines: Sequence[str]) -> str:
    """The separator of the lines: the one with the same count in most of them.

    A blank if it divides all lines into as many cells, in which commas are decimal commas, or if nothing else is there.
    """
    words = [line.split() for line in lines]
    even = len(words[0]) > 2 and len({len(line) for line in words}) == 1
    if even and all(_is_word(cell) for line in words for cell in line):
        return " " if "\t" not in lines[0] else "\t"
    counts = {mark: [_without_quoted(line).count(mark) for line in lines] for mark in SEPARATORS}
    present = [mark for mark in SEPARATORS if counts[mark][0]]
    if not present:
        return " " if len(lines[0].split()) > 1 else ","
    return max(present, key=lambda mark: sum(count == counts[mark][0] for count in counts[mark]))


def split_line(line: str, separator: str) -> list[str]:
    """The cells of a line without surrounding blanks and quotes."""
    return [cell.strip().strip('"').strip() for cell in next(csv.reader([line], delimiter=separator), [])]


def _is_word(cell: str) -> bool:
    """Whether a cell between blanks is whole: no separator is in it, but for the comma of a number."""
    return not any(mark in cell for mark in SEPARATORS) or NUMBER.fullmatch(cell) is not None


def _without_quoted(line: str) -> str:
    return re.sub(r'"[^"]*"', "", line)


def _is_header(lines: Sequence[str], separator: str) -> bool:
    """Whether the first line is a header: it has names, or nothing, where the second has numbers."""
    first, second = ([*split_line(line, separator)] for line in (*lines[:2], "", "")[:2])
    above = [name for name, cell in zip(first, second, strict=False) if cell and NUMBER.fullmatch(cell)]
    return any(above) and not any(name and NUMBER.fullmatch(name) for name in above)

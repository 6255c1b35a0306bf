"""`trajprobe import`: a user's file becomes a source, its bytes versioned, its card written; or nothing changes.

The file is read and validated whole before anything is written. Then it is copied to data/raw/, `dvc add` records
it, and the card is written; where a step fails, everything is put back as it was.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from trajprobe import paths
from trajprobe.errors import UserError
from trajprobe.files import atomic
from trajprobe.params.loading import validate
from trajprobe.params.source_card import CARDS, FileCard
from trajprobe.params.study import Trajectories, load_params
from trajprobe.params.types import NAME
from trajprobe.trajectories.describing import describe
from trajprobe.trajectories.reading import read_source
from trajprobe.trajectories.validation import accept

FORMATS = {".npz": "npz", ".csv": "long", ".parquet": "long", ".ts": "ts"}
HEADER = """\
# Where the trajectories of `source: {name}` come from. src/trajprobe/params/source_card.py tells what else a card can
# say: names for the classes, licence and citation, a cap on the items of a class, seconds between points.
"""


def run(
    file: Path,
    name: str,
    *,
    test: Path | None = None,
    y_axis: str = "up",
    columns: Mapping[str, str] | None = None,
    replace: bool = False,
) -> str:
    """Bring `file` (.npz, .csv, .parquet or .ts) in as source `name`; return what was found and what to type next.

    test: a second file that holds the published test part; `file` is then the train part. y_axis: up or down.
    columns: for tables, our name of a column -> its name in the file (`{"id": "track"}`). replace: whether a source
    of that name may be replaced. Raises UserError, one line, where anything is wrong; then nothing has changed.
    """
    if not re.fullmatch(NAME, name):
        raise UserError(f"--name: {name!r} must consist of lower-case letters, digits and underscores")
    card_path = paths.source_card(name)
    if card_path.exists() and not replace:
        raise UserError(
            f"{card_path}: there is a source {name!r} already; choose another name, or add --replace"
        )
    files = [file] if test is None else [file, test]
    content = _card(files, name, y_axis, dict(columns or {}))
    card = validate(CARDS[content["format"]], content, str(card_path))
    assert isinstance(card, FileCard)
    found = _check(files, card, load_params().trajectories)
    raw = [paths.RAW / str(entry.file) for entry in card.files]
    pointers = [path.with_name(f"{path.name}.dvc") for path in raw]
    ignore = paths.RAW / ".gitignore"
    with _all_or_nothing([*raw, *pointers, ignore, card_path]):
        for source, target in zip(files, raw, strict=True):
            with atomic(target) as temporary:
                shutil.copyfile(source, temporary)
        _dvc_add(raw)
        with atomic(card_path) as temporary:
            text = HEADER.format(name=name) + yaml.safe_dump(
                content, sort_keys=False, allow_unicode=True, width=110
            )
            temporary.write_text(text, encoding="utf-8")
    changed = " ".join(str(path) for path in [*pointers, ignore, card_path])
    return f"{found}\n\nNext:\n  git add {changed}\n  dvc exp run -n {name} -S source={name}"


def _card(files: Sequence[Path], name: str, y_axis: str, columns: dict[str, str]) -> dict[str, Any]:
    """The content of the card."""
    suffixes = {file.suffix.lower() for file in files}
    for file in files:
        if not file.is_file():
            raise UserError(f"{file}: there is no such file")
        if file.suffix.lower() not in FORMATS:
            raise UserError(
                f"{file}: must be one of {', '.join(FORMATS)}; for a table with a path in each row write a card as "
                f"data/sources/libras.yaml has it"
            )
    if len({FORMATS[suffix] for suffix in suffixes}) > 1:
        raise UserError(f"{files[0]} and {files[1]}: must have one format")
    form = FORMATS[files[0].suffix.lower()]
    if columns and form != "long":
        raise UserError(f"{files[0]}: has no columns to name; columns are for .csv and .parquet")
    splits = ("train", "test") if len(files) > 1 else ("",)
    entries = [
        {"file": f"{name}_{split}{file.suffix.lower()}", "split": split}
        if split
        else {"file": f"{name}{file.suffix.lower()}"}
        for file, split in zip(files, splits, strict=True)
    ]
    return {
        "name": name,
        "summary": f"imported from {' and '.join(file.name for file in files)}",
        "format": form,
        "files": entries,
        "y_axis": y_axis,
        "group_duplicates": True,
        **({"columns": columns} if columns else {}),
    }


def _check(files: Sequence[Path], card: FileCard, settings: Trajectories) -> str:
    parsed, digest = read_source(card, files)
    trajectories, aside = accept(parsed, card, settings)
    return f"{describe(trajectories, aside)}\ndigest of the content: {digest}"


def _dvc_add(raw: Sequence[Path]) -> None:
    command = [sys.executable, "-m", "dvc", "add", *map(str, raw)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        reason = errors[0].removeprefix("ERROR: ") if errors else f"exit code {done.returncode}"
        raise UserError(f"dvc add: {reason}; nothing was imported")


@contextmanager
def _all_or_nothing(changed: Sequence[Path]) -> Iterator[None]:
    """Put the files at `changed` back as they were (or away) where the block does not end well, whatever stops it."""
    paths.RAW.mkdir(parents=True, exist_ok=True)
    backup = Path(tempfile.mkdtemp(prefix=".import.", suffix=".part", dir=paths.RAW.parent))
    kept = {path: backup / str(number) for number, path in enumerate(changed) if path.exists()}
    try:
        for path, copy in kept.items():
            shutil.copy2(path, copy)
        try:
            yield
        except BaseException:
            for path in changed:
                path.unlink(missing_ok=True)
            for path, copy in kept.items():
                copy.replace(path)
            raise
    finally:
        shutil.rmtree(backup, ignore_errors=True)

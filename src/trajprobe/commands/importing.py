"""`trajprobe import`: files of labelled trajectories become a source, a folder data/sources/NAME/.

The folder contains the card, copies of the files, and the pointers by which DVC tracks them. The files are read and
validated before anything is written. Then the whole folder is built beside its place and moved there, so an import
that fails or is killed leaves the old source, or none. A folder of files is packed into one .zip first.
"""

import re
import shutil
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from trajprobe.artifacts.source_card import CARDS, FileCard, load_source_card
from trajprobe.commands.import_report import describe_import, foresee
from trajprobe.commands.imported_card import card_text, describe_changes, edited_text, new_card, updated_card
from trajprobe.core import paths
from trajprobe.core.errors import UserError
from trajprobe.core.files import atomic
from trajprobe.core.schema import NAME, load, validate
from trajprobe.params import Params
from trajprobe.trajectories.sources.item_files import FRAME_RATES
from trajprobe.trajectories.sources.reading import read_source
from trajprobe.trajectories.sources.video_files import pack_folder
from trajprobe.trajectories.validation import accept

IGNORE = ".gitignore"


def run(
    file: Path,
    name: str,
    *,
    test: Path | None = None,
    labels: Path | None = None,
    replace: bool = False,
    **options: Any,
) -> str:
    """Import `file`, or a folder of files, as source `name`; return what was found, assumed, and what to type next.

    test: a second file, the published test part; `file` is then the train part. labels: a file of labels. replace:
    allow existing files to be replaced; the card of an existing source keeps all that the new files and the options do
    not change. options: keys of the card, such as `y_axis="down"` or `columns={"id": "track"}`, and `format`. Raises
    UserError if anything is wrong; then nothing has changed.
    """
    if not re.fullmatch(NAME, name):
        raise UserError(f"--name: {name!r} must consist of lower-case letters, digits and underscores")
    card_path = paths.source_card(name)
    if card_path.exists() and not replace:
        raise UserError(
            f"{card_path}: there is a source {name!r} already; choose another name, or add --replace"
        )
    with tempfile.TemporaryDirectory() as scratch:
        given = [path for path in (file, test) if path is not None]
        form = options.get("format")
        inputs = [
            _packed(path, Path(scratch, str(number)), labels, form) for number, path in enumerate(given)
        ]
        return _import(inputs, name, labels, replace, options)


def _import(
    inputs: list[Path], name: str, labels: Path | None, replace: bool, options: Mapping[str, Any]
) -> str:
    folder, card_path = paths.source(name), paths.source_card(name)
    old_text, old_names = _existing(name)
    old = yaml.safe_load(old_text) if old_text else {}
    content = new = new_card(inputs, name, options, labels=labels, usual=old.get("format"))
    if old:
        content = updated_card(old, new, inputs, options)
    pinned = content.pop("digest", None)
    card = validate(CARDS[content["format"]], content, str(card_path))
    assert isinstance(card, FileCard)
    names = [str(entry.file) for entry in card.entries]
    if card.label_file is not None:
        inputs = [*inputs, labels or folder / names[-1]]
    _check_place(folder, [] if replace else _with_pointers(names))
    parsed, digest = read_source(card, inputs)
    params = load(Params, paths.PARAMS)
    trajectories, aside = accept(parsed, card, params.trajectories)
    stated = options.keys() | old.keys()
    lines = [
        *describe_import(trajectories, aside, card, parsed.notes, stated),
        *(
            [f"time_unit: {card.time_unit}, by {FRAME_RATES} beside {inputs[0].name}"]
            if card.format == "mot" and "time_unit" in content.keys() - stated
            else []
        ),
        f"digest of the content: {digest}",
    ]
    text = card_text(content)
    if old:
        content |= {"digest": digest} if pinned else {}
        text, lost = edited_text(old_text, content)
        lines += ["", f"{card_path}:", *(f"  {line}" for line in describe_changes(old, new, content) + lost)]
    with atomic(folder) as temporary:
        own = {card_path.name, IGNORE, *_with_pointers(old_names), *_with_pointers(names)}
        _copy_other_files(folder, temporary, own)
        for source, target in zip(inputs, names, strict=True):
            shutil.copyfile(source, temporary / target)
        ignored = [line for line in _lines(folder / IGNORE) if line.removeprefix("/") not in own]
        (temporary / IGNORE).write_text("\n".join([*ignored, *(f"/{target}" for target in names), ""]))
        (temporary / card_path.name).write_text(text, encoding="utf-8")
        dvc_add([temporary / target for target in names], "nothing was imported")
    warnings = foresee(trajectories, params)
    run = f"  dvc exp run -n {name} -S source={name}"
    return "\n".join([*lines, *warnings, "", "Next:", f"  git add {folder}", run])


def _packed(path: Path, scratch: Path, labels: Path | None, form: str | None) -> Path:
    """A file as it is; a folder as a .zip of its files, without that of the labels."""
    if not path.is_dir():
        return path
    archive = scratch / f"{path.resolve().name}.zip"
    scratch.mkdir()
    pack_folder(path, archive, labels, form)
    return archive


def _existing(name: str) -> tuple[str, list[str]]:
    """The text of the source's card and the names of its files; empty if there is no such source."""
    path = paths.source_card(name)
    if not path.exists():
        return "", []
    card = load_source_card(name)
    if not isinstance(card, FileCard):
        raise UserError(f"{path}: a {card.format} source has no files to replace; choose another name")
    return path.read_text(encoding="utf-8"), [entry.file for entry in card.entries if entry.file is not None]


def _with_pointers(names: Sequence[str]) -> list[str]:
    return [file for name in names for file in (name, f"{name}.dvc")]


def _check_place(folder: Path, names: Sequence[str]) -> None:
    """Raise UserError if the folder is something else, or contains one of the `names`."""
    if folder.exists() and not folder.is_dir():
        raise UserError(
            f"{folder}: must be a folder; move the file of that name elsewhere, or choose another name"
        )
    for path in (folder / name for name in names):
        if path.exists():
            raise UserError(
                f"{path}: would be overwritten; move it elsewhere, choose another name, or add --replace"
            )


def _copy_other_files(folder: Path, target: Path, own: Collection[str]) -> None:
    """Make the folder `target` with everything that is in `folder` but for the names in `own`."""
    if folder.is_dir():
        shutil.copytree(folder, target, symlinks=True, ignore=lambda at, _: own if Path(at) == folder else ())
    else:
        target.mkdir()


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def dvc_add(raw: Sequence[Path], outcome: str) -> None:
    """Put the files into DVC's cache and write their pointers, `dvc add`.

    outcome: what a refusal of DVC leaves the user with, for the UserError.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        # Without git, as DVC refuses pointers in a folder that git ignores, and every temporary folder is ignored.
        with Repo(config={"core": {"no_scm": True}}) as repo:
            repo.add([str(path) for path in raw])
    except DvcException as error:
        raise UserError(f"dvc add: {error}; {outcome}") from None

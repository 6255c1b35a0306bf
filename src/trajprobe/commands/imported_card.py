"""The card of an imported source: a new one, or the existing one with what the new files and the options change.

An existing card may have been edited by hand: names of classes, a licence, a cap on the items of a class, comments.
So only the top-level keys whose values change are written again. All other lines of the card stay as they are.
"""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from trajprobe.artifacts.source_card import CARDS, RowsCard, TableCard
from trajprobe.core import files
from trajprobe.core.errors import UserError
from trajprobe.trajectories.sources.row_table import guess_layout
from trajprobe.trajectories.sources.text_table import COMPRESSED
from trajprobe.videos.video_archive import open_videos

FORMATS = {".npz": "npz", ".npy": "npz", ".parquet": "long", ".ts": "ts", ".zip": "files"}
TEXT = (".csv", ".tsv", ".txt", ".dat", ".data", ".tra", ".tes")  # one point per line, or one path
OPTIONS = {  # keys of a card -> the option that gives it, if that is not the key with dashes
    "columns": "--column",
    "header": "--columns",
    "arrays": "--array",
    "unlabelled": "--drop-unlabelled",
    "clips": "--draw",
}
GENERATED = "imported from "  # how the summary of a new card begins
HEADER = """\
# Where the trajectories of `source: {name}` come from. src/trajprobe/artifacts/source_card.py says what else a card can
# contain: names for the classes, licence and citation, a cap on the items of a class, seconds between points.
"""


def new_card(
    inputs: Sequence[Path],
    name: str,
    options: Mapping[str, Any],
    *,
    labels: Path | None = None,
    usual: str | None = None,
) -> dict[str, Any]:
    """The content of a new card.

    inputs: one file, or a train and a test file. options: keys of the card that the user gave. labels: a file of
    labels. usual: the format of the card that this one replaces. Raises UserError if a file is missing or has no known
    format, if two formats differ, or if the format has no such option.
    """
    for file in [*inputs, *([labels] if labels else [])]:
        if not file.is_file():
            raise UserError(f"{file}: there is no such file")
    found = [_find_format(file, options, usual) for file in inputs]
    if found[0][0] != found[-1][0]:
        raise UserError(f"{inputs[0]} and {inputs[1]}: must have one format")
    form, layout = found[0]
    options = {key: value for key, value in options.items() if key != "format"}
    for key in options:
        if key not in CARDS[form].model_fields:
            raise UserError(
                f"{inputs[0]}: {OPTIONS.get(key, '--' + key.replace('_', '-'))} is not an option for files of the "
                f"format {form}"
            )
    if form == "rows":
        if len(options.get("dimensions", ())) == 1:
            options["dimensions"] = options["dimensions"][0]
        if usual != "rows" and "dimensions" not in options | layout:
            raise UserError(
                f"{inputs[0]}: has one path in each row, which can be 2-D or 3-D; say so by --dimensions 2 or "
                "--dimensions 3"
            )
    endings = [_ending(file) for file in inputs]
    entries = [{"file": f"{name}{endings[0]}"}]
    if len(inputs) > 1:
        parts = zip(("train", "test"), endings, strict=True)
        entries = [{"file": f"{name}_{part}{ending}", "split": part} for part, ending in parts]
    return {
        "name": name,
        "summary": GENERATED + " and ".join(file.name for file in inputs),
        "format": form,
        "files": entries,
        **({"label_file": {"file": f"{name}_labels{_ending(labels)}"}} if labels else {}),
        "y_axis": "up",
        "group_duplicates": True,
        **layout,
        **options,
    }


def _find_format(file: Path, options: Mapping[str, Any], usual: str | None) -> tuple[str, dict[str, Any]]:
    """The format of the file, and keys of the card that its content shows."""
    ending = _ending(file)
    suffix = ending if ending in FORMATS else f".{ending.split('.')[1]}" if ending else ""
    form = options.get("format") or FORMATS.get(suffix)
    if suffix == ".zip" and not options.get("format") and zipfile.is_zipfile(file):
        with open_videos(file) as archive:
            form = "videos" if archive.names else form
    if form is None and suffix in TEXT:
        own = {key for key in options if key in RowsCard.model_fields} - TableCard.model_fields.keys()
        of_tables = {key for key in options if key in TableCard.model_fields} - RowsCard.model_fields.keys()
        form = usual if usual in ("long", "rows") else "long" if of_tables else "rows" if own else None
        form = form or ("rows" if guess_layout(file) else "long")
    if form is None:
        raise UserError(
            f"{file}: must be a folder of files, or one of {', '.join([*FORMATS, *TEXT])} (or name its --format)"
        )
    if form not in CARDS or form == "synthetic":
        raise UserError(
            f"--format: required one of {', '.join(sorted(CARDS.keys() - {'synthetic'}))}, got {form!r}"
        )
    return form, guess_layout(file) if form == "rows" and usual != "rows" else {}


def _ending(file: Path) -> str:
    """The lower-case suffix of a file, with that before a suffix of compression, as in `.csv.gz`."""
    suffixes = [suffix.lower() for suffix in file.suffixes[-2:]]
    return "".join(suffixes if suffixes[-1:] and suffixes[-1] in COMPRESSED else suffixes[-1:])


def updated_card(
    old: Mapping[str, Any], new: Mapping[str, Any], inputs: Sequence[Path], options: Mapping[str, Any]
) -> dict[str, Any]:
    """The content of the `old` card with what the files and the given `options` of the `new` one change.

    A pinned SHA-256 becomes that of the new file. Keys that the new format does not have are dropped.
    """
    content = {key: value for key, value in old.items() if key in CARDS[new["format"]].model_fields}
    content |= {"format": new["format"], "files": new["files"]}
    if any(entry.get("sha256") for entry in old["files"]):
        entries = zip(new["files"], inputs, strict=True)
        content["files"] = [entry | {"sha256": files.sha256(file)} for entry, file in entries]
    if old["summary"].startswith(GENERATED):
        content["summary"] = new["summary"]
    given = {key for key in options if key != "format"} | {"label_file"}
    if old["format"] != new["format"]:
        given |= new.keys() - {"name", "summary", "y_axis", "group_duplicates"}
    for key in (key for key in new if key in given):
        merged = isinstance(new[key], dict) and key in ("columns", "arrays")
        content[key] = content.get(key, {}) | new[key] if merged else new[key]
    if "t" in options.get("columns", {}):
        content.pop("no_time", None)
    return content


def describe_changes(old: Mapping[str, Any], new: Mapping[str, Any], content: Mapping[str, Any]) -> list[str]:
    """A line for each key of `content` that differs from the `old` card, or is kept and is not what `new` has."""
    fields = CARDS[content["format"]].model_fields
    lines = []
    for key in dict.fromkeys([*old, *content]):
        if key not in content:
            lines.append(f"{key}: dropped, as cards of the format {content['format']} do not have it")
            continue
        default = fields[key].get_default(call_default_factory=True)
        before, after = old.get(key, default), content[key]
        if before == after:
            if after != new.get(key, default):
                lines.append(f"{key}: {_short(after)} kept from the card")
        elif key == "columns":
            named = old.get(key, {})
            lines += [
                f"columns.{ours}: {named.get(ours, ours)} -> {theirs}"
                for ours, theirs in after.items()
                if named.get(ours, ours) != theirs
            ]
        else:
            lines.append(f"{key}: {_short(before)} -> {_short(after)}")
    return lines


def card_text(content: Mapping[str, Any]) -> str:
    """The YAML text of a new card."""
    return HEADER.format(name=content["name"]) + _dump(content)


def edited_text(text: str, content: Mapping[str, Any]) -> tuple[str, list[str]]:
    """`text` with the top-level keys rewritten whose values differ in `content`, and which comments that loses."""
    old = yaml.safe_load(text)
    root = yaml.compose(text, yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    lines = text.splitlines(keepends=True)
    starts = [key.start_mark.line for key, _ in root.value]
    edited, lost = lines[: starts[0]], []
    for (node, _), start, stop in zip(root.value, starts, [*starts[1:], len(lines)], strict=True):
        key, end = node.value, stop
        while end > start + 1 and (not lines[end - 1].strip() or lines[end - 1].startswith("#")):
            end -= 1  # blank lines and comments before the next key stay
        if content.get(key) == old[key]:
            edited += lines[start:end]
        else:
            edited += [_dump({key: content[key]})] if key in content else []
            lost += [f"comments in {key}: not kept"] if any("#" in line for line in lines[start:end]) else []
        edited += lines[end:stop]
    if edited and not edited[-1].endswith("\n"):
        edited.append("\n")
    added = {key: value for key, value in content.items() if key not in old}
    result = "".join(edited) + (_dump(added) if added else "")
    try:
        if yaml.safe_load(result) == content:
            return result, lost
    except yaml.YAMLError:
        pass  # a card in flow style, or with anchors
    return card_text(content), ["comments: not kept, as the card does not have one key per line"]


def _dump(content: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True, width=110)


def _short(value: Any) -> str:
    """A value for a message: files by name and part, a digest by its beginning, a long value not at all."""
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return ", ".join(
            str(entry.get("file") or entry.get("url"))
            + (f" ({entry['split']})" if entry.get("split") else "")
            + (f" with SHA-256 {entry['sha256'][:12]}..." if entry.get("sha256") else "")
            for entry in value
        )
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."

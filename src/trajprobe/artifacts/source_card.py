"""The schema of data/sources/<source>/card.yaml: where trajectories come from, and how their files are read.

`format` selects the class below that a card must fit. `synthetic` has no files. All others list files beside the card
(`trajprobe import` puts them there, and keeps its options here) or at a public address.
"""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator

from trajprobe.core import paths
from trajprobe.core.errors import UserError
from trajprobe.core.schema import (
    FILE_NAME,
    GAPS,
    TIME_UNIT,
    Address,
    Name,
    NonNegativeInt,
    Number,
    Positive,
    PositiveInt,
    Section,
    Seed,
    Sha256,
    YAxis,
    is_unique,
    load,
)

Split = Literal["train", "test"]
Target = Literal["classes", "regression"]
ArrayName = Literal[
    "videos", "points", "lengths", "labels", "class_names", "ids", "groups", "splits", "times"
]


def _as_text_keys(classes: object) -> object:
    # YAML reads the codes 1, 2, 3 as numbers; everywhere else labels are text.
    return {str(code): name for code, name in classes.items()} if isinstance(classes, dict) else classes


def _is_label_rule(rule: str) -> str:
    kind, _, value = rule.partition(":")
    if kind == "name":
        try:
            groups = re.compile(value).groups
        except re.error as error:
            raise ValueError(f"a regular expression after `name:` ({error})") from None
        if groups != 1:
            raise ValueError(r"a regular expression with one group, as in name:'(\w+)_\d+'")
    elif not ((kind == "folder" and not value) or (kind == "key" and value)):
        raise ValueError("folder, key:KEY or name:'REGEX'")
    return rule


def _has_distinct_names(classes: dict[str, str]) -> dict[str, str]:
    is_unique(list(classes.values()))
    return classes


class SourceFile(Section):
    """One file: the name of a file beside the card, or a public address. split: the part that the whole file is."""

    file: Annotated[str, Field(pattern=FILE_NAME)] | None = None
    url: Address | None = None
    sha256: Sha256 | None = None
    split: Split | None = None

    @model_validator(mode="after")
    def _is_somewhere(self) -> "SourceFile":
        if (self.file is None) == (self.url is None):
            raise ValueError("either file (a name in the folder of the card) or url")
        return self


class Card(Section):
    """What all cards have in common, with the rules for duplicates, groups and large classes.

    y_axis: which way y points in 2-D data; `down` in image coordinates.
    target: labels are names of classes, or numbers to predict (`regression`), which need no rule about classes.
    group_duplicates: exact copies with one label are put into one group; otherwise such copies are invalid items.
    across_split: a train item whose copy or group is in test is an invalid item (`refuse`), or is left out and listed
        in data/quarantine.csv (`drop_train`), so that the published test part stays whole.
    unlabelled: items without a label are invalid (`refuse`), or are left out and listed (`drop`).
    min_per_class: leave out classes with fewer independent groups of items, and list their items.
    max_per_class: keep at most so many items of a class, drawn with `seed` (`subsample` in trajectories/validation.py).
    """

    name: Name
    summary: str
    licence: str | None = None
    citation: str | None = None
    y_axis: YAxis = "up"
    target: Target = "classes"
    group_duplicates: bool = False
    across_split: Literal["refuse", "drop_train"] = "refuse"
    unlabelled: Literal["refuse", "drop"] = "refuse"
    min_per_class: PositiveInt | None = None
    max_per_class: PositiveInt | None = None
    seed: Seed = 0

    @model_validator(mode="after")
    def _has_classes_or_numbers(self) -> "Card":
        rules = ("classes", "min_per_class", "max_per_class")
        if self.target == "regression" and (
            given := [r for r in rules if getattr(self, r, None) is not None]
        ):
            raise ValueError(f"no {given[0]} with target: regression, as its labels are numbers")
        return self


class SyntheticCard(Card):
    """Paths of the families that params.yaml names under `synthesis`."""

    format: Literal["synthetic"]


class FileCard(Card):
    """What all cards with files have in common.

    classes: label in the files -> name of the class, for all labels, in the order of the classes.
    digest: `Parsed.digest` of the content before classes are named; any other content is an error.
    time_step: seconds between points if the files contain no times, and between frames if `time_unit` is frames.
    time_unit: of times that are numbers: s, ms, us, ns, min, h, frames, or a rate such as 30fps.
    up: the axis of 3-D data that points up; it becomes z by a rotation.
    gaps: missing points inside a path make it invalid (`refuse`), are filled linearly in time (`interpolate`, or
        `interpolate:N` for at most N in a row), cut it into items of one group (`split`), or are where a pen was
        lifted (`strokes`). All but `refuse` also drop points that repeat a time stamp.
    zeros: points that are exactly zero at the end of an array are padding (`auto`), are points (`keep`), or are missing
        wherever they are (`missing`).
    label_file: a table id, label[, group, split], or an .npy of labels in the order of the items.
    """

    files: Annotated[list[SourceFile], Field(min_length=1)]
    classes: (
        Annotated[dict[str, str], BeforeValidator(_as_text_keys), AfterValidator(_has_distinct_names)] | None
    ) = None
    digest: Sha256 | None = None
    time_step: Positive = 1.0
    time_unit: Annotated[str, Field(pattern=TIME_UNIT)] = "s"
    up: Literal["x", "y", "z", "-x", "-y", "-z"] = "z"
    gaps: Annotated[str, Field(pattern=GAPS)] = "refuse"
    zeros: Literal["auto", "keep", "missing"] = "auto"
    label_file: SourceFile | None = None

    @property
    def entries(self) -> list[SourceFile]:
        """All files that the card names: `files`, then `label_file` if there is one."""
        return [*self.files, *([self.label_file] if self.label_file else [])]


class NpzCard(FileCard):
    """NumPy archives and arrays, read by trajectories/sources/npz.py.

    arrays: our name of an array -> its name in the archive. object: which one, from 0, of several objects in an array
    (N, P, objects, D). clips: ready-made clips in the archive are shown to the encoders (`use`), or the paths are drawn
    (`ignore`).
    """

    format: Literal["npz"]
    arrays: dict[ArrayName, str] = Field(default_factory=dict)
    clips: Literal["use", "ignore"] = "use"
    object: NonNegativeInt | None = None


class Columns(Section):
    """Our name of a column -> its name in the table; several columns can make the id.

    z, t, group, split and stroke are optional unless the card names them.
    """

    id: str | list[str] = "id"
    t: str = "t"
    x: str = "x"
    y: str = "y"
    z: str = "z"
    label: str = "label"
    group: str = "group"
    split: str = "split"
    stroke: str = "stroke"


class TableCard(FileCard):
    """Tables with one point per row.

    header: the names of the columns, if the file has no header row. separator: between cells, found out if None;
    a blank stands for any number of blanks. no_time: rows are in order, `time_step` apart. time_format: of times
    that are dates, as for strptime.
    """

    columns: Columns = Columns()
    header: Annotated[list[str], Field(min_length=2)] | None = None
    separator: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    no_time: bool = False
    time_format: str | None = None


class LongCard(TableCard):
    """One table of all items, .csv or .parquet, read by trajectories/sources/long_table.py."""

    format: Literal["long"]


class FilesCard(TableCard):
    """One file per item, CSV or JSON, in a .zip, read by trajectories/sources/item_files.py.

    label_from: `folder` (the last folder above the file), `key:KEY` (of a JSON file), or `name:REGEX` with one group
    (of the file's name); None for a column or key `label` or `class`, or else the folder.
    """

    format: Literal["files"]
    label_from: Annotated[str, AfterValidator(_is_label_rule)] | None = None


class VideosCard(FileCard):
    """One video per item in a .zip, read by trajectories/sources/video_files.py.

    label_from: `folder` or `name:REGEX`, as above; None for the folder. time_step: between frames, for videos that do
    not say their rate.
    """

    format: Literal["videos"]
    label_from: Annotated[str, AfterValidator(_is_label_rule)] | None = None

    @model_validator(mode="after")
    def _has_no_keys(self) -> "VideosCard":
        if (self.label_from or "").startswith("key:"):
            raise ValueError("a label_from of folder or name:'REGEX', as a video has no keys")
        return self


class TsCard(FileCard):
    """UEA/sktime .ts files, read by trajectories/sources/ts.py. dimensions: which series are x, y[, z]; None: all."""

    format: Literal["ts"]
    dimensions: Annotated[list[NonNegativeInt], Field(min_length=2, max_length=3)] | None = None


class RowsCard(FileCard):
    """One path per row, numbers and a label, read by trajectories/sources/row_table.py.

    separator: `blank` (spaces or tabs), `comma`, or `either`.
    layout: `points` (x1 y1 x2 y2 ...) or `axes` (x1 x2 ... y1 y2 ...).
    test_rows: rows of the published test part, counted from 0 over the rows of data; all others are train.
    """

    format: Literal["rows"]
    separator: Literal["blank", "comma", "either"] = "either"
    layout: Literal["points", "axes"] = "points"
    dimensions: Literal[2, 3] = 2
    label: Literal["first", "last"] = "last"
    skip_lines: NonNegativeInt = 0
    test_rows: Annotated[list[NonNegativeInt], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _has_one_split(self) -> "RowsCard":
        if self.test_rows is not None and (len(self.files) > 1 or self.files[0].split is not None):
            raise ValueError("a single file without a split of its own if there are test_rows")
        return self


class TrackerCard(FileCard):
    """What a tracker wrote about videos, one file or a .zip of several, read by trajectories/sources/trackers/.

    y points down, as in images, unless the card says otherwise. time_unit: frames or a rate for trackers that count
    frames; unless it is given, what the file says, or else frames. label_from: as in `FilesCard`, of several files.
    """

    y_axis: YAxis = "down"
    label_from: Annotated[str, AfterValidator(_is_label_rule)] | None = None

    @model_validator(mode="after")
    def _reads_no_keys(self) -> "TrackerCard":
        if (self.label_from or "").startswith("key:"):
            raise ValueError(
                "a label_from of folder or name:'REGEX', as the files of trackers have no such keys"
            )
        return self


class TracksCard(TrackerCard):
    """Tracks of whole objects."""

    format: Literal["trackmate", "mot", "idtrackerai"]


class PosesCard(TrackerCard):
    """Tracks of the keypoints of animals.

    keypoint: the one whose path is taken, or `mean` of all that are present; may be left out if there is only one.
    likelihood: keypoints that are less certain are missing; None for the default of the tracker's own programs.
    """

    format: Literal["deeplabcut", "sleap"]
    keypoint: str | None = None
    likelihood: Annotated[Number, Field(ge=0, le=1)] | None = None


SourceCard = (
    SyntheticCard | NpzCard | LongCard | FilesCard | VideosCard | TsCard | RowsCard | TracksCard | PosesCard
)
CARDS: dict[str, type[SourceCard]] = {
    "synthetic": SyntheticCard,
    "npz": NpzCard,
    "long": LongCard,
    "files": FilesCard,
    "videos": VideosCard,
    "ts": TsCard,
    "rows": RowsCard,
    "trackmate": TracksCard,
    "mot": TracksCard,
    "idtrackerai": TracksCard,
    "deeplabcut": PosesCard,
    "sleap": PosesCard,
}


class _Format(BaseModel):
    format: Literal[
        "synthetic", "npz", "long", "files", "videos", "ts", "rows",
        "trackmate", "mot", "idtrackerai", "deeplabcut", "sleap",
    ]  # fmt: skip


def load_source_card(source: str) -> SourceCard:
    """The card of `source`. Raises UserError if it is missing, does not fit its schema, or has another name."""
    path: Path = paths.source_card(source)
    card: SourceCard = load(CARDS[load(_Format, path).format], path)
    if card.name != source:
        raise UserError(f"{path}: name: must be that of its folder, {source!r}, got {card.name!r}")
    return card

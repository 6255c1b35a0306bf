"""The schema of data/sources/<source>.yaml: where trajectories come from, and how their files are to be read.

A card's `format` decides which of the classes below it must fit. `synthetic` has no files; the four others list
files that lie under data/raw/ (put there by `trajprobe import`) or that are fetched from a public address.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator

from trajprobe import paths
from trajprobe.errors import UserError
from trajprobe.params.loading import load
from trajprobe.params.types import Count, Name, Positive, Section, Seed, Sha256, Some, YAxis, is_unique

Split = Literal["train", "test"]


def _as_text_keys(classes: object) -> object:
    # YAML reads the codes 1, 2, 3 as numbers; labels are text everywhere else.
    return {str(code): name for code, name in classes.items()} if isinstance(classes, dict) else classes


def _has_distinct_names(classes: dict[str, str]) -> dict[str, str]:
    is_unique(list(classes.values()))
    return classes


class SourceFile(Section):
    """One file: a name under data/raw/, or a public address; `split` says that all of it is train or test."""

    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*$")] | None = None
    url: Annotated[str, Field(pattern="^https?://")] | None = None
    sha256: Sha256 | None = None
    split: Split | None = None

    @model_validator(mode="after")
    def _is_somewhere(self) -> "SourceFile":
        if (self.file is None) == (self.url is None):
            raise ValueError("either file (a name under data/raw/) or url")
        return self


class Card(Section):
    """What every card says, and what is made of duplicates, of torn groups, and of very large classes.

    y_axis: which way y points in 2-D data; images count it downwards.
    group_duplicates: exact copies with one label share a group; without it they are refused.
    across_split: what becomes of a train item whose copy or whose group is in test: `refuse` makes it a bad item,
        `drop_train` leaves it out and says so in the manifest, so that the published test part stays whole.
    max_per_class: keep at most so many items of a class, drawn by `seed` (see trajectories/capping.py).
    """

    name: Name
    summary: str
    licence: str | None = None
    citation: str | None = None
    y_axis: YAxis = "up"
    group_duplicates: bool = False
    across_split: Literal["refuse", "drop_train"] = "refuse"
    max_per_class: Some | None = None
    seed: Seed = 0


class SyntheticCard(Card):
    """Made by the families that params.yaml names under `synthesis`."""

    format: Literal["synthetic"]


class FileCard(Card):
    """What every card with files has.

    classes: names for the labels that stand in the files, in the order of the classes; all labels must be there.
    digest: of the parsed content before classes are named (see trajectories/parsed.py); another one is an error.
    time_step: seconds between points where the files hold no times.
    """

    files: Annotated[list[SourceFile], Field(min_length=1)]
    classes: (
        Annotated[dict[str, str], BeforeValidator(_as_text_keys), AfterValidator(_has_distinct_names)] | None
    ) = None
    digest: Sha256 | None = None
    time_step: Positive = 1.0


class NpzCard(FileCard):
    """NumPy archives, see trajectories/npz.py."""

    format: Literal["npz"]


class Columns(Section):
    """Names of the columns of a long table. A name that is given must be there; z, t, group and split need not be."""

    id: str = "id"
    t: str = "t"
    x: str = "x"
    y: str = "y"
    z: str = "z"
    label: str = "label"
    group: str = "group"
    split: str = "split"


class LongCard(FileCard):
    """One row a point, .csv or .parquet, see trajectories/long.py."""

    format: Literal["long"]
    columns: Columns = Columns()
    separator: Annotated[str, Field(min_length=1, max_length=1)] = ","


class TsCard(FileCard):
    """UEA/sktime .ts files, see trajectories/ts.py. dimensions: which series are x, y[, z]; None takes all."""

    format: Literal["ts"]
    dimensions: Annotated[list[Count], Field(min_length=2, max_length=3)] | None = None


class RowsCard(FileCard):
    """One row a path, numbers and a label, see trajectories/rows.py.

    separator: `blank` (spaces or tabs), `comma`, or `either`.
    layout: `points` (x1 y1 x2 y2 ...) or `axes` (x1 x2 ... y1 y2 ...).
    test_rows: rows of the published test part, counted from 0 over the rows of data; all others are train.
    """

    format: Literal["rows"]
    separator: Literal["blank", "comma", "either"] = "either"
    layout: Literal["points", "axes"] = "points"
    dimensions: Literal[2, 3] = 2
    label: Literal["first", "last"] = "last"
    skip_lines: Count = 0
    test_rows: Annotated[list[Count], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _has_one_split(self) -> "RowsCard":
        if self.test_rows is not None and (len(self.files) > 1 or self.files[0].split is not None):
            raise ValueError("a single file without a split of its own beside test_rows")
        return self


SourceCard = SyntheticCard | NpzCard | LongCard | TsCard | RowsCard
CARDS: dict[str, type[SourceCard]] = {
    "synthetic": SyntheticCard,
    "npz": NpzCard,
    "long": LongCard,
    "ts": TsCard,
    "rows": RowsCard,
}


class _Format(BaseModel):
    format: Literal["synthetic", "npz", "long", "ts", "rows"]


def load_source_card(source: str) -> SourceCard:
    """The card of `source`. Raises UserError in one line where it is missing, wrong, or names another source."""
    path: Path = paths.source_card(source)
    card: SourceCard = load(CARDS[load(_Format, path).format], path)
    if card.name != source:
        raise UserError(f"{path}: name: must be that of its file, {source!r}, got {card.name!r}")
    return card

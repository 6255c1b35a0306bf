"""Kinds of bad input, the command that meets each, and the message it gives: the table docs/errors.md is made of these.

`python tests/bad_inputs.py` writes the page. tests/test_bad_inputs.py runs every row, and holds the page against it.
"""

import contextlib
import io
import json
import os
import shlex
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

import made_artifacts
from trajprobe import cli
from trajprobe.core import paths

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/errors.md"
ITEMS, POINTS = 24, 4
IDS = [f"i{item}" for item in range(ITEMS) for _ in range(POINTS)]
TIMES = [float(point) for _ in range(ITEMS) for point in range(POINTS)]
LABELS = [("a", "b", "c")[item % 3] for item in range(ITEMS) for _ in range(POINTS)]
LINES = np.random.default_rng(0).normal(size=(2, ITEMS * POINTS))
PATHS = LINES.reshape(2, ITEMS, POINTS).transpose(1, 2, 0)
LONGEST = 300  # characters of a message
HEADER = """\
# Bad input and what trajprobe says

Every mistake in what you give ends in one line on stderr and exit code 1: what is wrong, where, what was expected, what
was found, what to do. Nothing is written then. A traceback is a defect of trajprobe; please report it.

This table is made from the tests: `python tests/bad_inputs.py` writes it. Long messages are cut.
"""


@dataclass(frozen=True)
class BadInput:
    """what: the kind. command: without `trajprobe`. make: writes the input into the current folder, a project.

    environment: variables that are set.
    """

    section: str
    what: str
    command: str
    make: Callable[[], None] = lambda: None
    environment: tuple[tuple[str, str], ...] = ()


def table(**columns: Any) -> Callable[[], None]:
    """A long table in bad.parquet, with these columns instead of sound ones."""

    def make() -> None:
        sound = {"id": IDS, "t": TIMES, "x": LINES[0], "y": LINES[1], "label": LABELS}
        pq.write_table(pa.table({**sound, **columns}), "bad.parquet")

    return make


def text(name: str, content: str | bytes) -> Callable[[], None]:
    return lambda: (
        Path(name).write_bytes(content if isinstance(content, bytes) else content.encode()) and None
    )


def rows(
    scale: float = 1.0, time_scale: float = 1.0, label: Callable[[int], str] = lambda row: LABELS[row]
) -> str:
    lines = [
        f"{IDS[row]},{TIMES[row] * time_scale},{LINES[0, row] * scale},{LINES[1, row] * scale},{label(row)}"
        for row in range(ITEMS * POINTS)
    ]
    return "\n".join(["id,t,x,y,label", *lines, ""])


def archive(**arrays: Any) -> Callable[[], None]:
    return lambda: np.savez("bad.npz", **{"trajectories": PATHS, "labels": np.arange(ITEMS) % 3, **arrays})


def items(**content: Any) -> Callable[[], None]:
    def make() -> None:
        with zipfile.ZipFile("bad.zip", "w") as packed:
            for item in range(ITEMS):
                packed.writestr(
                    f"{item}.json",
                    json.dumps({"points": PATHS[item].tolist(), "label": "abc"[item % 3], **content}),
                )

    return make


def repeated_columns() -> None:
    names = ["id", "t", "x", "y", "y", "label"]
    columns = [IDS, TIMES, LINES[0], LINES[1], LINES[1], LABELS]
    pq.write_table(pa.Table.from_arrays([pa.array(column) for column in columns], names), "bad.parquet")


def bomb() -> None:
    """Zeros: 200 million numbers in less than a megabyte."""
    many = 400_000
    zeros = pa.array(np.zeros(many))
    ids = pa.DictionaryArray.from_arrays(pa.array(np.zeros(many, np.int32)), ["i"])
    made = pa.table({"id": ids, "t": zeros, "x": zeros, "y": zeros, "label": ids})
    with pq.ParquetWriter("bad.parquet", made.schema, compression="zstd") as writer:
        for _ in range(100):
            writer.write_table(made)


def bad_code_point() -> None:
    labels = np.array(["a", "b", "c"] * (ITEMS // 3))
    content = bytearray(labels.tobytes())
    content[:4] = (0x7FFFFFFF).to_bytes(4, "little")
    archive(labels=np.frombuffer(bytes(content), labels.dtype))()


def params(**changes: Any) -> Callable[[], None]:
    """params.yaml with these values; a key is `section__key`."""

    def make() -> None:
        content = yaml.safe_load(paths.PARAMS.read_text())
        for key, value in changes.items():
            *sections, last = key.split("__")
            target = content
            for section in sections:
                target = target[section]
            target[last] = value
        paths.PARAMS.write_text(yaml.safe_dump(content, sort_keys=False))

    return make


def more_params(line: str) -> Callable[[], None]:
    return lambda: paths.PARAMS.write_text(f"{line}\n{paths.PARAMS.read_text()}") and None


def damaged(path: Path, write: Callable[[Path], None], place: int) -> Callable[[], None]:
    """An output with one flipped bit, beside sound ones."""

    def make() -> None:
        controls = paths.predictions(paths.CONTROLS)
        sound = {paths.TRAJECTORIES: made_artifacts.trajectories, controls: made_artifacts.predictions}
        for each, own in {**sound, path: write}.items():
            each.parent.mkdir(parents=True, exist_ok=True)
            own(each)
        content = bytearray(path.read_bytes())
        content[place] ^= 1
        path.write_bytes(content)

    return make


def bad_inputs() -> Iterator[BadInput]:
    yield from _files()
    yield from _params()
    for variable, value in (
        ("TRAJPROBE_DEVICE", "meta"),
        ("TRAJPROBE_CACHE", "~nobody-of-that-name/x"),
        ("TRAJPROBE_CACHE_LIMIT", "much"),
        ("TRAJPROBE_WORKERS", "99999999"),
        ("TRAJPROBE_BATCH", "none"),
        ("TRAJPROBE_DROP_DOWNLOADS", "perhaps"),
        ("TRAJPROBE_MIRROR", "ftp://somewhere"),
    ):
        yield BadInput("Environment", f"`{variable}={value}`", "families", environment=((variable, value),))
    yield from _outputs()


def _files() -> Iterator[BadInput]:
    section = "Trajectory files"
    binary = pa.array([label.encode() + b"\xff" for label in LABELS], pa.binary())
    lists = pa.array([[label] for label in LABELS])
    far = [datetime(9000, 1, 1) + timedelta(seconds=seconds) for seconds in TIMES]
    bytes_ = np.array([b"\xff1", b"\xfe1", b"ok"])[np.arange(ITEMS) % 3]
    surrogates = np.array(["\ud800", "b", "c"])[np.arange(ITEMS) % 3]
    parquet, npz, csv = (f"import bad{ending} --name mine" for ending in (".parquet", ".npz", ".csv"))
    for what, command, make in (
        (
            "`.ts` with a bare `@`",
            "import bad.ts --name mine",
            text("bad.ts", "@\n@classLabel true a\n@data\n1:2:a\n"),
        ),
        ("two columns of one name", parquet, repeated_columns),
        ("`--column` with a name that two columns have", f"{parquet} --column x=y", repeated_columns),
        ("labels that are binary", parquet, table(label=binary)),
        ("labels that are lists", parquet, table(label=lists)),
        ("ids that are lists", parquet, table(id=pa.array([[own] for own in IDS]))),
        ("coordinates that are lists", parquet, table(x=pa.array([[own] for own in LINES[0]]))),
        ("dates as ids and texts as times", parquet, table(id=pa.array(far), t=LABELS)),
        ("a small file that unpacks to gigabytes", parquet, bomb),
        ("not a Parquet file", parquet, text("bad.parquet", "PAR1 no more")),
        ("labels in bytes that are not UTF-8", npz, archive(labels=bytes_)),
        ("labels with lone surrogates", npz, archive(labels=surrogates)),
        (
            "names as numbers to predict",
            f"{npz} --target regression",
            archive(labels=np.array(LABELS[::POINTS])),
        ),
        ("equal numbers to predict", f"{npz} --target regression", archive(labels=np.full(ITEMS, 2.5))),
        ("a rule about classes for numbers", f"{npz} --target regression --min-per-class 2", archive()),
        ("text with numbers that are no characters", npz, bad_code_point),
        ("not a NumPy archive", npz, text("bad.npz", "PK\3\4 no more")),
        (
            "escape sequences in labels",
            csv,
            text("bad.csv", rows(label=lambda row: f"\x1b[31m{LABELS[row]}")),
        ),
        (
            "labels of thousands of characters",
            csv,
            text("bad.csv", rows(label=lambda row: LABELS[row] * 2000)),
        ),
        ("bytes in no known encoding", csv, text("bad.csv", rows().encode().replace(b",a\n", b",\x81\n"))),
        ("times whose differences vanish", csv, text("bad.csv", rows(time_scale=5e-324))),
        ("times beyond float64's half", csv, text("bad.csv", rows(time_scale=5e307))),
        ("coordinates near float32's limit", csv, text("bad.csv", rows(scale=1e37))),
        ("coordinates below float32's precision", csv, text("bad.csv", rows(scale=1e-40))),
        ("JSON nested thousands of levels", "import bad.zip --name mine", _nested),
        ("a label that is a JSON object", "import bad.zip --name mine", items(label={"name": "a"})),
        ("times with lone surrogates", "import bad.zip --name mine", items(t=["\ud800"] * POINTS)),
        ("text that unpacks to far more than its size", "import bad.zip --name mine", _packed_zeros),
        ("no such file", csv, lambda: None),
    ):
        yield BadInput(section, what, command, make)


def _nested() -> None:
    with zipfile.ZipFile("bad.zip", "w") as packed:
        packed.writestr("0.json", '{"points": ' + "[" * 5000 + "]" * 5000 + "}")


def _packed_zeros() -> None:
    with zipfile.ZipFile("bad.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("0.csv", "t,x,y\n" + "0,0,0\n" * 12_000_000)


def _params() -> Iterator[BadInput]:
    for what, make in (
        ("an unknown key", params(probe__fold=3)),
        ("a whole number of 5,000 digits", more_params(f"other: {'9' * 5000}")),
        ("lists nested 10,000 deep", more_params(f"other: {'[' * 10_000}{']' * 10_000}")),
        ("a date that is none", more_params("other: 2024-13-45")),
        ("a tag that would run code", more_params("other: !!python/object/apply:os.system [ls]")),
        ("`l2_grid.count` of a billion", params(probe__l2_grid__count=10**9)),
        ("`split_halves` of a billion", params(probe__split_halves=10**9)),
        ("`bootstrap` of a billion", params(analyse__bootstrap=10**9)),
        ("`random_inits` of a billion", params(extract__random_inits=10**9)),
        ("`draws` of a billion", params(analyse__draws=10**9)),
        ("`orders` of a billion", params(analyse__orders=10**9)),
        ("`hidden` of a billion", params(analyse__hidden=10**9)),
        ("`epochs` of a billion", params(analyse__epochs=10**9)),
        ("`kernels` of a billion", params(baseline__multirocket__kernels=10**9)),
        (
            "angles whose difference is infinite",
            params(render__camera__azimuth=[-1e308, 1e308]),
        ),
        ("a `rate` that float32 cannot hold", params(baseline__cnn3d__rate=1e300)),
        ("`confidence` that rounds to 1", params(compare__confidence=0.9999999999999999)),
        ("a source without a card", params(source="synthetik")),
    ):
        yield BadInput("params.yaml", what, "tidy", make)


def _outputs() -> Iterator[BadInput]:
    encoder = "magvit2_mini"
    for what, command, path, write, place in (
        ("trajectories", "render", paths.TRAJECTORIES, made_artifacts.trajectories, 60),
        ("features", f"probe {encoder}", paths.features(encoder), made_artifacts.features, -1),
        ("predictions", "compare", paths.predictions(encoder), made_artifacts.predictions, 60),
    ):
        yield BadInput("Damaged outputs", f"{what} with a flipped bit", command, damaged(path, write, place))


def provoke(bad: BadInput) -> tuple[int, str, list[str]]:
    """The exit code, stderr, and the names of files that the command left, in a small project of its own."""
    saved, arguments, environ = Path.cwd(), sys.argv, dict(os.environ)
    errors = io.StringIO()
    with tempfile.TemporaryDirectory() as folder:
        for name in (
            "params.yaml",
            "dvc.yaml",
            "data/sources/synthetic/card.yaml",
            "models/magvit2_mini/card.yaml",
        ):
            Path(folder, name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, Path(folder, name))
        try:
            os.chdir(folder)
            bad.make()
            before = _listed()
            for name in [name for name in os.environ if name.startswith("TRAJPROBE_")]:
                del os.environ[name]
            os.environ.update({"TRAJPROBE_CACHE": f"{folder}/cache", **dict(bad.environment)})
            sys.argv = ["trajprobe", *shlex.split(bad.command)]
            code: Any = 0
            with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
                try:
                    cli.main()
                except SystemExit as stop:
                    code = stop.code
            return code, errors.getvalue(), sorted(_listed() - before)
        finally:
            os.chdir(saved)
            sys.argv = arguments
            os.environ.clear()
            os.environ.update(environ)


def _listed() -> set[str]:
    return {path.as_posix() for path in Path().rglob("*")}


def page_rows(messages: Iterable[tuple[BadInput, str]]) -> list[str]:
    """Rows of the table: the input, the command, the message without what a table cannot show."""
    rows = []
    for bad, message in messages:
        shown = message.strip().removeprefix("error: ")
        shown = shown if len(shown) <= LONGEST else f"{shown[:LONGEST]} ..."
        shown = shown.replace("|", "\\|").replace("<", "&lt;")
        rows.append(f"| {bad.what} | `{bad.command.replace(' --name mine', '')}` | {shown} |")
    return rows


def page() -> str:
    """docs/errors.md."""
    lines = [HEADER]
    messages = [(bad, provoke(bad)[1]) for bad in bad_inputs()]
    for section in dict.fromkeys(bad.section for bad, _ in messages):
        lines += [f"## {section}", "", "| input | command | message |", "| --- | --- | --- |"]
        lines += [*page_rows(pair for pair in messages if pair[0].section == section), ""]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

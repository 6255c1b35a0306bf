"""Time columns in every form against the seconds that they were made from (oracle: Python's datetime)."""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trajprobe.artifacts.source_card import LongCard
from trajprobe.core.errors import UserError
from trajprobe.core.schema import validate
from trajprobe.trajectories.sources.parsed import Parsed
from trajprobe.trajectories.sources.reading import read_source

SECONDS = np.array([0, 1.25, 7, 3600, 90000.5])
START = datetime(2024, 12, 30, 21, 5, 9)


def card(**rules: Any) -> LongCard:
    base = {"name": "mine", "summary": "s", "format": "long", "files": [{"file": "a.csv"}]}
    return validate(LongCard, base | rules, "card")


def read(path: Path, times: list[Any], **rules: Any) -> Parsed:
    rows = [f"a;{moment};{i};0;k" for i, moment in enumerate(times)]
    (path / "a.csv").write_text("\n".join(["id;t;x;y;label", *rows, ""]))
    return read_source(card(**rules), [path / "a.csv"])[0]


@pytest.mark.parametrize(
    ("unit", "scale"),
    [
        ("s", 1),
        ("ms", 1e-3),
        ("us", 1e-6),
        ("ns", 1e-9),
        ("min", 60),
        ("h", 3600),
        ("30fps", 1 / 30),
        ("12.5fps", 0.08),
    ],
)
def test_numbers_in_a_unit(unit: str, scale: float, tmp_path: Path) -> None:
    parsed = read(tmp_path, [4, 5, 8], time_unit=unit)
    np.testing.assert_allclose(parsed.times[0], np.array([0, 1, 4]) * scale)
    assert any(
        unit.removesuffix("fps") in note for note in parsed.notes if note.startswith("time: column 't'")
    )


def test_frames_are_a_time_step_apart(tmp_path: Path) -> None:
    parsed = read(tmp_path, [4, 5, 8], time_unit="frames", time_step=0.04)
    np.testing.assert_allclose(parsed.times[0], [0, 0.04, 0.16])
    assert "time: column 't', frames, 0.04 s apart" in parsed.notes
    with pytest.raises(UserError, match="or a rate of more than 0 such as 30fps, got '0fps'"):
        read(tmp_path, [4, 5], time_unit="0fps")


def test_an_unknown_unit_is_said_to_be_seconds(tmp_path: Path) -> None:
    (note,) = (note for note in read(tmp_path, [4, 5]).notes if note.startswith("time:"))
    assert note.startswith("time: column 't', numbers, taken as seconds (--time-unit ms,")


def clock_text(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes // 60):02d}:{int(minutes % 60):02d}:{rest:09.6f}"


FORMS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "epoch": ([START.replace(tzinfo=UTC).timestamp() + s for s in SECONDS], {}),
    "epoch in ms": (
        [int(1000 * (START.replace(tzinfo=UTC).timestamp() + s)) for s in SECONDS],
        {"time_unit": "ms"},
    ),
    "ISO": ([(START + timedelta(seconds=s)).isoformat() for s in SECONDS], {}),
    "ISO with a blank": ([str(START + timedelta(seconds=s)) for s in SECONDS], {}),
    "ISO with a zone": (
        [(START.replace(tzinfo=UTC) + timedelta(seconds=s)).isoformat() for s in SECONDS],
        {},
    ),
    "day first": (
        [(START + timedelta(seconds=s)).strftime("%d.%m.%Y %H:%M:%S.%f") for s in SECONDS],
        {"time_format": "%d.%m.%Y %H:%M:%S.%f"},
    ),
    "clock": ([clock_text(s) for s in SECONDS], {}),
    "timedelta": ([str(timedelta(seconds=s)) for s in SECONDS], {}),
    "pandas": ([f"{int(s // 86400)} days {clock_text(s % 86400)}" for s in SECONDS], {}),
    "decimal comma": ([str(s).replace(".", ",") for s in SECONDS], {}),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_same_seconds(form: str, tmp_path: Path) -> None:
    times, rules = FORMS[form]
    np.testing.assert_allclose(read(tmp_path, times, **rules).times[0], SECONDS, atol=1e-6)


def test_short_clock_times_and_negative_spans(tmp_path: Path) -> None:
    np.testing.assert_allclose(read(tmp_path, ["9:05", "9:07"]).times[0], [0, 120])
    np.testing.assert_allclose(read(tmp_path, ["-1 days +23:59:59", "0:00:01"]).times[0], [0, 2])
    np.testing.assert_allclose(read(tmp_path, ["-0:00:01", "0:00:01"]).times[0], [0, 2])


def test_a_missing_time_is_nan(tmp_path: Path) -> None:
    for times, rules in (
        (["0", "NA", "2"], {}),
        (["9:05", "", "9:07"], {}),
        (["1.2.2024", "", "2.2.2024"], {"time_format": "%d.%m.%Y"}),
    ):
        parsed = read(tmp_path, times, **rules)
        assert np.isnan(parsed.times[0][-1])  # sorted to the end


@pytest.mark.parametrize(
    "column",
    [
        pa.array([START + timedelta(seconds=s) for s in SECONDS], pa.timestamp("us")),
        pa.array([timedelta(seconds=s) for s in SECONDS], pa.duration("ms")),
        pa.array(SECONDS),
    ],
)
def test_typed_columns_of_parquet(column: pa.Array, tmp_path: Path) -> None:
    count = len(SECONDS)
    table = {"id": ["a"] * count, "t": column, "x": range(count), "y": [0] * count, "label": ["k"] * count}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    (clock,) = read_source(card(), [tmp_path / "a.parquet"])[0].times
    np.testing.assert_allclose(clock, SECONDS)


def test_dates_and_clock_times_of_parquet(tmp_path: Path) -> None:
    for column, expected in (
        ([date(2024, 2, 28), date(2024, 3, 1)], 2 * 86400),
        ([time(9, 5), time(9, 5, 1)], 1),
    ):
        table = {"id": ["a"] * 2, "t": column, "x": [0, 1], "y": [0, 0], "label": ["k"] * 2}
        pq.write_table(pa.table(table), tmp_path / "a.parquet")
        assert read_source(card(), [tmp_path / "a.parquet"])[0].times[0][1] == expected


@pytest.mark.parametrize(
    ("times", "rules", "message"),
    [
        (["13.05.2024", "14.05.2024"], {}, "column 't' must contain numbers or times .* give --time-format"),
        (["noon", "1"], {}, "must contain numbers or times"),
        (["2024-01-02", "x"], {"time_format": "%Y-%m-%d"}, "column 't': time data 'x' does not match"),
    ],
)
def test_each_mistake_is_one_clear_line(
    times: list[str], rules: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        read(tmp_path, times, **rules)
    table = {"id": ["a"] * 2, "t": [[1], [2]], "x": [0, 1], "y": [0, 0], "label": ["k"] * 2}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    with pytest.raises(UserError, match="must contain numbers or times"):
        read_source(card(), [tmp_path / "a.parquet"])

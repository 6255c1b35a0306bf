"""The options of `trajprobe import` become keys of the card, and what was not given is none of them."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from trajprobe.cli import app
from trajprobe.commands import importing
from trajprobe.core.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
GIVEN = {
    "--format long": {"format": "long"},
    "--column id=track --column t=ms": {"columns": {"id": "track", "t": "ms"}},
    "--id video,track": {"columns": {"id": ["video", "track"]}},
    "--columns id,t,x,y,label": {"header": ["id", "t", "x", "y", "label"]},
    "--array points=X --array labels=y": {"arrays": {"points": "X", "labels": "y"}},
    "--object 0": {"object": 0},
    "--label-from key:class": {"label_from": "key:class"},
    "--separator ;": {"separator": ";"},
    "--dimensions 0,1,2": {"dimensions": [0, 1, 2]},
    "--layout axes": {"layout": "axes"},
    "--no-time": {"no_time": True},
    "--time-unit 30fps": {"time_unit": "30fps"},
    "--time-format %d.%m.%Y": {"time_format": "%d.%m.%Y"},
    "--y-axis down": {"y_axis": "down"},
    "--up y": {"up": "y"},
    "--up -y": {"up": "-y"},
    "--gaps interpolate:3": {"gaps": "interpolate:3"},
    "--zeros missing": {"zeros": "missing"},
    "--drop-unlabelled": {"unlabelled": "drop"},
    "--min-per-class 5": {"min_per_class": 5},
    "": {},
}


@pytest.mark.parametrize("text", GIVEN)
def test_an_option_is_a_key_of_the_card(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(importing, "run", lambda *args, **rest: calls.append((args, rest)) or "")
    arguments = ["import", "a.csv", "--name", "mine", "--labels", "who.csv", *text.split()]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    ((args, rest),) = calls
    assert args == (Path("a.csv"), "mine")
    assert rest == {"test": None, "labels": Path("who.csv"), "replace": False} | GIVEN[text]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("--column track", "--column track: required OURS=THEIRS, as in `--column id=track`"),
        ("--array X", "--array X: required OURS=THEIRS"),
        ("--dimensions x,y", "--dimensions: required numbers, as in 0,1,2, got 'x'"),
    ],
)
def test_each_mistake_is_one_clear_line(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        CliRunner().invoke(app, ["import", "a.csv", "--name", "mine", *text.split()], catch_exceptions=False)


def test_the_documentation_names_every_option_and_no_other() -> None:
    named = set(re.findall(r"--[a-z][a-z-]+", (ROOT / "docs/formats.md").read_text()))
    command = typer.main.get_command(app)
    assert isinstance(command, typer.core.TyperGroup)
    options = {option for parameter in command.commands["import"].params for option in parameter.opts}
    assert named == {option for option in options if option.startswith("--")} - {"--help"}

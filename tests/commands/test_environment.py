"""Every TRAJPROBE_* variable is checked by every command, also by those that do not read it."""

import pwd
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.text import Text
from typer.main import get_command

from trajprobe import cli
from trajprobe.commands.environment import check_device
from trajprobe.commands.listing import console
from trajprobe.core.errors import UserError

ROOT = Path(__file__).parents[2]


def refusal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line on stderr of a command that ends with 1."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["trajprobe", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    printed = capsys.readouterr()
    assert caught.value.code == 1
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    return printed.err


@pytest.mark.parametrize("command", [["families"], ["show"], ["study", "show", "studies/known_answers.yaml"]])
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TRAJPROBE_DEVICE", "meta"),
        ("TRAJPROBE_CACHE", "~nobody-at-all/x"),
        ("TRAJPROBE_CACHE", str(ROOT / "README.md")),
        ("TRAJPROBE_CACHE_LIMIT", "much"),
        ("TRAJPROBE_CACHE_LIMIT", "nan"),
        ("TRAJPROBE_WORKERS", "99999999"),
        ("TRAJPROBE_WORKERS", "0"),
        ("TRAJPROBE_BATCH", "1e3"),
        ("TRAJPROBE_DROP_DOWNLOADS", "perhaps"),
        ("TRAJPROBE_MIRROR", "ftp://somewhere"),
        ("TRAJPROBE_MIRROR", "http://"),
        ("TRAJPROBE_MIRROR", "\x1b[31m"),
    ],
)
def test_nonsense_is_refused_by_every_command(
    command: list[str],
    variable: str,
    value: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(variable, value)
    message = refusal(monkeypatch, capsys, *command)
    assert variable in message
    assert "\x1b" not in message


def test_a_user_without_a_home_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a container's that runs under a number of its own; DVC would end in a traceback in the middle."""

    def unknown(number: int) -> None:
        raise KeyError(number)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.delenv("HOME")
    assert "HOME: must name a folder" in refusal(monkeypatch, capsys, "families")
    monkeypatch.setenv("HOME", "somewhere")
    assert "got 'somewhere'" in refusal(monkeypatch, capsys, "families")


def test_no_command_starts_with_nonsense(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of them, as typer lists them: none can have forgotten to ask."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), get_command(cli.app))]
    checked = 0
    while waiting:
        names, command = waiting.pop()
        waiting.extend(((*names, name), own) for name, own in getattr(command, "commands", {}).items())
        if not names or getattr(command, "commands", {}):
            continue
        for variable, value in (
            ("TRAJPROBE_DEVICE", "meta"),
            ("TRAJPROBE_CACHE", "~nobody-at-all/x"),
            ("TRAJPROBE_WORKERS", "99999999"),
        ):
            with monkeypatch.context() as patch:
                patch.setenv(variable, value)
                assert variable in refusal(patch, capsys, *names), names
        checked += 1
    assert checked >= 24


def test_the_option_is_checked_as_its_variable_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "'meta'" in refusal(monkeypatch, capsys, "extract", "magvit2_mini", "--device", "meta")


@pytest.mark.parametrize("name", ["cpu", "cuda", "cuda:0", "cuda:15", "mps"])
def test_devices_that_compute_are_accepted(name: str) -> None:
    assert check_device(name) == name


@pytest.mark.parametrize("name", ["meta", "cpu:1:2", "cuda:-1", "hpu", "cuda:\n0", ""])
def test_other_devices_are_not(name: str) -> None:
    with pytest.raises(UserError, match="TRAJPROBE_DEVICE"):
        check_device(name)


def test_a_table_shows_controls_as_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    console().print(Text("\x1b[2J\x07quiet"), "[bold]loud[/]")
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "\\x1b[2J" in printed
    assert "loud" in printed

"""The command line as a stranger meets it: help that says what is read and written, one line and exit code 1 for
whatever they can correct, a traceback only for our own defects."""

import errno
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from trajprobe import cli
from trajprobe.core.errors import UserError

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "transformers", "matplotlib", "sklearn", "scipy", "pyarrow", "zarr", "cv2")


def exit_of(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> int | str | None:
    def app(**_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return caught.value.code


def test_a_mistake_is_one_line_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_of(monkeypatch, UserError("file.yaml: key: required a number,\n got 'x'")) == 1
    assert capsys.readouterr().err == "error: file.yaml: key: required a number, got 'x'\n"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS])
def test_a_full_disk_is_one_line(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_of(monkeypatch, OSError(number, os.strerror(number), "data/videos.zarr")) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "data/videos.zarr" in error


def test_what_mps_lacks_falls_back_to_the_cpu_unless_the_user_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The variable is set before a command runs, and nothing imports torch earlier: see the test of --help."""
    name = "PYTORCH_ENABLE_MPS_FALLBACK"
    for before, after in ((None, "1"), ("0", "0")):
        monkeypatch.setenv(name, before or "")
        if before is None:
            monkeypatch.delenv(name)
        exit_of(monkeypatch, UserError("stop"))
        assert os.environ[name] == after


def test_an_interrupt_is_silent(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_of(monkeypatch, KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("error", [OSError(errno.EIO, "broken"), ZeroDivisionError()])
def test_a_defect_keeps_its_traceback(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def app(**_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(type(error)):
        cli.main()


def test_every_command_and_option_says_what_it_is_for() -> None:
    waiting = [get_command(cli.app)]
    while waiting:
        command = waiting.pop()
        waiting.extend(getattr(command, "commands", {}).values())
        assert command.help, command.name
        for parameter in command.params:
            assert getattr(parameter, "help", "") or parameter.name == "help", (
                f"{command.name} {parameter.name}"
            )


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from trajprobe import cli; from typer.main import get_command; get_command(cli.app); "
    code += f"print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("stage", "option", "variable", "value"),
    [
        ("extract", "device", "TRAJPROBE_DEVICE", "cuda:1"),
        ("extract", "batch", "TRAJPROBE_BATCH", 3),
        ("extract", "engine", "TRAJPROBE_ENGINE", "ray"),
        ("render", "workers", "TRAJPROBE_WORKERS", 2),
        ("probe", "workers", "TRAJPROBE_WORKERS", 2),
        ("analyse", "workers", "TRAJPROBE_WORKERS", 2),
        ("fetch", "drop-downloads", "TRAJPROBE_DROP_DOWNLOADS", True),
    ],
)
@pytest.mark.parametrize("by_variable", [False, True])
def test_an_option_or_its_variable_reaches_the_stage(
    stage: str, option: str, variable: str, value: object, by_variable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    seen: list[object] = []
    module = importlib.import_module(f"trajprobe.{stage}.stage")
    monkeypatch.setattr(module, "run", lambda *arguments, **named: seen.extend([*arguments, *named.values()]))
    monkeypatch.delenv(variable, raising=False)
    arguments = [stage] if stage == "render" else [stage, "magvit2_mini"]
    if by_variable:
        monkeypatch.setenv(variable, "1" if value is True else str(value))
    else:
        arguments += [f"--{option}"] if value is True else [f"--{option}", str(value)]
    result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == 0, result.output
    assert any(type(one) is type(value) and one == value for one in seen)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TRAJPROBE_WORKERS", "many"),
        ("TRAJPROBE_WORKERS", "99999999"),
        ("TRAJPROBE_WORKERS", "-1"),
        ("TRAJPROBE_ENGINE", "spark"),
    ],
)
def test_a_variable_that_makes_no_sense_is_one_line(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv(variable, value)
    monkeypatch.setattr(sys, "argv", ["trajprobe", "render"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert variable in error


def test_from_a_folder_below_the_root_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT / "tests")
    monkeypatch.setattr(sys, "argv", ["trajprobe", "show"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    assert f"cd {ROOT}" in capsys.readouterr().err


def test_a_column_needs_two_names(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli.app, ["import", "x.csv", "--name", "mine", "--column", "id"])
    assert isinstance(result.exception, UserError)
    assert "OURS=THEIRS" in str(result.exception)


def test_show_without_a_result_says_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli.app, ["show"])
    assert isinstance(result.exception, UserError)
    assert "dvc repro" in str(result.exception)


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes")]
)
def test_too_little_memory_is_one_line(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_of(monkeypatch, error) == 1
    assert "not enough memory" in capsys.readouterr().err


def test_a_reader_that_has_had_enough_is_no_error() -> None:
    """As in `trajprobe families | head -1`: the code of the signal that ends other programs then, and no word."""
    done = subprocess.run(
        f"{sys.executable} -c 'from trajprobe.cli import main; main()' families | true; echo ${{PIPESTATUS[0]}}",
        cwd=ROOT,
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("141\n", "")


def test_closed_streams_are_no_error() -> None:
    run = f"{sys.executable} -c 'from trajprobe.cli import main; main()' families >&- 2>&-"
    assert subprocess.run(run, cwd=ROOT, shell=True, check=False).returncode == 0


def test_a_pipe_that_breaks_inside_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(**_: object) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    from trajprobe.commands import show

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(show, "run", run)
    monkeypatch.setattr(sys, "argv", ["trajprobe", "show"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    assert "broke" in capsys.readouterr().err

"""`trajprobe doctor` against what killed processes leave: DVC itself is the oracle of what stops it, and a living
process's lock of what must stay."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from remotes import S3Server
from trajprobe.commands import doctor, leftovers
from trajprobe.commands.leftovers import Leftover, find_leftovers
from trajprobe.core.errors import UserError
from trajprobe.core.files import atomic


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A DVC project without git, and a small environment to report."""
    (tmp_path / "project/data").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("TRAJPROBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(doctor, "_device", lambda: "cpu")
    nobody_there = S3Server("http://127.0.0.1:9", tmp_path)
    for variable, value in nobody_there.environment.items():
        monkeypatch.setenv(variable, value)
    (tmp_path / "project/.dvc/tmp").mkdir(parents=True)
    (tmp_path / "project/.dvc/config").write_text(
        f"[core]\n    no_scm = True\n    remote = store\n    analytics = false\n"
        f"['remote \"store\"']\n    url = {tmp_path}/store\n['remote \"away\"']\n    url = s3://nowhere/else\n"
    )
    return tmp_path / "project"


def dvc(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], capture_output=True, text=True, check=False
    )


def held(path: Path) -> int:
    """A descriptor that holds the lock of `path`, as a living process would."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def found(project: Path) -> dict[str, Leftover]:
    return {
        str(each.path.relative_to(project)): each for each in find_leftovers(project, project / ".dvc/cache")
    }


def test_an_empty_rwlock_stops_dvc_until_doctor_has_removed_it(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / ".dvc/tmp/rwlock").write_text("")
    (project / "file").write_text("content")
    assert "JSON structure is corrupted" in dvc("add", "file").stderr
    with pytest.raises(
        UserError, match=r"1 left over, the first is \.dvc/tmp/rwlock; `trajprobe doctor --fix`"
    ):
        doctor.run(fix=False)
    assert (project / ".dvc/tmp/rwlock").exists()
    capsys.readouterr()
    doctor.run(fix=True)
    printed = " ".join(capsys.readouterr().out.split())  # the terminal breaks lines
    assert "JSON structure is corrupted" in printed
    assert "put right" in printed
    assert "remote store (default): reachable" in printed
    assert "remote away: not reachable (EndpointConnectionError: " in printed
    assert "; check the address and the network" in printed
    assert dvc("add", "file").returncode == 0


def test_what_a_living_process_uses_stays(project: Path) -> None:
    (project / ".dvc/tmp/rwlock").write_text("")
    (project / ".dvc/tmp/study").mkdir()
    locks = [held(project / ".dvc/tmp/lock"), held(project / ".dvc/tmp/study.lock")]
    with atomic(project / "data/out") as temporary:
        temporary.write_text("half")
        everything = found(project)
        assert len(everything) == 4
        assert all(each.holder for each in everything.values())
        doctor.run(fix=True)
        assert found(project).keys() == everything.keys()
    assert (project / "data/out").read_text() == "half"
    for lock in locks:
        os.close(lock)
    assert not any(each.holder for each in found(project).values())
    doctor.run(fix=True)
    assert not found(project)


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("content", ["", "schema: '2.0'\n", "schema: '2.0'\nstages:\n  a:\n    cmd: 'x"])
def test_a_dvc_lock_that_was_cut_off_is_that_of_git_again(
    project: Path, content: str, committed: bool
) -> None:
    lock, whole = project / "dvc.lock", "schema: '2.0'\nstages: {}\n"
    lock.write_text(whole)
    assert not found(project)
    if committed:
        for arguments in (
            ["init", "-q"],
            ["add", "dvc.lock"],
            ["-c", "user.name=a", "-c", "user.email=b", "commit", "-qmc"],
        ):
            subprocess.run(["git", *arguments], cwd=project, check=True)
    lock.write_text(content)
    (leftover,) = found(project).values()
    assert leftover.remove is not None
    leftover.remove()
    assert lock.exists() == committed
    assert not committed or lock.read_text() == whole
    assert not found(project)


@pytest.mark.parametrize("inside", [True, False], ids=["here", "elsewhere"])
def test_a_damaged_object_of_the_cache_is_removed_and_made_again(
    inside: bool, project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """DVC believes it as it is read-only, and neither `checkout` nor `repro` makes it good."""
    (project / "dvc.yaml").write_text(
        "stages:\n  make:\n    cmd: mkdir -p many && echo one > one.txt && echo two > many/two.txt\n"
        "    outs: [one.txt, many]\n"
    )
    cache = project / ".dvc/cache" if inside else tmp_path / "cache of all"
    (project / ".dvc/config").write_text(
        f"[core]\n    no_scm = True\n    analytics = false\n[cache]\n    dir = {cache}\n"
    )
    assert dvc("repro").returncode == 0
    damaged = []
    for text in ("one\n", "two\n"):
        digest = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
        path = cache / "files/md5" / digest[:2] / digest[2:]
        path.chmod(0o644)
        path.write_text("bad\n")
        path.chmod(0o444)
        damaged.append(path)
    for name in ("one.txt", "many/two.txt"):
        (project / name).unlink()
    dvc("checkout", "--force")
    assert dvc("repro").returncode == 0
    assert (project / "one.txt").read_text() == "bad\n"
    assert sorted(each.path for each in find_leftovers(project, cache)) == sorted(damaged)
    doctor.run(fix=True)
    printed = " ".join(capsys.readouterr().out.split())
    assert "damaged copy of one.txt in DVC's cache" in printed
    assert "damaged copy of many/two.txt in DVC's cache" in printed
    assert dvc("repro").returncode == 0
    assert (project / "one.txt").read_text() == "one\n"
    assert (project / "many/two.txt").read_text() == "two\n"
    assert find_leftovers(project, cache) == []


def test_a_lock_that_leads_out_of_the_cache_removes_nothing(project: Path) -> None:
    (project / "precious").write_text("mine")
    outs = "[{path: one.txt, md5: ../../../../precious}, {path: many, md5: 7}]"
    (project / "dvc.lock").write_text(f"schema: '2.0'\nstages: {{make: {{outs: {outs}}}}}\n")
    assert found(project) == {}
    assert (project / "precious").exists()


def test_a_dvc_that_starts_meanwhile_keeps_its_file(project: Path) -> None:
    rwlock = project / ".dvc/tmp/rwlock"
    rwlock.write_text("")
    (leftover,) = found(project).values()
    lock = held(project / ".dvc/tmp/rwlock.lock")
    assert leftover.remove is not None
    leftover.remove()
    assert rwlock.exists()
    os.close(lock)
    leftover.remove()
    assert not rwlock.exists()


@pytest.mark.parametrize(("program", "holds"), [("# dvc repro", True), ("# of somebody else", False)])
def test_entries_of_the_rwlock_are_held_by_living_dvc_processes(
    project: Path, program: str, holds: bool
) -> None:
    """A number may belong to another program by now."""
    code = f"print(flush=True); input() {program}"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it runs
        entry = {"pid": process.pid, "cmd": "dvc repro"}
        content = {"write": {"data": entry}, "read": {"a": [entry]}}
        (project / ".dvc/tmp/rwlock").write_text(json.dumps(content))
        assert bool(found(project)[".dvc/tmp/rwlock"].holder) == holds
        process.kill()
    assert not found(project)[".dvc/tmp/rwlock"].holder
    (project / ".dvc/tmp/rwlock").write_text('{"write": {}, "read": {}}')
    assert not found(project)


def test_a_lock_of_another_machine_is_said_to_be_one(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network file system reports the lock as taken, and no process of this machine has it."""
    lock = held(project / "data/.out.abc.part/.lock")
    assert found(project)["data/.out.abc.part"].holder == f"process {os.getpid()}"
    monkeypatch.setattr(leftovers, "LOCKS", project / "none of ours")
    (project / "none of ours").write_text("1: FLOCK  ADVISORY  WRITE 77 fe:00:1 0 EOF\n")
    assert found(project)["data/.out.abc.part"].holder == "a process on another machine"
    os.close(lock)


def test_hardlink_locks_and_unfinished_work_are_left_to_a_person(project: Path) -> None:
    claim, lock = project / ".dvc/tmp/claim.lock", project / ".dvc/tmp/lock"
    lock.unlink(missing_ok=True)
    claim.write_text(str(claim))
    os.link(claim, lock)
    for name in ("models/mini/pretraining/checkpoint.pt", ".git/index.lock"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("")
    everything = found(project)
    assert everything.keys() == {".dvc/tmp/lock", "models/mini/pretraining/checkpoint.pt", ".git/index.lock"}
    assert all(each.advice and each.remove is None for each in everything.values())
    assert "--resume" in everything["models/mini/pretraining/checkpoint.pt"].advice
    with pytest.raises(UserError, match=r"3 left over.*see above"):
        doctor.run(fix=True)
    assert found(project).keys() == everything.keys()


def test_links_and_other_folders_are_not_touched(project: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (project / "data/.out.abc.part").symlink_to(tmp_path / "precious")
    (project / "data/out.part").mkdir()
    (project / ".venv/.out.abc.part").mkdir(parents=True)
    assert not found(project)


def test_outside_of_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(doctor, "_device", lambda: "cpu")
    with pytest.raises(UserError, match="is not a DVC project"):
        doctor.run(fix=False)


def test_a_scratch_folder_of_a_killed_process_is_removed(project: Path) -> None:
    """A real kill: `atomic` in a process of its own."""
    code = (
        "import os; from trajprobe.core.files import atomic\nwith atomic('data/out'): os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    (scratch,) = found(project).values()
    assert not scratch.holder
    assert "--fix is safe" in "\n".join(doctor._described([scratch], project, False))
    doctor.run(fix=True)
    assert not found(project)
    assert shutil.disk_usage(project).free

"""Remotes, from one clone to another: a folder, S3 (moto's server) and SSH (OpenSSH's sshd), each on the loopback.

A tiny project of DVC, with this repository's .dvc/config. What a clone pulls is what was pushed, byte for byte, and
nothing runs again there. Whatever is wrong with a remote, nothing is lost here, and a later push makes it good.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from remotes import BUCKET, SSHD, dvc, dying_after, s3_server, ssh_server, tiny_project
from small_project import command
from trajprobe.commands.doctor import advice

NO_SSHD = "sshd is not installed (Debian: openssh-server), so the remote over SSH is not tested here"
CLOSED = "9"  # a port that nothing listens on


@dataclass(frozen=True)
class Remote:
    url: str | None = None
    settings: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)


@contextmanager
def folder_remote(base: Path) -> Iterator[Remote]:
    """The default one, in a home of its own."""
    yield Remote(environment={"HOME": str(base / "home")})


@contextmanager
def s3_remote(base: Path) -> Iterator[Remote]:
    with s3_server(base) as server:
        yield Remote(f"s3://{BUCKET}/project", environment=server.environment)


@contextmanager
def ssh_remote(base: Path) -> Iterator[Remote]:
    if SSHD is None:
        pytest.skip(NO_SSHD)
    with ssh_server(base / "sshd") as server:
        settings = {"port": str(server.port), "keyfile": str(server.key)}
        yield Remote(f"ssh://{server.user}@127.0.0.1{server.root}/project", settings)


def kept(project: Path) -> dict[str, bytes]:
    """What would be lost: the outputs, and DVC's cache of them."""
    roots = (project / "one.bin", project / "many", project / ".dvc/cache")
    files = (path for root in roots for path in [root, *root.rglob("*")] if path.is_file())
    return {str(path.relative_to(project)): path.read_bytes() for path in files}


def outputs(project: Path) -> dict[str, bytes]:
    return {name: content for name, content in kept(project).items() if not name.startswith(".dvc")}


def commit(project: Path) -> None:
    command(project, "git", "add", "-A")
    command(project, "git", "commit", "-q", "-m", "results")


@pytest.mark.parametrize("remote", [folder_remote, s3_remote, ssh_remote])
def test_a_clone_pulls_what_was_pushed_and_runs_nothing(
    remote: Callable[[Path], "contextmanager[Remote]"], tmp_path: Path
) -> None:
    with remote(tmp_path) as there:
        project = tiny_project(tmp_path / "project", there.url, **there.settings)
        made, pushed = dvc((project, ["repro"]), (project, ["push"]), **there.environment)
        assert (made[0], pushed[0]) == (0, 0), made[1] + pushed[1]
        assert "5 files pushed" in pushed[1]
        commit(project)
        clone = tmp_path / "clone"
        command(tmp_path, "git", "clone", "-q", str(project), str(clone))
        steps = dvc(
            *((clone, each) for each in (["pull"], ["status"], ["status", "-c"], ["repro"], ["push"])),
            **there.environment,
        )
    assert [code for code, _ in steps] == [0] * 5, steps
    said = [output for _, output in steps]
    assert "up to date" in said[1]
    assert "in sync" in said[2]
    assert "didn't change, skipping" in said[3]
    assert "Everything is up to date" in said[4]
    assert outputs(clone) == outputs(project) != {}
    assert not (clone / "runs.txt").exists()
    assert command(clone, "git", "status", "--porcelain") == ""


@contextmanager
def unreachable_s3(base: Path) -> Iterator[Remote]:
    with s3_server(base) as server:
        environment = {**server.environment, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{CLOSED}"}
    yield Remote(f"s3://{BUCKET}/project", environment=environment)


@contextmanager
def missing_bucket(base: Path) -> Iterator[Remote]:
    with s3_server(base) as server:
        yield Remote("s3://mistyped/project", environment=server.environment)


@contextmanager
def wrong_s3_key(base: Path) -> Iterator[Remote]:
    with s3_server(base, denies=True) as server:
        yield Remote(f"s3://{BUCKET}/project", environment=server.environment)


@contextmanager
def dying_s3(base: Path) -> Iterator[Remote]:
    with s3_server(base) as server, dying_after(server.url, 6000) as url:
        yield Remote(f"s3://{BUCKET}/project", environment={**server.environment, "AWS_ENDPOINT_URL": url})


@contextmanager
def unreachable_ssh(base: Path) -> Iterator[Remote]:
    yield Remote("ssh://somebody@127.0.0.1/project", {"port": CLOSED})


@contextmanager
def wrong_ssh_key(base: Path) -> Iterator[Remote]:
    with ssh_remote(base) as right:
        settings = {**right.settings, "keyfile": str(base / "sshd/host")}
        yield Remote(right.url, settings)


@contextmanager
def read_only(base: Path) -> Iterator[Remote]:
    """The system's own files, which root cannot add to either."""
    yield Remote("/sys/trajprobe")


@pytest.mark.parametrize(
    ("remote", "remedy"),
    [
        (unreachable_s3, "network"),
        (missing_bucket, "create it"),
        (wrong_s3_key, "credentials"),
        (dying_s3, "network"),
        (unreachable_ssh, "network"),
        (wrong_ssh_key, "credentials"),
        (read_only, "not written to"),
    ],
)
def test_a_push_that_fails_loses_nothing_and_a_later_one_makes_it_good(
    remote: Callable[[Path], "contextmanager[Remote]"], remedy: str, tmp_path: Path
) -> None:
    with remote(tmp_path) as there:
        project = tiny_project(tmp_path / "project", there.url, **there.settings)
        home = {"HOME": str(tmp_path / "home")}  # of the remote `local`
        steps = (["repro"], ["push"], ["status"], ["push", "-r", "local"])
        made, pushed, status, elsewhere = dvc(
            *((project, each) for each in steps), **home, **there.environment
        )
    assert (made[0], status[0]) == (0, 0)
    assert pushed[0] != 0
    assert remedy in advice(pushed[1]), pushed[1]
    assert "up to date" in status[1]
    assert elsewhere[0] == 0, elsewhere[1]
    assert "5 files pushed" in elsewhere[1]
    assert len(outputs(project)) == 4


@pytest.mark.parametrize("damage", ["missing", "corrupted"])
def test_a_damaged_remote_is_noticed_and_pushed_again(damage: str, tmp_path: Path) -> None:
    """`verify` is on: a clone refuses an object with another content, and takes none of it."""
    home = {"HOME": str(tmp_path / "home")}
    project = tiny_project(tmp_path / "project")
    dvc((project, ["repro"]), (project, ["push"]), **home)
    commit(project)
    objects = [
        path for path in (tmp_path / "home").rglob("*") if path.is_file() and path.stat().st_size > 10_000
    ]
    (victim,) = objects
    whole = victim.read_bytes()
    victim.chmod(0o644)
    if damage == "missing":
        victim.unlink()
    else:
        victim.write_bytes(whole[:-1] + b"x")
    clone = tmp_path / "clone"
    command(tmp_path, "git", "clone", "-q", str(project), str(clone))
    pulled, again, healed = dvc((clone, ["pull"]), (project, ["push"]), (clone, ["pull"]), **home)
    assert pulled[0] != 0
    assert "one.bin" in pulled[1]
    assert (again[0], healed[0]) == (0, 0), again[1] + healed[1]
    assert victim.read_bytes() == whole
    assert outputs(clone) == outputs(project)
    shutil.rmtree(tmp_path / "home")
    assert os.path.lexists(project / "one.bin")

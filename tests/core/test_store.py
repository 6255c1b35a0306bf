"""Kept files against the places themselves: a folder, fsspec's memory, S3 (moto's server) and SSH (OpenSSH's sshd).

Each place keeps what was written, whole, under its name, and a machine that has never seen it finds it.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from remotes import BUCKET, SSHD, S3Server, s3_server, ssh_server
from trajprobe.core import paths
from trajprobe.core.errors import UserError
from trajprobe.core.store import PROOF, Store, check_address, open_store

NAME, OTHER = "ab/abc.shard", "cd/cde.shard"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(params=["folder", "memory", "s3", "ssh"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path | str]:
    if request.param == "folder":
        yield tmp_path / "kept"
    elif request.param == "memory":
        yield f"memory://{tmp_path.name}/kept"
    elif request.param == "s3":
        server: S3Server = request.getfixturevalue("s3")
        for variable, value in server.environment.items():
            monkeypatch.setenv(variable, value)
        yield f"s3://{BUCKET}/{tmp_path.name}/kept"
    elif SSHD is None:
        pytest.skip(
            "sshd is not installed (Debian: openssh-server), so keeping files over SSH is not tested here"
        )
    else:
        import fsspec

        with ssh_server(tmp_path / "sshd") as ssh:
            login = {
                "known_hosts": None,
                "client_keys": [str(ssh.key)],
                "username": ssh.user,
                "port": ssh.port,
            }
            monkeypatch.setitem(fsspec.config.conf, "ssh", login)
            yield f"ssh://127.0.0.1{ssh.root}/kept"


def names(store: Store) -> list[str]:
    return sorted(file.name for file in store.files())


def test_what_is_written_is_kept(place: Path | str) -> None:
    assert open_store(place).files() == []
    store = open_store(place)
    assert store.read(NAME) is None
    store.write(NAME, b"one")
    store.write(OTHER, b"other" * 1000)
    store.write(NAME, b"two")
    elsewhere = open_store(place)
    assert elsewhere.read(NAME) == b"two"
    assert elsewhere.read(OTHER) == b"other" * 1000
    assert names(elsewhere) == [NAME, OTHER]
    assert {file.bytes for file in elsewhere.files()} == {3, 5000}
    assert all(file.used > 1.7e9 for file in elsewhere.files())
    store.used(NAME)
    store.remove(NAME)
    store.remove(NAME)
    assert names(elsewhere) == [OTHER]


def test_a_place_that_cannot_be_written_is_found_at_the_first_miss(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything was computed for it; and a bucket that was mistyped is not made."""
    for variable, value in s3.environment.items():
        monkeypatch.setenv(variable, value)
    store = open_store("s3://mistyped/kept")
    for _ in range(2):
        with pytest.raises(
            UserError, match=r"s3://mistyped/kept: cannot be written to .*bucket does not exist"
        ):
            store.read(NAME)
    store = open_store(f"s3://{BUCKET}/proven")
    store.read(NAME)
    assert open_store(f"s3://{BUCKET}/proven").files() == []
    assert open_store(f"s3://{BUCKET}/proven").read(PROOF) == b""


def test_a_read_is_one_request_and_a_write_is_one(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in s3.environment.items():
        monkeypatch.setenv(variable, value)
    store = open_store(f"s3://{BUCKET}/costs")
    store.read(NAME)
    for content in (b"shard" * 100_000, b"again"):
        store.write(NAME, content)
        assert store.read(NAME) == content
    asked = [(method, path) for method, path in s3.requests() if "/costs/" in path]
    once = [("PUT", NAME), ("GET", NAME)]
    expected = [("GET", NAME), ("PUT", PROOF), *once, *once]
    assert asked == [(method, f"/{BUCKET}/costs/{name}") for method, name in expected]


@pytest.mark.parametrize("step", ["read", "write", "list", "remove"])
def test_a_place_that_does_not_answer_is_one_line(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its library raises; an address with a password does not show it."""
    from fsspec.implementations.memory import MemoryFileSystem

    def breaks(*arguments: object, **options: object) -> None:
        raise RuntimeError("the line\nwas cut, on https://me:s3cret@host/")

    for method in ("cat_file", "pipe_file", "find", "rm_file"):
        monkeypatch.setattr(MemoryFileSystem, method, breaks)
    store = open_store("memory://kept")
    steps = {
        "read": lambda: store.read(NAME),
        "write": lambda: store.write(NAME, b""),
        "list": store.files,
        "remove": lambda: store.remove(NAME),
    }
    with pytest.raises(
        UserError, match=r"RuntimeError: the line was cut.*TRAJPROBE_CACHE name a folder"
    ) as error:
        steps[step]()
    assert "s3cret" not in str(error.value)


def test_a_link_a_pipe_or_a_folder_is_no_file(tmp_path: Path) -> None:
    """A link to a device would be read forever, a pipe waited for; each is absent, and a write replaces it."""
    store = open_store(tmp_path)
    path = tmp_path / NAME
    path.parent.mkdir()
    (tmp_path / "other").write_bytes(b"of somebody else")
    for make in (
        lambda: path.symlink_to("/dev/zero"),
        lambda: path.symlink_to(tmp_path / "other"),
        lambda: os.mkfifo(path),
        path.mkdir,
    ):
        make()
        assert store.read(NAME) is None
        store.write(NAME, b"content")
        assert store.read(NAME) == b"content"
        store.remove(NAME)
    assert (tmp_path / "other").read_bytes() == b"of somebody else"


def test_an_address_is_for_shards_and_downloads_stay_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for value, downloads, shards in (
        ("s3://bucket/team/", tmp_path / ".cache/trajprobe", "s3://bucket/team/features"),
        (f"file://{tmp_path}/c", tmp_path / "c", tmp_path / "c/features"),
        ("~/c", tmp_path / "c", tmp_path / "c/features"),
        ("", tmp_path / ".cache/trajprobe", tmp_path / ".cache/trajprobe/features"),
    ):
        monkeypatch.setenv("TRAJPROBE_CACHE", value)
        assert (paths.cache_folder(), paths.finished_work("features")) == (downloads, shards)


@pytest.mark.parametrize(
    ("address", "message"),
    [("sea3://bucket", "nothing known reads sea3://"), ("gs://bucket", "needs a library that is missing")],
)
def test_an_address_that_nothing_reads_is_refused(
    address: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(UserError, match=f"TRAJPROBE_CACHE: .*{message}"):
        check_address(address, "TRAJPROBE_CACHE")
    check_address("memory://x", "TRAJPROBE_CACHE")

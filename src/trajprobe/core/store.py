"""Where finished work is kept under names: a folder, or an address of fsspec such as s3://bucket/folder.

A machine that dies takes its folder along; what lies at an address another machine finds. Nothing is locked there, as
most stores have no locks. None is needed: a name decides the content, so two machines that write one name write the
same bytes, and a content carries its digest, so one whose writer died in the middle is not believed.
"""

import contextlib
import os
import re
import shutil
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from trajprobe.core.errors import UserError
from trajprobe.core.files import atomic

ABANDONED = 24 * 3600  # seconds after which the scratch folder of a killed writer is removed
SCRATCH = re.compile(r"\.[^/]+\.part")  # of core/files.atomic
PROOF = "writable"  # written to an address before the first work that is to be kept there
OPTIONS = {"s3": {"max_concurrency": 1}}  # else s3fs asks for the size before each read, in two more requests
MODIFIED = ("LastModified", "last_modified", "mtime", "updated", "created")  # in the listings of file systems


@dataclass(frozen=True)
class StoredFile:
    """name: below the place, with /. used: seconds since 1970, when it was last read, or written at an address."""

    name: str
    bytes: int
    used: float


class Store(Protocol):
    """Files <folder>/<file> at a place. bounded: whether it is only ours, so that what was not used may be removed."""

    bounded: bool

    def read(self, name: str) -> bytes | None:
        """The content, or None if there is none. Raises UserError if the place does not answer, or refuses."""

    def write(self, name: str, content: bytes) -> None:
        """Raises OSError or UserError if the content cannot be kept."""

    def used(self, name: str) -> None:
        """Note that the file was read."""

    def files(self) -> list[StoredFile]:
        """All of them, foreign ones as well; links are left out. Raises UserError as `read` does."""

    def remove(self, name: str) -> None:
        """Raises UserError as `read` does. A file that is missing is no error."""

    def sweep(self, ours: re.Pattern[str]) -> None:
        """Remove scratch folders of killed writers of files whose names `ours` matches."""


def open_store(place: Path | str) -> Store:
    """The store in a folder, or at an address. Nothing is read or written yet."""
    return FolderStore(place) if isinstance(place, Path) else AddressStore(place)


def is_store_address(place: str) -> bool:
    """Whether `place` is an address and no path."""
    return "://" in place and not place.startswith("file://")


def check_address(address: str, where: str) -> None:
    """Raise UserError, which names the setting `where`, unless a library for such addresses is installed."""
    import fsspec

    protocol = address.partition("://")[0].partition("::")[0]
    try:
        fsspec.get_filesystem_class(protocol)
    except ValueError:
        raise UserError(
            f"{where}: must name a folder or an address such as s3://bucket/folder, got {address!r}: nothing known "
            f"reads {protocol}://"
        ) from None
    except ImportError as error:
        raise UserError(
            f"{where}: {protocol}:// needs a library that is missing ({error}); for S3, SSH, Google and Azure install "
            "the extra `s3`, `ssh`, `gs` or `azure`, as in pip install -c constraints.txt -e '.[s3]'"
        ) from None


class FolderStore:
    """A folder, also on a network: each file is written under another name and renamed. What is no file is absent."""

    bounded = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, name: str) -> bytes | None:
        # A link is not followed, nor a pipe waited for: one to /dev/zero would never end.
        try:
            descriptor = os.open(self.folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as file:
                return file.read() if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
        except OSError:
            return None

    def write(self, name: str, content: bytes) -> None:
        with atomic(self.folder / name) as temporary:
            temporary.write_bytes(content)

    def used(self, name: str) -> None:
        with contextlib.suppress(OSError):
            os.utime(self.folder / name)

    def files(self) -> list[StoredFile]:
        found = []
        for path in self._entries():
            with contextlib.suppress(OSError):  # another run may be removing some
                status = path.lstat()
                if stat.S_ISREG(status.st_mode):
                    name = path.relative_to(self.folder).as_posix()
                    found.append(StoredFile(name, status.st_size, status.st_mtime))
        return found

    def remove(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)

    def sweep(self, ours: re.Pattern[str]) -> None:
        for path in self._entries():
            with contextlib.suppress(OSError):  # another run may be removing some as well
                old = time.time() - path.lstat().st_mtime > ABANDONED
                written = f"{path.parent.name}/{path.name[1:].rsplit('.', 2)[0]}"
                if old and SCRATCH.fullmatch(path.name) and ours.fullmatch(written):
                    shutil.rmtree(path, ignore_errors=True)  # which refuses a link

    def _entries(self) -> Iterator[Path]:
        with contextlib.suppress(OSError):
            for folder in self.folder.iterdir():
                if not folder.is_symlink():
                    with contextlib.suppress(OSError):  # a file, or removed by another run
                        yield from folder.iterdir()


class AddressStore:
    """A folder at an address. A read is one request, and so is a write; only a list costs one for each 1,000 files.

    The first file that is missing makes the store prove that it can be written to: else a shard would be computed in
    vain. The file system is looked up at each use, so that a store can be sent to another process.
    """

    bounded = False

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self.proven = False

    def read(self, name: str) -> bytes | None:
        with self._explained("read from") as (fs, root):
            try:
                return bytes(fs.cat_file(f"{root}/{name}"))
            except FileNotFoundError:
                pass
        if not self.proven:
            self.write(PROOF, b"")
            self.proven = True
        return None

    def write(self, name: str, content: bytes) -> None:
        path = Path(name)
        with self._explained("written to") as (fs, root):
            try:
                fs.pipe_file(f"{root}/{name}", content)
            except FileNotFoundError:  # a store with real folders; a missing bucket is not created
                for folder in (root, f"{root}/{path.parent}") if path.parent.name else (root,):
                    with contextlib.suppress(FileExistsError):
                        fs.mkdir(folder, create_parents=False)
                fs.pipe_file(f"{root}/{name}", content)

    def used(self, name: str) -> None:
        """Nothing: it would cost a request."""

    def files(self) -> list[StoredFile]:
        with self._explained("listed") as (fs, root):
            fs.invalidate_cache()
            try:
                listed = fs.find(root, detail=True)
            except FileNotFoundError:  # nothing was kept yet
                return []
            return [
                StoredFile(path.removeprefix(f"{root}/"), int(entry.get("size") or 0), _moment(entry))
                for path, entry in listed.items()
                if path != f"{root}/{PROOF}"
            ]

    def remove(self, name: str) -> None:
        with self._explained("written to") as (fs, root), contextlib.suppress(FileNotFoundError):
            fs.rm_file(f"{root}/{name}")

    def sweep(self, ours: re.Pattern[str]) -> None:
        """Nothing: a file that was not written to its end has no name yet, or is written again."""

    @contextmanager
    def _explained(self, done: str) -> Iterator[tuple[Any, str]]:
        """The file system and the path in it; whatever its library raises becomes one line."""
        from fsspec.core import url_to_fs

        try:
            yield url_to_fs(self.address, **OPTIONS.get(self.address.partition("://")[0], {}))
        except UserError:
            raise
        except Exception as error:  # of a library that we do not know
            raise UserError(
                f"{self.address}: cannot be {done} ({type(error).__name__}: {str(error)[:300]}); what is finished is "
                "kept there and the next run continues with it; check the address, the credentials and the network, "
                "or let TRAJPROBE_CACHE name a folder"
            ) from None


def _moment(entry: Mapping[str, Any]) -> float:
    found = next((entry[key] for key in MODIFIED if entry.get(key)), 0.0)
    if isinstance(found, str):
        found = datetime.fromisoformat(found)
    return found.timestamp() if isinstance(found, datetime) else float(found)

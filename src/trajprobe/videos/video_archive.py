"""Videos in an untrusted .zip: their names, and each of them as a file, for decoders read only files."""

import shutil
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from trajprobe.core.errors import UserError
from trajprobe.videos.container import ENDINGS
from trajprobe.videos.npy_stream import BOMB
from trajprobe.videos.video_file import quiet_decoder


def is_video(name: str) -> bool:
    """Whether a file of this name is taken for a video; hidden files and those of macOS are not."""
    path = PurePosixPath(name)
    hidden = any(part.startswith((".", "__MACOSX")) and part != ".." for part in path.parts)
    return path.suffix.lower() in ENDINGS and not hidden


def video_id(name: str) -> str:
    """The id of the item in a file of this name: its path without the ending."""
    return str(PurePosixPath(name).with_suffix(""))


class VideoArchive:
    """An open .zip. names: of its videos, sorted."""

    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        self._archive, self.path = archive, path
        members = [info for info in archive.infolist() if not info.is_dir() and is_video(info.filename)]
        self.names = sorted(info.filename for info in members)
        if sum(info.file_size for info in members) > max(BOMB, 200 * path.stat().st_size):
            raise UserError(f"{path}: unpacks to more than 200 times its size; refused")
        for name in self.names:
            if name.startswith("/") or "\\" in name or ".." in PurePosixPath(name).parts:
                raise UserError(f"{path}: {name!r}: leads out of the folder; refused")

    def unpack(self, name: str, target: Path) -> Path:
        """Write the video to the file `target` with the ending of `name`. Raises UserError if it is damaged."""
        target = target.with_suffix(PurePosixPath(name).suffix.lower())
        try:
            with self._archive.open(name) as packed, target.open("wb") as file:
                shutil.copyfileobj(packed, file, 2**20)
        except (OSError, MemoryError):
            raise
        except (
            Exception
        ) as error:  # a broken archive can raise anything: CRC, zlib, encryption, a missing name
            raise UserError(
                f"{self.path}: {name}: cannot be unpacked ({type(error).__name__}: {error})"
            ) from None
        return target


@contextmanager
def open_videos(path: Path) -> Iterator[VideoArchive]:
    """The videos in the .zip at `path`, with a quiet decoder. Raises UserError if it cannot be read, or is a bomb."""
    try:
        archive = zipfile.ZipFile(path)
    except Exception as error:  # a broken archive can raise anything
        raise UserError(f"{path}: cannot be read as .zip ({type(error).__name__}: {error})") from None
    with archive, quiet_decoder():
        yield VideoArchive(archive, path)


def pack_videos(
    folder: Path, names: Sequence[str], archive: Path, epoch: tuple[int, int, int, int, int, int]
) -> None:
    """Write files of a folder into a .zip, not compressed again. epoch: the time that each of them gets."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as packed:
        for name in names:
            with (
                (folder / name).open("rb") as file,
                packed.open(zipfile.ZipInfo(name, epoch), "w", force_zip64=True) as member,
            ):
                shutil.copyfileobj(file, member, 2**20)

"""The rows of one array of an untrusted .npz or .npy file, one at a time, so that the array need not fit into memory.

No row is allocated before it is known that the file has the bytes of all rows.
"""

import math
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from trajprobe.core.errors import UserError

BOMB = 2**30  # bytes; a member that unpacks to more than this and to 200 times its packed size is refused
MOST_ROW_BYTES = 2**31  # of one row, which is held in memory

Header = tuple[tuple[int, ...], bool, np.dtype]  # shape, whether in Fortran order, type


def read_npy_header(file: IO[bytes], where: str) -> Header:
    """The header of an .npy file, which is left at the first byte of the data. Raises UserError for other versions."""
    version = np.lib.format.read_magic(file)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read_header is None:
        raise UserError(f"{where}: is an .npy file of version {version}; required 1.0 or 2.0")
    header: Header = read_header(file)
    return header


class RowStream:
    """An open array whose rows are read in ascending order. shape: of all rows; where: opens its messages."""

    def __init__(self, file: IO[bytes], size: int, where: str) -> None:
        self.where = where
        self.shape, fortran, self.dtype = read_npy_header(file, where)
        self._file, self._start = file, file.tell()
        if self.dtype.kind not in "biuf" or self.dtype.subdtype is not None or min(self.shape, default=0) < 1:
            raise UserError(f"{where}: must be numbers, got {self.dtype} of shape {self.shape}")
        if fortran and len(self.shape) > 1:
            raise UserError(
                f"{where}: is in Fortran order, so no clip can be read by itself; save numpy.ascontiguousarray of it"
            )
        wanted = math.prod(self.shape) * self.dtype.itemsize
        if size - self._start != wanted:
            raise UserError(f"{where}: shape {self.shape} needs {wanted} bytes, got {size - self._start}")
        self._row = wanted // self.shape[0]
        if self._row > MOST_ROW_BYTES:
            raise UserError(
                f"{where}: a clip of it takes {self._row} bytes, at most {MOST_ROW_BYTES} are read; import a folder of "
                "videos instead"
            )

    def rows(self, wanted: Iterable[int]) -> Iterator[np.ndarray]:
        """The rows at `wanted`, ascending. Raises UserError if the file is damaged."""
        for index in wanted:
            try:
                self._file.seek(self._start + index * self._row)
                content = self._file.read(self._row)
            except Exception as error:  # a broken archive can raise anything: CRC, zlib, end of file
                raise UserError(f"{self.where}: is damaged ({type(error).__name__}: {error})") from None
            if len(content) != self._row:
                raise UserError(f"{self.where}: ends within row {index}")
            yield np.frombuffer(content, self.dtype).reshape(self.shape[1:])


@contextmanager
def open_rows(path: Path, name: str) -> Iterator[RowStream]:
    """The array `name` of an .npz, or the one array of an .npy. Raises UserError if it is broken or a bomb."""
    where = f"{path}: {name}"
    with ExitStack() as stack:
        try:
            if path.suffix.lower() == ".npy":
                file: IO[bytes] = stack.enter_context(path.open("rb"))
                size = path.stat().st_size
            else:
                archive = stack.enter_context(zipfile.ZipFile(path))
                members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
                if name not in members:
                    raise UserError(f"{path}: has no array {name!r} any more; run `dvc repro`")
                info = members[name]
                size = info.file_size
                if size > BOMB and size > 200 * info.compress_size:
                    raise UserError(
                        f"{where}: unpacks from {info.compress_size} to {size} bytes; refused, unless it is saved by "
                        "numpy.savez, which does not compress"
                    )
                file = stack.enter_context(archive.open(info))
            stream = RowStream(file, size, where)
        except UserError:
            raise
        except Exception as error:  # a broken archive can raise anything: magic, CRC, zlib, encryption
            raise UserError(f"{path}: cannot be read ({type(error).__name__}: {error})") from None
        yield stream

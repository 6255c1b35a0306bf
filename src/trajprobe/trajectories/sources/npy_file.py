"""The arrays of an untrusted .npz or .npy file, each read on its own.

Object arrays are read by `object_array.py`, and no array is allocated before its bytes are known to be in the file.
"""

import contextlib
import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from trajprobe.core.errors import UserError
from trajprobe.trajectories.sources.object_array import Refused, read_object_array
from trajprobe.videos.npy_stream import BOMB, Header, read_npy_header

EXACT = 2**53  # whole numbers below it are exact as float64
LAST_CODE_POINT = 0x10FFFF

Array = np.ndarray | list[Any]  # a list: the elements of a one-dimensional object array


class Arrays:
    """An open file of arrays, by name; the one array of an .npy file is called `points`."""

    def __init__(self, path: Path, archive: zipfile.ZipFile | None) -> None:
        self.path = path
        self._archive = archive
        self._members: dict[str, zipfile.ZipInfo] = {}
        if archive is not None:
            self._members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        self.names = list(self._members) if archive is not None else ["points"]

    def headers(self) -> dict[str, Header]:
        """The headers by name; no array is read. A header that cannot be read counts as that of no numbers or text."""
        found: dict[str, Header] = dict.fromkeys(self.names, ((), False, np.dtype("V1")))
        for name in self.names:
            with contextlib.suppress(Exception), self._open(name) as file:
                found[name] = self._header(file, name)
        return found

    def read(self, name: str) -> Array:
        """One array. Raises UserError if it is empty, incomplete, a bomb, or neither numbers nor text."""
        path, info = self.path, self._members.get(name)
        if info is not None and info.file_size > BOMB and info.file_size > 200 * info.compress_size:
            raise UserError(
                f"{path}: {name}: unpacks from {info.compress_size} to {info.file_size} bytes; refused"
            )
        with self._open(name) as file:
            shape, fortran, dtype = self._header(file, name)
            content = file.read()
        if dtype.kind == "O":
            try:
                return read_object_array(content)
            except Refused as reason:
                raise UserError(f"{path}: {name}: refused: {reason}") from None
        if dtype.kind not in "biufUS" or dtype.subdtype is not None:
            raise UserError(f"{path}: {name}: has the type {dtype}; required numbers or text")
        if min(shape, default=1) < 1:
            raise UserError(f"{path}: {name}: is empty (shape {shape})")
        wanted = math.prod(shape) * dtype.itemsize
        if len(content) != wanted:
            raise UserError(f"{path}: {name}: shape {shape} needs {wanted} bytes, got {len(content)}")
        if dtype.kind == "U":  # NumPy makes text of any number, and Python fails on that
            last = np.frombuffer(content, np.dtype("u4").newbyteorder(dtype.byteorder)).max(initial=0)
            if last > LAST_CODE_POINT:
                raise UserError(f"{path}: {name}: is damaged: {last:#x} is no character")
        return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")

    def _open(self, name: str) -> IO[bytes]:
        if self._archive is None:
            return self.path.open("rb")
        return self._archive.open(self._members[name])

    def _header(self, file: IO[bytes], name: str) -> Header:
        return read_npy_header(file, f"{self.path}: {name}")


@contextmanager
def open_arrays(path: Path) -> Iterator[Arrays]:
    """The arrays of the file. Raises UserError, also from within the block, if it is broken in any way."""
    try:
        if path.suffix.lower() == ".npy":
            yield Arrays(path, None)
        else:
            with zipfile.ZipFile(path) as archive:
                yield Arrays(path, archive)
    except UserError:
        raise
    except Exception as error:  # a broken archive can raise anything: magic, CRC, zlib, encryption, memory
        form = path.suffix.lower()
        raise UserError(f"{path}: cannot be read as {form} ({type(error).__name__}: {error})") from None


def value_text(value: Any, where: str) -> str:
    """An id, a label, a group as text: a whole number without a point, NaN as empty.

    Raises UserError for bytes that are not UTF-8: two different ones must not become one text.
    """
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            raise UserError(
                f"{where}: the bytes {value[:40]!r} are not UTF-8; save such names as text"
            ) from None
    if isinstance(value, float):
        if math.isnan(value):
            return ""
        return str(int(value)) if value.is_integer() and abs(value) < EXACT else str(value)
    return str(value)


def describe_array(value: Any) -> str:
    """The kind of an array or of one of its elements, for a message."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of shape {value.shape}"
    return f"an object array of {len(value)} elements" if isinstance(value, list) else type(value).__name__

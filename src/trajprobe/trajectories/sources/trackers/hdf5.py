"""HDF5 files of trackers, read by h5py (the extra `tracking`).

A file is untrusted: it may point to other files and may unpack to far more than its size, so that only data sets in the
file itself, of a size in proportion to it, are read. The library `movement` reads the same formats, but brings 65 more
packages (Qt, netCDF, numba, NWB); h5py brings none.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from trajprobe.core.errors import UserError
from trajprobe.videos.npy_stream import BOMB

MAGIC = b"\x89HDF\r\n\x1a\n"  # https://docs.hdfgroup.org/hdf5/develop/_f_m_t3.html
OF_PANDAS = "df_with_missing"  # the key under which DeepLabCut writes its tables


class Hdf5File:
    """An open file: the names in it, its data sets of numbers and text, and its attributes."""

    def __init__(self, file: Any, where: str, size: int) -> None:
        self.where = where
        self.names = list(file)
        self._file = file
        self._size = size

    def read(self, name: str) -> np.ndarray:
        """A data set of numbers. Raises UserError if there is none of this name, or it is not to be trusted."""
        array = np.asarray(self._data_set(name)[()])
        if array.dtype.kind not in "biuf":
            raise UserError(f"{self.where}: {name}: has the type {array.dtype}; required numbers")
        return array

    def texts(self, name: str) -> list[str]:
        """A data set of text, (N,), as trackers write the names of their tracks. Raises UserError as `read` does."""
        values = np.asarray(self._data_set(name)[()]).ravel().tolist()
        return [self._text(value) for value in values]

    def attribute(self, name: str) -> Any:
        """A number, text or list of the file's attributes; None if it has none of this name."""
        value = self._file.attrs.get(name)
        if isinstance(value, np.ndarray):
            return [self._text(item) for item in value.tolist()]
        return value.item() if isinstance(value, np.generic) else value

    def _data_set(self, name: str) -> Any:
        import h5py

        link = self._file.get(name, getlink=True) if name in self.names else None
        found = self._file[name] if isinstance(link, h5py.HardLink) else None
        if not isinstance(found, h5py.Dataset):
            raise UserError(
                f"{self.where}: needs a data set {name!r}; found {', '.join(self.names) or 'none'}"
            )
        if found.external or found.is_virtual:
            raise UserError(f"{self.where}: {name}: refers to other files; refused")
        if found.nbytes > max(BOMB, 200 * self._size):
            raise UserError(f"{self.where}: {name}: unpacks to {found.nbytes} bytes; refused")
        return found

    @staticmethod
    def _text(value: object) -> str:
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


@contextmanager
def open_hdf5(data: bytes, where: str) -> Iterator[Hdf5File]:
    """The file with these bytes. Raises UserError, also from within the block, if it is broken, or h5py is missing."""
    try:
        import h5py
    except ImportError:
        raise UserError(
            f"{where}: HDF5 files need the package h5py; install it by `pip install -c constraints.txt h5py`"
        ) from None
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            yield Hdf5File(file, where, len(data))
    except UserError:
        raise
    except Exception as error:  # a broken file can raise anything
        raise UserError(f"{where}: cannot be read as HDF5 ({type(error).__name__}: {error})") from None


def which_tracker(data: bytes, where: str) -> str:
    """`sleap` or `idtrackerai`, by the names in the file. Raises UserError if it is of neither, with a remedy."""
    with open_hdf5(data, where) as file:
        names = set(file.names)
    if {"tracks", "node_names"} <= names:
        return "sleap"
    if "trajectories" in names:
        return "idtrackerai"
    if OF_PANDAS in names:
        raise UserError(
            f"{where}: is DeepLabCut's .h5, a pickled pandas table, which is not read; import the .csv of the same "
            "name (deeplabcut.analyze_videos_converth5_to_csv writes it)"
        )
    raise UserError(
        f"{where}: is neither SLEAP's analysis file (tracks, node_names) nor idtracker.ai's (trajectories); found "
        f"{', '.join(sorted(names)) or 'nothing'}"
    )

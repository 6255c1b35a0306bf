"""Reading a pickled NumPy object array from an untrusted file without executing anything that the file names.

NumPy stores ragged arrays as pickles, and a pickle is a program that can call whatever it can import. It is interpreted
by core/unpickle.py, which imports nothing. The names that NumPy itself writes stand for objects of this module, which
only record their arguments; this module then builds the arrays from bytes whose length fits the declared shape. Every
other name is refused.
"""

import io
import math
import re
from typing import Any, NoReturn

import numpy as np

from trajprobe.core.unpickle import InvalidPickle, interpret

SIMPLE = re.compile(r"[fiu][1248]|b1|[US]\d{1,6}")
MODULES = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray")


class Refused(Exception):
    """The pickle contains, or asks for, something other than arrays, numbers and text."""


def read_object_array(data: bytes) -> list[Any] | np.ndarray:
    """The object array that was pickled into `data`.

    If one-dimensional, the list of its elements: arrays, numbers or text. If of more dimensions (which NumPy makes of
    paths of one length), float64 of that shape. Raises Refused, with a short reason, for anything else, and if the
    arrays together are much larger than `data` (a pickle can name one array a million times).
    """
    root, elements = _unpickled(data)
    if len(root.shape) != 1:
        return _numbers(root)
    values = []
    budget = 2 * len(data) + 2**20
    for index, element in enumerate(elements):
        value = element.build() if isinstance(element, _Array) else element
        if not isinstance(value, np.ndarray | str | int | float | np.generic):
            raise Refused(f"element {index} is a {type(value).__name__}: must be an array, a number or text")
        if isinstance(value, int) and value.bit_length() > 64:
            raise Refused(f"element {index} is a number of more than 64 bits")
        budget -= value.nbytes if isinstance(value, np.ndarray) else 0
        if budget < 0:
            raise Refused("its arrays are larger than the file that holds them")
        values.append(value)
    return values


def read_object_record(data: bytes) -> dict[str, Any]:
    """The dictionary that was saved as an array without dimensions, as `np.save(path, dictionary)` does.

    Only its arrays of numbers or text, its numbers, its text and its lists of text are returned; all else, as other
    dictionaries, is left out. Raises Refused as `read_object_array` does.
    """
    root, elements = _unpickled(data)
    if root.shape != () or not isinstance(elements[0], dict):
        raise Refused("it is not a dictionary")
    budget = 2 * len(data) + 2**20
    record: dict[str, Any] = {}
    for key, value in elements[0].items():
        if not isinstance(key, str):
            continue
        if isinstance(value, _Array) and not isinstance(value.content, list):
            budget -= len(value.content)
            record[key] = value.build()
        elif isinstance(value, np.generic):
            record[key] = value.item()
        elif isinstance(value, str | float | int) or (
            isinstance(value, list) and all(isinstance(item, str) for item in value)
        ):
            record[key] = value
        if budget < 0:
            raise Refused("its arrays are larger than the file that holds them")
    return record


def _unpickled(data: bytes) -> tuple["_Array", list[Any]]:
    """The array of objects that was pickled, and its elements in a row."""
    try:
        root = interpret(io.BytesIO(data), _NumpyStubs(), most=len(data))  # of a byte or more each
    except InvalidPickle as error:
        raise Refused(str(error)) from None
    if not isinstance(root, _Array) or not isinstance(root.content, list):
        raise Refused("it is not an array of objects")
    return root, root.content


def _numbers(root: "_Array") -> np.ndarray:
    if not all(isinstance(element, int | float | np.number) for element in root.content):
        raise Refused("it has several dimensions and contains not only numbers")
    try:
        flat = np.array(root.content, dtype=np.float64)
    except OverflowError:
        raise Refused("it contains a number too large for float64") from None
    return flat.reshape(root.shape, order="F" if root.fortran else "C")


class _NumpyStubs:
    """What NumPy's pickles name; everything else is refused."""

    def named(self, module: str, name: str) -> Any:
        made = {"_reconstruct": _reconstruct, "dtype": _Dtype, "ndarray": _ndarray, "scalar": _scalar}
        if module not in MODULES or name not in made:
            raise Refused(f"it asks for {_shown(f'{module}.{name}')}, which is not data")
        return made[name]

    def called(self, function: Any, arguments: Any) -> Any:
        if function not in (_reconstruct, _Dtype, _ndarray, _scalar) or not isinstance(arguments, tuple):
            raise Refused("it calls what is no function")
        return function(*arguments)

    def instance(self, kind: Any) -> NoReturn:
        raise Refused("it makes an object")

    def built(self, value: Any, state: Any) -> Any:
        if not isinstance(value, _Array | _Dtype):
            raise Refused("it changes the state of what has none")
        value.set_state(state)
        return value

    def stored(self, identity: Any) -> NoReturn:
        raise Refused("it refers to objects outside the file")


class _Dtype:
    """A data type: a code such as f8, and a byte order."""

    __slots__ = ("code", "order")

    def __init__(self, code: Any, *flags: Any) -> None:
        if not isinstance(code, str) or not (SIMPLE.fullmatch(code) or code in ("O", "O8")):
            raise Refused(f"an array has the type {_shown(code)}: must be numbers or text")
        self.code, self.order = code, "|"

    def set_state(self, state: Any) -> None:
        order = state[1] if isinstance(state, tuple) and len(state) > 1 else None
        if order not in ("<", ">", "|", "="):
            raise Refused("an array's type is broken")
        self.order = order

    @property
    def is_object(self) -> bool:
        return self.code.startswith("O")

    def build(self) -> np.dtype:
        return np.dtype(self.order + self.code)


class _Array:
    """An array that the pickle describes: a shape and either bytes of a simple type or a list of elements."""

    __slots__ = ("content", "dtype", "fortran", "shape")

    def __init__(self) -> None:
        self.shape: tuple[int, ...] = ()
        self.dtype = _Dtype("f8")
        self.fortran = False
        self.content: bytes | list[Any] = b""

    def set_state(self, state: Any) -> None:
        match state:
            case (int(), tuple() as shape, _Dtype() as dtype, int() as fortran, bytes() | list() as content):
                pass
            case _:
                raise Refused("an array's state is broken")
        if len(shape) > 8 or not all(type(size) is int and 0 <= size < 2**40 for size in shape):
            raise Refused("an array's shape is broken")
        if dtype.is_object != isinstance(content, list):
            raise Refused("an array's type does not fit its content")
        wanted = math.prod(shape) * (1 if dtype.is_object else dtype.build().itemsize)
        if len(content) != wanted:
            raise Refused(
                f"an array of shape {shape} needs {wanted} bytes or elements and has {len(content)}"
            )
        self.shape, self.dtype, self.fortran, self.content = shape, dtype, bool(fortran), content

    def build(self) -> np.ndarray:
        if isinstance(self.content, list):
            raise Refused("an element is itself an array of objects")
        flat = np.frombuffer(self.content, dtype=self.dtype.build())
        return flat.reshape(self.shape, order="F" if self.fortran else "C")


def _shown(value: Any) -> str:
    """Untrusted text for a message: short, and without characters that control a terminal."""
    return ascii(value)[1:-1][:80] if isinstance(value, str) else f"a {type(value).__name__}"


def _ndarray(*arguments: Any) -> NoReturn:
    raise Refused("it calls the constructor of an array")


def _reconstruct(kind: Any, *arguments: Any) -> _Array:
    return _Array()


def _scalar(dtype: Any, content: Any) -> np.generic:
    array = _Array()
    array.set_state((1, (1,), dtype, 0, content))
    return array.build()[0]

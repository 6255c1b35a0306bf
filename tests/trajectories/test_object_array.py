"""The unpickler of object arrays: what NumPy pickles comes back bit for bit (oracle: NumPy), and nothing that a file
names is imported or run. A hostile pickle that ran would leave a file behind; none may."""

import contextlib
import io
import os
import pickle
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trajprobe.trajectories.sources.object_array import Refused, read_object_array


def pickled(elements: list[Any]) -> bytes:
    array = np.empty(len(elements), dtype=object)
    array[:] = elements
    return pickle.dumps(array, protocol=4)


def ragged(*arrays: Any) -> bytes:
    array = np.empty(len(arrays), dtype=object)
    for index, element in enumerate(arrays):
        array[index] = element
    return pickle.dumps(array, protocol=4)


@pytest.mark.parametrize("kind", ["<f4", "<f8", ">f8", "<i2", "<u8", "?", "<f2", "<U5", "S3"])
@pytest.mark.parametrize("protocol", [3, 4])
def test_arrays_come_back_bit_for_bit(kind: str, protocol: int) -> None:
    rng = np.random.default_rng(0)
    array = np.empty(3, dtype=object)
    for index, shape in enumerate([(4, 2), (0, 3), (7,)]):
        array[index] = (rng.random(shape) * 100).astype(kind)
    array[1] = np.asfortranarray(rng.random((5, 3)).astype(kind))
    read = read_object_array(pickle.dumps(array, protocol=protocol))
    for original, ours in zip(array, read, strict=True):
        assert ours.dtype == original.dtype
        assert ours.shape == original.shape
        assert ours.tobytes() == original.tobytes()


def test_text_and_numbers_come_back() -> None:
    values = ["ä", 3, 2.5, True, np.float32(1.5), np.int64(-4)]
    assert read_object_array(pickled(values)) == values


def test_paths_of_one_length_that_numpy_made_one_block_of() -> None:
    block = np.arange(24.0).reshape(4, 3, 2).astype(object)
    np.testing.assert_array_equal(read_object_array(pickle.dumps(block, protocol=4)), block.astype(float))
    mixed = block.copy()
    mixed[0, 0, 0] = "x"
    with pytest.raises(Refused, match="contains not only numbers"):
        read_object_array(pickle.dumps(mixed, protocol=4))


class Calls:
    """Pickles as the call of a function, as an attacker would have it."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def by_name(module: str, name: str, *arguments: Any) -> bytes:
    """GLOBAL module.name, arguments, REDUCE, for names that need not exist here."""
    body = b"".join(pickle.dumps(argument, protocol=2)[2:-1] for argument in arguments)
    return b"\x80\x02c" + f"{module}\n{name}\n".encode() + b"(" + body + b"tR."


MARK = "executed"
RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
NDARRAY = b"cnumpy\nndarray\n"
EMPTY = RECONSTRUCT + b"(" + NDARRAY + b"K\x00\x85U\x01btR"
HOSTILE = {
    "os.system": pickle.dumps(Calls(os.system, f"touch {MARK}")),
    "as an element": ragged(np.zeros(2), Calls(os.system, f"touch {MARK}")),
    "eval": pickle.dumps(Calls(eval, f"open('{MARK}', 'w')")),
    "exec": pickle.dumps(Calls(exec, f"open('{MARK}', 'w')")),
    "open": by_name("io", "open", MARK, "w"),
    "subprocess": pickle.dumps(Calls(subprocess.getoutput, f"touch {MARK}")),
    "nested reduce": pickle.dumps([[Calls(os.system, Calls(str.join, "", ["touch ", MARK]))]]),
    "getattr": by_name("builtins", "getattr", "", "join"),
    "numpy.fromfile": by_name("numpy", "fromfile", "/etc/passwd", "u1"),
    "numpy.load": by_name("numpy", "load", "x.npy"),
    "numpy.save": by_name("numpy", "save", MARK, 1),
    "numpy.memmap": by_name("numpy", "memmap", MARK, "u1", "w+", 0, (10,)),
    "numpy runstring": by_name("numpy.testing._private.utils", "runstring", f"open('{MARK}', 'w')", {}),
    "numpy.ndarray by hand": by_name("numpy", "ndarray", (10**9,)),
    "numpy dotted name": b"\x80\x04\x8c\x05numpy\x8c\x0cndarray.view\x93.",
    "escape codes in a name": by_name("\x1b[31mos", "system" * 99),
    "codecs": by_name("_codecs", "encode", "x", "latin1"),
    "copyreg": by_name("copyreg", "__newobj__", 1),
    "persistent id": b"\x80\x02X\x01\x00\x00\x00aQ.",
    "extension": b"\x80\x02\x82\x01.",
    "INST": b"(S'touch executed'\nios\nsystem\n.",
    "OBJ": b"(cos\nsystem\nS'touch executed'\no.",
    "NEWOBJ of ndarray": b"\x80\x02" + NDARRAY + b"K\x05\x85\x81.",
    "NEWOBJ of text": b"\x80\x02X\x01\x00\x00\x00a)\x81.",
    "state on a name": b"\x80\x02" + RECONSTRUCT + b"}X\x05\x00\x00\x00_makeX\x01\x00\x00\x00asb.",
    "slots on a name": b"\x80\x02" + RECONSTRUCT + b"N}X\x05\x00\x00\x00_makeX\x01\x00\x00\x00as\x86b.",
    "state on text": b"\x80\x02X\x01\x00\x00\x00a}X\x01\x00\x00\x00bK\x01sb.",
    "an item on an array": b"\x80\x02" + EMPTY + b"K\x00K\x01s.",
    "state without a shape": b"\x80\x02" + EMPTY + b"N\x85b.",
    "calls an array": b"\x80\x02" + EMPTY + b")R.",
    "object with a code": b"\x80\x02cnumpy\ndtype\n(X\x08\x00\x00\x00O,(9,)f8tR.",
    "dtype from a dict": by_name("numpy", "dtype", {"names": ["a"], "formats": ["O"]}),
    "dtype with a broken state": b"\x80\x02cnumpy\ndtype\n(X\x02\x00\x00\x00f8tRK\x01b.",
    "a module's function by another path": by_name("numpy.core.multiarray", "fromfile", "/etc/passwd"),
    "huge bytes": b"\x80\x04\x8e" + struct.pack("<Q", 2**60) + b"x.",
    "huge bytearray": b"\x80\x05\x96" + struct.pack("<Q", 2**45) + b"x.",
    "huge memo index": b"\x80\x02K\x01r\xff\xff\xff\x7f.",
    "huge frame": b"\x80\x04\x95" + struct.pack("<Q", 2**50) + b"N.",
    "huge text number": b"\x80\x02L" + b"9" * 100_000 + b"L\n.",
    "out of band buffer": b"\x80\x05\x97.",
    "deep tuples": b"\x80\x02" + b"(" * 50_000 + b"t" * 50_000 + b".",
    "nothing": b"",
    "no stop": pickle.dumps([1])[:-1],
    "a list": pickle.dumps([1, 2]),
    "a list as an element": ragged([1, 2], np.zeros(2)),
    "None as an element": ragged(None, np.zeros(2)),
    "objects in objects": ragged(np.array([np.zeros(2), None], dtype=object), np.zeros(2)),
    "a record array": ragged(np.zeros(2, dtype=[("x", "f8")]), np.zeros(2)),
    "complex numbers": ragged(np.zeros(2, dtype=complex), np.zeros(2)),
    "a masked array": ragged(np.ma.masked_array([1.0, 2], [True, False]), np.zeros(2)),
    "dates": ragged(np.array(["2020-01-01"], dtype="M8[D]"), np.zeros(2)),
    "a number too long": pickled([10**100, 1]),
    "colliding keys": b"\x80\x02}("
    + b"".join(pickle.dumps(key * (2**61 - 1), 2)[2:-1] + b"N" for key in range(30_000))
    + b"u.",
    "a name of numbers": b"\x80\x04K\x01K\x02\x93.",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_nothing_runs_and_the_reason_is_given(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    imported = set(sys.modules)
    start = time.process_time()
    with pytest.raises(Refused) as refusal:
        read_object_array(HOSTILE[case])
    assert time.process_time() - start < 3
    assert 5 < len(str(refusal.value)) < 200
    assert not list(tmp_path.iterdir())
    assert set(sys.modules) == imported


def test_the_hostile_pickles_would_run_if_they_were_let() -> None:
    """The canary is alive: the plain unpickler asks for the very names that ours refuses."""
    asked = []

    class Watching(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            asked.append((module, name))
            raise RuntimeError

    for case in ("os.system", "eval", "INST", "numpy.fromfile"):
        with pytest.raises(RuntimeError):
            Watching(io.BytesIO(HOSTILE[case])).load()
    assert asked == [("posix", "system"), ("builtins", "eval"), ("os", "system"), ("numpy", "fromfile")]


def holding(shape: tuple, content: bytes | list, code: str) -> bytes:
    """A pickled object array with one element: an array of any shape over any content."""

    def data(value: Any) -> bytes:
        return pickle.dumps(value, protocol=2)[2:-1]

    def array(shape: tuple, content: bytes, code: str) -> bytes:
        name = code.encode()
        dtype = b"cnumpy\ndtype\n(X" + struct.pack("<I", len(name)) + name + b"tR"
        return EMPTY + b"(K\x01" + data(shape) + dtype + b"K\x00" + content + b"tb"

    if isinstance(content, bytes):
        packed = b"C" + bytes([len(content)]) + content
    else:
        packed = data(content)
    return b"\x80\x03" + array((1,), b"](" + array(shape, packed, code) + b"e", "O8") + b"."


def test_a_shape_that_fits_is_read() -> None:
    (element,) = read_object_array(holding((2, 1), struct.pack("<2d", 1.5, 2.5), "f8"))
    np.testing.assert_array_equal(element, [[1.5], [2.5]])


@pytest.mark.parametrize(
    ("shape", "content", "code", "reason"),
    [
        ((10**11,), b"12345678", "f8", "needs 800000000000 bytes or elements and has 8"),
        ((2**62, 2**62), b"", "f8", "shape is broken"),
        ((-1,), b"12345678", "f8", "shape is broken"),
        ((2, -4), b"", "f8", "shape is broken"),
        ((1,) * 9, b"12345678", "f8", "shape is broken"),
        ((1.0,), b"12345678", "f8", "shape is broken"),
        ((True,), b"12345678", "f8", "shape is broken"),
        ((1,), [1], "f8", "type does not fit its content"),
        ((8,), b"12345678", "O8", "type does not fit its content"),
        ((10**9,), [1], "O8", "needs 1000000000 bytes or elements and has 1"),
        ((1,), [1], "O8", "itself an array of objects"),
        ((1,), b"12345678", "V8", "has the type V8"),
        ((1,), b"12345678", "U9999999", "has the type U9999999"),
    ],
)
def test_a_declared_shape_must_fit_the_content(shape: tuple, content: Any, code: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        read_object_array(holding(shape, content, code))


def test_one_array_named_a_million_times_is_refused() -> None:
    shared = np.zeros((1000, 2))
    array = np.empty(100_000, dtype=object)
    array[:] = [shared] * len(array)
    with pytest.raises(Refused, match="larger than the file"):
        read_object_array(pickle.dumps(array, protocol=4))


SOUND = ragged(np.arange(6.0).reshape(3, 2), np.ones((2, 2), np.float32), "label")


@settings(deadline=None, max_examples=250)
@given(st.data())
def test_broken_bytes_are_refused_or_read_but_nothing_else(data: st.DataObject) -> None:
    broken = bytearray(SOUND)
    for _ in range(data.draw(st.integers(1, 4))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(Refused):
        read_object_array(bytes(broken[: data.draw(st.integers(1, len(broken)))]))


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=60))
def test_random_bytes_are_refused(noise: bytes) -> None:
    with pytest.raises(Refused):
        read_object_array(b"\x80\x04" + noise)

"""Whatever a checkpoint contains, nothing in it is run, and reading it ends in tensors or in one clear line.

Hostile pickles would leave a canary file behind. Each is tried as a zip and, where its form allows, as a stream.
"""

import io
import json
import operator
import os
import pickle
import re
import struct
import subprocess
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from trajprobe.checkpoints import containers, pickle_stubs
from trajprobe.checkpoints.tensors import read_index, read_tensors
from trajprobe.core import unpickle
from trajprobe.core.errors import UserError

FLOATS = b"ctorch\nFloatStorage\n"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"
DATA = struct.pack("<4f", 1, 2, 3, 4)
STREAM = b"".join(pickle.dumps(v, 2) for v in (containers.STREAM_MAGIC, 1001, {"little_endian": True}))


class Call:
    """Pickles as a call of `function`; unpickling would make it."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def archive(pickled: bytes, folder: Path, data: bytes = DATA, **options: Any) -> Path:
    """A zip as torch writes it, with `pickled` for its pickle."""
    path = folder / "hostile.ckpt"
    with zipfile.ZipFile(path, "w", options.get("compression", zipfile.ZIP_STORED)) as file:
        file.writestr("archive/data.pkl", pickled)
        file.writestr("archive/version", "3\n")
        file.writestr("archive/byteorder", options.get("byteorder", "little"))
        if not options.get("without_data"):
            file.writestr("archive/data/0", data)
    return path


def tensor(
    *,
    shape: bytes = b"(K\x04t",
    stride: bytes = b"(K\x01t",
    offset: bytes = b"K\x00",
    key: bytes = b"X\x01\x00\x00\x000",
    count: bytes = b"K\x04",
) -> bytes:
    """The instructions of a tensor, each part to be replaced."""
    storage = b"(X\x07\x00\x00\x00storage" + FLOATS + key + b"X\x03\x00\x00\x00cpu" + count + b"tQ"
    return REBUILD + b"(" + storage + offset + shape + stride + b"\x89N" + b"tR"


def mapping(*items: bytes) -> bytes:
    """A pickle of {"a": ..., "b": ...}."""
    names = (b"X\x01\x00\x00\x00" + bytes([97 + number]) for number in range(len(items)))
    return b"\x80\x02}(" + b"".join(name + item for name, item in zip(names, items, strict=True)) + b"u."


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def number(value: int) -> bytes:
    return pickle.dumps(value, 2)[2:-1]


def numbers(*values: int) -> bytes:
    return b"(" + b"".join(map(number, values)) + b"t"


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as error:
        read_tensors(path, read_index(path))
    text = str(error.value)
    assert "\n" not in text
    assert len(re.sub("`python -c .*`", "", text).removeprefix(str(path))) < 300
    return text


def test_the_made_tensor_is_honest(tmp_path: Path) -> None:
    path = archive(mapping(tensor()), tmp_path)
    assert read_tensors(path, ["a"])["a"].tolist() == [1, 2, 3, 4]
    assert torch.load(path)["a"].tolist() == [1, 2, 3, 4]


RUNS = {
    "system": lambda canary: Call(os.system, f"touch {canary}"),
    "eval": lambda canary: Call(eval, f"open({str(canary)!r}, 'w')"),
    "exec": lambda canary: Call(exec, f"open({str(canary)!r}, 'w')"),
    "open": lambda canary: Call(open, str(canary), "w"),
    "import": lambda canary: Call(__import__, "os"),
    "subprocess": lambda canary: Call(subprocess.run, ["touch", str(canary)]),
    "nested": lambda canary: [{"a": (Call(getattr, Call(__import__, "os"), "system"),)}],
}
INERT = {
    "getattr": lambda canary: Call(getattr, canary, "touch"),
    "partial": lambda canary: partial(canary.touch),
    "methodcaller": lambda canary: Call(operator.methodcaller("touch").__reduce__()[0], "touch"),  # type: ignore[index]
    "touch": lambda canary: Call(Path.touch, canary),
    "pickle": lambda canary: Call(pickle.loads, pickle.dumps(Call(os.system, f"touch {canary}"))),
    "torch": lambda canary: Call(torch.load, str(canary)),
}


@pytest.mark.parametrize("name", [*RUNS, *INERT])
def test_nothing_is_run(name: str, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    written = 0
    for protocol in range(6):
        try:
            pickled = pickle.dumps({"state_dict": {}, "b": {**RUNS, **INERT}[name](canary)}, protocol)
        except (TypeError, pickle.PicklingError, AttributeError):  # this protocol cannot write it
            continue
        written += 1
        said = refusal(archive(pickled, tmp_path))
        # Protocol 0 is refused at its first instruction.
        assert ("would run" in said) == (name in RUNS and protocol > 0)
        stream = tmp_path / "stream.ckpt"
        stream.write_bytes(STREAM + pickled + pickle.dumps([], 2))
        refusal(stream)
    assert written
    assert not canary.exists()


@pytest.mark.parametrize("new_format", [True, False])
@pytest.mark.parametrize("name", INERT)
def test_tensors_beside_what_is_not_run_are_read(name: str, new_format: bool, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    path = tmp_path / "made.ckpt"
    value = {"state_dict": {"a": torch.ones(3)}, "callbacks": INERT[name](canary)}
    torch.save(value, path, _use_new_zipfile_serialization=new_format)
    assert read_tensors(path, ["a"])["a"].tolist() == [1, 1, 1]
    assert not canary.exists()


def test_instructions_written_by_hand(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    touch = f"touch {canary}".encode()
    text = b"X" + struct.pack("<I", len(touch)) + touch
    for attack in (
        b"cposix\nsystem\n(" + text + b"tR",
        b"X\x02\x00\x00\x00osX\x06\x00\x00\x00system\x93(" + text + b"tR",  # STACK_GLOBAL
        b"X\x08\x00\x00\x00builtinsX\x04\x00\x00\x00eval\x93(" + text + b"tR",
        b"c__builtin__\neval\n(" + text + b"tR",
        b"cos.path\nos.system\n(" + text + b"tR",
        b"cos\nsystem\n(" + text + b"t\x81",  # NEWOBJ
        b"cos\nsystem\n(" + text + b"t}\x92",  # NEWOBJ_EX
        REBUILD.replace(b"_utils", b"_tensor").replace(b"_rebuild_tensor_v2", b"_rebuild_from_type_v2")
        + b"(cos\nsystem\nN("
        + text
        + b"tNtR",
    ):
        path = archive(mapping(tensor(), attack), tmp_path)
        assert "would run" in refusal(path)
    for old in (
        b"(S'" + touch + b"'\nios\nsystem\n",  # INST
        b"(" + text + b"ios\nsystem\n",
        b"(cfoo\nbar\nK\x01o",  # OBJ
        b"(K\x01K\x02d",  # DICT
        b"(K\x01l",  # LIST
        b"K\x012",  # DUP
    ):
        assert "an instruction that no data needs" in refusal(archive(mapping(tensor(), old), tmp_path))
    for harmless in (
        b"ccollections\nOrderedDict\n)R}X\x05\x00\x00\x00callsK\x01sb",  # BUILD on a mapping
        b"cargparse\nNamespace\n)\x81}X\x0c\x00\x00\x00__setstate__cfoo\nbar\nsb",
        b"\x8f(K\x01\x90",  # EMPTY_SET, ADDITEMS
        b"(K\x01\x91",  # FROZENSET
        b"](K\x01K\x02e",
        b"cfoo\nbar\n(K\x01t}\x92",
        b"N((K\x0111",  # POP_MARK
        b"K\x02(0",  # POP of a mark
    ):
        whole = b"\x80\x02" + harmless + b"0" + mapping(tensor())[2:]
        assert read_tensors(archive(whole, tmp_path), ["a"])["a"].tolist() == [1, 2, 3, 4]
    assert not canary.exists()


@pytest.mark.parametrize(
    "attack",
    [
        b"\x82\x01",  # EXT1
        b"\x84\x01\x00\x00\x00",  # EXT4
        b"\x97",  # NEXT_BUFFER
        b"Pstorage\n",  # PERSID
        b"K\x01Q",  # a persistent id that is no storage
        b"(X\x07\x00\x00\x00storageK\x01tQ",
        b"0" * 9,
        b"h\x07",  # a memo that was never set
        b"\x94",
        b"u",
        b"t",
        b"R",
        b"\xff",
        b"I" + b"9" * 5000 + b"\n",
        b"L" + b"9" * 5000 + b"L\n",
        b"K\x01K\x02\x93",  # STACK_GLOBAL of numbers
        b"\x8d" + struct.pack("<Q", 2**60) + b"x",  # text that announces an exabyte
        b"\x8e" + struct.pack("<Q", 2**63 - 1) + b"x",
        b"\x96" + struct.pack("<Q", 2**63 - 1) + b"x",
        b"\x95" + struct.pack("<Q", 2**63 - 1),  # FRAME
        b"\x8b" + struct.pack("<i", -1),  # LONG4
        b"T" + struct.pack("<i", -1),
        b"X\x02\x00\x00\x00\xff\xff",
        b"S'\\c'\n",  # an escape that Python warns of
        b"cfoo\nb\\cr\n",
    ],
    ids=lambda attack: repr(attack[:6]),
)
def test_damaged_and_strange_instructions(attack: bytes, tmp_path: Path) -> None:
    refusal(archive(mapping(tensor(), attack)[:-2] + b"u.", tmp_path))


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"shape": numbers(2**40, 2**40), "stride": numbers(2**40, 1)}, "outside its data"),
        ({"shape": numbers(2**40), "stride": numbers(0)}, "far larger"),
        ({"shape": numbers(2**47, 2**47, 2**47), "stride": numbers(0, 0, 0)}, "far larger"),
        ({"shape": numbers(10**4000), "stride": numbers(1)}, "impossible"),
        ({"shape": numbers(-4)}, "impossible"),
        ({"shape": numbers(5)}, "outside its data"),
        ({"stride": numbers(-1)}, "impossible"),
        ({"stride": numbers(2)}, "outside its data"),
        ({"stride": numbers(1, 1)}, "of different lengths"),
        ({"shape": numbers(*[1] * 65), "stride": numbers(*[1] * 65)}, "impossible"),
        ({"shape": numbers(0, 2**47, 2**47), "stride": numbers(1, 1, 1)}, "impossible shape"),
        ({"shape": numbers(2**30, 2**30, 0), "stride": numbers(1, 1, 1)}, "impossible shape"),
        ({"offset": number(1)}, "outside its data"),
        ({"offset": number(-1)}, "impossible"),
        ({"offset": number(2**62)}, "impossible"),
        ({"offset": b"X\x01\x00\x00\x000"}, "impossible"),
        ({"shape": b"X\x01\x00\x00\x004"}, "impossible"),
        ({"shape": b"(X\x01\x00\x00\x004t"}, "impossible"),
        ({"shape": b"(\x88t"}, "impossible"),
        ({"key": b"X\x01\x00\x00\x001"}, "'archive/data/1' is missing"),
        ({"key": b"X\x0b\x00\x00\x00../data.pkl"}, "is missing"),
        ({"count": number(-1)}, "not a tensor's"),
    ],
    ids=str,
)
def test_tensors_that_cannot_be(parts: dict[str, bytes], words: str, tmp_path: Path) -> None:
    assert words in refusal(archive(mapping(tensor(**parts)), tmp_path))


def test_views_of_the_same_data_are_fine(tmp_path: Path) -> None:
    transposed = tensor(shape=numbers(2, 2), stride=numbers(1, 2))
    repeated = tensor(shape=numbers(3, 2), stride=numbers(0, 3))
    path = archive(mapping(tensor(), transposed, repeated), tmp_path)
    found = read_tensors(path, "abc")
    assert found["b"].tolist() == [[1, 3], [2, 4]]
    assert found["c"].tolist() == [[1, 4]] * 3
    found["a"].zero_()
    assert found["b"].tolist() == [[1, 3], [2, 4]]


def test_very_many_views_of_the_same_data_are_refused(tmp_path: Path) -> None:
    repeated = tensor(shape=numbers(2**18), stride=numbers(0))
    assert read_tensors(archive(mapping(*[repeated] * 26), tmp_path), "a")["a"].shape == (2**18,)
    items = b"".join(number_ + repeated for number_ in map(number, range(80)))
    assert "together far larger" in refusal(archive(b"\x80\x02}(" + items + b"u.", tmp_path))


def bombs() -> dict[str, bytes]:
    doubled = b"}" + b"".join(b"q\x00}X\x01\x00\x00\x00ah\x00sX\x01\x00\x00\x00bh\x00s" for _ in range(200))
    name = text("n" * 1_000_000)
    store = b"(" + text("storage") + FLOATS + text("0") + text("cpu") + b"K\x04"
    long = b"(" + b"K\x01" * 80_000 + b"t"
    # What a pickle writes down once and then gives to calls as often as it likes.
    rebuilt = b"\x80\x02" + REBUILD + b"q\x000" + store + b"tQq\x020" + long + b"q\x030"
    arguments = rebuilt + b"(h\x02K\x00(K\x04t(K\x01t" + b"K\x00" * 80_000 + b"tq\x010"
    axes = rebuilt + b"(h\x02K\x00h\x03h\x03\x89Ntq\x010"
    items = b"](" + b"".join(text(f"{number:05}") + b"N\x86" for number in range(20_000)) + b"e"
    ordered = b"\x80\x02ccollections\nOrderedDict\nq\x00"
    key = b"\x8b" + struct.pack("<i", 8 << 20) + b"\xff" + bytes(8 << 20)[2:] + b"\xff"
    dots = text("." * 1_000_000)
    view = b"\x80\x02" + tensor() + b"q\x010}q\x02("
    return {
        "the same long arguments": arguments + b"h\x00h\x01R0" * 9_000 + b"N.",
        "the same long shape": axes + b"h\x00h\x01R0" * 9_000 + b"N.",
        "the same items": ordered + items + b"q\x01" + b"h\x00h\x01\x85R" * 300 + b".",
        "the same items by way of another call": ordered
        + items
        + b"q\x01"
        + b"0ctorch._tensor\n_rebuild_from_type_v2\nq\x02(h\x00Nh\x01\x85Ntq\x03"
        + b"h\x02h\x03R" * 300
        + b".",
        "the same large key": b"\x80\x02" + key + b"q\x010}" + b"h\x01Ns" * 39_000 + b".",
        "the same module of dots": b"\x80\x02" + dots + b"q\x010" + b"h\x01h\x01\x930" * 2_000 + b"N.",
        "the same long names": view
        + b"".join(text(f"{number:03}") + b"h\x01" for number in range(990))
        + b"u0}("
        + b"".join(text(f"{number:03}" + "x" * 980) + b"h\x02" for number in range(1_000))
        + b"u.",
        "the same short names": view
        + b"".join(text(f"{number:03}") + b"h\x01" for number in range(990))
        + b"u0}("
        + b"".join(text(f"{number:03}") + b"h\x02" for number in range(1_000))
        + b"u.",
        "deep lists": b"\x80\x02" + b"]" * 30_000 + b"a" * 29_999 + b".",
        "deep tuples": b"\x80\x02)" + b"\x85" * 60_000 + b".",
        "deep tuples as keys": b"\x80\x02})" + b"\x85" * 60_000 + b"Ns.",
        "deep mappings": b"\x80\x02" + b"}X\x01\x00\x00\x00a" * 20_000 + b"}" + b"s" * 20_000 + b".",
        "doubling mappings": b"\x80\x02" + doubled + b".",
        "a mapping in itself": b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s.",
        "a place far out in the memo": b"\x80\x02Nr\xff\xff\xff\xff.",
        "many marks": b"\x80\x02" + b"(" * 50_000 + b".",
        "many instructions": b"\x80\x02" + b"N" * 150_000 + b".",
        "long names": b"\x80\x02}" + name + b"}" + name + b"}" + name + tensor() + b"sss.",
        "colliding keys": b"\x80\x02}("
        + b"".join(number(k * (2**61 - 1)) + b"N" for k in range(20_000))
        + b"u.",
    }


@pytest.mark.parametrize("name", bombs())
def test_bombs_cost_little(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpickle, "MOST_INSTRUCTIONS", 120_000)
    path = archive(bombs()[name], tmp_path)
    start = time.process_time()
    tracemalloc.start()
    refusal(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6
    assert time.process_time() - start < 6


def test_a_storage_is_named_in_few_words() -> None:
    words = ("storage", pickle_stubs.Global("torch", "FloatStorage"), "0", "cpu", 4)
    assert pickle_stubs.TorchStubs().stored((*words, None)) == pickle_stubs.Storage("0", "float32", 4)
    with pytest.raises(pickle_stubs.InvalidCheckpoint):
        pickle_stubs.TorchStubs().stored(words + (None,) * 100)


def test_bounds_on_the_pickle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpickle, "LARGEST_PICKLE", 40)
    monkeypatch.setattr(containers, "LARGEST_PICKLE", 40)
    pickled = mapping(tensor())
    assert "too large" in refusal(archive(pickled, tmp_path)) or "directory" in refusal(
        archive(pickled, tmp_path)
    )
    monkeypatch.setattr(containers, "LARGEST_HEADER", 40)
    assert "its zip directory is damaged" in refusal(archive(pickled, tmp_path))
    for attack in (pickled, b"\x80\x02c" + b"a" * 99 + b"\nb\n."):
        with pytest.raises(unpickle.InvalidPickle, match="too large"):
            unpickle.interpret(unpickle.BoundedReader(io.BytesIO(attack)), pickle_stubs.TorchStubs())


def test_zip_files_that_torch_would_not_write(tmp_path: Path) -> None:
    honest = mapping(tensor())
    assert "compressed" in refusal(archive(honest, tmp_path, compression=zipfile.ZIP_DEFLATED))
    assert "big-endian" in refusal(archive(honest, tmp_path, byteorder="big"))
    assert "missing" in refusal(archive(honest, tmp_path, without_data=True))
    path = tmp_path / "other.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("readme.txt", "hello")
    assert "without a torch checkpoint" in refusal(path)
    assert "no mapping" in refusal(archive(b"\x80\x02K\x01.", tmp_path))
    assert "no mapping" in refusal(archive(b"\x80\x02" + tensor() + b".", tmp_path))
    inner = b"}X\x01\x00\x00\x00b" + tensor() + b"s"
    twice = b"\x80\x02}(X\x03\x00\x00\x00a.b" + tensor() + b"X\x01\x00\x00\x00a" + inner + b"u."
    assert "two tensors named 'a.b'" in refusal(archive(twice, tmp_path))


@pytest.mark.parametrize("new_format", [True, False])
def test_truncated_files(new_format: bool, tmp_path: Path) -> None:
    path = tmp_path / "made.ckpt"
    torch.save({"a": torch.arange(50.0)}, path, _use_new_zipfile_serialization=new_format)
    whole = path.read_bytes()
    for size in range(0, len(whole) - 1, 19):
        path.write_bytes(whole[:size])
        refusal(path)


def test_flipped_bits_in_the_data_are_found(tmp_path: Path) -> None:
    path = tmp_path / "made.ckpt"
    torch.save({"a": torch.arange(50.0), "b": torch.ones(70)}, path)
    whole = bytearray(path.read_bytes())
    place = whole.index(torch.arange(50.0).numpy().tobytes())
    whole[place + 100] ^= 4
    path.write_bytes(whole)
    assert "CRC-32" in refusal(path)
    assert read_tensors(path, ["b"])["b"].tolist() == [1] * 70


def test_storages_of_other_kinds_and_from_before_torch_0_4(tmp_path: Path) -> None:
    cuda = tensor().replace(FLOATS, b"ctorch.cuda\nFloatStorage\n")
    complex_ = tensor().replace(FLOATS, b"ctorch\nComplexFloatStorage\n")
    assert read_tensors(archive(mapping(cuda, complex_), tmp_path), "a")["a"].tolist() == [1, 2, 3, 4]
    assert set(read_index(archive(mapping(cuda, complex_), tmp_path))) == {"a"}
    # A view of a storage from its third element on, and a class whose source stands beside it.
    view = tensor(shape=numbers(2)).replace(b"tQK", b"(X\x04\x00\x00\x00viewK\x02K\x02ttQK")
    module = b"(X\x06\x00\x00\x00modulectorch.nn\nLinear\nX\x01\x00\x00\x00fX\x01\x00\x00\x00stQ"
    path = tmp_path / "stream.ckpt"
    tail = pickle.dumps(["0"], 2) + struct.pack("<q", 4) + DATA
    path.write_bytes(STREAM + mapping(view, tensor(), module) + tail)
    assert {name: found.tolist() for name, found in read_tensors(path, "ab").items()} == {
        "a": [3, 4],
        "b": [1, 2, 3, 4],
    }
    whole = tensor().replace(b"tQK", b"NtQK")
    path.write_bytes(STREAM + mapping(view, whole) + tail)
    assert torch.load(path, weights_only=False)["a"].tolist() == [3, 4]


def header(**entry: Any) -> bytes:
    text = json.dumps({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]} | entry}).encode()
    return struct.pack("<Q", len(text)) + text + DATA


def stream(*values: Any) -> bytes:
    return b"".join(pickle.dumps(value, 2) for value in values)


def stream_data(keys: Any, count: int = 4, data: bytes = DATA) -> bytes:
    return STREAM + mapping(tensor()) + pickle.dumps(keys, 2) + struct.pack("<q", count) + data


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"hello", "neither"),
        (b"PK\x03\x04", "zip directory"),
        (b"\x80\x02K\x01.", "not one of torch.save"),
        (pickle.dumps({"a": 1}), "not one of torch.save"),
        (stream(containers.STREAM_MAGIC, 1001, {"little_endian": False}), "big-endian"),
        (stream(containers.STREAM_MAGIC, 1002), "not one of torch.save"),
        (STREAM + stream({"a": 1}, ["0"]), "no mapping"),
        (stream_data(["0"], data=DATA[:-1]), "cut off"),
        (stream_data(["0"], 5), "damaged"),
        (stream_data(["1"]), "damaged"),
        (stream_data([0]), "damaged"),
        (stream_data([]), "missing"),
        (stream_data("0"), "damaged"),
        (header(dtype="F99"), "unknown type"),
        (header(dtype=[]), "header is damaged"),
        (header(shape=[5]), "outside its data"),
        (header(shape=[-4]), "impossible"),
        (header(shape=[2.0, 2]), "impossible"),
        (header(shape=[1] * 65), "impossible"),
        (header(shape=[0] + [60] * 40, data_offsets=[0, 0]), "impossible shape"),
        (header(shape=4), "header is damaged"),
        (header(data_offsets=[0, 2**60]), "impossible"),
        (header(data_offsets=[16, 0]), "impossible"),
        (header(data_offsets=[8, 24]), "cut off"),
        (header(data_offsets=[0]), "header is damaged"),
        (header()[:-1], "cut off"),
        (struct.pack("<Q", 2**60) + b"{}", "cut off"),
        (struct.pack("<Q", 2) + b"{]", "header is damaged"),
        (struct.pack("<Q", 2) + b"{\xff", "header is damaged"),
        (struct.pack("<Q", 200_000) + b'{"a":' * 40_000, "header is damaged"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_files_that_are_not_what_they_seem(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "other.ckpt"
    path.write_bytes(content)
    assert words in refusal(path)
    path.unlink()
    assert "No such file" in refusal(path)

"""The files that checkpoints come in: torch's zip, torch's stream from before 1.6, and safetensors.

Each is read as far as its index: which tensors it has, and where in the file their numbers lie. Nothing in a file
is believed before it is checked against the file's own length.
"""

import json
import struct
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from trajprobe.checkpoints.inert import MOST_AXES, Malformed, Storage, View
from trajprobe.checkpoints.storage import ITEM_SIZES, Block, TensorSpec, check_block, row_major
from trajprobe.checkpoints.unpickle import LARGEST_PICKLE, BoundedReader, interpret

# torch/serialization.py: what opens the stream format, and the version that every one of its files has.
STREAM_MAGIC = 0x1950A86A20F9469CFC6C
STREAM_VERSION = 1001

LARGEST_HEADER = 16 << 20  # bytes, of safetensors; about 100 for a tensor
SAFETENSORS = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
}

# Where checkpoints keep the weights, beside epochs, optimizers and settings; else they are the whole.
WEIGHTS_UNDER = ("state_dict", "model")
MOST_ITEMS = 1_000_000  # of all mappings, counted wherever they are met
MOST_NAMES = 100_000  # of tensors
MOST_LETTERS = 10_000_000  # of all those names together
LONGEST_NAME = 1000
DEEPEST = 32  # mappings inside mappings


def index(path: Path) -> dict[str, TensorSpec]:
    """The tensors of a checkpoint and where they lie, by name. Raises Malformed where it cannot be understood.

    A tensor of a type that is not known stays in, unchecked: what is not asked for need not be understood.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(64)
        file.seek(0)
        if head.startswith(b"PK\x03\x04"):
            specs = _zip(file, size)
        elif head[8:9] == b"{":
            specs = _safetensors(file, size)
        elif head.startswith(b"\x80"):
            specs = _stream(file, size)
        else:
            raise Malformed(_what_else(head))
    for name, spec in specs.items():
        if spec.dtype in ITEM_SIZES:
            spec.check(name)
    return specs


def _what_else(head: bytes) -> str:
    if head.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer that stands for the file; fetch the file itself (git lfs pull)"
    if head.lstrip().startswith(b"<"):
        return "it is a web page"
    if not head:
        return "it is empty"
    return "it is neither a torch checkpoint nor safetensors"


class _Frugal:
    """A file whose reader asks for the size that the file itself names; it gets no more than a directory needs."""

    LARGEST_END = 1 << 17  # bytes; without a size it reads from where the longest comment would begin

    def __init__(self, file: BinaryIO) -> None:
        self.seek, self.tell, self.file = file.seek, file.tell, file

    def read(self, size: int = -1) -> bytes:
        if size > LARGEST_PICKLE:
            raise ValueError("too large")
        return self.file.read(self.LARGEST_END if size < 0 else size)


def _zip(file: BinaryIO, size: int) -> dict[str, TensorSpec]:
    """torch.save since 1.6: `<any>/data.pkl` and, uncompressed, `<any>/data/<key>` for each storage."""
    try:
        with zipfile.ZipFile(_Frugal(file)) as archive:
            entries = {entry.filename: entry for entry in archive.infolist()}
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        ValueError,
        OverflowError,
        EOFError,
        struct.error,
    ) as error:
        raise Malformed(f"its zip directory is damaged or cut off ({type(error).__name__})") from None
    pickles = [name for name in entries if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise Malformed("it is a zip file without a torch checkpoint in it")
    folder = pickles[0].removesuffix("data.pkl")

    def block(name: str) -> Block:
        if name not in entries:
            raise Malformed(f"its data {name!a:.100} is missing")
        return _stored(file, entries[name], size)

    def content(name: str) -> bytes:
        where = block(name)
        if where.size > LARGEST_PICKLE:
            raise Malformed("its pickle is too large")
        check_block(file, where)
        file.seek(where.start)
        return file.read(where.size)

    if f"{folder}byteorder" in entries and content(f"{folder}byteorder") != b"little":
        raise Malformed("it was written on a big-endian machine; load and save it with torch first")
    views = weights(interpret(BoundedReader(BytesIO(content(pickles[0])))))
    return {name: _spec(view, block(f"{folder}data/{view.storage.key}")) for name, view in views.items()}


def _stored(file: BinaryIO, entry: zipfile.ZipInfo, size: int) -> Block:
    """The bytes of an uncompressed zip entry. Its local header says where they start (APPNOTE.TXT 4.3.7)."""
    if (
        entry.compress_type != zipfile.ZIP_STORED
        or entry.compress_size != entry.file_size
        or entry.flag_bits & 1
    ):
        raise Malformed("its data is compressed or encrypted, which torch never does")
    if not 0 <= entry.header_offset < size:
        raise Malformed("its zip directory is damaged or cut off")
    file.seek(entry.header_offset)
    header = file.read(30)
    if len(header) < 30 or header[:4] != b"PK\x03\x04":
        raise Malformed("its zip directory is damaged")
    names = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    start = entry.header_offset + 30 + names
    if start + entry.file_size > size:
        raise Malformed("it is cut off")
    # torch.serialization.set_crc32_options(False) leaves zeros.
    return Block(start, entry.file_size, entry.CRC or None)


def _stream(file: BinaryIO, size: int) -> dict[str, TensorSpec]:
    """torch.save before 1.6: pickles of a magic number, a version, the machine, the object and the storages' keys;
    then, in the order of the keys, the number of elements and the elements of each storage."""
    reader = BoundedReader(file)
    if interpret(reader) != STREAM_MAGIC or interpret(reader) != STREAM_VERSION:
        raise Malformed("it is a pickle, but none of torch.save")
    machine = interpret(reader)
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise Malformed("it was written on a big-endian machine; load and save it with torch first")
    storages: dict[str, Storage] = {}
    views = weights(interpret(reader, storages))
    keys = interpret(reader)
    if not isinstance(keys, list):
        raise Malformed("its list of storages is damaged")
    blocks: dict[str, Block] = {}
    position = file.tell()
    for key in keys:
        storage = storages.get(key) if isinstance(key, str) else None
        file.seek(position)
        if storage is None or int.from_bytes(file.read(8), "little") != storage.count:
            raise Malformed("its list of storages is damaged, or it is cut off")
        blocks[storage.key] = Block(position + 8, storage.count * ITEM_SIZES[storage.dtype])
        position += 8 + blocks[storage.key].size
        if position > size:
            raise Malformed("it is cut off")
    missing = {view.storage.key for view in views.values()} - blocks.keys()
    if missing:
        raise Malformed(f"its data {min(missing)!a} is missing")
    return {name: _spec(view, blocks[view.storage.key]) for name, view in views.items()}


def _spec(view: View, block: Block) -> TensorSpec:
    return TensorSpec(view.dtype, view.shape, view.stride, view.offset, block)


def weights(value: Any) -> dict[str, View]:
    """The tensors of the state dict in a checkpoint, wherever it keeps it; names in mappings are joined with dots."""
    if isinstance(value, dict):
        for candidate in (*(value.get(key) for key in WEIGHTS_UNDER), value):
            found = _flat(candidate) if isinstance(candidate, dict) else {}
            if found:
                return found
    raise Malformed("it holds no mapping from names to tensors")


def _flat(mapping: dict[Any, Any]) -> dict[str, View]:
    found: dict[str, View] = {}
    pending: list[tuple[str, dict[Any, Any], int]] = [("", mapping, 0)]
    seen = letters = 0
    while pending:
        prefix, inner, depth = pending.pop()
        seen += len(inner)
        if depth > DEEPEST or seen > MOST_ITEMS:
            raise Malformed("its mappings are nested without end")
        for key, item in inner.items():
            name = f"{prefix}{key}"
            if len(name) > LONGEST_NAME:
                raise Malformed("it has names without end")
            if isinstance(item, View):
                letters += len(name)
                if len(found) == MOST_NAMES or letters > MOST_LETTERS:
                    raise Malformed("it has names without end")
                if name in found:
                    raise Malformed(f"it has two tensors of the name {name!a:.100}")
                found[name] = item
            elif isinstance(item, dict):
                pending.append((f"{name}.", item, depth + 1))
    return found


def _safetensors(file: BinaryIO, size: int) -> dict[str, TensorSpec]:
    """https://huggingface.co/docs/safetensors: the header's length, a JSON header, the numbers."""
    length = int.from_bytes(file.read(8), "little")
    if length > min(size - 8, LARGEST_HEADER):
        raise Malformed("it is cut off, or its header is damaged")
    try:
        header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        specs = {}
        for name, entry in header.items():
            shape = tuple(entry["shape"])
            start, end = entry["data_offsets"]
            plain = all(type(number) is int and 0 <= number <= size for number in (*shape, start, end))
            if not plain or len(shape) > MOST_AXES or start > end:
                raise Malformed(f"tensor {name!a:.100} has an impossible shape or place")
            block = Block(8 + length + start, end - start)
            specs[name] = TensorSpec(SAFETENSORS.get(entry["dtype"], "?"), shape, row_major(shape), 0, block)
            if block.start + block.size > size:
                raise Malformed("it is cut off")
    except Malformed:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise Malformed("its header is damaged") from None
    return specs

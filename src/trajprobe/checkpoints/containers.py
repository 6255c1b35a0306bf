"""The file formats of checkpoints: torch's zip, torch's stream from before 1.6, and safetensors.

Each is read as far as its index: its tensors, and the places of their values in the file. Every place is checked
against the length of the file before it is used.
"""

import json
import struct
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from trajprobe.checkpoints.other_formats import (
    HEAD,
    no_tensors,
    other_pickle,
    recognise,
    recognise_archive,
    whole_model,
)
from trajprobe.checkpoints.pickle_stubs import MOST_AXES, Instance, InvalidCheckpoint, TorchStubs, View
from trajprobe.checkpoints.storage import ITEM_SIZES, Block, TensorSpec, check_block, row_major
from trajprobe.core.tensor_file import DTYPES
from trajprobe.core.unpickle import LARGEST_PICKLE, BoundedReader, interpret

# From torch/serialization.py: the first value of the stream format, and the version of all its files.
STREAM_MAGIC = 0x1950A86A20F9469CFC6C
STREAM_VERSION = 1001

LARGEST_HEADER = 16 << 20  # bytes, of safetensors and of a zip file's directory; a tensor takes about 100

# Keys under which checkpoints keep the weights, and averaged copies, beside epochs, optimizers and settings.
WEIGHTS_UNDER = ("state_dict", "model_state_dict", "model")
AVERAGED_UNDER = ("ema", "model_ema", "state_dict_ema")
MOST_ITEMS = 1_000_000  # of all mappings together
MOST_NAMES = 100_000  # tensors
MOST_LETTERS = 10_000_000  # of all names together
LONGEST_NAME = 1000
DEEPEST = 32  # mappings inside mappings


def index(path: Path) -> dict[str, TensorSpec]:
    """The tensors of a checkpoint and their places in the file, by name. Raises InvalidCheckpoint if it is damaged.

    A tensor of unknown dtype is kept unchecked: what is not requested need not be understood. Raises OtherFormat for a
    file of another kind.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(HEAD)
        file.seek(0)
        if head.startswith(b"PK\x03\x04"):
            specs = _zip(file, size)
        elif (
            head[8:9] == b"{" and _header_length(head) <= LARGEST_HEADER
        ):  # which may begin with the byte 80, too
            specs = _safetensors(file, size)
        elif head.startswith(b"\x80"):
            specs = _stream(file, size)
        elif head[8:9] == b"{" and recognise(head) is None:
            specs = _safetensors(file, size)
        elif other := recognise(head):
            raise other
        else:
            raise InvalidCheckpoint(
                "it is neither a torch checkpoint nor safetensors" if head else "it is empty"
            )
    for name, spec in specs.items():
        if spec.dtype in ITEM_SIZES:
            spec.check(name)
    return specs


class _BoundedFile:
    """A file for `zipfile`, which would read as much as the file says; it gets no more than a directory needs."""

    LARGEST_END = 1 << 17  # bytes; zipfile reads without a size from where the longest comment would begin

    def __init__(self, file: BinaryIO) -> None:
        self.seek, self.tell, self.file = file.seek, file.tell, file

    def read(self, size: int = -1) -> bytes:
        if size > LARGEST_HEADER:
            raise ValueError("too large")
        return self.file.read(self.LARGEST_END if size < 0 else size)


def _zip(file: BinaryIO, size: int) -> dict[str, TensorSpec]:
    """torch.save since 1.6: `<any>/data.pkl` and, uncompressed, `<any>/data/<key>` for each storage."""
    try:
        with zipfile.ZipFile(_BoundedFile(file)) as archive:
            entries = {entry.filename: entry for entry in archive.infolist()}
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        ValueError,
        OverflowError,
        EOFError,
        struct.error,
    ) as error:
        raise InvalidCheckpoint(f"its zip directory is damaged or cut off ({type(error).__name__})") from None
    if other := recognise_archive(entries):
        raise other
    pickles = [name for name in entries if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise InvalidCheckpoint("it is a zip file without a torch checkpoint in it")
    folder = pickles[0].removesuffix("data.pkl")

    def block(name: str) -> Block:
        if name not in entries:
            raise InvalidCheckpoint(f"its data {name!a:.100} is missing")
        return _stored(file, entries[name], size)

    def content(name: str) -> bytes:
        where = block(name)
        if where.size > LARGEST_PICKLE:
            raise InvalidCheckpoint("its pickle is too large")
        check_block(file, where)
        file.seek(where.start)
        return file.read(where.size)

    if f"{folder}byteorder" in entries and content(f"{folder}byteorder") != b"little":
        raise InvalidCheckpoint("it was written on a big-endian machine; load and save it with torch first")
    views = state_dict_tensors(interpret(BoundedReader(BytesIO(content(pickles[0]))), TorchStubs()))
    return {name: _spec(view, block(f"{folder}data/{view.storage.key}")) for name, view in views.items()}


def _stored(file: BinaryIO, entry: zipfile.ZipInfo, size: int) -> Block:
    """The bytes of an uncompressed zip entry, which start after its local header (APPNOTE.TXT 4.3.7)."""
    if (
        entry.compress_type != zipfile.ZIP_STORED
        or entry.compress_size != entry.file_size
        or entry.flag_bits & 1
    ):
        raise InvalidCheckpoint("its data is compressed or encrypted, and torch writes neither")
    if not 0 <= entry.header_offset < size:
        raise InvalidCheckpoint("its zip directory is damaged or cut off")
    file.seek(entry.header_offset)
    header = file.read(30)
    if len(header) < 30 or header[:4] != b"PK\x03\x04":
        raise InvalidCheckpoint("its zip directory is damaged")
    names = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    start = entry.header_offset + 30 + names
    if start + entry.file_size > size:
        raise InvalidCheckpoint("it is cut off")
    # torch.serialization.set_crc32_options(False) leaves zeros.
    return Block(start, entry.file_size, entry.CRC or None)


def _stream(file: BinaryIO, size: int) -> dict[str, TensorSpec]:
    """torch.save before 1.6: pickles of a magic number, a version, the machine, the object and the storages' keys;
    then, in the order of the keys, the number of elements and the elements of each storage."""
    reader, stubs = BoundedReader(file), TorchStubs()
    if interpret(reader, stubs) != STREAM_MAGIC or interpret(reader, stubs) != STREAM_VERSION:
        raise other_pickle()
    machine = interpret(reader, stubs)
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise InvalidCheckpoint("it was written on a big-endian machine; load and save it with torch first")
    views = state_dict_tensors(interpret(reader, stubs))
    keys = interpret(reader, stubs)
    if not isinstance(keys, list):
        raise InvalidCheckpoint("its list of storages is damaged")
    blocks: dict[str, Block] = {}
    position = file.tell()
    for key in keys:
        storage = stubs.storages.get(key) if isinstance(key, str) else None
        file.seek(position)
        if storage is None or int.from_bytes(file.read(8), "little") != storage.count:
            raise InvalidCheckpoint("its list of storages is damaged, or it is cut off")
        blocks[storage.key] = Block(position + 8, storage.count * ITEM_SIZES[storage.dtype])
        position += 8 + blocks[storage.key].size
        if position > size:
            raise InvalidCheckpoint("it is cut off")
    missing = {view.storage.key for view in views.values()} - blocks.keys()
    if missing:
        raise InvalidCheckpoint(f"its data {min(missing)!a} is missing")
    return {name: _spec(view, blocks[view.storage.key]) for name, view in views.items()}


def _spec(view: View, block: Block) -> TensorSpec:
    return TensorSpec(view.dtype, view.shape, view.stride, view.offset, block)


def state_dict_tensors(value: Any) -> dict[str, View]:
    """The tensors in a checkpoint; names in mappings are joined with dots.

    Usually one of WEIGHTS_UNDER has them; its own name is left out. If several such keys have tensors, or averaged
    copies lie beside them, all tensors are returned under full names ("model.conv.weight", "ema.conv.weight").
    """
    if isinstance(value, dict):
        keys = [key for key in (*WEIGHTS_UNDER, *AVERAGED_UNDER) if isinstance(value.get(key), dict)]
        filled = {key: found for key in keys if (found := _flatten(value[key]))}
        single = len(filled) == 1 and next(iter(filled)) in WEIGHTS_UNDER
        found = next(iter(filled.values())) if single else _flatten(value)
        if found:
            return found
    for key, item in value.items() if isinstance(value, dict) else [(None, value)]:
        if isinstance(item, Instance) and item.is_module:
            raise whole_model(item.kind, key)
    raise no_tensors()


def _flatten(mapping: dict[Any, Any]) -> dict[str, View]:
    found: dict[str, View] = {}
    pending: list[tuple[str, dict[Any, Any], int]] = [("", mapping, 0)]
    seen = letters = 0
    while pending:
        prefix, inner, depth = pending.pop()
        seen += len(inner)
        if depth > DEEPEST or seen > MOST_ITEMS:
            raise InvalidCheckpoint("its mappings are nested too deeply, or too large")
        for key, item in inner.items():
            name = f"{prefix}{key}"
            if len(name) > LONGEST_NAME:
                raise InvalidCheckpoint("its names are too long, or too many")
            if isinstance(item, View):
                letters += len(name)
                if len(found) == MOST_NAMES or letters > MOST_LETTERS:
                    raise InvalidCheckpoint("its names are too long, or too many")
                if name in found:
                    raise InvalidCheckpoint(f"it has two tensors named {name!a:.100}")
                found[name] = item
            elif isinstance(item, dict):
                pending.append((f"{name}.", item, depth + 1))
    return found


def _header_length(head: bytes) -> int:
    return int.from_bytes(head[:8], "little")


def _safetensors(file: BinaryIO, size: int) -> dict[str, TensorSpec]:
    """https://huggingface.co/docs/safetensors: the header's length, a JSON header, the values."""
    length = _header_length(file.read(8))
    if length > min(size - 8, LARGEST_HEADER):
        raise InvalidCheckpoint("it is cut off, or its header is damaged")
    try:
        header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        specs = {}
        for name, entry in header.items():
            shape = tuple(entry["shape"])
            start, end = entry["data_offsets"]
            plain = all(type(number) is int and 0 <= number <= size for number in (*shape, start, end))
            if not plain or len(shape) > MOST_AXES or start > end:
                raise InvalidCheckpoint(f"tensor {name!a:.100} has an impossible shape or place")
            block = Block(8 + length + start, end - start)
            specs[name] = TensorSpec(DTYPES.get(entry["dtype"], "?"), shape, row_major(shape), 0, block)
            if block.start + block.size > size:
                raise InvalidCheckpoint("it is cut off")
    except InvalidCheckpoint:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise InvalidCheckpoint("its header is damaged") from None
    return specs

"""Parquet files that notice damage: whatever byte is changed, the reader refuses them or returns the same content.

Parquet's own checksums cover its pages. Not the footer, with the types, the encodings and the metadata, nor the headers
of pages. So the metadata also contain a digest of what the reader is to return: of each column, over all row groups,
and of the writer's own metadata. Columns that are not asked for are not read, and not checked.

Layout of the digests: SHA-256 over the row groups of a column, of each the number of rows, the lengths of lists and
texts (int32), and the values. Names in a dictionary count as the texts that they stand for.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from trajprobe.core.errors import UserError
from trajprobe.core.files import atomic

METADATA = b"trajprobe"  # of the writer, JSON
DIGESTS = b"trajprobe_sha256"  # JSON: column -> digest; "" -> of the writer's metadata


@contextmanager
def create_parquet(
    path: Path | str, schema: pa.Schema, metadata: Mapping[str, Any]
) -> Iterator[Callable[[pa.Table], None]]:
    """Yield the function that writes a row group; the file is at `path` once the block ends without an error.

    The same row groups and metadata (JSON) give the same bytes.
    """
    text = json.dumps(metadata, sort_keys=True, ensure_ascii=False)
    states = {name: hashlib.sha256() for name in schema.names}
    with atomic(path) as temporary:
        options = {"compression": "zstd", "write_page_checksum": True}
        with pq.ParquetWriter(temporary, schema.with_metadata({METADATA: text}), **options) as writer:

            def write(table: pa.Table) -> None:
                writer.write_table(table, row_group_size=max(len(table), 1))
                for name, state in states.items():
                    state.update(_content(table[name]))

            yield write
            digests = {name: state.hexdigest() for name, state in states.items()}
            digests[""] = hashlib.sha256(text.encode()).hexdigest()
            writer.add_key_value_metadata({DIGESTS: json.dumps(digests, sort_keys=True)})


def read_parquet_metadata(path: Path | str, remedy: str) -> tuple[pa.Schema, dict[str, Any]]:
    """The schema and the writer's metadata of a file that `create_parquet` wrote.

    remedy: a clause for messages. Raises UserError if the file is missing, damaged, or another program wrote it.
    """
    with _readable(path, remedy), pq.ParquetFile(path) as file:
        return file.schema_arrow, _metadata(file)[0]


def read_row_groups(path: Path | str, columns: Sequence[str], remedy: str) -> list[pa.Table]:
    """The columns of each row group, checked. Raises as `read_parquet_metadata` does."""
    with _readable(path, remedy), pq.ParquetFile(path, page_checksum_verification=True) as file:
        _, digests = _metadata(file)
        states = {name: hashlib.sha256() for name in columns}
        tables = []
        for number in range(file.num_row_groups):
            table = file.read_row_group(number, columns=list(columns)).select(columns)
            for name, state in states.items():
                state.update(_content(table[name]))
            tables.append(table)
        for name, state in states.items():
            if state.hexdigest() != digests[name]:
                raise ValueError(f"the column {name} is not what was written")
    return tables


def _metadata(file: pq.ParquetFile) -> tuple[dict[str, Any], dict[str, str]]:
    found = file.metadata.metadata or {}
    text, digests = found[METADATA], json.loads(found[DIGESTS])
    if hashlib.sha256(text).hexdigest() != digests[""]:
        raise ValueError("the metadata are not what was written")
    return json.loads(text), digests


@contextmanager
def _readable(path: Path | str, remedy: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{path}: is missing; {remedy}") from None
    except KeyError:
        raise UserError(f"{path}: was not written by this version of trajprobe; {remedy}") from None
    # A damaged file can raise almost anything inside pyarrow, and ask for any amount of memory.
    except (
        OSError,
        pa.ArrowException,
        ValueError,
        TypeError,
        IndexError,
        OverflowError,
        MemoryError,
    ) as error:
        raise UserError(f"{path}: is damaged ({error or type(error).__name__}); {remedy}") from None


def _content(column: pa.ChunkedArray) -> bytes:
    state = hashlib.sha256(len(column).to_bytes(8, "little"))
    for chunk in column.chunks:
        for part in _buffers(chunk):
            state.update(part)
    return state.digest()


def _buffers(array: pa.Array) -> Iterator[Any]:
    """Lengths and values of an array, whatever its offset and encoding. Raises ValueError for a null."""
    if array.null_count:
        raise ValueError("a value is missing")
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_list(array.type):
        yield np.ascontiguousarray(pc.list_value_length(array).to_numpy())
        yield from _buffers(array.flatten())
    elif pa.types.is_string(array.type):
        lengths = pc.binary_length(array).to_numpy(zero_copy_only=False)
        yield np.ascontiguousarray(lengths)
        offsets = np.frombuffer(array.buffers()[1], np.int32)[array.offset : array.offset + len(array) + 1]
        if len(array):
            yield memoryview(array.buffers()[2] or b"")[offsets[0] : offsets[-1]]
    else:
        yield np.ascontiguousarray(array.to_numpy(zero_copy_only=False))

"""From a checkpoint of any kind to `encoder.safetensors`: the tensors that are wanted, under the names that are wanted.

One tensor is in memory at a time, whatever the size of the checkpoint. The same tensors give the same bytes.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from trajprobe.checkpoints.containers import SAFETENSORS
from trajprobe.checkpoints.tensors import iterate_bits, read_index
from trajprobe.errors import UserError
from trajprobe.progress import progress

ALIGNMENT = 8  # bytes, of the first number in the file
FLOATING = ("float64", "float32", "float16", "bfloat16")


def convert(checkpoint: Path | str, names: Mapping[str, str], target: Path | str) -> str:
    """Write tensors of `checkpoint` to the safetensors file `target`; the SHA-256 of what was written.

    names: for each name in the new file that in the checkpoint. The data types are kept; wider ones come first, so
    that every tensor is aligned, then names in order. Raises UserError as `read_index` does, for a name that the
    checkpoint does not have, and for tensors that are no floating-point numbers: an encoder's weights are.
    """
    index = read_index(checkpoint)
    missing = sorted(name for name in names.values() if name not in index)
    if missing:
        raise UserError(f"{checkpoint}: has no tensor {missing[0]!a:.100}")
    other = sorted(name for name in names.values() if index[name].dtype not in FLOATING)
    if other:
        raise UserError(
            f"{checkpoint}: an encoder's tensors must be {', '.join(FLOATING)}, got {index[other[0]].dtype!a:.40} in "
            f"{len(other)} of {len(names)} ({other[0]!a:.100}); name a file in the card that is not quantised"
        )
    codes = {dtype: code for code, dtype in SAFETENSORS.items()}
    header: dict[str, object] = {}
    place = 0
    order = sorted(names, key=lambda name: (-index[names[name]].item_size, name))
    for name in order:
        spec = index[names[name]]
        header[name] = {
            "dtype": codes[spec.dtype],
            "shape": list(spec.shape),
            "data_offsets": [place, place + spec.bytes],
        }
        place += spec.bytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    digest = hashlib.sha256()
    with Path(target).open("wb") as file, progress("converting", place, "bytes") as advance:
        for data in (len(text).to_bytes(8, "little"), text):
            digest.update(data)
            file.write(data)
        for _, bits in iterate_bits(checkpoint, (names[name] for name in order)):
            digest.update(bits.data)
            file.write(bits.data)
            advance(bits.nbytes)
    return digest.hexdigest()

"""Files that people take for checkpoints, recognised by their bytes, and how to make a checkpoint of each.

Nothing in them is interpreted here. The remedy is a line to run where the framework that wrote the file is installed.
Other frameworks have other names and axes than torch, so a line that saves their tensors is only the first step.
"""

import json
import re
import shlex
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from trajprobe.checkpoints.pickle_stubs import InvalidCheckpoint

HEAD = 512  # bytes that are enough to recognise a format
INSIDE = (
    ".pt",
    ".pth",
    ".ckpt",
    ".bin",
    ".safetensors",
    ".onnx",
    ".h5",
    ".msgpack",
)  # what archives are searched for


class Remedy(NamedTuple):
    """text: what to do, in which {line} stands for the command that runs `code`; PATH in `code` for the file."""

    text: str
    code: str = ""

    def for_file(self, path: Path | str) -> str:
        code = self.code.replace("PATH", json.dumps(str(path), ensure_ascii=False))
        return self.text.replace("{line}", f"`python -c {shlex.quote(code)}`")


class OtherFormat(InvalidCheckpoint):
    """The file is whole, but not a file of named tensors."""

    def __init__(self, what: str, remedy: Remedy) -> None:
        super().__init__(f"it is {what}")
        self.remedy = remedy


def _saved_with_torch(value: str, condition: str = "") -> Remedy:
    return Remedy(
        f"{condition}run {{line}}, and let `file` in the card name weights.pt",
        f'import torch; torch.save({value}, "weights.pt")',
    )


def _saved_with_numpy(package: str, items: str) -> Remedy:
    return Remedy(
        f"take the torch checkpoint of this model if there is one; otherwise run {{line}} where {package} is "
        "installed, give the tensors the names and axes of the architecture, and let `file` in the card name "
        "weights.safetensors",
        f"import numpy, {package}; from safetensors.numpy import save_file; "
        f'save_file({{k: numpy.array(v, order="C") for k, v in {items}}}, "weights.safetensors")',
    )


TRUST = "if you trust it, as loading may run its code, "
LOADED = 'torch.load(PATH, map_location="cpu", weights_only=False)'
UNPACK = Remedy("unpack it, and let `file` in the card name the file with the weights")
SAVED_MODEL = (
    "a TensorFlow SavedModel",
    _saved_with_numpy(
        "tensorflow",
        '(lambda r: {n.split("/.ATTR")[0].replace("/", "."): r.get_tensor(n) for n in r.get_variable_to_shape_map() if '
        'n.endswith("VALUE")})(tensorflow.train.load_checkpoint(PATH + "/variables/variables")).items()',
    ),
)
GRAPH = (
    "the graph of a TensorFlow SavedModel",
    Remedy("let `file` in the card name its folder to see what to do"),
)
PAGE = (
    "a web page",
    Remedy(
        "the address is that of a page about the file: name the file itself (on GitHub `raw`, on the Hugging Face Hub "
        "`resolve` in place of `blob`)"
    ),
)
JSON = (
    "text in JSON, perhaps a server's error or an index of shards",
    Remedy("name the file with the tensors"),
)

# What a file begins with, what it is, and what to do about it.
FORMATS = (
    (
        rb"version https://git-lfs",
        "a Git LFS pointer instead of the file",
        Remedy("fetch the file itself (`git lfs pull` in its repository)"),
    ),
    (
        rb"\x89HDF\r\n\x1a\n",
        "an HDF5 file, as Keras writes it",
        _saved_with_numpy(
            "h5py",
            '(lambda f, d: f.visititems(lambda n, v: d.update({n.replace("/", "."): v[()]}) if hasattr(v, "dtype") '
            "else None) or d)(h5py.File(PATH), {}).items()",
        ),
    ),
    (
        rb"GGUF",
        "a GGUF file of llama.cpp, usually quantised",
        _saved_with_numpy(
            "gguf",
            "((t.name, gguf.dequantize(t.data, t.tensor_type)) for t in gguf.GGUFReader(PATH).tensors)",
        ),
    ),
    (
        rb"\x93NUMPY",
        "a NumPy array without a name",
        Remedy("save all arrays under their names with `safetensors.numpy.save_file`"),
    ),
    (rb"....TFL3", "a TensorFlow Lite file", Remedy("take the checkpoint that it was converted from")),
    # ModelProto: the version of the format, then another of its fields 2 to 8 (onnx.proto).
    (
        rb"\x08[\x03-\x20][\x12\x1a\x22\x28\x32\x3a\x42]",
        "an ONNX file",
        _saved_with_numpy(
            "onnx", "((t.name, onnx.numpy_helper.to_array(t)) for t in onnx.load(PATH).graph.initializer)"
        ),
    ),
    (rb"\x08\x01\x12", *GRAPH),  # SavedModel: version 1 of the format, then a graph (saved_model.proto)
    # A mapping whose first key is text.
    (
        rb"([\x81-\x8f]|\xde..)([\xa1-\xbf]|\xd9.)",
        "a msgpack file, as Flax writes it",
        _saved_with_numpy(
            "flax",
            "flax.traverse_util.flatten_dict(flax.serialization.msgpack_restore("
            'numpy.fromfile(PATH, "u1").tobytes()), sep=".").items()',
        ),
    ),
    (
        rb"\x1f\x8b|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd|7z\xbc\xaf|.{257}ustar",
        "a compressed file or an archive",
        UNPACK,
    ),
    (rb"(\xef\xbb\xbf)?\s*<", *PAGE),
    (rb"(\xef\xbb\xbf)?\s*[{\[]", *JSON),
)


def recognise(head: bytes) -> OtherFormat | None:
    """The format of a file that begins with `head` (HEAD bytes); None if it is none of FORMATS."""
    for pattern, what, remedy in FORMATS:
        if re.match(pattern, head, re.DOTALL):
            return OtherFormat(what, remedy)
    return None


def recognise_folder(folder: Path) -> OtherFormat | None:
    """A folder that stands for a model in itself; None for any other."""
    return OtherFormat(*SAVED_MODEL) if (folder / "saved_model.pb").is_file() else None


def recognise_archive(names: Collection[str]) -> OtherFormat | None:
    """The format of a zip file with these entries; None if it may be a checkpoint of torch."""
    inner = {name.partition("/")[2] for name in names}  # torch puts everything into one folder
    if "constants.pkl" in inner or any(name.startswith("code/") for name in inner):
        value = 'torch.jit.load(PATH, map_location="cpu").state_dict()'
        return OtherFormat("a TorchScript archive", _saved_with_torch(value, TRUST))
    if "models/model.json" in inner:
        return OtherFormat(
            "a program of torch.export", _saved_with_torch("dict(torch.export.load(PATH).state_dict)")
        )
    if {"config.json", "model.weights.h5"} <= set(names):
        return OtherFormat(
            "a Keras file",
            Remedy(
                "unpack it (`unzip`), and let `file` in the card name its model.weights.h5 to see what to do"
            ),
        )
    if names and all(name.endswith(".npy") for name in names):
        return OtherFormat(
            "an archive of NumPy arrays", _saved_with_numpy("safetensors", "numpy.load(PATH).items()")
        )
    if any(name.endswith("/data.pkl") for name in names):
        return None
    found = sorted(name for name in names if name.endswith(INSIDE))
    within = f" with {found[0]!a:.100} in it" if found else " without a torch checkpoint in it"
    return OtherFormat(f"a zip file{within}", UNPACK if found else Remedy("name another file in the card"))


def whole_model(kind: str, key: str | int | None) -> OtherFormat:
    """A pickled torch.nn.Module of the class `kind`; key: under which a mapping has it, None if it is alone."""
    place = "" if key is None else f"[{json.dumps(key):.100}]"
    return OtherFormat(
        f"a whole pickled model ({ascii(kind)[1:-1]:.100}) instead of its tensors",
        _saved_with_torch(f"{LOADED}{place}.state_dict()", f"{TRUST}where its code is installed "),
    )


def other_pickle() -> OtherFormat:
    """A pickle that torch.save did not write."""
    return OtherFormat(
        "a pickle, but not one of torch.save",
        Remedy(
            f"{TRUST}and if it is a mapping from names to arrays, run {{line}}, and let `file` in the card name "
            "weights.pt",
            "import pathlib, pickle, torch; torch.save({k: torch.as_tensor(v) for k, v in "
            'pickle.loads(pathlib.Path(PATH).read_bytes()).items()}, "weights.pt")',
        ),
    )


def no_tensors() -> OtherFormat:
    """A file of torch.save in which no tensor has a name."""
    return OtherFormat(
        "a file of torch.save, but it holds no mapping from names to tensors",
        Remedy('save the tensors of the model by name, `torch.save(model.state_dict(), "weights.pt")`'),
    )

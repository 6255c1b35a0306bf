"""Files of other kinds are told apart by their bytes, whatever their name, and nothing in them is run. The oracle of a
remedy is its own line: run where its framework is at hand, it writes a file that is read."""

import builtins
import gzip
import io
import pickle
import re
import shlex
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trajprobe.artifacts.encoder_card import FileWeights
from trajprobe.checkpoints.other_formats import FORMATS, SAVED_MODEL, recognise
from trajprobe.checkpoints.tensors import read_index, read_tensors
from trajprobe.core.errors import UserError
from trajprobe.fetch.resolve import resolve

ran: list[str] = []


class Net(torch.nn.Module):
    """A user's model, whose pickle names this class."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x)

    def __setstate__(self, state: dict[str, Any]) -> None:
        ran.append("setstate")
        super().__setstate__(state)


def message(path: Path) -> str:
    with pytest.raises(UserError) as error:
        read_index(path)
    text = str(error.value)
    assert text.startswith(f"{path}: not readable as a checkpoint: it is ")
    assert "\n" not in text
    assert "fresh copy" not in text
    assert text.isprintable()
    return text


def command(text: str) -> str:
    """The Python in the line that a message gives."""
    (line,) = re.findall("`(python -c .+?)`", text)
    program, option, code = shlex.split(line)
    assert (program, option) == ("python", "-c")
    compile(code, "line", "exec")
    return code


def saved(write: Callable[[Path], object], folder: Path) -> Path:
    path = folder / "a user's weights.bin"  # a name that needs quoting, and says nothing
    write(path)
    return path


def script(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*torch.jit")
        torch.jit.save(torch.jit.trace(Net(), torch.ones(1, 3, 8, 8)), str(path))  # type: ignore[no-untyped-call]


def archive(entries: dict[str, bytes], path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries.items():
            file.writestr(name, content)


def stream(value: object, path: Path) -> None:
    torch.save(value, path, _use_new_zipfile_serialization=False)


TORCH: dict[str, tuple[Callable[[Path], object], str]] = {
    "a model": (lambda path: torch.save(Net(), path), r"a whole pickled model \(.*\.Net\)"),
    "a model in a stream": (lambda path: stream(Net(), path), r"a whole pickled model \(.*\.Net\)"),
    "a model in a mapping": (
        lambda path: torch.save({"epoch": 3, "model": Net()}, path),
        r"a whole pickled model \(.*\.Net\)",
    ),
    "TorchScript": (script, "a TorchScript archive"),
}


@pytest.mark.parametrize("name", TORCH)
def test_the_line_for_a_model_of_torch_saves_its_state_dict(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, words = TORCH[name]
    torch.manual_seed(0)
    path = saved(write, tmp_path)
    ran.clear()
    text = message(path)
    assert ran == []
    assert re.search(f"it is {words}.*; if you trust it, as loading may run its code, ", text)
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*torch.jit")
        exec(command(text), {})
    torch.manual_seed(0)
    expected = Net().state_dict()
    found = read_tensors("weights.pt", expected)
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_a_program_of_torch_export(tmp_path: Path) -> None:
    """As torch.export.save lays it out; writing one takes torch seconds."""
    path = saved(
        lambda path: archive({"a/models/model.json": b"{}", "a/data/weights/weight_0": b""}, path), tmp_path
    )
    assert "torch.export.load" in command(message(path))


NUMPY: dict[str, Callable[[Path], object]] = {
    "npz": lambda path: path.write_bytes(npz()),
    "a pickle of arrays": lambda path: path.write_bytes(pickle.dumps({"a": np.arange(3.0)})),
    "a pickle of tensors": lambda path: path.write_bytes(pickle.dumps({"a": torch.arange(3.0)}, 2)),
}


def npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.arange(3.0))
    return buffer.getvalue()


@pytest.mark.parametrize("name", NUMPY)
def test_the_line_for_arrays_saves_them(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = message(saved(NUMPY[name], tmp_path))
    monkeypatch.chdir(tmp_path)
    exec(command(text), {})
    (made,) = tmp_path.glob("weights.*")
    assert read_tensors(made, ["a"])["a"].tolist() == [0, 1, 2]


def tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        file.addfile(tarfile.TarInfo("weights.pt"))
    return buffer.getvalue()


# What each begins with, by the format's own description, and what is said of it.
OTHERS: dict[str, tuple[bytes, str]] = {
    "onnx": (b"\x08\x0a\x12\x07pytorch\x1a\x052.5.1:\xd1\x03", "an ONNX file.*onnx.load"),
    "onnx without a producer": (b"\x08\x08:\x9f\x01\n", "an ONNX file"),
    "keras h5": (b"\x89HDF\r\n\x1a\n\x00\x00\x00\x00\x00\x08\x08\x00", "an HDF5 file.*h5py.File"),
    "gguf": (b"GGUF\x03\x00\x00\x00{\x00\x00\x00\x00\x00\x00\x00", "a GGUF file.*gguf.GGUFReader"),
    "flax": (b"\x81\xa6params\x82\xa6conv_0", "a msgpack file.*msgpack_restore"),
    "flax with many keys": (b"\xde\x00\x20\xa5block\x81", "a msgpack file"),
    "npy": (b"\x93NUMPY\x01\x00v\x00{'descr': '<f8'", "a NumPy array without a name; save all arrays"),
    "tflite": (b"\x1c\x00\x00\x00TFL3\x14\x00", "a TensorFlow Lite file; take the checkpoint"),
    "saved_model.pb": (b"\x08\x01\x12\xb4\x08\n", "the graph of a TensorFlow SavedModel; .*name its folder"),
    "page": (b"\n<!DOCTYPE html><html><head>", "a web page; .*`resolve` in place of `blob`"),
    "xml": (b"\xef\xbb\xbf<?xml version='1.0'?><Error><Code>AccessDenied", "a web page"),
    "lfs": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0a\nsize 9\n",
        r"a Git LFS pointer instead of the file; fetch the file itself \(`git lfs pull`",
    ),
    "json": (b'{"error": "Repository not found"}', "text in JSON, perhaps a server's error"),
    "gzip": (gzip.compress(b"weights"), "a compressed file or an archive; unpack it"),
    "zstandard": (b"\x28\xb5\x2f\xfd\x04", "a compressed file or an archive"),
    "tar": (tar(), "a compressed file or an archive"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_format_is_recognised_by_its_first_bytes(name: str, tmp_path: Path) -> None:
    content, words = OTHERS[name]
    text = message(saved(lambda path: path.write_bytes(content + bytes(2000)), tmp_path))
    assert re.search(f"it is {words}", text), text
    if "python -c" in text:
        command(text)
    assert len(text) < 900


def test_every_format_is_tried_above() -> None:
    found = {str(recognise(content)) for content, _ in OTHERS.values()}
    assert found == {f"it is {what}" for _, what, _ in FORMATS}


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        (["metadata.json", "config.json", "model.weights.h5"], r"a Keras file; unpack it .*model.weights.h5"),
        (["run/best.ckpt", "run/log.txt"], r"a zip file with 'run/best.ckpt' in it; unpack it"),
        (["readme.txt"], "a zip file without a torch checkpoint in it; name another file"),
    ],
)
def test_zip_files_of_other_kinds(entries: list[str], words: str, tmp_path: Path) -> None:
    path = saved(lambda path: archive(dict.fromkeys(entries, b"x"), path), tmp_path)
    assert re.search(words, message(path))


@pytest.mark.parametrize("value", [torch.ones(3), [torch.ones(3)], {"optimizer": {"lr": 0.1}}, Path("x")])
def test_a_file_of_torch_without_names_is_not_called_damaged(value: object, tmp_path: Path) -> None:
    text = message(saved(lambda path: torch.save(value, path), tmp_path))
    assert (
        "no mapping from names to tensors; save the tensors of the model by name, `torch.save(model." in text
    )


def test_a_saved_model_is_recognised_by_its_folder(tmp_path: Path) -> None:
    (tmp_path / "exported").mkdir()
    weights = FileWeights(file=str(tmp_path / "exported"))
    with pytest.raises(UserError, match="is a folder, and this family reads one file"):
        resolve(weights)
    (tmp_path / "exported" / "saved_model.pb").write_bytes(b"\x08\x01\x12")
    with pytest.raises(
        UserError, match=f"exported: it is {SAVED_MODEL[0]}; take the torch checkpoint"
    ) as error:
        resolve(weights)
    assert "load_checkpoint" in command(str(error.value))


def test_names_from_the_file_stay_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class or a key cannot end the quotes of the line, and what it names is not imported."""
    original = builtins.__import__

    def refusing(name: str, *rest: Any) -> Any:
        assert not name.startswith("test_other_formats")
        return original(name, *rest)

    pickled = pickle.dumps({"a'`$(touch x)`\n\x1b": Net()}, 2).replace(b"Net\n", b"N\x1bt\n")
    path = tmp_path / "x.pt"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x/data.pkl", pickled.replace(b"_rebuild_tensor_v2", b"_rebuild_tensor_v9"))
    with monkeypatch.context() as patched:
        patched.setattr(builtins, "__import__", refusing)
        text = message(path)
    assert "N\\x1bt" in text
    (line,) = re.findall("(python -c '.*)`, and let", text)
    assert len(shlex.split(line)) == 3

"""Tensors read from honest checkpoints are bit for bit those of torch.load and of the safetensors library."""

import argparse
import collections
import pathlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from trajprobe.checkpoints.tensors import iterate_float32, read_index, read_tensors
from trajprobe.core.errors import UserError

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
FORMATS = pytest.mark.parametrize("new_format", [True, False], ids=["zip", "stream"])
DTYPES = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]


class Callback:
    """Stands for whatever a training framework pickles along."""

    def __init__(self) -> None:
        self.best = {"path": pathlib.PurePosixPath("/home/someone/best.ckpt"), "score": 0.5}

    def __setstate__(self, state: dict[str, Any]) -> None:
        raise AssertionError("nothing of the checkpoint is run")


def bits(tensor: torch.Tensor) -> bytes:
    return (
        tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        if tensor.numel()
        else b""
    )


def same(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    assert list(found) == list(wanted)
    for name, tensor in wanted.items():
        assert found[name].dtype == tensor.dtype, name
        assert found[name].shape == tensor.shape, name
        assert bits(found[name]) == bits(tensor), name
        assert found[name].is_contiguous()


def all_of(path: Path) -> dict[str, torch.Tensor]:
    return read_tensors(path, read_index(path))


def save(value: object, folder: Path, new_format: bool) -> Path:
    path = folder / "made.ckpt"
    torch.save(value, path, _use_new_zipfile_serialization=new_format)
    return path


@FORMATS
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_type_and_layout(dtype: str, new_format: bool, tmp_path: Path) -> None:
    values = torch.from_numpy(np.random.default_rng(0).integers(0, 100, (5, 6, 7))).to(getattr(torch, dtype))
    tensors = {
        "plain": values,
        "scalar": values[0, 0, 0],
        "empty": values[:0],
        "row": values[3],
        "transposed": values.permute(2, 0, 1),
        "strided": values[::2, 1::3, ::3],
        "expanded": values[:1].expand(5, 6, 7),
        "same": values,
        "parameter": torch.nn.Parameter(values.clone(), requires_grad=False),
    }
    same(all_of(save(tensors, tmp_path, new_format)), tensors)


@pytest.mark.parametrize("dtype", ["uint16", "uint32", "uint64"])
def test_types_that_torch_rebuilds_another_way(dtype: str, tmp_path: Path) -> None:
    tensors = {"plain": torch.from_numpy(np.arange(6, dtype=dtype).reshape(2, 3))}
    same(all_of(save(tensors, tmp_path, True)), tensors)


@FORMATS
def test_a_training_frameworks_checkpoint(new_format: bool, tmp_path: Path) -> None:
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(2, 2))
    moments = {
        index: {"step": torch.tensor(1.0), "exp_avg": p} for index, p in enumerate(module.parameters())
    }
    optimizer = {"state": moments, "param_groups": [{"lr": 1e-3, "betas": (0.9, 0.999), "params": [0, 1]}]}
    checkpoint = {
        "epoch": 3,
        "pytorch-lightning_version": "1.8.0",
        "state_dict": module.state_dict(),
        "optimizer_states": [optimizer],
        "callbacks": {
            "Callback": Callback(),
            "set": {1, 2},
            "frozen": frozenset("a"),
            b"bytes": bytearray(b"x"),
        },
        "hyper_parameters": argparse.Namespace(rate=1e-3, path=pathlib.PurePosixPath("x"), big=10**30),
        "loops": collections.defaultdict(list, a=[1.5, None, True]),
        ("a", 1): np.arange(3),
    }
    same(all_of(save(checkpoint, tmp_path, new_format)), dict(module.state_dict()))


@FORMATS
def test_weights_are_found_where_checkpoints_keep_them(new_format: bool, tmp_path: Path) -> None:
    weights = {
        "encoder": {"conv": {"weight": torch.ones(2), "bias": torch.zeros(1)}},
        "decay": torch.tensor(0.9),
    }
    names = {"encoder.conv.weight", "encoder.conv.bias", "decay"}
    other = {"other": torch.ones(9), "ema": {"decay": 0.9}}
    assert set(read_index(save(weights, tmp_path, new_format))) == names
    for key in ("model", "state_dict", "model_state_dict"):
        assert set(read_index(save({key: weights, **other}, tmp_path, new_format))) == names


@pytest.mark.parametrize(
    "keys", [("model", "ema"), ("state_dict", "state_dict_ema"), ("model", "state_dict"), ("ema",)]
)
def test_copies_are_told_apart_by_their_keys(keys: tuple[str, ...], tmp_path: Path) -> None:
    """Neither of two sets of weights is taken silently, nor an averaged one for a raw one."""
    path = save({key: {"a": torch.ones(2)} for key in keys} | {"b": torch.ones(1)}, tmp_path, True)
    assert set(read_index(path)) == {*(f"{key}.a" for key in keys), "b"}


def test_subclasses_with_attributes(tmp_path: Path) -> None:
    parameter = torch.nn.Parameter(torch.arange(4.0))
    parameter.note = "an attribute makes torch write it down another way"  # type: ignore[attr-defined]
    tensor = torch.arange(3.0)
    tensor.note = 1  # type: ignore[attr-defined]
    tensors = {"parameter": parameter, "tensor": tensor}
    same(all_of(save(tensors, tmp_path, True)), tensors)


def test_a_lazy_conjugate_is_not_taken_for_its_numbers(tmp_path: Path) -> None:
    negative = torch.imag(torch.view_as_complex(torch.ones(3, 2)).conj())
    assert negative.is_neg()
    assert set(read_index(save({"lazy": negative, "plain": torch.ones(1)}, tmp_path, True))) == {"plain"}


def test_files_without_checksums(tmp_path: Path) -> None:
    torch.serialization.set_crc32_options(False)
    try:
        path = save({"a": torch.arange(5.0)}, tmp_path, True)
    finally:
        torch.serialization.set_crc32_options(True)
    same(all_of(path), {"a": torch.arange(5.0)})


def test_only_what_is_asked_for(tmp_path: Path) -> None:
    path = save({"a": torch.ones(2), "b": torch.zeros(3)}, tmp_path, True)
    assert set(read_tensors(path, ["b"])) == {"b"}
    with pytest.raises(UserError, match="none named 'c'"):
        read_tensors(path, ["c"])


def test_safetensors_against_its_own_library(tmp_path: Path) -> None:
    tensors = {name: torch.arange(6).reshape(2, 3).to(getattr(torch, name)) for name in DTYPES}
    tensors |= {"empty": torch.ones(0, 3), "scalar": torch.tensor(2.5)}
    path = tmp_path / "model.safetensors"
    safetensors.torch.save_file(tensors, path, {"format": "pt"})
    same(all_of(path), {name: tensors[name] for name in read_index(path)})
    assert set(read_index(path)) == set(tensors)


def save_as(form: str, tensors: dict[str, torch.Tensor], folder: Path) -> Path:
    if form == "safetensors":
        safetensors.torch.save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "made.ckpt")
        return folder / "made.ckpt"
    return save({"state_dict": tensors}, folder, form == "zip")


@pytest.mark.parametrize("form", ["zip", "stream", "safetensors"])
def test_float32_is_exact(form: str, tmp_path: Path) -> None:
    every = torch.arange(-(2**15), 2**15).to(torch.int16)  # all bit patterns of half precision
    values = torch.arange(24.0).reshape(2, 3, 4) / 7
    tensors = {
        "float16": every.view(torch.float16),
        "bfloat16": every.clone().view(torch.bfloat16),
        "float32": values.permute(2, 0, 1),
        "float64": values.double() / 3,
        "large": torch.tensor([1e300, -1e-300, 2.0], dtype=torch.float64),
    }
    path = save_as(form, tensors, tmp_path)
    for (name, tensor), found in zip(tensors.items(), iterate_float32(path, tensors), strict=True):
        assert found.dtype == np.float32, name
        np.testing.assert_array_equal(found, tensor.to(torch.float32).numpy())  # NaN equals NaN


@FORMATS
@pytest.mark.parametrize("dtype", ["int64", "int8", "uint8", "bool", "float8_e4m3fn"])
def test_tensors_that_are_not_floating_point_are_refused(
    dtype: str, new_format: bool, tmp_path: Path
) -> None:
    if dtype == "float8_e4m3fn" and not new_format:
        pytest.skip("torch has no such storage")
    tensors = {"a": torch.ones(3), "b": torch.ones(3).to(getattr(torch, dtype)), "steps": torch.tensor(7)}
    path = save(tensors, tmp_path, new_format)
    with pytest.raises(UserError) as error:
        next(iterate_float32(path, ["a", "b"]))
    assert f"got '{dtype}' in 1 of 2 ('b')" in str(error.value)
    (found,) = iterate_float32(path, ["a"])  # what is not requested may have any type
    assert found.tolist() == [1, 1, 1]
    with pytest.raises(UserError, match="none named 'absent'"):
        next(iterate_float32(path, ["absent"]))


@pytest.mark.parametrize("form", ["zip", "safetensors"])
def test_a_tensor_of_an_unknown_type_does_not_spoil_the_others(form: str, tmp_path: Path) -> None:
    tensors = {"a": torch.arange(3.0), "b": torch.ones(3).to(torch.float8_e4m3fn)}
    path = save_as(form, tensors, tmp_path)
    assert set(read_index(path)) == {"a", "b"}
    same(read_tensors(path, ["a"]), {"a": tensors["a"]})
    with pytest.raises(UserError, match="'b' has the unknown type"):
        read_tensors(path, ["a", "b"])


@pytest.mark.skipif(not SHARED.exists(), reason="the reference material is not there")
@pytest.mark.parametrize(
    ("name", "count"), [("reference/open_magvit2/video_tiny.ckpt", 208), ("mirror/resnet20-12fca82f.th", 97)]
)
def test_real_checkpoints(name: str, count: int) -> None:
    wanted = torch.load(SHARED / name, map_location="cpu", weights_only=False)["state_dict"]
    assert len(wanted) == count
    same(all_of(SHARED / name), dict(wanted))


def test_safetensors_whose_length_begins_as_a_pickle_does(tmp_path: Path) -> None:
    """The first byte of a header of 128 bytes is that of a pickle: 80, in hexadecimal."""
    header = b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'.ljust(128)
    path = tmp_path / "model.safetensors"
    path.write_bytes((128).to_bytes(8, "little") + header + np.float32([1, 2]).tobytes())
    np.testing.assert_array_equal(read_tensors(path, ["a"])["a"].numpy(), [1, 2])

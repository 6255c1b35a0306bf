"""However the bytes of a checkpoint are changed, reading it ends in sound tensors or in one line, soon.

Changed bytes of real files go through the whole reader; changed instructions, where no checksum stands in the way, go
straight into the pickle machine.
"""

import io
import pickle
import random
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trajprobe.checkpoints.containers import state_dict_tensors
from trajprobe.checkpoints.pickle_stubs import TorchStubs
from trajprobe.checkpoints.tensors import read_index, read_tensors
from trajprobe.core.errors import UserError
from trajprobe.core.unpickle import BoundedReader, InvalidPickle, interpret

MODEST = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
TENSORS = OrderedDict(
    a=torch.arange(6.0).reshape(2, 3), b=torch.ones(3, dtype=torch.bfloat16)[::2], c=torch.tensor(True)
)
CHECKPOINT = {"state_dict": TENSORS, "path": Path("x"), "state": {"steps": [1, 2.5, None], "set": {1}}}
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["set", "insert", "delete", "cut"]),
        st.floats(0, 1, exclude_max=True),
        st.integers(0, 255),
    ),
    min_size=1,
    max_size=6,
)
Change = tuple[str, float, int]


def made(form: str) -> bytes:
    buffer = io.BytesIO()
    if form == "safetensors":
        return bytes(safetensors.torch.save({name: tensor.contiguous() for name, tensor in TENSORS.items()}))
    torch.serialization.set_crc32_options(False)
    torch.save(CHECKPOINT, buffer, _use_new_zipfile_serialization=form == "zip")
    torch.serialization.set_crc32_options(True)
    return buffer.getvalue()


FILES = {form: made(form) for form in ("zip", "stream", "safetensors")}
PICKLES = [
    pickle.dumps({"state_dict": {"a": 1.5, "b": [1, (2, "x"), b"y", {3}, Path("z"), 10**20]}}, protocol)
    for protocol in range(6)
]


def changed(data: bytes, changes: list[Change]) -> bytes:
    for how, where, value in changes:
        place = int(where * len(data))
        match how:
            case "set":
                data = data[:place] + bytes([value]) + data[place + 1 :]
            case "insert":
                data = data[:place] + bytes([value]) + data[place:]
            case "delete":
                data = data[:place] + data[place + 1 + value % 8 :]
            case "cut":
                data = data[: max(place, 1)]
    return data


@pytest.mark.parametrize("form", FILES)
@MODEST
@given(changes=CHANGES)
def test_changed_files(form: str, changes: list[Change], tmp_path: Path) -> None:
    path = tmp_path / "changed.ckpt"
    data = changed(FILES[form], changes)
    path.write_bytes(data)
    try:
        index = read_index(path)
        tensors = read_tensors(path, index)
    except UserError:
        return
    for name, tensor in tensors.items():
        assert tuple(tensor.shape) == index[name].shape
        assert tensor.nbytes <= len(data) + (1 << 20)
        tensor.clone()


@pytest.mark.parametrize("protocol", range(6))
@MODEST
@given(changes=CHANGES)
def test_changed_pickles(protocol: int, changes: list[Change]) -> None:
    try:
        state_dict_tensors(
            interpret(BoundedReader(io.BytesIO(changed(PICKLES[protocol], changes))), TorchStubs())
        )
    except InvalidPickle:
        return


@MODEST
@given(instructions=st.binary(max_size=200))
def test_any_bytes_as_a_pickle(instructions: bytes) -> None:
    try:
        state_dict_tensors(interpret(BoundedReader(io.BytesIO(instructions + b".")), TorchStubs()))
    except InvalidPickle:
        return


@MODEST
@given(
    array=st.integers(0, 3).flatmap(lambda axes: st.tuples(*[st.integers(0, 4)] * axes)),
    order=st.randoms(use_true_random=False),
    dtype=st.sampled_from(["float32", "int64", "bool", "bfloat16", "float16", "uint8"]),
    new_format=st.booleans(),
)
def test_any_view_is_read_as_torch_reads_it(
    array: tuple[int, ...], order: random.Random, dtype: str, new_format: bool, tmp_path: Path
) -> None:
    tensor = torch.arange(int(np.prod(array, dtype=int))).reshape(array).to(getattr(torch, dtype))
    axes = list(range(len(array)))
    order.shuffle(axes)
    view = tensor.permute(axes)
    if view.ndim:
        view = view[:: 1 + len(array) % 2]
    path = tmp_path / "made.ckpt"
    torch.save({"view": view, "whole": tensor}, path, _use_new_zipfile_serialization=new_format)
    found = read_tensors(path, ["view", "whole"])
    wanted = torch.load(path)
    for name in wanted:
        assert found[name].dtype == wanted[name].dtype
        assert torch.equal(found[name], wanted[name])

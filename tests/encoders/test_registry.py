"""The registry: each family by its name; the source that decides its features against the modules that Python really
imports for it, and against edits of a copy of the package; the device."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from trajprobe.artifacts.encoder_card import EncoderCard
from trajprobe.core.errors import UserError
from trajprobe.encoders import placeholder, registry
from trajprobe.encoders.open_magvit2 import stem
from trajprobe.encoders.registry import (
    FAMILIES,
    code_digest,
    convolves_as_the_cpu,
    family,
    family_sources,
    resolve_device,
)

ENCODERS = Path(__file__).resolve().parents[2] / "src" / "trajprobe" / "encoders"
# Imports each family in a Python that has seen no other, and prints the modules of the package that came with it.
IMPORTED = """
import importlib, json, sys
found = {}
for family, module in json.loads(sys.argv[1]).items():
    for name in [name for name in sys.modules if name.startswith("trajprobe")]:
        del sys.modules[name]
    importlib.import_module(module)
    ours = [m for name, m in sys.modules.items() if name.startswith("trajprobe.encoders.")]
    found[family] = sorted(m.__file__ for m in ours if not hasattr(m, "__path__"))
print(json.dumps(found))
"""


def test_families_are_found_by_name() -> None:
    assert family("placeholder") is placeholder
    assert family("stem") is stem
    assert FAMILIES.keys() == set(EncoderCard.model_fields["family"].annotation.__args__)
    with pytest.raises(UserError, match="'unheard' has no code yet"):
        family("unheard")


def test_the_sources_of_a_family_are_what_python_imports() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", IMPORTED, json.dumps(FAMILIES)], check=True, capture_output=True, text=True
    )
    found = json.loads(ran.stdout)
    assert found == {name: sorted(map(str, family_sources(name))) for name in FAMILIES}
    names = {name: {Path(path).name for path in paths} for name, paths in found.items()}
    assert {"model.py", "processor.py", "pillow_resize.py", "preprocess.py"} <= names["transformers"]
    assert names["placeholder"] == {"placeholder.py", "protocol.py"}


MAGVIT2 = {"open_magvit2", "stem"}
EDITS = {
    "transformers/model.py": {"transformers"},
    "transformers/pillow_resize.py": {"transformers"},
    "resnet.py": {"resnet"},
    "transnetv2.py": {"transnetv2"},
    "light_asd.py": {"light_asd"},
    "placeholder.py": {"placeholder"},
    "open_magvit2/stem.py": {"stem"},
    "open_magvit2/network.py": MAGVIT2,
    "random_arm.py": {"transformers", "resnet", "transnetv2", "light_asd"},
    "preprocess.py": {"transformers", "resnet", "transnetv2", "light_asd", *MAGVIT2},
    "protocol.py": set(FAMILIES),
    "registry.py": set(),
}


def test_an_edit_changes_the_digest_of_the_families_that_import_it(tmp_path: Path) -> None:
    copy = tmp_path / "encoders"
    shutil.copytree(ENCODERS, copy)
    before = {name: code_digest(name, copy) for name in FAMILIES}
    assert before == {name: code_digest(name) for name in FAMILIES}
    assert len(set(before.values())) == len(FAMILIES)
    for module, families in EDITS.items():
        text = (copy / module).read_text()
        (copy / module).write_text(text + "# a comment\n")
        changed = {name for name in FAMILIES if code_digest(name, copy) != before[name]}
        assert changed == families, module
        (copy / module).write_text(text)


def test_no_source_of_another_folder_decides_features() -> None:
    """An edit of core/ or fetch/ re-extracts nothing."""
    for name in FAMILIES:
        assert all(path.is_relative_to(ENCODERS) for path in family_sources(name))


@pytest.mark.parametrize(
    ("cuda", "mps", "right", "expected"),
    [
        (True, True, True, "cuda"),
        (False, True, True, "mps"),
        (False, True, False, "cpu"),
        (False, False, True, "cpu"),
    ],
)
def test_the_device_is_cuda_then_mps_then_cpu(
    cuda: bool,
    mps: bool,
    right: bool,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Backends are pretended; one whose convolutions are wrong is left out, in one line, or refused if it was named."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    monkeypatch.setattr(registry, "convolves_as_the_cpu", lambda device: right)
    monkeypatch.setattr(torch, "empty", lambda *_, **__: None)
    assert resolve_device().type == expected
    assert caplog.messages == (
        [] if right else [f"running on cpu, not on mps: {registry.WRONG_CONVOLUTIONS}"]
    )
    if not right:
        with pytest.raises(
            UserError, match="cannot use 'mps': with this torch and macOS its 3-D convolutions are"
        ):
            resolve_device("mps")


def test_wrong_convolutions_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, right = torch.device("cpu"), torch.nn.functional.conv3d
    assert convolves_as_the_cpu(cpu)

    def wrong_in_channels_last(clips: torch.Tensor, weights: torch.Tensor, padding: int) -> torch.Tensor:
        last = clips.is_contiguous(memory_format=torch.channels_last_3d)
        return right(clips.flip(1) if last else clips, weights, padding=padding)

    monkeypatch.setattr(torch.nn.functional, "conv3d", wrong_in_channels_last)
    assert not convolves_as_the_cpu(cpu)
    monkeypatch.setattr(
        torch.nn.functional, "conv3d", lambda x, w, padding: right(x, w, padding=1) * torch.nan
    )
    assert not convolves_as_the_cpu(cpu)


def test_a_device_that_cannot_be_used_is_one_line() -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    with pytest.raises(UserError, match=re.escape("--device (TRAJPROBE_DEVICE): cannot use 'abacus'")):
        resolve_device("abacus")


def test_a_gpu_multiplies_in_full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine without one the device is pretended: what is held is the switch, not the arithmetic."""
    backends = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [backend.allow_tf32 for backend in backends]
    monkeypatch.setattr(torch, "empty", lambda *_, **__: None)
    try:
        for backend in backends:
            backend.allow_tf32 = True
        assert resolve_device("cuda").type == "cuda"
        assert [backend.allow_tf32 for backend in backends] == [False, False]
    finally:
        for backend, value in zip(backends, before, strict=True):
            backend.allow_tf32 = value

"""The CIFAR ResNet against an independent functional implementation, with the published weights if they are available:
every layer, option-A shortcuts, batch norm, preprocessing; and its random arm against the statistics that a normalised
network must have on the clips that it was calibrated on."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from trajprobe.artifacts.encoder_card import EncoderCard, load_encoder_card
from trajprobe.core.errors import UserError
from trajprobe.encoders import resnet

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT.parent / "shared" / "mirror" / "resnet20-12fca82f.th"
CPU = torch.device("cpu")


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> EncoderCard:
    monkeypatch.chdir(ROOT)
    return load_encoder_card("cifar_resnet20")


def clips(count: int = 2, frames: int = 3, size: int = 128, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(
        np.random.default_rng(seed).integers(0, 256, (count, frames, size, size, 3), dtype=np.uint8)
    )


def reference(tensors: dict[str, torch.Tensor], clip: torch.Tensor) -> list[torch.Tensor]:
    """Layer outputs (t, C, h, w) for one clip (t, 128, 128, 3), written from the paper, float64, frame by frame."""
    t = {name.removeprefix("module."): value.double() for name, value in tensors.items()}
    mean = torch.tensor([0.485, 0.456, 0.406], dtype=torch.float64)[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225], dtype=torch.float64)[:, None, None]

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        scale = t[f"{name}.weight"] / torch.sqrt(t[f"{name}.running_var"] + 1e-5)
        return (x - t[f"{name}.running_mean"][:, None, None]) * scale[:, None, None] + t[f"{name}.bias"][
            :, None, None
        ]

    frames = []
    for frame in clip:
        x = frame.double().reshape(32, 4, 32, 4, 3).mean(dim=(1, 3)).permute(2, 0, 1) / 255
        x = F.conv2d(((x - mean) / std)[None], t["conv1.weight"], padding=1)
        x = norm(x, "bn1").clamp(min=0)
        outputs = [x]
        for group in (1, 2, 3):
            for block in range(3):
                name = f"layer{group}.{block}"
                stride = 2 if group > 1 and block == 0 else 1
                y = F.conv2d(x, t[f"{name}.conv1.weight"], stride=stride, padding=1)
                y = F.conv2d(norm(y, f"{name}.bn1").clamp(min=0), t[f"{name}.conv2.weight"], padding=1)
                y = norm(y, f"{name}.bn2")
                shortcut = torch.zeros_like(y)
                start = (y.shape[1] - x.shape[1]) // 2
                shortcut[:, start : start + x.shape[1]] = x[:, :, ::stride, ::stride]
                x = (y + shortcut).clamp(min=0)
            outputs.append(x)
        outputs.append(x.mean(dim=(2, 3), keepdim=True))
        frames.append(outputs)
    return [torch.cat(layer) for layer in zip(*frames, strict=True)]


def test_published_weights_give_what_the_paper_describes(card: EncoderCard, tmp_path: Path) -> None:
    if not PUBLISHED.exists():
        pytest.skip("../shared/mirror is absent: no published weights")
    tensors = torch.load(PUBLISHED, map_location="cpu", weights_only=True)["state_dict"]
    kept = {n.removeprefix("module."): v for n, v in tensors.items() if not n.startswith("module.linear")}
    save_file(kept, tmp_path / "encoder.safetensors")
    encoder = resnet.load(card, tmp_path, CPU)
    shown = clips()
    maps = encoder.encode(shown, encoder.layers)
    for index, layer in enumerate(encoder.layers):
        expected = torch.stack([reference(tensors, clip)[index] for clip in shown]).permute(0, 1, 3, 4, 2)
        assert maps[layer].grid.shape == expected.shape
        torch.testing.assert_close(maps[layer].grid.double(), expected, atol=2e-5, rtol=1e-4)
    assert maps["penultimate"].grid.shape == (2, 3, 1, 1, 64)
    assert maps["penultimate"].cls is None


def test_a_clip_does_not_depend_on_its_batch(card: EncoderCard, tmp_path: Path) -> None:
    encoder = resnet.initialise(card, tmp_path, 3, CPU)
    encoder.calibrate(clips(4, seed=1))
    shown = clips(3)
    together = encoder.encode(shown, ["penultimate"])["penultimate"].grid
    alone = torch.cat([encoder.encode(clip[None], ["penultimate"])["penultimate"].grid for clip in shown])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_random_arm_is_seeded_and_has_the_published_initialisation(card: EncoderCard, tmp_path: Path) -> None:
    first, again, other = (
        resnet.initialise(card, tmp_path, seed, CPU).network.state_dict() for seed in (0, 0, 1)
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    weight = "layer3.1.conv1.weight"
    assert not torch.equal(first[weight], other[weight])
    assert float(first[weight].std()) == pytest.approx(
        (2 / (64 * 9)) ** 0.5, rel=0.02
    )  # He: sqrt(2 / fan in)
    assert torch.equal(first["bn1.weight"], torch.ones(16))


def test_calibration_normalises_each_layer_on_the_clips_and_changes_no_weight(
    card: EncoderCard, tmp_path: Path
) -> None:
    encoder = resnet.initialise(card, tmp_path, 0, CPU)
    before = {n: v.clone() for n, v in encoder.network.named_parameters()}
    shown = clips(4, 5)
    encoder.calibrate(shown)
    assert all(torch.equal(v, before[n]) for n, v in encoder.network.named_parameters())
    assert not encoder.network.training
    seen: dict[str, torch.Tensor] = {}
    for name, module in encoder.network.named_modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.register_forward_hook(lambda _m, _i, out, name=name: seen.__setitem__(name, out))
    encoder.encode(shown, ["penultimate"])
    assert len(seen) == 19
    for output in seen.values():  # weight 1 and bias 0: every channel has mean 0 and variance 1
        assert float(output.mean(dim=(0, 2, 3)).abs().max()) < 5e-3
        assert float((output.var(dim=(0, 2, 3)) - 1).abs().max()) < 0.02
    again = resnet.initialise(card, tmp_path, 0, CPU)
    again.calibrate(clips(2, 2, seed=9))
    again.calibrate(shown)  # what was seen before is forgotten
    first, second = (e.encode(shown, ["layer3"])["layer3"].grid for e in (encoder, again))
    assert torch.equal(first, second)


@pytest.mark.parametrize(("architecture", "message"), [
    ({"depth": 21}, "depth: must be 6 n . 2"),
    ({"depth": 2}, "depth: must be 6 n . 2"),
    ({"depht": 20}, "depht"),
])  # fmt: skip
def test_a_wrong_architecture_is_one_line(
    card: EncoderCard, tmp_path: Path, architecture: dict[str, int], message: str
) -> None:
    wrong = card.model_copy(update={"architecture": architecture})
    with pytest.raises(UserError, match=message):
        resnet.initialise(wrong, tmp_path, 0, CPU)

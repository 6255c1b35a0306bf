"""Batch-norm statistics of random arms against their definition: behind each batch norm, every channel has mean 0 and
variance 1 over the clips that the statistics were estimated on; and nothing else has changed.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import nn

import tiny_hub
from trajprobe.artifacts.encoder_card import EncoderCard, load_encoder_card
from trajprobe.encoders.random_arm import FRAMES, batch_norms
from trajprobe.encoders.transformers import encoder as hub_vision
from trajprobe.encoders.transformers.encoder import HubEncoder
from trajprobe.fetch.stage import fetch

ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")


def clips(count: int, frames: int = 4, seed: int = 0) -> torch.Tensor:
    """Random blocks of 8 x 8 pixels of one colour, which differ more than noise does."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (count, frames, 4, 4, 3), dtype=np.uint8)
    return torch.from_numpy(blocks.repeat(8, axis=2).repeat(8, axis=3))


@pytest.fixture
def resnet(tmp_path: Path) -> HubEncoder:
    """The random arm of ELEVENTH, not calibrated yet."""
    tiny_hub.publish_eleventh(tmp_path / "published")
    content = yaml.safe_load(tiny_hub.ELEVENTH) | {"weights": {"file": str(tmp_path / "published")}}
    card = EncoderCard.model_validate(content)
    (tmp_path / "weights").mkdir()
    fetch(card, tmp_path / "weights")
    return hub_vision.initialise(card, tmp_path / "weights", 0, CPU)


def normalised(encoder: HubEncoder, shown: torch.Tensor) -> list[torch.Tensor]:
    """The output of each batch norm for the clips, (n, channels, h, w)."""
    seen: list[torch.Tensor] = []
    hooks = [
        norm.register_forward_hook(lambda module, given, output: seen.append(output.clone()))
        for norm in batch_norms(encoder.model.module)
    ]
    with torch.inference_mode():
        encoder.encode(shown, ["last"])
    for hook in hooks:
        hook.remove()
    return seen


def test_calibrated_activations_have_mean_zero_and_variance_one(resnet: HubEncoder) -> None:
    shown = clips(16)
    before = normalised(resnet, shown)
    assert max(float(out.var(dim=(0, 2, 3)).sub(1).abs().max()) for out in before) > 0.5
    resnet.calibrate(shown)
    after = normalised(resnet, shown)
    assert len(after) == len(batch_norms(resnet.model.module)) > 5
    for out in after:  # of at least 1024 values per channel: biased and unbiased variance differ by 1/1024
        assert float(out.mean(dim=(0, 2, 3)).abs().max()) < 2e-3
        assert float(out.var(dim=(0, 2, 3)).sub(1).abs().max()) < 2e-3


def test_calibration_changes_statistics_only_and_leaves_evaluation_mode(resnet: HubEncoder) -> None:
    module = resnet.model.module
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    resnet.calibrate(clips(3))
    changed = {name for name, tensor in module.state_dict().items() if not torch.equal(tensor, before[name])}
    ends = ("running_mean", "running_var", "num_batches_tracked")
    assert changed == {name for name in before if name.endswith(ends)}
    assert not any(part.training for part in module.modules())
    frozen = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with torch.inference_mode():
        resnet.encode(clips(1, seed=1), ["last"])
    assert all(torch.equal(tensor, frozen[name]) for name, tensor in module.state_dict().items())


def test_calibration_is_of_its_clips_alone(resnet: HubEncoder) -> None:
    """Calibrating again on the same clips gives the same; earlier statistics are forgotten."""
    first, second = clips(3), clips(3, seed=1)

    def statistics() -> torch.Tensor:
        return torch.cat([norm.running_mean for norm in batch_norms(resnet.model.module)])

    resnet.calibrate(first)
    expected = statistics()
    resnet.calibrate(second)
    assert not torch.allclose(statistics(), expected, atol=1e-3)
    resnet.calibrate(first)
    assert torch.equal(statistics(), expected)


def test_calibration_takes_no_more_frames_than_it_says(resnet: HubEncoder) -> None:
    passed: list[int] = []
    hook = batch_norms(resnet.model.module)[0].register_forward_hook(
        lambda module, given, output: passed.append(len(output))
    )
    resnet.calibrate(clips(FRAMES // 4 + 9))
    hook.remove()
    assert passed == [FRAMES]


def test_a_model_without_batch_norm_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    card = tiny_hub.tiny(
        load_encoder_card("dinov2_base"),
        {"file": str(tiny_hub.publish("dinov2_base", tmp_path / "published"))},
    )
    (tmp_path / "weights").mkdir()
    fetch(card, tmp_path / "weights")
    encoder = hub_vision.initialise(card, tmp_path / "weights", 0, CPU)
    before = {name: tensor.clone() for name, tensor in encoder.model.module.state_dict().items()}

    def refuse(*_: object) -> None:
        raise AssertionError("the model has run")

    hook = encoder.model.module.register_forward_pre_hook(refuse)
    encoder.calibrate(clips(2))
    hook.remove()
    assert not any(isinstance(part, nn.BatchNorm2d) for part in encoder.model.module.modules())
    assert all(torch.equal(t, before[name]) for name, t in encoder.model.module.state_dict().items())

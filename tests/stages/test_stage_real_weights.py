"""Real weights on real data: the published CIFAR ResNet-20, from fetch to comparison, on Libras and on the default
study. The oracle is the study's own floor and ceiling: what a trained encoder sees cannot fall to noise or to chance.

The files come from TRAJPROBE_MIRROR, or from the mirror beside the checkout; without either nothing can be held.
"""

import json
import os
from pathlib import Path

import pytest
import yaml

from trajprobe import paths
from trajprobe.features.store import read_features
from trajprobe.params.study import load_params
from trajprobe.stages import compare, controls, extract, fetch, probe, render, trajectories

ROOT = Path(__file__).resolve().parents[2]
MIRROR = os.environ.get("TRAJPROBE_MIRROR") or str(ROOT.parent / "shared" / "mirror")
ENCODER = "cifar_resnet20"
SMALL = {
    "features": {"random_inits": 2},
    "probe": {"folds": 3, "repeats": 1, "inner_folds": 2},
    "compare": {"bootstrap": 100},
}

pytestmark = pytest.mark.skipif(
    "://" not in MIRROR and not Path(MIRROR, "resnet20-12fca82f.th").is_file(),
    reason="no mirror: TRAJPROBE_MIRROR is not set and ../shared/mirror is absent",
)


@pytest.mark.parametrize(("source", "items", "floor"), [("libras", 180, 0.5), ("synthetic", 96, 0.5)])
def test_published_weights_from_fetch_to_comparison(
    source: str,
    items: int,
    floor: float,
    tmp_path: Path,
    download_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRAJPROBE_MIRROR", MIRROR)
    monkeypatch.setenv("TRAJPROBE_DEVICE", "cpu")
    monkeypatch.setenv("TRAJPROBE_WORKERS", "1")
    monkeypatch.chdir(tmp_path)
    for file in (f"models/{ENCODER}/card.yaml", f"data/sources/{source}.yaml"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes((ROOT / file).read_bytes())
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content |= {"source": source, "encoders": [ENCODER]}
    content["synthesis"]["per_class"] = 24
    for section, values in SMALL.items():
        content[section].update(values)
    content["probe"]["strengths"]["count"] = 3
    Path("params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))

    params = load_params()
    trajectories.run(params)
    render.run(params)
    assert "tensors" in fetch.run(ENCODER)
    extract.run(params, ENCODER)
    controls.run()
    for name in (ENCODER, paths.CONTROLS):
        probe.run(params, name)
    compare.run(params)
    summary = json.loads(paths.SUMMARY.read_text())
    assert summary["encoder"] == ENCODER
    assert summary["n_items"] == items
    assert summary["accuracy"] > floor > summary["hash_noise_accuracy"] + 0.1
    assert summary["random_accuracy"] > summary["hash_noise_accuracy"]
    metadata = read_features(paths.features(ENCODER)).metadata
    assert metadata["provenance"]["tensors"]["read"] == metadata["provenance"]["tensors"]["expected"]
    assert metadata["order"]["pretrained"]["penultimate/per_frame"]["shuffled"] > 0.1

"""Each card of the Hub through all stages, from a local server that speaks the hub's protocol to the report, and an
eleventh encoder with them, which is nine lines of YAML.

A tiny checkpoint of each card's own architecture is served under the repository and the commit that the card names;
the card itself is changed in the size of its pictures alone. Every encoder has a row for each arm, the features are
the same bytes when extracted again, and they come with the order sensitivity of both arms.
"""

import csv
import hashlib
from pathlib import Path

import pytest
import yaml

import tiny_hub
from running import run
from servers import Server
from trajprobe.artifacts.features import read_features
from trajprobe.core import paths
from trajprobe.fetch import stage as fetch
from trajprobe.params import load_params

ROOT = Path(__file__).resolve().parents[2]
STUDY = {
    "synthesis": {"families": ["linear", "circular"], "per_class": 8},
    "render": {"size": 40},
    "extract": {"random_inits": 2},
    "probe": {"folds": 2, "repeats": 1, "inner_folds": 2},
    "analyse": {"label_efficiency": False, "description_length": False, "selectivity": False},
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, download_cache: Path, server: Server) -> Path:
    """An empty project with the cards of the Hub, whose checkpoints the server has."""
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    folder = tmp_path / "project"
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    for section, values in STUDY.items():
        content[section].update(values)
    content["probe"]["l2_grid"]["count"] = 2
    content["probe"]["split_halves"] = 2
    content["baselines"] = []
    content["encoders"] = [*sorted(tiny_hub.MODELS), "eleventh"]
    (folder / "models" / "eleventh").mkdir(parents=True)
    (folder / "models" / "eleventh" / "card.yaml").write_text(tiny_hub.ELEVENTH)
    tiny_hub.publish_eleventh(tmp_path / "eleventh")
    server.put_model("someone/resnet", {p.name: p.read_bytes() for p in (tmp_path / "eleventh").iterdir()})
    for name in tiny_hub.MODELS:
        card = yaml.safe_load((ROOT / "models" / name / "card.yaml").read_text())
        card["input"]["size"] = tiny_hub.SIDE
        (folder / "models" / name).mkdir(parents=True)
        (folder / "models" / name / "card.yaml").write_text(yaml.safe_dump(card))
        files = {p.name: p.read_bytes() for p in tiny_hub.publish(name, tmp_path / name).iterdir()}
        commit = card["weights"].get("revision")
        server.put_model(card["weights"]["hub"], files, **({"commit": commit} if commit else {}))
    card = Path("data", "sources", "synthetic", "card.yaml")
    (folder / card).parent.mkdir(parents=True)
    (folder / card).write_bytes((ROOT / card).read_bytes())
    (folder / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    monkeypatch.chdir(folder)
    return folder


def test_every_card_runs_from_the_hub_to_the_report(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = load_params()
    run("trajectories", params)
    run("render", params)
    for encoder in params.encoders:
        assert "tensors" in fetch.run(encoder)
        run("extract", params, encoder, device="cpu")
        run("probe", params, encoder)
        run("analyse", params, encoder)
        order = read_features(paths.features(encoder)).metadata["order"]
        assert set(order) == {"pretrained", "random"}
        for ratios in order["pretrained"].values():
            assert set(ratios) == {"shuffled", "reversed", "static"}
    run("controls", None)
    run("probe", params, paths.CONTROLS)
    run("compare", params)
    run("plot", params)
    page = (paths.REPORT / "index.html").read_text()
    with paths.ARMS.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for encoder in params.encoders:
        told = [row["arm"] for row in rows if row["encoder"] == encoder]
        assert told == ["pretrained", "random", "random"] * (
            2 if encoder == "eleventh" else 1
        )  # two poolings
        assert encoder in page
        assert (paths.REPORT / f"confusion-{encoder}.png").is_file()

    # One comparison: Holm's procedure over all of them, of its own writing here.
    judged = [row for row in rows if row["arm"] == "pretrained" and row["pooling"] != "delta"]
    larger = {row["encoder"]: max(float(row["p_value"]), float(row["p_draw"])) for row in judged}
    judged.sort(key=lambda row: larger[row["encoder"]])
    least = 0.0
    for rank, row in enumerate(judged):
        least = min(1.0, max(least, larger[row["encoder"]] * (len(judged) - rank)))
        assert float(row["p_adjusted"]) == pytest.approx(least, rel=1e-3, abs=1e-5)

    encoder = "xclip_b32"
    once = hashlib.sha256(paths.features(encoder).read_bytes()).hexdigest()
    monkeypatch.setenv("TRAJPROBE_CACHE", str(project / "another cache"))
    run("extract", params, encoder, device="cpu")
    assert hashlib.sha256(paths.features(encoder).read_bytes()).hexdigest() == once

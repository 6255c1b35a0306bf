"""The plot stage over made-up studies of many shapes: its page is well formed, whole, harmless, and says the numbers
of the metrics; and its whole output is the same when it is run again.

The oracle for the numbers is metrics/ itself, read here with `json` and `csv` and nothing of the report's.
"""

import contextlib
import csv
import json
import re
from collections.abc import Callable
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from made_study import ASKED, make_study
from trajprobe.errors import UserError
from trajprobe.stages import plot
from trajprobe.video.store import write_clips

VOID = {"meta", "img", "br", "source", "link", "input", "hr", "wbr"}
ODD = ["a <script>alert(1)</script> & 'b' \"c\"", "軌跡", "cost $x_$", "line\nbreak"]


class Page(HTMLParser):
    """Every tag closed in order; what the page shows and what it points to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.files: set[str] = set()
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        names = [name for name, _ in attributes]
        assert len(names) == len(set(names)), (tag, names)
        assert not any(name.startswith("on") for name in names)
        if tag == "img":
            assert {"alt", "width", "height"} <= set(names)
        self.files |= {value for name, value in attributes if name in ("src", "srcset", "href") and value}
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def page(folder: Path) -> Page:
    return Page((folder / "report/index.html").read_text(encoding="utf-8"))


SHAPES: dict[str, dict] = {
    "two classes, one random initialisation": {"inits": 1},
    "published split": {"aside": 2, "folds": 1, "per_class": 12, "classes": ["a", "b", "c"]},
    "many classes": {"classes": [f"class {i}" for i in range(15)], "per_class": 3},
    "three encoders, layers and poolings": {
        "encoders": {"first": (0.9, 0.5), "second": (0.6, 0.6), "third": (0.4, 0.8)},
        "places": [("mid", "mean"), ("mid", "grid"), ("down.0", "mean"), ("down.0", "grid")],
    },
    "odd labels": {"classes": ODD, "per_class": 5},
    "no difference": {"encoders": {"tiny": (0.7, 0.7)}, "per_class": 900, "inits": 6, "rope": 0.2, "size": 8},
    "nothing else asked": {"asked": ()},
    "everything asked": {
        "asked": (*ASKED, "mlp", "attentive"),
        "encoders": {"a": (0.9, 0.6), "b": (0.5, 0.7)},
    },
    "hurts": {"encoders": {"tiny": (0.5, 0.9)}, "per_class": 60},
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of the study of that shape with its report, made once."""

    @cache
    def build(shape: str) -> Path:
        folder = tmp_path_factory.mktemp("study")
        with contextlib.chdir(folder):
            assert plot.run(make_study(folder, **SHAPES[shape])) == "report/index.html: open it in a browser"
        return folder

    return build


@pytest.mark.parametrize("shape", SHAPES)
def test_the_page_is_whole_and_well_formed(shape: str, built: Callable[[str], Path]) -> None:
    here = built(shape)
    seen = page(here)
    present = {path.name for path in (here / "report").iterdir()}
    assert seen.files == present - {"index.html"}
    assert "script" not in seen.tags
    html = (here / "report/index.html").read_text(encoding="utf-8")
    assert "http" not in re.sub(r"hf://\S+", "", html)
    assert str(here) not in html
    summary = json.loads((here / "metrics/summary.json").read_text())
    expected = {"hurts": "hurts", "no difference": "no_difference"}.get(shape)
    assert summary["verdict"] == (expected or summary["verdict"])
    assert summary["sentence"] in seen.text


def test_the_page_says_the_numbers_of_the_metrics(built: Callable[[str], Path]) -> None:
    here = built("three encoders, layers and poolings")
    text = " ".join(page(here).text.split())
    with (here / "metrics/arms.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        headline = (row["layer"], row["pooling"]) == ("mid", "mean")
        if row["arm"] == "control" or (row["arm"] == "pretrained" and headline):
            assert f"{100 * float(row['accuracy']):.1f} %" in text
        if row["arm"] == "pretrained" and headline:
            gain, low, high = (100 * float(row[name]) for name in ("gain", "gain_ci_low", "gain_ci_high"))
            assert f"{gain:+.1f}".replace("-", "−") in text
            assert f"{low:.1f} to {high:.1f}".replace("-", "−") in text
            assert row["verdict"].replace("_", " ") in text
    assert "after Holm over 3 encoders" in text
    assert "133 of 133 tensors, 144.9 M parameters, EMA" in text
    assert "3 folds stratified by class, repeated 2 times" in text
    assert "-S 'encoders=[first, second, third]'" in text


def points(value: float) -> str:
    return f"{100 * value:.1f}".replace("-", "−")


def test_the_page_says_the_numbers_of_the_analyses(built: Callable[[str], Path]) -> None:
    here = built("everything asked")
    text = " ".join(page(here).text.split())
    assert (
        "With 5 labels a class the pretrained encoder does what the random one needs 34 for (21 to more than 50)."
        in text
    )
    for encoder in ("a", "b"):
        found = json.loads((here / f"data/analyses/{encoder}.json").read_text())
        length, efficiency = found["description_length"], found["label_efficiency"]
        assert f"{length['pretrained']:.2f} bits" in text
        assert f"{length['saving']['value']:+.2f} bits saved".replace("-", "−") in text
        assert f"{points(found['selectivity']['random']['selectivity'])} points" in text
        for measured in (found["selectivity"]["difference"], *(probe["gain"] for probe in found["probes"])):
            assert f"{points(measured['low'])} to {points(measured['high'])}" in text
        for arm in ("pretrained", "random"):
            assert all(f"{100 * value:.1f} %" in text for value in efficiency[arm]["value"])
    assert all(name in text for name in ("nearest neighbours", "small network", "attentive probe"))
    pictures = {f"{what}-{encoder}.png" for what in ("labels", "reliability") for encoder in ("a", "b")}
    assert pictures <= page(here).files


def test_what_was_not_asked_is_not_told(built: Callable[[str], Path]) -> None:
    seen = page(built("nothing else asked"))
    assert not any(heading in seen.text for heading in ("With fewer labels", "Other ways to ask"))
    assert "Class by class" in seen.text
    assert not any(name.startswith("labels-") for name in seen.files)


def test_every_class_is_told_with_its_gain(built: Callable[[str], Path]) -> None:
    here = built("three encoders, layers and poolings")
    text = "".join(page(here).text.split())
    with (here / "metrics/per_class.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 2
    for row in rows:
        shares = [f"{100 * float(row[arm]):.1f}%" for arm in ("pretrained", "random")]
        gain, low, high = (points(float(row[name])) for name in ("gain", "gain_ci_low", "gain_ci_high"))
        sign = "+" * (float(row["gain"]) > 0)
        assert "".join([row["label"], row["items"], *shares, sign, gain, low, "to", high]) in text


def test_analyses_of_encoders_that_left_are_not_kept(here: Path) -> None:
    params = make_study(here)
    for name in ("stranger.json", ".gitignore"):
        (here / "data/analyses" / name).write_text("")
    plot.run(params)
    assert {path.name for path in (here / "data/analyses").iterdir()} == {"tiny.json", ".gitignore"}


def test_the_published_split_is_told(built: Callable[[str], Path]) -> None:
    here = built("published split")
    text = page(here).text
    assert "published split: 12 items held out of 36" in text
    assert "12 of 36 synthetic trajectories" in text
    assert "36 items in 3 classes; 2 items set aside, for all arms alike (data/quarantine.csv)" in text


def test_labels_are_shown_as_they_are_and_run_nothing(built: Callable[[str], Path]) -> None:
    here = built("odd labels")
    seen = page(here)
    assert "script" not in seen.tags
    assert all(label in seen.text for label in ODD)
    names = {path.name for path in (here / "report").iterdir()}
    assert {"clips-1-a-script-alert-1-script-b-c.gif", "clips-2.gif", "clips-3-cost-x.png"} <= names


def test_a_second_run_gives_the_same_bytes_and_leaves_nothing_behind(here: Path) -> None:
    params = make_study(here, places=[("mid", "mean"), ("deep", "mean")])

    def run() -> dict[str, bytes]:
        plot.run(params)
        return {path.name: path.read_bytes() for path in (here / "report").iterdir()}

    first = run()
    (here / "report/left-over.png").write_bytes(b"of another study")
    assert run() == first
    assert [path.name for path in here.iterdir() if "report" in path.name] == ["report"]


def test_noise_in_place_of_trajectories_is_told(here: Path) -> None:
    params = make_study(here)
    drawn = params.render.model_copy(update={"content": "noise"})
    plot.run(params.model_copy(update={"render": drawn}))
    assert "The clips are Gaussian noise" in page(here).text


def _without(name: str) -> None:
    Path(name).unlink()


def _broken(name: str) -> None:
    Path(name).write_text("[]")


@pytest.mark.parametrize(
    ("spoil", "name", "complaint"),
    [
        (_without, "metrics/summary.json", "summary.json: is missing; run `dvc repro compare`"),
        (_broken, "metrics/summary.json", "is not a summary of a comparison"),
        (_without, "metrics/arms.csv", "arms.csv: cannot be read"),
        (_without, "metrics/per_class.csv", "per_class.csv: cannot be read"),
        (_broken, "metrics/reliability.csv", "reliability.csv: columns missing"),
        (_without, "data/analyses/tiny.json", "tiny.json: is missing; run `dvc repro analyse@tiny`"),
        (_without, "data/quarantine.csv", "quarantine.csv: cannot be read"),
        (_without, "data/predictions/tiny.parquet", "tiny.parquet: is missing"),
    ],
)
def test_a_missing_input_is_one_line_and_leaves_the_old_report(
    spoil: Callable[[str], None], name: str, complaint: str, here: Path
) -> None:
    params = make_study(here)
    (here / "report").mkdir()
    (here / "report/index.html").write_text("of the last run")
    spoil(name)
    with pytest.raises(UserError, match=complaint):
        plot.run(params)
    assert [path.name for path in here.iterdir() if "report" in path.name] == ["report"]
    assert (here / "report/index.html").read_text() == "of the last run"


def test_clips_of_other_trajectories_are_refused(here: Path) -> None:
    params = make_study(here)
    shape = (2, 5, 16, 16, 3)
    write_clips(here / "data/videos.zarr", shape, [np.zeros(shape, np.uint8)])
    with pytest.raises(UserError, match="has 2 clips for 12 trajectories"):
        plot.run(params)

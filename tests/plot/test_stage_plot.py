"""The stage `plot` over synthetic studies: its page is well formed, complete and harmless, it shows the numbers of
metrics/ and of the analyses, and a second run gives the same bytes.

The oracle for the numbers is the files themselves, read with `json` and `csv` and nothing of the report's code.
"""

import contextlib
import csv
import json
import re
import shutil
from collections.abc import Callable
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from made_study import ASKED, make_study
from running import run
from trajprobe.artifacts.clips import write_clips
from trajprobe.core.errors import UserError
from trajprobe.params import load_params

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
            self.text += data.replace("\N{NO-BREAK SPACE}", " ")


def page(folder: Path) -> Page:
    return Page((folder / "report/index.html").read_text(encoding="utf-8"))


SHAPES: dict[str, dict] = {
    "small": {"inits": 1, "asked": (), "content": "noise"},
    "published split": {"quarantined": 2, "folds": 1, "per_class": 9, "classes": ODD},
    "full": {
        "encoders": {"a": (0.9, 0.5), "b_c": (0.5, 0.7)},
        "places": [("mid", "mean"), ("mid", "grid")],
        "asked": (*ASKED, "mlp", "attentive", "attributes", "injection"),
    },
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of the study with that shape and its report, made once."""

    @cache
    def build(shape: str) -> Path:
        folder = tmp_path_factory.mktemp("study")
        with contextlib.chdir(folder):
            params = make_study(folder, **SHAPES[shape])
            assert run("plot", params) == "report/index.html: open it in a browser"
        return folder

    return build


@pytest.fixture
def copy(study: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the small study and its report, as the working directory."""
    shutil.copytree(study("small"), tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plot(folder: Path) -> None:
    run("plot", load_params(folder / "params.yaml"))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_page_is_complete_and_well_formed(shape: str, study: Callable[[str], Path]) -> None:
    folder = study(shape)
    seen = page(folder)
    present = {path.name for path in (folder / "report").iterdir()}
    assert seen.files == present - {"index.html"}
    assert "script" not in seen.tags
    html = (folder / "report/index.html").read_text(encoding="utf-8")
    assert "http" not in re.sub(r"hf://\S+", "", html)
    assert str(folder) not in html
    summary = json.loads((folder / "metrics/summary.json").read_text())
    assert summary["sentence"] in seen.text
    assert f'<body class="{summary["verdict"]}">' in html


def test_the_page_shows_the_numbers_of_the_metrics(study: Callable[[str], Path]) -> None:
    folder = study("full")
    text = " ".join(page(folder).text.split())
    with (folder / "metrics/arms.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        headline = (row["layer"], row["pooling"]) == ("mid", "mean")
        if row["arm"] == "control" or (row["arm"] == "pretrained" and headline):
            assert f"{100 * float(row['accuracy']):.1f} %" in text
        if row["arm"] == "pretrained" and headline:
            gain, low, high = (points(float(row[name])) for name in ("gain", "gain_ci_low", "gain_ci_high"))
            assert gain in text
            assert f"{low} to {high}" in text
            assert row["verdict"].replace("_", " ") in text
    assert "Holm-corrected over 2 encoders" in text
    assert "133 of 133 tensors, 144.9 M parameters, EMA" in text
    assert "3-fold cross-validation, stratified by class, repeated 2 times" in text
    assert "-S 'encoders=[a, b_c]'" in text
    assert (
        "A gain of 5.0 points, planted into each of 3 untrained networks in turn, was found in 2 of 3" in text
    )
    assert "(both intervals above zero); 6.2 points were measured on average" in text
    assert "95 % prediction interval contained the planted gain in 2 of 3." in text
    assert (
        "displacement over length, a vector 0.800.75 to 0.85 0.400.34 to 0.46 +0.400.33 to 0.47 −0.02−0.03"
        in text
    )


def points(value: float) -> str:
    return f"{100 * value:.1f}".replace("-", "−")


def test_the_page_shows_the_numbers_of_the_analyses(study: Callable[[str], Path]) -> None:
    folder = study("full")
    text = " ".join(page(folder).text.split())
    assert (
        "With 5 labels per class, the pretrained encoder is as accurate as the random one with 34 (interval"
        in text
    )
    for encoder in ("a", "b_c"):
        found = json.loads((folder / f"data/analyses/{encoder}.json").read_text())
        length, efficiency = found["description_length"], found["label_efficiency"]
        assert f"{length['pretrained']:.2f} bits" in text
        assert f"{length['saving']['value']:+.2f} bits saved".replace("-", "−") in text
        assert f"{points(found['selectivity']['random']['selectivity'])} points" in text
        for measured in (found["selectivity"]["difference"], *(probe["gain"] for probe in found["probes"])):
            assert f"{points(measured['low'])} to {points(measured['high'])}" in text
        for arm in ("pretrained", "random"):
            assert all(f"{100 * each['value']:.1f} %" in text for each in efficiency[arm])
    assert all(name in text for name in ("nearest neighbours", "small network", "attentive probe"))
    pictures = {
        f"{what}-{encoder}.png" for what in ("labels", "layers", "reliability") for encoder in ("a", "b_c")
    }
    assert pictures <= page(folder).files


def test_every_class_has_its_gain(study: Callable[[str], Path]) -> None:
    folder = study("full")
    text = "".join(page(folder).text.split())
    with (folder / "metrics/per_class.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2
    for row in rows:
        shares = [f"{100 * float(row[arm]):.1f}%" for arm in ("pretrained", "random")]
        gain, low, high = (points(float(row[name])) for name in ("gain", "gain_ci_low", "gain_ci_high"))
        sign = "+" * (float(row["gain"]) > 0)
        assert "".join([row["label"], row["items"], *shares, sign, gain, low, "to", high]) in text


def test_analyses_that_were_not_run_have_no_section_and_noise_is_stated(study: Callable[[str], Path]) -> None:
    seen = page(study("small"))
    assert not any(heading in seen.text for heading in ("Label efficiency", "Other measures"))
    assert "Results by class" in seen.text
    assert not any(name.startswith("labels-") for name in seen.files)
    assert "The clips show Gaussian noise" in seen.text


def test_a_published_split_is_stated(study: Callable[[str], Path]) -> None:
    text = page(study("published split")).text
    assert "published split of the data: 12 of 36 items held out" in text
    assert "12 of 36 synthetic trajectories" in text
    assert "36 items in 4 classes; 2 items excluded from all arms (data/quarantine.csv)" in text


def test_labels_are_shown_as_they_are_and_run_nothing(study: Callable[[str], Path]) -> None:
    folder = study("published split")
    seen = page(folder)
    assert "script" not in seen.tags
    assert all(label in seen.text for label in ODD)
    names = {path.name for path in (folder / "report").iterdir()}
    assert {"clips-1-a-script-alert-1-script-b-c.gif", "clips-2.gif", "clips-3-cost-x.png"} <= names


def test_a_second_run_gives_the_same_bytes_and_leaves_nothing_behind(
    study: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = study("full")
    monkeypatch.chdir(folder)
    first = {path.name: path.read_bytes() for path in (folder / "report").iterdir()}
    (folder / "report/left-over.png").write_bytes(b"of another study")
    plot(folder)
    assert {path.name: path.read_bytes() for path in (folder / "report").iterdir()} == first
    assert [path.name for path in folder.iterdir() if "report" in path.name] == ["report"]


@pytest.mark.parametrize(
    ("content", "name", "complaint"),
    [
        (None, "metrics/summary.json", "summary.json: is missing; run `dvc repro compare`"),
        (None, "metrics/per_class.csv", "per_class.csv: cannot be read"),
        ("[]", "metrics/reliability.csv", "reliability.csv: columns missing"),
        (None, "data/analyses/tiny.json", "tiny.json: is missing; run `dvc repro analyse@tiny`"),
        (None, "data/quarantine.csv", "quarantine.csv: cannot be read .* `dvc repro trajectories`"),
        (None, "data/predictions/tiny.parquet", "tiny.parquet: is missing"),
    ],
)
def test_a_bad_input_is_one_line_and_leaves_the_old_report(
    content: str | None, name: str, complaint: str, copy: Path
) -> None:
    before = (copy / "report/index.html").read_bytes()
    if content is None:
        Path(name).unlink()
    else:
        Path(name).write_text(content)
    with pytest.raises(UserError, match=complaint):
        plot(copy)
    assert [path.name for path in copy.iterdir() if "report" in path.name] == ["report"]
    assert (copy / "report/index.html").read_bytes() == before


def test_clips_of_other_trajectories_are_refused(copy: Path) -> None:
    shape = (2, 5, 16, 16, 3)
    write_clips(copy / "data/videos.zarr", shape, [np.zeros(shape, np.uint8)], items="others", drawn={})
    with pytest.raises(UserError, match="drawn for other trajectories"):
        plot(copy)

"""`trajprobe compare A B ...` against the ladder of the stage, which has the same arms; revisions against what was
committed at them; and what is refused."""

import csv
import hashlib
import io
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from made_study import make_study
from trajprobe import cli
from trajprobe.artifacts.metrics import LADDER_COLUMNS, read_table
from trajprobe.artifacts.predictions import read_predictions, write_predictions
from trajprobe.commands import comparing
from trajprobe.commands.revisions import WORKSPACE, Revision
from trajprobe.core import paths
from trajprobe.core.errors import UserError

EVERYTHING = ["tiny", "tiny/random", "coordinates", "pixels", "random_projection", "workspace:kinematics"]


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    make_study(tmp_path, per_class=20, inits=3)
    return tmp_path


def said(names: list[str], form: comparing.Format, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    comparing.run(names, 0.95, form)
    return capsys.readouterr().out


def test_it_is_the_ladder_in_every_form(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ladder = read_table(paths.LADDER, LADDER_COLUMNS)
    rows = list(csv.DictReader(io.StringIO(said(EVERYTHING, "csv", capsys))))
    names = {"tiny": "pretrained", "tiny/random": "random", "workspace:kinematics": "baseline"}
    for row, expected in zip(rows, ladder, strict=True):
        assert row["arm"] == names.get(row["alternative"], "control")
        assert {**row, "alternative": ""} == {**expected, "alternative": ""}
    in_json = json.loads(said(EVERYTHING, "json", capsys))
    assert [row["alternative"] for row in in_json] == [row["alternative"] for row in rows]
    assert "difference" not in in_json[0]
    assert f"{in_json[1]['difference']}" == rows[1]["difference"]
    markdown = said(EVERYTHING, "md", capsys).splitlines()
    assert len(markdown) == 2 + len(rows)
    assert {line.count("|") for line in markdown} == {7}
    assert markdown[2].startswith("| tiny | 88.8 % |")
    table = said(["tiny", "tiny/random"], "table", capsys)
    assert "tiny/random (3 seeds)" in table
    assert "40 items held out. The best is tiny (95 % confidence)." in table


def test_the_first_is_what_the_others_differ_from(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = (
        json.loads(said(names, "json", capsys))[1] for names in (["tiny", "pixels"], ["pixels", "tiny"])
    )
    assert one["difference"] == -other["difference"]
    assert one["difference_ci_low"] == -other["difference_ci_high"]
    assert one["p_value"] == other["p_value"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["tiny"], "two or more different things are required, got tiny"),
        (["tiny", "tiny"], "two or more different things are required"),
        (["tiny", "tinny"], r"tinny: is not in params.yaml \(did you mean tiny\?\), nor a revision: "),
        (["tiny", "workspace:tinny"], "workspace:tinny: 'tinny' is not in params.yaml"),
        (["tiny", "pixels/random"], "pixels/random: expected pixels, which has one arm, got pixels/random"),
        (["tiny", "tiny/best"], "expected tiny/pretrained or tiny/random, got tiny/best"),
    ],
)
def test_what_is_not_there_is_refused(study: Path, names: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        comparing.run(names, 0.95, "table")


def test_probabilities_can_be_compared_instead(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    comparing.run(["tiny", "tiny/random"], 0.95, "json", "brier")
    ours, theirs = json.loads(capsys.readouterr().out)
    predictions = read_predictions(paths.predictions("tiny"))
    truth = np.eye(2)[predictions.y]
    means = [1 - np.mean(((arm.probability - truth) ** 2).sum(axis=2)) / 2 for arm in predictions.arms]
    assert ours["brier"] == pytest.approx(means[0], abs=1e-5)
    assert theirs["difference"] == pytest.approx(np.mean(means[1:]) - means[0], abs=1e-5)
    said_of_halves = "intervals without them do not cover other training items"
    comparing.run(["tiny", "tiny/random"], 0.95, "table", "brier")
    assert said_of_halves in " ".join(capsys.readouterr().out.split())
    counts = np.full((3, 2, 2), 10)
    arms = [replace(arm, split_half_scores={"brier": counts * 0.8}) for arm in predictions.arms]
    write_predictions(paths.predictions("tiny"), replace(predictions, arms=arms, split_half_counts=counts))
    comparing.run(["tiny", "tiny/random"], 0.95, "table", "brier")
    printed = " ".join(capsys.readouterr().out.split())
    assert said_of_halves not in printed
    assert "Fewer than 100 independent items" in printed


def test_forms_belong_to_names(study: Path) -> None:
    for arguments in (["--md"], ["--score", "brier"], ["tiny", "pixels", "--md", "--json"]):
        assert CliRunner().invoke(cli.app, ["compare", *arguments]).exit_code == 2
    done = CliRunner().invoke(cli.app, ["compare", "tiny", "pixels", "--md"])
    assert done.exit_code == 0, done.output
    assert done.output.startswith("|  | accuracy |")


def git(*arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    done = subprocess.run(["git", *identity, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def dvc_add(path: Path) -> None:
    """As the command does, by hand and therefore fast: the bytes go to the cache, and a .dvc file to git."""
    content = path.read_bytes()
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    cached = Path(".dvc/cache/files/md5", digest[:2], digest[2:])
    cached.parent.mkdir(parents=True, exist_ok=True)
    cached.write_bytes(content)
    out = {"md5": digest, "size": len(content), "hash": "md5", "path": path.name}
    path.with_name(f"{path.name}.dvc").write_text(yaml.safe_dump({"outs": [out]}))


@pytest.fixture
def history(study: Path) -> Path:
    """A project with commits `before` and `other`, of other items, and `tried`, an experiment that is like `before`."""
    git("init", "-q")
    Path(".dvc").mkdir()
    Path(".dvc/config").touch()
    for tag, items in (("before", 20), ("other", 25), ("damaged", 25)):
        shutil.rmtree("models")
        make_study(study, per_class=items, inits=3, seed=1)
        files = [paths.predictions(name) for name in ("tiny", "kinematics", "controls")]
        if tag == "damaged":
            files[0].write_bytes(files[0].read_bytes()[:-100])
        for path in files:
            dvc_add(path)
        git("add", "params.yaml", ".dvc/config", *(f"{path}.dvc" for path in files))
        git("commit", "-q", "-m", tag)
        git("tag", tag)
    commit = git("rev-parse", "before")
    git("update-ref", f"refs/exps/{commit[:2]}/{commit[2:]}/tried", commit)
    return study


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of libraries that DVC uses
def test_what_else_differs_between_revisions_is_said_in_a_line(
    history: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    def lock(digest: str) -> None:
        out = {"path": "data/trajectories.parquet", "md5": digest * 32}
        paths.LOCK.write_text(yaml.safe_dump({"stages": {"trajectories": {"outs": [out]}}}))

    git("checkout", "-q", "-f", "before")
    for tag, digest, changes in (
        ("noisy", "a", {}),
        ("larger", "b", {"render": {"size": 64}, "plot": {"clips_per_class": 1}, "baseline": {"seed": 1}}),
    ):
        lock(digest)
        content = yaml.safe_load(Path("params.yaml").read_text())
        for section, keys in changes.items():
            content[section] |= keys
        Path("params.yaml").write_text(yaml.safe_dump(content))
        git("add", "params.yaml", "dvc.lock")
        git("commit", "-q", "-m", tag)
        git("tag", tag)
    same = ["noisy", "noisy:tiny/random", "before:pixels"]  # of `before` nothing is known of the trajectories
    assert len(json.loads(said(same, "json", capsys))) == 3
    assert caplog.messages == []
    assert len(json.loads(said(["noisy", "larger"], "json", capsys))) == 2
    assert caplog.messages == [
        "Note: larger and noisy also differ in render.size, data/trajectories.parquet, which may explain a difference"
    ]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of libraries that DVC uses
def test_revisions_and_experiments_are_read_as_they_were(
    history: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = {
        path: path.read_bytes() for path in history.rglob("*") if path.is_file() and ".git/" not in str(path)
    }
    rows = json.loads(said(["before", "tried:tiny/random", "before:kinematics"], "json", capsys))
    assert [row["arm"] for row in rows] == ["pretrained", "baseline", "random"]
    same = json.loads(said(["before", "tried"], "json", capsys))
    assert same[0]["accuracy"] == rows[0]["accuracy"] == same[1]["accuracy"]
    assert (same[1]["difference"], same[1]["p_value"]) == (0, 1)
    assert {path: path.read_bytes() for path in here} == here

    with pytest.raises(
        UserError, match=r"other and before were probed with different items \(50 and 40 held out\)"
    ):
        comparing.run(["before", "other"], 0.95, "table")
    with pytest.raises(UserError, match=r"damaged: data/predictions/tiny\.parquet: .*; repeat that study"):
        Revision("damaged").predictions("tiny")
    with pytest.raises(UserError, match="nowhere: is no revision or experiment here"):
        Revision("nowhere")
    git("tag", "tiny", "before")
    with pytest.raises(UserError, match="write workspace:tiny, or tiny:ENCODER of that"):
        comparing.run(["tiny", "before"], 0.95, "table")
    shutil.rmtree(history / ".dvc/cache")
    with pytest.raises(
        UserError, match=r"neither in DVC's cache .* `dvc pull -A -r REMOTE data/predictions/tiny.parquet`"
    ):
        Revision("before").predictions("tiny")
    with pytest.raises(
        UserError, match=r"before: data/predictions/dtw\.parquet: is no file of this revision"
    ):
        Revision("before").predictions("dtw")
    assert Revision(WORKSPACE).params["weights"] == "pretrained"

"""Studies: what is run, what counts as a result, and what a run leaves as it was.

One test runs DVC itself, in a sub-folder of a repository whose path has a blank and non-ASCII letters, and kills it. In
the others a stand-in takes DVC's place: it sets the params, commits a made-up summary under the ref that DVC would use,
and logs its call; everything around it (git, processes, locks) is real.
"""

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from trajprobe.commands import experiments, study
from trajprobe.commands.study_file import LOOKS, load_study, looks
from trajprobe.core.errors import UserError
from trajprobe.params import load_params

ROOT = Path(__file__).parents[2]
SUMMARY = """
import json
def summary(seed):
    return {"n_items": 40, "random_accuracy": 0.5, "gain": seed / 100, "gain_ci_low": -0.01, "gain_ci_high": 0.2,
            "minimum_detectable_gain": 0.1, "verdict": "no_difference", "sentence": "No <difference>.",
            "warning": "Few items." if seed == 2 else ""}
def open_until(seed, inits):  # this seed's verdict needs so many initialisations
    found = summary(seed)
    return {**found, "verdict": "inconclusive"} if inits < {5: 8, 6: 99}.get(seed, 0) else found
"""
STAND_IN = """
import json, os, pathlib, subprocess, sys, yaml
from summary import open_until
def git(*arguments):
    done = subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@e.org", *arguments], capture_output=True)
    if done.returncode:
        sys.exit("git " + " ".join(arguments) + done.stderr.decode())
    return done.stdout.decode().strip()
arguments = sys.argv[1:]
if arguments == ["cache", "dir"]:
    print(pathlib.Path("DVC cache").absolute())
    sys.exit()
assert arguments[:3] == ["exp", "run", "-n"], arguments
name, options = arguments[3], arguments[4:]
assert options[::2] == ["-S"] * (len(options) // 2)
params = yaml.safe_load(open("params.yaml"))
for override in options[1::2]:
    key, _, value = override.partition("=")
    *sections, last = key.split(".")
    target = params
    for section in sections:
        target = target[section]
    target[last] = json.loads(value)
open("params.yaml", "w").write(yaml.safe_dump(params))
with open(os.environ["CALLS"], "a") as calls:
    calls.write(f"{name} ")
if params["extract"]["random_inits"] == 12 and params["probe"]["seed"] == 6 and os.environ.get("STOP"):
    sys.exit("ERROR: stopped")
print("Reproducing experiment", name, flush=True)
seed = params["probe"]["seed"]
if seed == 13:
    print("error: thirteen is refused", file=sys.stderr, flush=True)
    sys.exit("ERROR: failed to reproduce 'toy': failed to run: python toy.py, exited with 1")
if seed == 7:
    pathlib.Path(os.environ["CALLS"] + ".begun").touch()
    sys.stdin.close()
    import time
    time.sleep(60)
pathlib.Path("metrics").mkdir(exist_ok=True)
json.dump(open_until(seed, params["extract"]["random_inits"]), open("metrics/summary.json", "w"))
head = git("rev-parse", "HEAD")
git("add", "-f", "params.yaml", "metrics")
git("commit", "-q", "-m", "experiment")
git("update-ref", f"refs/exps/{head[:2]}/{head[2:]}/{name}", "HEAD")
"""
STUDY: dict[str, Any] = {
    "question": "Does the seed matter?",
    "shared": {"compare.rope": 0.05},
    "experiments": {"one": {"probe.seed": 1}, "two": {"probe.seed": 2, "encoders": ["magvit2_mini"]}},
    "readings": {"two": "Whether two [or more] seeds differ from one."},
    "remarks": "It should not.",
}
PATH = Path("studies/seeds.yaml")


def git(*arguments: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@e.org", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def write_study(**changes: Any) -> None:
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(yaml.safe_dump(STUDY | changes, sort_keys=False))


def make_project() -> None:
    """The files of a DVC project, where one stands: the params and cards of the repository, and the study."""
    for name in ("params.yaml", "models/magvit2_mini/card.yaml", "data/sources/synthetic/card.yaml"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes((ROOT / name).read_bytes())
    Path("dvc.yaml").write_text("stages: {}\n")
    write_study()


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project at cwd, in a sub-folder of a git repository, with the stand-in; returns the file of its calls."""
    (tmp_path / "stand-in/dvc").mkdir(parents=True)
    (tmp_path / "stand-in/dvc/__main__.py").write_text(STAND_IN)
    (tmp_path / "stand-in/dvc/__init__.py").touch()
    (tmp_path / "stand-in/summary.py").write_text(SUMMARY)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "stand-in"))
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    (tmp_path / "calls").touch()
    project = tmp_path / "repo/sub"
    (project / ".dvc").mkdir(parents=True)
    (project / ".dvc/.gitignore").write_text("/tmp\n/cache\n/config.local\n")
    (project / ".gitignore").write_text("/DVC cache\n")
    monkeypatch.chdir(project)
    make_project()
    git("init", "-q", "-b", "main", "..")
    git("add", "-A")
    git("commit", "-q", "-m", "first")
    git("commit", "-q", "--allow-empty", "-m", "second")
    return tmp_path / "calls"


@pytest.mark.e2e
def test_dvc_runs_a_study_that_is_killed_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = tmp_path / "größere Ablage/mein Projekt"
    project.mkdir(parents=True)
    monkeypatch.chdir(project)
    for name in ("HOME", "XDG_CONFIG_HOME"):  # without a user's .gitconfig
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")  # what DVC prints of that path would not fit
    make_project()
    begun, let_go = tmp_path / "begun", tmp_path / "let go"
    Path("toy.py").write_text(
        SUMMARY
        + f"""
import pathlib, sys, time, yaml
seed = yaml.safe_load(open("params.yaml"))["probe"]["seed"]
with open({str(begun)!r}, "a") as log:
    log.write(f"{{seed}} ")
if seed == 13:
    sys.exit("error: thirteen is refused")
while seed == 7 and not pathlib.Path({str(let_go)!r}).exists():
    time.sleep(0.05)
pathlib.Path("metrics").mkdir(exist_ok=True)
json.dump(summary(seed), open("metrics/summary.json", "w"))
"""
    )
    metrics = [{"metrics/summary.json": {"cache": False}}]
    toy = {"cmd": f"{sys.executable} toy.py", "deps": ["toy.py"], "params": ["probe"], "metrics": metrics}
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": {"toy": toy}}))
    git("init", "-q", "-b", "main", "..")
    git("config", "user.name", "known here only")
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q", "--subdir"], check=True)
    git("add", "-A")
    git("commit", "-q", "-m", "toy")
    write_study(experiments={"one": {"probe.seed": 1}, "slow": {"probe.seed": 7}}, readings={})
    Path("params.yaml").write_text(Path("params.yaml").read_text() + "# not committed\n")
    before = (git("status", "--porcelain"), git("symbolic-ref", "HEAD"), git("stash", "list"))
    params = Path("params.yaml").read_bytes()

    command = [sys.executable, "-c", "from trajprobe.cli import main; main()", "study", "run", str(PATH)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        for _ in range(1200):
            if begun.exists() and begun.read_text().endswith("7 "):
                break
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    let_go.touch()
    assert begun.read_text() == "1 7 "
    assert Path(".dvc/tmp/study").exists()  # the copy that the killed run left
    assert Path("params.yaml").read_bytes() == params
    assert (git("status", "--porcelain"), git("symbolic-ref", "HEAD"), git("stash", "list")) == before

    assert study.run(PATH).startswith("1 run, 1 already there")
    assert begun.read_text() == "1 7 7 "
    write_study(experiments={"slow": {"probe.seed": 7}, "bad": {"probe.seed": 13}}, readings={})
    with pytest.raises(UserError, match=r"1 of 2 experiments have no result \(bad\)"):
        study.run(PATH)
    assert "\nbad: no result: thirteen is refused\n" in capsys.readouterr().out
    assert not Path(".dvc/tmp/study").exists()
    assert Path("params.yaml").read_bytes() == params
    assert (git("status", "--porcelain"), git("symbolic-ref", "HEAD"), git("stash", "list")) == before

    listed = subprocess.run(
        [sys.executable, "-m", "dvc", "exp", "list", "--name-only"], capture_output=True, text=True
    )
    assert sorted(listed.stdout.split()) == ["seeds-one", "seeds-slow"]
    ref = experiments.find_project(Path.cwd()).ref("seeds-slow")
    assert git("show", "-s", "--format=%an, %ae", ref) == "known here only, trajprobe@localhost"
    ran = git("show", f"{ref}:./params.yaml")
    assert ran.endswith("# not committed")  # and its comments are kept
    assert yaml.safe_load(ran)["probe"] == yaml.safe_load(params)["probe"] | {"seed": 7}
    assert yaml.safe_load(ran)["compare"] == yaml.safe_load(params)["compare"] | {"rope": 0.05}


def test_only_what_has_no_result_for_its_params_is_run(
    calls: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_study(experiments=STUDY["experiments"] | {"bad": {"probe.seed": 13}})
    with pytest.raises(UserError, match=r"1 of 2 experiments have no result \(bad\)"):
        study.run(PATH, ["one", "bad"])
    assert "\nbad: no result: thirteen is refused\n" in capsys.readouterr().out
    write_study()
    assert study.run(PATH) == "1 run, 1 already there; trajprobe study show studies/seeds.yaml"
    assert study.run(PATH).startswith("0 run, 2 already there")
    assert study.run(PATH, ["two"]).startswith("0 run, 1 already there")
    assert calls.read_text().split() == ["seeds-one", "seeds-bad", "seeds-two"]

    write_study(experiments=STUDY["experiments"] | {"one": {"probe.seed": 3}})  # an override changed
    study.show_study(PATH)
    assert "missing" in capsys.readouterr().out
    assert study.run(PATH).startswith("1 run, 1 already there")
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["probe"]["repeats"] += 1  # a param that both share changed
    Path("params.yaml").write_text(yaml.safe_dump(params))
    assert study.run(PATH).startswith("2 run, 0 already there")
    study.show_study(PATH)
    assert "+3.0" in capsys.readouterr().out

    project = experiments.find_project(Path.cwd())
    kept = git("rev-parse", project.ref("seeds-one"))
    write_study(experiments={"one": {"probe.seed": 13}}, readings={})
    with pytest.raises(UserError, match="no result"):
        study.run(PATH)
    assert study._parsed("compare: of another version") is None
    assert git("rev-parse", project.ref("seeds-one")) == kept  # replaced by a new result only
    git("commit", "-q", "--allow-empty", "-m", "another commit")
    write_study()
    assert study.run(PATH).startswith("2 run, 0 already there")


def test_initialisations_are_added_until_the_verdict_is_decided(
    calls: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    auto = {"extract.random_inits": "auto"}
    write_study(
        experiments={
            "early": {"probe.seed": 1, **auto},
            "later": {"probe.seed": 5, **auto},
            "never": {"probe.seed": 6, "compare.confidence": 0.9, **auto},
        },
        readings={},
    )
    monkeypatch.setenv("STOP", "yes")
    with pytest.raises(UserError, match=r"1 of 3 experiments have no result \(never\)"):
        study.run(PATH)
    said = capsys.readouterr().out
    assert [line for line in said.splitlines() if "initialisations: " in line] == [
        "early: 3 initialisations: no_difference",
        "later: 3 initialisations: inconclusive",
        "later: 5 initialisations: inconclusive",
        "later: 8 initialisations: no_difference",
        "never: 3 initialisations: inconclusive",
        "never: 5 initialisations: inconclusive",
        "never: 8 initialisations: inconclusive",
    ]
    study.show_study(PATH)
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines() if "missing" in line] == [
        "never"
    ]
    monkeypatch.delenv("STOP")
    assert study.run(PATH).startswith("1 run, 2 already there")
    ran = calls.read_text().split()
    assert ran == ["seeds-early"] + 3 * ["seeds-later"] + (3 + 1 + 2) * ["seeds-never"]
    assert study.run(PATH).startswith("0 run, 3 already there")

    project = experiments.find_project(Path.cwd())
    for name, inits, confidence in (("early", 3, 0.985), ("later", 8, 0.985), ("never", LOOKS[-1], 0.97)):
        params = yaml.safe_load(str(project.read(f"seeds-{name}", Path("params.yaml"))))
        assert params["extract"]["random_inits"] == inits
        assert params["compare"]["confidence"] == confidence


def test_auto_goes_into_a_study(calls: Path) -> None:
    text = Path("params.yaml").read_text().replace("random_inits: 8", "random_inits: auto")
    Path("params.yaml").write_text(text)
    with pytest.raises(
        UserError, match=r"random_inits: required a whole number \(auto: for an exp.*studies/N"
    ):
        load_params()


def test_a_study_is_shown_as_a_table_and_as_a_page(calls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study.run(PATH)
    write_study(experiments=STUDY["experiments"] | {"bad": {"probe.seed": 13}})
    capsys.readouterr()
    study.show_study(PATH, Path("out/page.html"))
    shown = capsys.readouterr().out
    assert "Does the seed matter?" in shown
    assert "It should not." in shown
    rows = {line.split()[1]: line for line in shown.splitlines() if line.startswith("│")}
    assert "+2.0" in rows["two"]
    assert "−1.0 to 20.0" in rows["two"]
    assert "missing" in rows["bad"]
    assert "two: Whether two [or more] seeds differ from one." in shown
    page = Path("out/page.html").read_text(encoding="utf-8")
    for text in ("Does the seed matter?", "It should not.", "+2.0", "−1.0 to 20.0", "two [or more] seeds"):
        assert text in page
    assert "not run" in page
    assert page.count("No &lt;difference&gt;.") == 1  # of the one that has a reading
    assert "Few items." in page
    assert "http" not in page

    Path("out/page.html").rename("out/kept")
    for wrong, why in (("out", "is a folder"), ("dvc.yaml/page.html", "cannot be written")):
        with pytest.raises(UserError, match=f"--page {wrong}: {why}"):
            study.show_study(PATH, Path(wrong))
    assert [file.name for file in Path("out").iterdir()] == ["kept"]


def test_the_copy_has_uncommitted_and_local_files_and_the_workspace_stays(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`run_experiment` itself, with a command in DVC's place that looks around."""
    Path("models/mine").mkdir()
    Path("models/mine/card.yaml").write_text("staged")
    git("add", "models/mine")
    Path("params.yaml").write_text(Path("params.yaml").read_text() + "# edited")
    Path("data/sources/synthetic/card.yaml").unlink()
    Path("local.ckpt").write_text("weights")
    Path(".dvc/config.local").write_text(
        "['remote \"local\"']\n    url = ../größer\n[cache]\n    type = symlink\n    dir = x\n"
    )
    (tmp_path / "stand-in/dvc/__main__.py").write_text(
        """
import json, os, pathlib, sys
if sys.argv[1:] == ["cache", "dir"]:
    print(pathlib.Path("DVC cache").absolute()); sys.exit()
pathlib.Path(".dvc/cache/new").touch()
names = ["models/mine/card.yaml", "local.ckpt", ".dvc/config.local"]
seen = {name: pathlib.Path(name).read_text(encoding="utf-8") for name in names}
seen["edited"] = pathlib.Path("params.yaml").read_text().endswith("# edited")
seen["deleted"] = not pathlib.Path("data/sources/synthetic/card.yaml").exists()
seen["cwd"] = os.getcwd()
json.dump(seen, open(os.environ["CALLS"], "w"))
sys.exit("ERROR: looked around")
"""
    )
    before = git("status", "--porcelain")
    monkeypatch.setenv("GIT_DIR", git("rev-parse", "--absolute-git-dir"))  # as in a git hook
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path / "repo"))
    project = experiments.find_project(Path.cwd())
    with experiments.reserved(project) as lock:
        local = [Path("local.ckpt"), Path("params.yaml"), Path("nowhere.ckpt")]
        reason = experiments.run_experiment(project, "any", [], local_files=local, lock=lock)
    monkeypatch.delenv("GIT_DIR")
    monkeypatch.delenv("GIT_WORK_TREE")
    assert reason == "looked around"
    seen = json.loads(calls.read_text())
    assert seen["models/mine/card.yaml"] == "staged"
    assert seen["local.ckpt"] == "weights"
    assert seen["edited"]
    assert seen["deleted"]
    assert seen["cwd"] == str(Path(".dvc/tmp/study/sub").absolute())
    settings = seen[".dvc/config.local"].replace(" ", "").split()
    assert settings == ["['remote\"local\"']", "url=../größer", "[cache]", "type=symlink", "dir=cache"]
    assert Path("DVC cache/new").exists()
    assert git("status", "--porcelain") == before
    assert not Path(".dvc/tmp/study").exists()


def test_a_shallow_clone_and_a_dvc_root_above_the_project_do(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(".dvc").rename("../.dvc")
    git("add", "-A", "..")
    git("commit", "-q", "-m", "one DVC root for all projects")
    git("clone", "-q", "--depth", "1", f"file://{tmp_path / 'repo'}", str(tmp_path / "shallow"))
    monkeypatch.chdir(tmp_path / "shallow/sub")
    assert git("rev-parse", "--is-shallow-repository") == "true"
    assert study.run(PATH).startswith("2 run, 0 already there")
    assert study.run(PATH).startswith("0 run, 2 already there")


def test_an_encoder_that_a_command_makes_has_no_card_before(calls: Path) -> None:
    made = {"encoders": ["made"]}
    write_study(before={"made": "trajprobe pretrain made"}, experiments={"one": {}, "two": made}, readings={})
    with pytest.raises(
        UserError, match="made must be made first; run `trajprobe pretrain made && git add models/made`"
    ):
        study.run(PATH)
    assert calls.read_text() == ""
    assert study.run(PATH, ["one"]).startswith("1 run")
    write_study(experiments={"two": made}, readings={})
    with pytest.raises(UserError, match=r"experiments\.two: encoders: no card for 'made'"):
        load_study(PATH)
    write_study(before={"made": "trajprobe pretrain made"}, experiments={"two": made}, readings={})
    card = (ROOT / "models/magvit2_mini/card.yaml").read_text().replace("magvit2_mini", "made")
    seen = "  seen_items: {file: models/made/seen.txt, sha256: '" + 64 * "0" + "'}\n"
    Path("models/made").mkdir()
    Path("models/made/card.yaml").write_text(re.sub(r"(?m)^(  sha256: .*\n)", rf"\1{seen}", card))
    git("add", "models/made")
    assert study.run(PATH).startswith("1 run")
    assert [str(path) for path in study.weights_files(looks(PATH, load_study(PATH), "two")[0].params)] == [
        "models/made/encoder.safetensors",
        "models/made/seen.txt",
    ]


def test_files_that_git_does_not_track_are_named_before_anything_runs(calls: Path) -> None:
    Path("data/sources/own").mkdir()
    card = Path("data/sources/synthetic/card.yaml").read_text()
    Path("data/sources/own/card.yaml").write_text(card)
    Path("data/sources/own/raw data.csv.dvc").touch()
    Path("models/own").mkdir()
    Path("models/own/card.yaml").write_bytes(Path("models/magvit2_mini/card.yaml").read_bytes())
    Path("notes.txt").touch()  # nothing that an experiment needs
    write_study(experiments={"one": {}, "own": {"source": "own", "encoders": ["own"]}}, readings={})
    with pytest.raises(UserError) as caught:
        study.run(PATH)
    remedy = "git add data/sources/own/card.yaml 'data/sources/own/raw data.csv.dvc' models/own/card.yaml"
    assert f"run `{remedy}`" in str(caught.value)
    assert calls.read_text() == ""
    assert study.run(PATH, ["one"]).startswith("1 run")  # needs none of them


@pytest.mark.parametrize(("key", "value"), [("source", "onw"), ("encoders", ["onw"])])
def test_a_name_without_a_card_is_refused(calls: Path, key: str, value: object) -> None:
    write_study(experiments={"first": {key: value}}, readings={})
    with pytest.raises(UserError, match=rf"seeds.yaml: experiments.first: {key}: no card for 'onw'"):
        study.run(PATH)
    assert calls.read_text() == ""


def test_a_place_without_git_or_dvc_is_named(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(".dvc").rename("elsewhere")
    with pytest.raises(UserError, match="not a DVC project; run `dvc init`"):
        study.run(PATH)
    (tmp_path / "bare").mkdir()
    monkeypatch.chdir(tmp_path / "bare")
    make_project()
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    with pytest.raises(UserError, match="needs git, and a repository with a commit"):
        study.run(PATH)
    git("init", "-q")
    with pytest.raises(UserError, match="needs git, and a repository with a commit"):
        study.show_study(PATH)


def test_a_copy_that_cannot_be_made_is_the_reason(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = experiments.find_project(Path.cwd())

    def reason() -> str | None:
        with experiments.reserved(project) as lock:
            return experiments.run_experiment(project, "any", [], [], lock)

    (tmp_path / "stand-in/dvc/__main__.py").write_text("import sys; sys.exit('ERROR: config file error')")
    assert reason() == "dvc cache dir: config file error"
    with monkeypatch.context() as patch:
        patch.setattr(experiments.shutil, "rmtree", lambda *_, **__: None)
        Path(".dvc/tmp/study").mkdir()
        assert "in use by a process of a killed run" in str(reason())
    git("checkout", "-q", "-b", "other", "HEAD~1")
    for branch in ("other", "main"):
        git("checkout", "-q", branch)
        Path("dvc.yaml").write_text(branch)
        git("commit", "-qam", branch)
    with pytest.raises(subprocess.CalledProcessError):
        git("merge", "other")
    assert str(reason()).startswith("git stash create: ")


def test_one_run_at_a_time_even_if_only_its_child_is_left(calls: Path) -> None:
    project = experiments.find_project(Path.cwd())
    with experiments.reserved(project), pytest.raises(UserError, match="is at work here; wait"):
        study.run(PATH)
    write_study(experiments={"slow": {"probe.seed": 7}}, readings={})
    command = [sys.executable, "-c", "from trajprobe.cli import main; main()", "study", "run", str(PATH)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            begun = Path(f"{calls}.begun")
            for _ in range(1200):
                if begun.exists():
                    break
                time.sleep(0.05)
            process.kill()
            process.wait()
            with pytest.raises(UserError, match="is at work here; wait"):
                study.run(PATH)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    with Path(".dvc/tmp/study.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # once the child is gone, too
    write_study()
    assert study.run(PATH).startswith("2 run")


@pytest.mark.parametrize(
    ("printed", "reason"),
    [
        ("Running\nerror: no groups\nERROR: failed to reproduce 'probe': exited with 1", "no groups"),
        ("error: of git\nerror: of the stage\nERROR: failed", "of the stage"),
        ("Traceback (most recent call last):\n  File\nKeyError: 'x'\nERROR: failed to run", "KeyError: 'x'"),
        ("ERROR: missing data 'data/raw.csv'\nERROR: another", "missing data 'data/raw.csv'"),
        ("Traceback (most recent call last):\n  File\nKeyError: 'x'\n", "KeyError: 'x'"),
        ("Killed\n\n", "Killed"),
        ("", "DVC ended without a message"),
    ],
)
def test_the_reason_of_a_failure_is_the_stage_s_own(printed: str, reason: str) -> None:
    assert reason == experiments.failure(printed.splitlines())


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"render.frame": 5}, "no key render.frame; did you mean frames"),
        ({"rendr.frames": 5}, "no key rendr.frames"),
        ({"render.frames": "five"}, "render.frames: required a whole number"),
    ],
)
def test_a_wrong_override_is_refused_before_anything_runs(
    overrides: dict, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump({"question": "?", "experiments": {"first": overrides}}))
    with pytest.raises(UserError) as caught:
        load_study(path)
    assert expected in str(caught.value)
    assert "experiments.first" in str(caught.value)


def test_names_that_are_no_experiments_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    path = tmp_path / "seeds.yaml"
    path.write_text(yaml.safe_dump(STUDY))
    with pytest.raises(UserError, match="no experiment tow; did you mean two"):
        study.run(path, ["tow"])
    path.write_text(yaml.safe_dump(STUDY | {"readings": {"tow": "?"}}))
    with pytest.raises(UserError, match="readings: no experiment tow; did you mean two"):
        load_study(path)


def test_an_override_reaches_params_as_it_stands_in_the_study(tmp_path: Path) -> None:
    from dvc.utils.hydra import apply_overrides

    path = tmp_path / "params.yaml"
    values = ["noise", "#ff00aa", "true", "null", "1e3", "it's", ["a", "b"], [1, 2], True, 3, 0.5]
    asked = {f"key{index}": value for index, value in enumerate(values)} | {"section": {"x": 1, "y": "#0"}}
    path.write_text(yaml.safe_dump(dict.fromkeys(asked, "before") | {"section": {"x": None, "y": None}}))
    apply_overrides(path, [part for key, value in asked.items() for part in study._hydra(key, value)])
    assert yaml.safe_load(path.read_text()) == asked


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_studies_we_ship_are_valid(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    loaded = load_study(path)
    assert list(loaded.readings) == list(loaded.experiments)

"""A small project in a folder of its own: the repository's files and a study of seconds."""

import os
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
ENCODER = "magvit2_mini"
SMALL = {
    "encoders": [ENCODER],
    "synthesis.per_class": 12,
    "render.size": 64,
    "extract.random_inits": 3,
    "probe.folds": 3,
    "probe.repeats": 2,
    "probe.inner_folds": 2,
    "probe.l2_grid.count": 4,
    "analyse.draws": 3,
    "analyse.bootstrap": 200,
    "analyse.orders": 1,
    "analyse.attributes": True,
    "analyse.injection": True,
    "plot.clips_per_class": 2,
}


def command(folder: Path, *arguments: str, fails: bool | None = False, **environment: str) -> str:
    """Run a command in `folder` with this interpreter's scripts first on PATH; returns stdout + stderr.

    fails: whether it must; None if it may.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        arguments,
        cwd=folder,
        env={**os.environ, "PATH": path, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert fails is None or (done.returncode != 0) == fails, done.stdout
    return done.stdout


def set_params(folder: Path, overrides: dict[str, object]) -> None:
    content = yaml.safe_load((folder / "params.yaml").read_text())
    for key, value in overrides.items():
        *sections, last = key.split(".")
        target = content
        for section in sections:
            target = target[section]
        target[last] = value
    (folder / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))


def make_project(folder: Path) -> Path:
    """A git and DVC repository at `folder` with the small study, committed."""
    tracked = command(ROOT, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for name in filter(None, tracked):
        source, target = ROOT / name, folder / name
        if source.is_file() and name != "dvc.lock" and not name.startswith("metrics/"):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    set_params(folder, SMALL)
    for arguments in (
        ("git", "init", "-q", "-b", "main"),
        ("git", "config", "user.name", "e2e"),
        ("git", "config", "user.email", "e2e@example.org"),
        ("dvc", "remote", "modify", "local", "url", str(folder.parent / "remote")),
        ("git", "add", "-A"),
        ("git", "commit", "-q", "-m", "study"),
    ):
        command(folder, *arguments)
    return folder

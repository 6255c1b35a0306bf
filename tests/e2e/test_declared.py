"""Every stage against its declaration in dvc.yaml, on a finished small study.

A stage runs alone in a folder that holds its declared dependencies and nothing else. Two things watch it: Python's
audit hook, which sees each file it opens, and the folder itself, from which a library in C could not open what is
not there. Sections of params.yaml that the stage does not declare are changed; its outputs must be the same bytes.
"""

import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from small_project import ENCODER, command

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "trajprobe"
STAGES: dict[str, dict] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
# No number depends on these: the command line, and the schema of all sections, which are checked together.
HARMLESS = (
    "trajprobe",
    "trajprobe.cli",
    "trajprobe.commands",
    "trajprobe.commands.app",
    "trajprobe.commands.command_groups",
    "trajprobe.commands.import_app",
    "trajprobe.commands.environment",
    "trajprobe.params",
    "trajprobe.core",
)
SEEDED = ("synthesis", "render", "extract", "probe", "analyse", "baseline")


def resolved(value: Any, source: str, item: str) -> Any:
    text = json.dumps(value).replace("${item}", item).replace("${source}", source)
    text = text.replace("${encoders[0]}", ENCODER)
    return json.loads(text)


def paths_of(entries: list[Any]) -> list[str]:
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]


def copied(project: Path, target: Path, path: str) -> None:
    destination = target / path
    destination.parent.mkdir(parents=True, exist_ok=True)
    if (project / path).is_dir():
        shutil.copytree(project / path, destination, dirs_exist_ok=True)
    else:
        shutil.copy2(project / path, destination)


def digests(folder: Path, names: list[str]) -> dict[str, str]:
    found = {}
    for name in names:
        path = folder / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                found[str(file.relative_to(folder))] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found


def card_weights(project: Path) -> str:
    weights = yaml.safe_load((project / f"models/{ENCODER}/card.yaml").read_text())["weights"]
    assert weights["sha256"]
    return weights["file"]


def is_scratch(name: Path, outs: list[str]) -> bool:
    """Whether a file lies in a scratch folder beside an output (core/files.py), which becomes that output."""
    for out in map(Path, outs):
        if name.is_relative_to(out.parent) and name != out.parent:
            first = name.relative_to(out.parent).parts[0]
            if first.startswith(f".{out.name}.") and first.endswith(".part"):
                return True
    return False


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_opens_what_it_declares_and_nothing_else(
    stage: str, reproduced: Path, tmp_path: Path
) -> None:
    params = yaml.safe_load((reproduced / "params.yaml").read_text())
    item = params["baselines"][0] if stage == "baseline" else ENCODER
    body = resolved(STAGES[stage].get("do", STAGES[stage]), params["source"], item)
    commands = body["cmd"] if isinstance(body["cmd"], list) else [body["cmd"]]
    deps = [dep for dep in body.get("deps", []) if not dep.startswith("src/")]
    outs = paths_of([*body.get("outs", []), *body.get("metrics", [])])
    sandbox = tmp_path / "sandbox"
    for dep in deps:
        copied(reproduced, sandbox, dep)
    # A file that the card names and pins by its digest: as fixed as an address on the network.
    pinned = [card_weights(reproduced)] if stage == "fetch" else []
    for path in pinned:
        copied(reproduced, sandbox, path)
    # The names of encoders and sources are checked against their cards; that a card is read, the hook would see.
    for card in [*reproduced.glob("models/*/card.yaml"), *reproduced.glob("data/sources/*/card.yaml")]:
        copied(reproduced, sandbox, str(card.relative_to(reproduced)))
    for section in SEEDED:
        if section not in body.get("params", []):
            params[section]["seed"] += 1
    if "weights" not in body.get("params", []):
        params["weights"] = "random"
    (sandbox / "params.yaml").write_text(yaml.safe_dump(params))

    report = tmp_path / "report.json"
    audited = str(Path(__file__).with_name("audited.py"))
    command(sandbox, sys.executable, audited, str(report), *commands[-1].split()[1:], TRAJPROBE_WORKERS="1")
    found = json.loads(report.read_text())

    # Costs hold seconds, which are never twice the same; a measurement that exists is kept, but here there is none.
    same = [out for out in outs if not out.startswith("data/costs/")]
    assert digests(sandbox, same) == digests(reproduced, same)
    for kind, allowed in (("read", [*deps, *outs, "params.yaml", *pinned]), ("written", outs)):
        for path in map(Path, found[kind]):
            if path.is_relative_to(sandbox):
                name = path.relative_to(sandbox)
                own = any(name.is_relative_to(each) for each in allowed) or is_scratch(name, outs)
                assert own, f"{kind}: {name}"
    code = [Path(dep) for dep in body.get("deps", []) if dep.startswith("src/")]
    for module in found["modules"]:
        if module in HARMLESS or module.startswith("trajprobe.core."):
            continue
        path = Path("src", *module.split("."))
        if path.name == "params" or (ROOT / path / "__init__.py").is_file():
            continue
        assert any(path.with_suffix(".py").is_relative_to(each) for each in code), f"imports {module}"

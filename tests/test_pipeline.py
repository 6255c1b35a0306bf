"""dvc.yaml against the code: each stage lists exactly the files it imports, and the params its code reads.

The oracle is the source itself: the import closure is computed from the syntax trees, function-level imports
included. `cli.py` stands outside of it: it only calls `stages.<stage>.run` and decides nothing about a result.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "trajprobe"
STAGES: dict[str, dict] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())

PER_ENCODER = ("fetch", "extract", "probe", "analyse")

# Which stages a change of each section of params.yaml re-runs; README.md shows the same table.
READERS = {
    "source": {"trajectories", "plot"},
    "synthesis": {"trajectories"},
    "trajectories": {"trajectories"},
    "encoders": {"compare", "plot"},
    "weights": {"compare"},
    "render": {"render", "plot"},
    "features": {"extract"},
    "probe": {"probe", "probe_controls", "analyse"},
    "compare": {"compare", "plot"},
    "compare.confidence": {"analyse"},  # of that section alone
    "analyses": {"analyse"},
    "plot": {"plot"},
}


def body(stage: str) -> dict:
    return STAGES[stage].get("do", STAGES[stage])


def module_file(name: str) -> Path | None:
    path = SOURCE.parent / Path(*name.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def imported(file: Path) -> set[Path]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        found |= {path for name in names if name.startswith("trajprobe") and (path := module_file(name))}
    return found


def closure(file: Path) -> set[Path]:
    seen: set[Path] = set()
    waiting = [file]
    while waiting:
        current = waiting.pop()
        if current not in seen:
            seen.add(current)
            waiting.extend(imported(current))
    return {path for path in seen if path.name != "__init__.py"}


def stage_module(stage: str) -> Path:
    command = body(stage)["cmd"].split()
    assert command[0] == "trajprobe"
    return SOURCE / "stages" / f"{command[1]}.py"


def declared(stage: str) -> set[Path]:
    files = set()
    for dep in body(stage).get("deps", []):
        path = ROOT / dep
        if path.is_relative_to(SOURCE):
            assert path.exists(), f"{stage} depends on {dep}, which does not exist"
            files |= set(path.rglob("*.py")) if path.is_dir() else {path}
    return {path for path in files if path.name != "__init__.py"}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_exactly_the_code_it_imports(stage: str) -> None:
    needed, listed = closure(stage_module(stage)), declared(stage)
    relative = sorted(str(path.relative_to(ROOT)) for path in needed)
    assert listed == needed, f"{stage} needs exactly these deps: {relative}"


def test_package_inits_hold_a_docstring_only() -> None:
    # The closure leaves them out, so they must not hold code.
    for init in SOURCE.rglob("__init__.py"):
        statements = ast.parse(init.read_text()).body
        assert len(statements) == 1, init
        assert isinstance(statements[0], ast.Expr), init


def test_the_table_knows_every_section() -> None:
    assert {section.split(".")[0] for section in READERS} == PARAMS.keys()


@pytest.mark.parametrize("section", READERS)
def test_each_section_re_runs_the_stages_of_the_table(section: str) -> None:
    readers = {stage for stage in STAGES if section in body(stage).get("params", [])}
    assert readers == READERS[section]


def hidden(content: object, name: str) -> set[str]:
    """The dotted names of keys inside the section `name` that DVC's run cache leaves out of its hash."""
    found = set()
    if isinstance(content, dict):
        for key, value in content.items():
            found |= {f"{name}.{key}"} if key in ("size", "nfiles") else hidden(value, f"{name}.{key}")
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_a_key_that_the_run_cache_does_not_see_is_listed_by_itself(stage: str) -> None:
    for entry in body(stage).get("params", []):
        files = entry.items() if isinstance(entry, dict) else [("params.yaml", [entry])]
        for file, names in files:
            for path in ROOT.glob(file.replace("${item}", "*")):
                content = yaml.safe_load(path.read_text())
                listed = (
                    [each for each in body(stage)["params"] if isinstance(each, str)]
                    if file == "params.yaml"
                    else names
                )
                for name in names:
                    assert hidden(content.get(name), name) <= set(listed), f"{stage}: {path}"


def test_dvc_re_runs_a_stage_whose_size_changed(tmp_path: Path) -> None:
    """The oracle of the test above: with the key listed by itself DVC does not take the result of another size."""
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run([*dvc, "init", "--no-scm", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "code").write_text("")
    stage = {
        "cmd": "cat params.yaml > made",
        "deps": ["code"],
        "params": ["render", "render.size"],
        "outs": ["made"],
    }
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"render": stage}}))
    for size in (128, 64):
        (tmp_path / "params.yaml").write_text(f"render: {{size: {size}}}\n")
        subprocess.run([*dvc, "repro", "-q"], cwd=tmp_path, check=True)
        assert str(size) in (tmp_path / "made").read_text()


def test_the_readme_shows_the_same_table() -> None:
    rows = {}
    for line in (ROOT / "README.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) >= 2 and cells[0].strip("`") in READERS and cells[0].startswith("`"):
            rows[cells[0].strip("`")] = {
                name.strip().strip("`").removesuffix("@E") for name in cells[1].split(",")
            }
    assert rows == READERS


def test_no_stage_reads_a_section_it_does_not_declare() -> None:
    for stage in STAGES:
        sections = set()
        for node in ast.walk(ast.parse(stage_module(stage).read_text())):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "params"
            ):
                sections.add(node.attr)
        listed = {entry.split(".")[0] for entry in body(stage).get("params", []) if isinstance(entry, str)}
        assert sections <= listed, f"{stage} reads {sections - listed} but does not declare it"
        assert listed <= sections, f"{stage} declares {listed - sections} but never reads it"


def test_every_stage_is_described_and_its_command_exists() -> None:
    from typer.main import get_command

    from trajprobe.cli import app

    commands = get_command(app).commands  # type: ignore[attr-defined]
    for stage in STAGES:
        assert body(stage)["desc"]
        command = commands[body(stage)["cmd"].split()[1]]
        assert command.help


@pytest.mark.parametrize("encoders", [["magvit2_mini"], ["magvit2_mini", "placeholder", "cifar_resnet20"]])
def test_the_instances_multiply_with_the_encoders(encoders: list[str], tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({**PARAMS, "encoders": encoders}))
    for encoder in encoders:
        card = tmp_path / "models" / encoder / "card.yaml"
        card.parent.mkdir(parents=True)
        card.write_text((ROOT / "models" / encoder / "card.yaml").read_text())
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run([*dvc, "init", "--no-scm", "-q"], cwd=tmp_path, check=True)
    listed = subprocess.run(
        [*dvc, "stage", "list", "--name-only"], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout.split()
    per_encoder = {f"{stage}@{encoder}" for stage in PER_ENCODER for encoder in encoders}
    single = {"trajectories", "render", "controls", "probe_controls", "compare", "plot"}
    assert set(listed) == per_encoder | single
    assert len(listed) == 6 + 4 * len(encoders)

"""dvc.yaml against the code: each stage lists exactly the folders it imports, and the params its command passes on.

The oracle is the source itself: import closures are computed from the syntax trees, imports inside functions
included. `core/` and `cli.py` change no result and count for nothing. tests/e2e/test_declared.py holds the same
declarations against what the stages really open.
"""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "trajprobe"
STAGES: dict[str, dict] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())
PER_ENCODER = ("fetch", "extract", "probe", "analyse")

# Which stages an edit of each section of params.yaml re-runs; README.md shows the same table.
READERS = {
    "source": {"trajectories", "plot"},
    "synthesis": {"trajectories"},
    "trajectories": {"trajectories"},
    "encoders": {"compare", "plot"},
    "weights": {"compare"},
    "render": {"render"},
    "render.frames": {"analyse"},
    "extract": {"extract"},
    "extract.layer": {"baseline"},
    "extract.pooling": {"baseline"},
    "extract.precision": {"baseline"},
    "probe": {"probe", "probe_controls", "analyse", "baseline"},
    "baselines": {"compare"},
    "baseline": {"baseline"},
    "compare": {"compare"},
    "compare.confidence": {"analyse", "plot"},  # of that section alone
    "compare.rope": {"plot"},
    "analyse": {"analyse"},
    "plot": {"plot"},
}


def body(stage: str) -> dict:
    return STAGES[stage].get("do", STAGES[stage])


def command(stage: str) -> list[str]:
    commands = body(stage)["cmd"]
    last = commands if isinstance(commands, str) else commands[-1]
    return last.split()


def module_file(name: str) -> Path | None:
    path = SOURCE.parent / Path(*name.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


@cache
def imported(file: Path) -> frozenset[Path]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        found |= {path for name in names if name.startswith("trajprobe") and (path := module_file(name))}
    return frozenset(found)


def closure(file: Path) -> set[Path]:
    seen: set[Path] = set()
    waiting = [file]
    while waiting:
        current = waiting.pop()
        if current not in seen:
            seen.add(current)
            waiting.extend(imported(current))
    return {path for path in seen if path.name != "__init__.py"}


def listed_code(stage: str) -> list[Path]:
    paths = [ROOT / dep for dep in body(stage).get("deps", [])]
    return [path for path in paths if path.is_relative_to(SOURCE)]


def stage_module(stage: str) -> Path:
    program, name, *_ = command(stage)
    assert program == "trajprobe"
    return SOURCE / name / "stage.py"


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_lists_exactly_the_code_it_imports(stage: str) -> None:
    needed = {path for path in closure(stage_module(stage)) if SOURCE / "core" not in path.parents}
    listed = listed_code(stage)
    assert all(path.exists() for path in listed)
    missing = {path for path in needed if not any(path.is_relative_to(dep) for dep in listed)}
    assert not missing, f"{stage} imports {sorted(str(path.relative_to(ROOT)) for path in missing)}"
    idle = {dep for dep in listed if not any(path.is_relative_to(dep) for path in needed)}
    assert not idle, f"{stage} lists but never imports {sorted(str(dep.relative_to(ROOT)) for dep in idle)}"
    # Whole folders for those that a stage truly calls; of artifacts/ only the modules that it reads or writes.
    if SOURCE / "artifacts" in listed:
        modules = {path for path in (SOURCE / "artifacts").glob("*.py") if path.name != "__init__.py"}
        assert modules <= needed, f"{stage} does not import {modules - needed}"


@pytest.mark.parametrize("stage", STAGES)
def test_the_folder_of_a_stage_is_its_command_and_its_first_dependency_on_code(stage: str) -> None:
    name = command(stage)[1]
    assert listed_code(stage)[0] == SOURCE / name
    assert stage == name or stage == f"{name}_controls"


def test_imports_point_one_way() -> None:
    """A stage imports no other stage's folder, but analyse and baseline do; artifacts import core alone."""
    stages = {command(stage)[1] for stage in STAGES}
    calls = {
        "core": set(),
        "artifacts": {"core"},
        "download": {"core"},
        "checkpoints": {"core"},
        "videos": {"core"},
        "encoders": {"core", "artifacts"},
        **{stage: {"core", "artifacts"} for stage in stages},
    }
    calls["trajectories"] |= {"download", "videos"}
    calls["render"] |= {"videos"}
    calls["fetch"] |= {"download", "checkpoints", "encoders"}
    calls["extract"] |= {"encoders"}
    statistics = ("classical_tests", "gain", "paired_predictions", "power", "random_effects")
    calls["analyse"] |= {"probe", "baseline/derivatives.py", *(f"compare/{name}.py" for name in statistics)}
    calls["baseline"] |= {"probe", "extract", "encoders"}
    for folder, allowed in calls.items():
        for file in (SOURCE / folder).rglob("*.py"):
            for target in imported(file):
                relative = target.relative_to(SOURCE)
                top = relative.parts[0]
                assert (
                    top == folder
                    or top in allowed
                    or relative.as_posix() in allowed
                    or len(relative.parts) == 1
                ), f"{file.relative_to(SOURCE)} imports {relative}"
                assert relative.name != "params.py" or top == folder or folder in ("analyse", "baseline"), (
                    f"{file.relative_to(SOURCE)} reads the schema of another stage: {relative}"
                )


def test_package_inits_hold_a_docstring_only() -> None:
    # The closure leaves them out, so they must not hold code.
    for init in SOURCE.rglob("__init__.py"):
        statements = ast.parse(init.read_text()).body
        assert len(statements) == 1, init
        assert isinstance(statements[0], ast.Expr), init


def test_no_module_is_a_closet_or_a_hall() -> None:
    """Every module is one idea on a screen or two; stages, their params and package docstrings may be short."""
    lengths = {
        path: len(path.read_text().splitlines())
        for path in SOURCE.rglob("*.py")
        if path.name != "__init__.py"
    }
    assert not {path for path, length in lengths.items() if length > 350}
    thin = {
        path
        for path, length in lengths.items()
        if length <= 45 and path.name not in ("stage.py", "params.py")
    }
    assert len(thin) <= 3, thin
    assert sorted(lengths.values())[len(lengths) // 2] >= 110


def test_no_two_public_things_have_one_name() -> None:
    """Classes, functions and files; a stage's `run`, and what every family or format has, are the exceptions."""
    shared = {"run", "load", "initialise", "network", "architecture", "Architecture", "expected_tensors"}
    seen: dict[str, Path] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if not isinstance(node, ast.ClassDef | ast.FunctionDef) or node.name.startswith("_"):
                continue
            if node.name in shared or path.name == "cli.py":
                continue
            assert node.name not in seen, f"{node.name} is in {seen[node.name]} and in {path}"
            seen[node.name] = path
    files = [path.name for path in SOURCE.rglob("*.py")]
    expected = {"__init__.py", "stage.py", "params.py"}
    twice = {name for name in files if files.count(name) > 1} - expected
    # A stage's artifact has the name of the folder that writes it, and encoder.py is the face of each family.
    assert twice <= {"encoder.py"}, twice


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
    listed = body(stage).get("params", [])
    for name in listed:
        assert hidden(PARAMS.get(name), name) <= set(listed)


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


def readme_table(first: str) -> dict[str, set[str]]:
    """The rows of the README's table whose first column has this heading: {name: set of stages}."""
    lines = (ROOT / "README.md").read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {first} |"))
    rows = {}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        name, stages = (cell.strip() for cell in line.strip("|").split("|"))
        names = [part.strip().strip("`") for part in name.split(",")]
        found = {part.strip().strip("`").split("@")[0] for part in stages.split(",")} - {"nothing"}
        rows |= dict.fromkeys(names, found)
    return rows


def test_the_readme_shows_which_stages_a_section_re_runs() -> None:
    assert readme_table("section of `params.yaml`") == READERS


def test_the_readme_shows_which_stages_an_edit_of_a_folder_re_runs() -> None:
    shown = readme_table("folder of `src/trajprobe/`")
    for name, stages in shown.items():
        path = SOURCE / name
        assert path.exists(), name
        assert stages == {
            stage for stage in STAGES if any(path.is_relative_to(dep) for dep in listed_code(stage))
        }, name
    units = {
        path.name
        for path in SOURCE.iterdir()
        if path.is_dir() and path.name not in ("artifacts", "__pycache__")
    }
    units |= {
        f"artifacts/{path.name}" for path in (SOURCE / "artifacts").glob("*.py") if path.name != "__init__.py"
    }
    assert units <= shown.keys()


def test_every_stage_is_described_and_its_command_exists() -> None:
    from typer.main import get_command

    from trajprobe.cli import app

    commands = get_command(app).commands  # type: ignore[attr-defined]
    for stage in STAGES:
        assert body(stage)["desc"]
        assert commands[command(stage)[1]].help


def test_the_pipeline_reads_as_a_table_of_contents() -> None:
    assert len((ROOT / "dvc.yaml").read_text().splitlines()) <= 220


def test_the_instances_multiply_with_the_encoders(tmp_path: Path) -> None:
    encoders = ["magvit2_mini", "placeholder", "cifar_resnet20"]
    (tmp_path / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    (tmp_path / "params.yaml").write_text(
        yaml.safe_dump({**PARAMS, "encoders": encoders, "baselines": ["kinematics", "dtw"]})
    )
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run([*dvc, "init", "--no-scm", "-q"], cwd=tmp_path, check=True)
    listed = subprocess.run(
        [*dvc, "stage", "list", "--name-only"], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout.split()
    per_encoder = {f"{stage}@{encoder}" for stage in PER_ENCODER for encoder in encoders}
    single = {"trajectories", "render", "controls", "probe_controls", "compare", "plot"}
    assert set(listed) == per_encoder | single | {"baseline@kinematics", "baseline@dtw"}
    assert len(listed) == 6 + 4 * len(encoders) + 2

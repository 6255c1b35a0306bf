"""`trajprobe verify`: does this machine compute what dvc.lock says?

Every stage runs once more in a copy of the project, without DVC's run cache and without finished shards. Its outputs
are compared with those of dvc.lock by their hashes, and where these differ by their content: rounding or not?
"""

import hashlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from trajprobe.artifacts.features import read_features_metadata
from trajprobe.commands.experiments import failure, find_project, project_copy, reserved, run_dvc
from trajprobe.commands.listing import console
from trajprobe.commands.output_differences import compare_outputs
from trajprobe.commands.study import weights_files
from trajprobe.core import paths
from trajprobe.core.errors import UserError
from trajprobe.core.machine import differences, environment
from trajprobe.params import load_params


@dataclass(frozen=True)
class VerifiedOutput:
    """An output of a stage. result: identical, close, different, or unknown if there is nothing to compare with."""

    stage: str
    path: str
    result: str
    what: str = ""


def run() -> None:
    """Recompute everything, print a row for each output, and the environment if it is another one.

    Raises UserError if a stage fails, or if an output differs by more than rounding.
    """
    params = load_params()
    project = find_project(Path.cwd())
    old = _outputs(project.folder / paths.LOCK)
    cache = paths.cache_folder()
    with (
        reserved(project) as lock,
        project_copy(project, weights_files(params)) as (_, folder),
        tempfile.TemporaryDirectory() as scratch,
    ):
        (cache / "downloads").mkdir(parents=True, exist_ok=True)
        Path(scratch, "downloads").symlink_to((cache / "downloads").resolve())
        # Raw files that `dvc add` keeps are not among what git tracks, and --force keeps `repro` from bringing them.
        raw = [
            str(file.relative_to(folder))
            for file in sorted((folder / paths.source(params.source)).rglob("*.dvc"))
        ]
        if raw:
            output, code = run_dvc(folder, lock, "checkout", "--quiet", *raw)
            if code:
                raise UserError(f"verify: {failure(output)}")
        output, code = run_dvc(folder, lock, "repro", "--force", "--no-run-cache", TRAJPROBE_CACHE=scratch)
        if code:
            raise UserError(f"verify: {failure(output)}")
        rows = list(_compared(old, _outputs(folder / paths.LOCK), project.folder, folder))
    _show(rows)
    for name in params.encoders:
        then = read_features_metadata(project.folder / paths.features(name)).get("environment") or {}
        if then and (other := differences(then, environment(then.get("device", "cpu")))):
            print(f"{name} was computed in another environment ({other}), which rounds differently.")
    worse = [row for row in rows if row.result == "different"]
    if worse:
        raise UserError(
            f"verify: {len(worse)} of {len(rows)} outputs differ by more than rounding, the first is {worse[0].path} "
            f"({worse[0].what}); if the code or the params changed on purpose, run `dvc repro`"
        )


def _outputs(lock: Path) -> dict[tuple[str, str], str]:
    """(stage, path) -> hash of every output in a dvc.lock."""
    try:
        content: Any = yaml.safe_load(lock.read_text(encoding="utf-8"))
        stages = content["stages"]
        return {
            (name, out["path"]): out["md5"] for name, stage in stages.items() for out in stage.get("outs", [])
        }
    except FileNotFoundError:
        raise UserError(f"{lock}: is missing, so there is nothing to verify; run `dvc repro`") from None
    except (OSError, yaml.YAMLError, LookupError, TypeError, AttributeError) as error:
        raise UserError(f"{lock}: cannot be read ({type(error).__name__}); restore it with git") from None


def _compared(
    old: dict[tuple[str, str], str], new: dict[tuple[str, str], str], project: Path, copy: Path
) -> Iterator[VerifiedOutput]:
    for (stage, path), digest in new.items():
        if (stage, path) not in old:
            yield VerifiedOutput(stage, path, "unknown", "dvc.lock has no such output; run `dvc repro`")
        elif old[stage, path] == digest:
            yield VerifiedOutput(stage, path, "identical")
        elif not _is_the_one(project / path, old[stage, path]):
            yield VerifiedOutput(
                stage, path, "unknown", "its bytes differ, and the original is not here: `dvc pull`"
            )
        elif (found := compare_outputs(path, project / path, copy / path)) is None:
            yield VerifiedOutput(stage, path, "close", "drawn from other numbers, not compared")
        elif found.only_measured:
            yield VerifiedOutput(stage, path, "identical", found.what)
        else:
            yield VerifiedOutput(stage, path, "close" if found.close else "different", found.what)


def _is_the_one(path: Path, digest: str) -> bool:
    """Whether the file or folder in the project is the one that dvc.lock names."""
    if not path.is_dir():
        return path.is_file() and _md5(path.read_bytes()) == digest
    files = {file.relative_to(path).as_posix(): file for file in path.rglob("*") if file.is_file()}
    listing = [{"md5": _md5(files[name].read_bytes()), "relpath": name} for name in sorted(files)]
    return f"{_md5(json.dumps(listing).encode())}.dir" == digest


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _show(rows: list[VerifiedOutput]) -> None:
    table = Table("stage", "output", "result", "how", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for row in rows:
        table.add_row(row.stage, row.path, row.result, Text(row.what))
    out = console()
    out.print(table)
    counts = {
        result: sum(row.result == result for row in rows) for result in ("identical", "close", "different")
    }
    out.print(", ".join(f"{count} {result}" for result, count in counts.items()))
    summary = next((row for row in rows if row.path == str(paths.SUMMARY)), None)
    if summary and summary.result in ("identical", "close"):
        out.print("The verdict holds.")

"""What the pipeline made at any revision, without touching the working tree: through DVC's cache and its remote.

A revision is what git knows (a branch, a tag, a commit) or the name of a DVC experiment. `workspace` is the folder as
it lies here, as DVC calls it.
"""

import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from trajprobe.artifacts.predictions import Predictions, read_predictions
from trajprobe.commands.experiments import find_project
from trajprobe.core import paths
from trajprobe.core.errors import UserError

WORKSPACE = "workspace"
AGAIN = "repeat that study with the code as it is now: `dvc exp run` with its params"


class Revision:
    """A revision by its name. Raises UserError if there is none of this name, or no git or DVC."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._files: Any = None
        if name != WORKSPACE:
            from dvc.api import DVCFileSystem
            from dvc.exceptions import DvcException

            project = find_project(Path.cwd())
            self._prefix = project.folder.relative_to(project.top)
            try:
                self._files = DVCFileSystem(str(project.folder), rev=name, subrepos=True)
                self._files.info(".")  # only now is the revision looked for
            except DvcException as error:
                raise UserError(
                    f"{name}: is no revision or experiment here ({error}); `git branch -a`, `git log` and "
                    "`dvc exp list -A` list them"
                ) from None

    @cached_property
    def params(self) -> dict[str, Any]:
        """params.yaml as it was, unchecked: an earlier version may have had other keys. Raises UserError if broken."""
        where = f"{self.name}: {paths.PARAMS}"
        try:
            content = yaml.safe_load(self._read(paths.PARAMS))
        except yaml.YAMLError as error:
            raise UserError(f"{where}: is not valid YAML ({error})") from None
        if not isinstance(content, dict) or not content.get("encoders"):
            raise UserError(f"{where}: names no encoders; take a revision in which the pipeline was run")
        return content

    @cached_property
    def trajectories(self) -> str | None:
        """MD5 of data/trajectories.parquet, by dvc.lock; None if that does not say."""
        try:
            outs = yaml.safe_load(self._read(paths.LOCK))["stages"]["trajectories"]["outs"]
            return next(str(out["md5"]) for out in outs if out["path"] == str(paths.TRAJECTORIES))
        except (UserError, yaml.YAMLError, LookupError, TypeError, StopIteration):
            return None

    def predictions(self, name: str) -> Predictions:
        """Those of an encoder, an alternative or the controls. Raises UserError if they are missing or not readable."""
        path = paths.predictions(name)
        if self._files is None:
            return read_predictions(path)
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / path.name
            copy.write_bytes(self._read(path))
            try:
                return read_predictions(copy, AGAIN)
            except UserError as error:
                raise UserError(str(error).replace(str(copy), f"{self.name}: {path}")) from None

    def _read(self, path: Path) -> bytes:
        if self._files is None:
            try:
                return path.read_bytes()
            except OSError as error:
                raise UserError(
                    f"{path}: cannot be read ({error.strerror}); run this in the project"
                ) from None
        from dvc.exceptions import DvcException

        tracked = (self._prefix / path).as_posix()
        try:
            return bytes(self._files.read_bytes(tracked))
        except (OSError, DvcException):
            if not self._files.exists(tracked):
                raise UserError(
                    f"{self.name}: {path}: is no file of this revision; take one in which the pipeline was run"
                ) from None
            raise UserError(
                f"{self.name}: {path}: is neither in DVC's cache nor in the default remote; run `dvc pull -A -r REMOTE "
                f"{path}` with a remote that has it, or of an experiment `dvc exp pull GIT_REMOTE {self.name}`"
            ) from None

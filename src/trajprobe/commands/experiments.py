"""DVC experiments of the current commit: run in a copy of the repository, their results read from git.

`dvc exp run --temp` makes such a copy, too. But while it does, params.yaml is changed and HEAD is detached in the
user's own folder, and a kill leaves them so; and DVC 3.67 fails if the folder's path has non-ASCII letters. So the copy
is made here, with git alone. It shares the repository's objects and DVC's cache; `dvc exp run` works inside it; the ref
of a finished experiment is then fetched from it. A killed run leaves nothing but the copy, which the next run removes.
"""

import configparser
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from trajprobe.core.errors import UserError

# Variables that are set in a git hook. They would name the project's repository to a git that works in the copy.
GIT_PLACES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
# DVC refuses to run without an author; these stand in where git knows none.
AUTHOR = {"user.name": "trajprobe", "user.email": "trajprobe@localhost"}
# DVC prints this, but its workspace is the copy.
UNTRUE = "Experiment results have been applied to your workspace"


@dataclass(frozen=True)
class Project:
    """Where a DVC project lies.

    top: the root of its git repository. folder: of the project, the root or below it. dvc: its folder `.dvc`.
    commit: the one that HEAD points to.
    """

    top: Path
    folder: Path
    dvc: Path
    commit: str

    def ref(self, experiment: str) -> str:
        """Where DVC keeps an experiment that started from this commit."""
        return f"refs/exps/{self.commit[:2]}/{self.commit[2:]}/{experiment}"

    def read(self, experiment: str, path: Path) -> str | None:
        """The text of a file of the project as the experiment left it; None if there is no such experiment or file."""
        try:
            return _git("cat-file", "blob", f"{self.ref(experiment)}:./{path.as_posix()}", cwd=self.folder)
        except UserError:
            return None

    def untracked(self, paths: Sequence[Path]) -> list[str]:
        """The files at or below `paths` that git neither tracks nor ignores."""
        listed = ("ls-files", "-z", "--others", "--exclude-standard", "--", *map(str, paths))
        return [name for name in _git(*listed, cwd=self.folder).split("\0") if name]


def find_project(folder: Path) -> Project:
    """The DVC project in `folder`. Raises UserError if it is not one, or is not in git with at least one commit."""
    try:
        # One call for each: a folder's name may contain a line break.
        top = Path(_git("rev-parse", "--show-toplevel", cwd=folder).removesuffix("\n"))
        prefix = _git("rev-parse", "--show-prefix", cwd=folder).removesuffix("\n")
        commit = _git("rev-parse", "--verify", "-q", "HEAD^{commit}", cwd=folder).strip()
    except UserError:
        raise UserError(
            f"{folder}: this needs git, and a repository with a commit; run `git init`, `git add`, `git commit`"
        ) from None
    project = top / prefix
    for parent in (project, *project.parents):
        if (parent / ".dvc").is_dir() and parent.is_relative_to(top):
            return Project(top, project, parent / ".dvc", commit)
    raise UserError(f"{project}: is not a DVC project; run `dvc init` (in a sub-folder `dvc init --subdir`)")


@contextmanager
def reserved(project: Project) -> Iterator[int]:
    """Reserve the project's folder for copies; yields the file descriptor of a lock, which `run_experiment` passes on.

    The system releases the lock when the last process that holds it ends, even if it is killed. Raises UserError if
    another run holds it.
    """
    (project.dvc / "tmp").mkdir(exist_ok=True)
    lock = os.open(project.dvc / "tmp/study.lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"{project.folder}: another `trajprobe study run`, or the experiment that it started, is at work here; "
                "wait for it, or stop it"
            ) from None
        yield lock
    finally:
        os.close(lock)


def run_experiment(
    project: Project, name: str, overrides: Sequence[str], local_files: Sequence[Path], lock: int
) -> str | None:
    """Run `dvc exp run -n name` in a copy of the project, with its output on stdout; returns why it failed, or None.

    overrides: in the grammar of `dvc exp run -S`. local_files: relative paths that the experiment reads and git may not
    track. lock: from `reserved`; DVC holds it as well. A result of the same name is kept until a new one replaces it.
    """
    try:
        with project_copy(project, local_files) as (copy, folder):
            options = [part for override in overrides for part in ("-S", override)]
            output, code = run_dvc(folder, lock, "exp", "run", "-n", name, *options)
            if code:
                return failure(output)
            ref = project.ref(name)
            nothing_else = (
                "--no-tags",
                "--no-write-fetch-head",
                "--no-recurse-submodules",
                "--no-auto-maintenance",
            )
            _git("fetch", "-q", *nothing_else, str(copy), f"+{ref}:{ref}", cwd=project.folder)
    except UserError as error:
        return str(error)
    return None


@contextmanager
def project_copy(project: Project, local_files: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """A copy of the project with the tracked files as they are now; yields its top and the project's folder in it.

    local_files: relative paths that are linked into it, since git may not track them. The copy is removed at the end.
    """
    copy = project.dvc / "tmp/study"
    shutil.rmtree(copy, ignore_errors=True)  # the copy of a run that was killed
    try:
        if copy.exists():
            raise UserError(f"{copy}: is in use by a process of a killed run; stop that process")
        _make_copy(project, copy)
        folder = copy / project.folder.relative_to(project.top)
        for path in local_files:
            if (project.folder / path).exists() and not (folder / path).exists():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).symlink_to(project.folder / path)
        yield copy, folder
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def failure(output: Sequence[str]) -> str:
    """The reason in the lines that a failed run printed.

    It is the stage's own `error:` line; else the exception that ended it; else what DVC says.
    """
    lines = [line.strip() for line in output if line.strip()]
    if stage := [line for line in lines if line.startswith("error: ")]:
        return stage[-1].removeprefix("error: ")
    stop = next((index for index, line in enumerate(lines) if line.startswith("ERROR: ")), len(lines))
    if stop and (stop == len(lines) or any(line.startswith("Traceback ") for line in lines[:stop])):
        return lines[stop - 1]
    return lines[stop].removeprefix("ERROR: ") if lines else "DVC ended without a message"


def _make_copy(project: Project, copy: Path) -> None:
    """A repository at `copy` with the tracked files as they are now, HEAD at the project's commit, and DVC's cache."""
    here = project.folder
    # The commit of all uncommitted changes, which no ref names. Without any it ends with 0 or 1, and prints nothing.
    changes, code = _captured(["git", "stash", "create"], here)
    if code and changes:
        raise UserError(f"git stash create: {changes}")
    objects = here / _git("rev-parse", "--git-path", "objects", cwd=here).removesuffix("\n")
    shallow = here / _git("rev-parse", "--git-path", "shallow", cwd=here).removesuffix("\n")
    copy.mkdir()
    _git("init", "-q", "--template=", cwd=copy)
    alternates = copy / ".git/objects/info/alternates"
    alternates.parent.mkdir(exist_ok=True)
    alternates.write_bytes(os.fsencode(objects.resolve()) + b"\n")
    if shallow.is_file():
        shutil.copyfile(shallow, copy / ".git/shallow")
    for key, default in AUTHOR.items():
        known, _ = _captured(["git", "config", key], here)
        _git("config", key, known.strip() or default, cwd=copy)
    _git("update-ref", "--no-deref", "HEAD", project.commit, cwd=copy)
    _git("read-tree", "--reset", "-u", changes.strip() or "HEAD", cwd=copy)
    _share_cache(project.dvc, copy / project.dvc.relative_to(project.top))


def cache_of(project: Path) -> Path:
    """DVC's cache of a project, where its settings, also those of the user, say. Raises UserError if DVC fails."""
    output, code = _captured([sys.executable, "-m", "dvc", "cache", "dir"], project)
    if code:
        raise UserError(f"dvc cache dir: {failure(output.splitlines())}")
    return Path(output.strip().splitlines()[-1])


def _share_cache(original: Path, copied: Path) -> None:
    """Let the copy use the project's cache and its local settings, such as the type of links."""
    cache = cache_of(original.parent)
    cache.mkdir(parents=True, exist_ok=True)
    # By a link, as DVC writes configurations in ASCII only and the path may have other letters.
    (copied / "cache").symlink_to(cache)
    settings = configparser.RawConfigParser()
    settings.read(original / "config.local", encoding="utf-8")
    if not settings.has_section("cache"):
        settings.add_section("cache")
    settings.set("cache", "dir", "cache")
    with (copied / "config.local").open("w", encoding="utf-8") as file:
        settings.write(file)


def run_dvc(folder: Path, lock: int, *arguments: str, **variables: str) -> tuple[list[str], int]:
    """Run DVC in `folder`, printing each line as it comes; returns the lines and the exit code.

    lock: from `reserved`. variables: of the environment.
    """
    command = [sys.executable, "-m", "dvc", *arguments]
    lines = []
    with subprocess.Popen(
        command,
        cwd=folder,
        env={**_environment(), **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        pass_fds=(lock,),
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if not line.startswith(UNTRUE):
                print(line, end="", flush=True)
    return lines, process.returncode


def _environment() -> dict[str, str]:
    # Stages look for `trajprobe` on PATH. What is printed is read as UTF-8, whatever the terminal can show.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    kept = {key: value for key, value in os.environ.items() if key not in GIT_PLACES}
    return {**kept, "PATH": path, "PYTHONIOENCODING": "utf-8:surrogateescape"}


def _git(*arguments: str, cwd: Path) -> str:
    output, code = _captured(["git", *arguments], cwd)
    if code:
        raise UserError(f"git {arguments[0]}: {output.strip()}")
    return output


def _captured(command: Sequence[str], cwd: Path) -> tuple[str, int]:
    """What a command printed (on stdout, or on stderr if it failed), and its exit code."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=_environment(),
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
    )
    return done.stderr or done.stdout if done.returncode else done.stdout, done.returncode

"""`trajprobe doctor`: where this runs, what killed processes left here, and what of it is safe to remove."""

import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.text import Text

from trajprobe.commands.experiments import cache_of
from trajprobe.commands.leftovers import Leftover, find_leftovers
from trajprobe.commands.listing import console
from trajprobe.core import paths
from trajprobe.core.errors import UserError
from trajprobe.core.terminal import without_password

LIBRARIES = ("trajprobe", "dvc", "torch", "transformers", "numpy", "scikit-learn", "pyarrow", "zarr")
STOPS_DVC = ("rwlock", "dvc.lock")
PATIENCE = 15  # seconds for a remote to answer
LEAST_FREE = 2e9  # bytes
# The first pattern that is found decides. Their words are those of DVC, botocore, s3fs, asyncssh, gcsfs, adlfs and of
# the operating system.
ADVICE = {
    r"requires '?dvc|to be installed|No module named": (
        "install its extra: pip install -c constraints.txt -e '.[s3]', or `ssh`, `gs`, `azure`"
    ),
    r"bucket does not exist|NoSuchBucket|container does not exist": (
        "there is no such bucket: create it, or correct the address with `dvc remote modify`"
    ),
    r"credential|AccessKey|SignatureDoesNotMatch|Forbidden|\b40[13]\b|Permission denied for user|AuthenticationFailed"
    r"|Host key": (
        "check the credentials (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE; for SSH the user, the key "
        "and known_hosts); DVC keeps secrets in .dvc/config.local"
    ),
    r"[Cc]onnect|timed out|Name or service|resolve|unreachable|closed": (
        "check the address and the network, then run the same command again: what has arrived is not sent twice"
    ),
    r"denied|[Rr]ead-only|not permitted|No space|quota": (
        "it is not written to: check the permissions and the free space there"
    ),
}
OTHERWISE = "check its address with `dvc remote list`; nothing was lost, the outputs are in DVC's cache"


def run(fix: bool) -> None:
    """Print the environment and the leftovers; with `fix` remove those that no living process uses.

    Raises UserError if something is left that stops DVC or that a person has to decide about.
    """
    out = console()
    for name, value in _environment():
        out.print(Text(f"{name:<12}{value}"))
    project = _project()
    if not (project / ".dvc").is_dir():
        raise UserError(f"{project}: is not a DVC project; run this in the root of one")
    found = find_leftovers(project, _cache(project))
    blocked = [each for each in found if each.remove and not each.holder and each.path.name in STOPS_DVC]
    if fix:
        for leftover in found:
            if leftover.remove and not leftover.holder:
                leftover.remove()
    for line in _described(found, project, fix):
        out.print(Text(line))
    remotes = _remotes(project) if fix or not blocked else ["remotes: not asked, as DVC does not start"]
    for line in remotes:
        out.print(Text(line))
    open_ = [each for each in found if not each.holder and not (fix and each.remove)]
    if open_:
        removable = [each for each in open_ if each.remove]
        remedy = "`trajprobe doctor --fix` removes it" if removable else "see above what to do"
        raise UserError(f"{len(open_)} left over, the first is {_named(open_[0], project)}; {remedy}")
    out.print("nothing is left over" if not found else "nothing else is left over")


def _project() -> Path:
    """The root of the project: this folder, or the nearest one above that DVC knows."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / ".dvc").is_dir()), here)


def _environment() -> Iterator[tuple[str, str]]:
    yield "python", f"{platform.python_version()} on {platform.platform()}"
    yield "libraries", ", ".join(f"{name} {_version(name)}" for name in LIBRARIES)
    yield "processor", f"{os.cpu_count()} cores, {platform.machine()}; features on {_device()}"
    cache = paths.cache_folder()
    if isinstance(shards := paths.finished_work("features"), str):
        yield "shards", f"{without_password(shards)} (trajprobe cache lists them)"
    yield "cache", f"{cache}, {_size(cache) / 1e9:.2f} GB (trajprobe cache lists it)"
    places = {"project": Path.cwd(), "cache": cache, "temporary": Path(tempfile.gettempdir())}
    yield "free", ", ".join(f"{name} {_free(place)}" for name, place in places.items())


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _device() -> str:
    from trajprobe.encoders.registry import resolve_device

    try:
        return str(resolve_device(os.environ.get("TRAJPROBE_DEVICE") or None))
    except UserError as error:
        return f"none ({error})"


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _free(place: Path) -> str:
    existing = next(folder for folder in (place, *place.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    return f"{free / 1e9:.1f} GB" + (" (little)" if free < LEAST_FREE else "")


def _described(found: Sequence[Leftover], project: Path, fixed: bool) -> Iterator[str]:
    for leftover in found:
        if leftover.holder:
            state = f"in use by {leftover.holder}; leave it"
        elif leftover.remove:
            state = "put right" if fixed else "no living process uses it; --fix is safe"
        else:
            state = leftover.advice
        yield f"{_named(leftover, project)}: {leftover.what}: {state}"


def _named(leftover: Leftover, project: Path) -> Path:
    path = leftover.path
    return path.relative_to(project) if path.is_relative_to(project) else path


def _cache(project: Path) -> Path:
    """DVC's; where DVC does not start, the usual one."""
    try:
        return cache_of(project)
    except UserError:
        return project / ".dvc/cache"


def _remotes(project: Path) -> list[str]:
    """A line for each remote of DVC. An address that never answers is given up after PATIENCE seconds."""
    from dvc.repo import Repo

    def ask(name: str) -> str:
        try:
            with Repo(str(project)) as repo:
                store = repo.cloud.get_remote_odb(name)
                there = store.fs.exists(store.path)
            return "reachable" if there else "reachable, nothing was pushed yet"
        except Exception as error:  # whatever the remote's library raises
            said = f"{type(error).__name__}: {' '.join(str(error).split())}"
            return f"not reachable ({without_password(said)[:200]}); {advice(said)}"

    try:
        with Repo(str(project)) as repo:
            names, default = list(repo.config["remote"]), repo.config["core"].get("remote")
    except Exception as error:  # DVC's own, or of its database: on a full disk that of SQLite
        return [f"remotes: DVC does not start ({error})"]
    lines = []
    pool = ThreadPoolExecutor(max(len(names), 1))
    answers = {name: pool.submit(ask, name) for name in names}
    for name, answer in answers.items():
        try:
            state = answer.result(PATIENCE)
        except TimeoutError:
            state = f"no answer in {PATIENCE} s"
        lines.append(f"remote {name}{' (default)' if name == default else ''}: {state}")
    pool.shutdown(wait=False, cancel_futures=True)
    return lines


def advice(said: str) -> str:
    """A clause on what to do about a remote, by what its library said: DVC passes that on and stops there."""
    return next((text for pattern, text in ADVICE.items() if re.search(pattern, said)), OTHERWISE)

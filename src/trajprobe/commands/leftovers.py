"""What killed processes left in a project, and whether a living one still uses it.

A process holds a lock (`flock`) on what it uses, DVC and trajprobe alike, and the system releases it when the process
dies. So whatever can be locked is left over. Only DVC's `core.hardlink_lock` is a file that outlives its process.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import yaml

from trajprobe.core.files import atomic

SCRATCH = re.compile(r"\..+\.part")  # of core/files.atomic
DIGEST = re.compile(r"[0-9a-f]{32}(\.dir)?")  # of DVC
NOT_OURS = {".git", ".venv", ".dvc", "node_modules"}
LOCKS = Path("/proc/locks")  # of Linux


@dataclass(frozen=True)
class Leftover:
    """Something that a killed process may have left.

    what: a clause. holder: the living process that uses it, empty if there is none. remove: None if only a person can
    decide; advice says how.
    """

    path: Path
    what: str
    holder: str = ""
    remove: Callable[[], None] | None = None
    advice: str = ""


def find_leftovers(project: Path, cache: Path) -> list[Leftover]:
    """Everything found in a DVC project and in `cache`, DVC's. Nothing is changed."""
    tmp = project / ".dvc/tmp"
    return [
        *_scratch_folders(project),
        *_unfinished(project),
        *_dvc_locks(tmp),
        *_study_copy(tmp),
        *_cut_off_lock(project, tmp),
        *_damaged_objects(project, cache),
    ]


def _scratch_folders(project: Path) -> Iterator[Leftover]:
    for folder, names, _ in os.walk(project):
        names[:] = [name for name in names if name not in NOT_OURS]
        for name in [name for name in names if SCRATCH.fullmatch(name)]:
            names.remove(name)
            path = Path(folder, name)
            if not path.is_symlink():
                yield Leftover(path, "half-written output", holder_of(path / ".lock"), partial(_remove, path))


def _dvc_locks(folder: Path) -> Iterator[Leftover]:
    locks = (folder / "lock", folder / "rwlock.lock")
    holder = ""
    for lock in locks:
        if lock.is_file() and lock.stat().st_nlink > 1:
            holder = "whoever holds DVC's lock"
            advice = f"if DVC runs here on no machine that shares this folder, remove {lock} by hand"
            yield Leftover(
                lock, "DVC's lock by core.hardlink_lock, which does not say whose it is", advice=advice
            )
        elif live := holder_of(lock):
            holder = live
            yield Leftover(lock, "DVC's lock", live)
    rwlock = folder / "rwlock"
    if not rwlock.is_file():
        return
    try:
        content = json.loads(rwlock.read_text(encoding="utf-8"))
        entries = [*content.get("write", {}).values(), *chain(*content.get("read", {}).values())]
        named = [f"process {each['pid']} ({each['cmd']})" for each in entries if _runs_dvc(int(each["pid"]))]
        what = "DVC's list of files in use" if entries else ""
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        named, what = [], "damaged, so that DVC fails with `JSON structure is corrupted`"
    if what:
        yield Leftover(rwlock, what, holder or ", ".join(named), partial(_remove_locked, rwlock, locks))


def _cut_off_lock(project: Path, folder: Path) -> Iterator[Leftover]:
    """DVC does not replace dvc.lock in one step. What it said is in git, and at worst is computed again."""
    path = project / "dvc.lock"
    if not path.is_file():
        return
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        whole = isinstance(content, dict) and {"schema", "stages"} <= content.keys()
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        whole = False
    if not whole:
        what = "cut off, so that DVC fails with `validation failed`; the committed one takes its place"
        holder = holder_of(folder / "lock") or holder_of(folder / "rwlock.lock")
        yield Leftover(path, what, holder, partial(_restore, path))


def _damaged_objects(project: Path, cache: Path) -> Iterator[Leftover]:
    """Files in DVC's cache that dvc.lock names, and that have another content: DVC believes all that is read-only.

    Once one is gone, DVC notices that it is missing, which it does not of a damaged output beside it.
    """
    try:
        stages = yaml.safe_load((project / "dvc.lock").read_text(encoding="utf-8"))["stages"]
        outs = {str(out["md5"]): out["path"] for stage in stages.values() for out in stage.get("outs", [])}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, LookupError, TypeError, AttributeError):
        return  # none, or cut off
    tmp = project / ".dvc/tmp"
    holder = holder_of(tmp / "lock") or holder_of(tmp / "rwlock.lock")
    what = "damaged copy of {} in DVC's cache; once it is removed, `dvc pull` or `dvc repro` brings it again"
    for digest, output in outs.items():
        path = _object(cache, digest)
        whole = _has_digest(path, digest)
        if not whole:
            yield Leftover(path, what.format(output), holder, partial(_remove, path))
        elif DIGEST.fullmatch(digest) and digest.endswith(".dir") and path.is_file():
            for file in json.loads(path.read_text(encoding="utf-8")):
                part = _object(cache, file["md5"])
                if not _has_digest(part, file["md5"]):
                    named = f"{output}/{file['relpath']}"
                    yield Leftover(part, what.format(named), holder, partial(_remove, part))


def _object(cache: Path, digest: str) -> Path:
    return cache / "files/md5" / digest[:2] / digest[2:]


def _has_digest(path: Path, digest: str) -> bool:
    """Also of an object that is not here: DVC sees that by itself. A name that is no digest is none of DVC's."""
    if not DIGEST.fullmatch(digest) or not path.is_file():
        return True
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    return found == digest.removesuffix(".dir")


def _study_copy(folder: Path) -> Iterator[Leftover]:
    if (folder / "study").exists():
        holder = holder_of(folder / "study.lock")
        yield Leftover(
            folder / "study",
            "copy of the project of a killed study",
            holder,
            partial(_remove, folder / "study"),
        )


def _unfinished(project: Path) -> Iterator[Leftover]:
    for path in sorted(project.glob("models/*/pretraining/checkpoint.pt")):
        name = path.parts[-3]
        advice = f"continue with `trajprobe pretrain {name} --resume` and the options it had, or delete it"
        yield Leftover(path, "unfinished pretraining", advice=advice)
    index = project / ".git/index.lock"
    if index.exists():
        yield Leftover(index, "git's lock", advice=f"if no git command runs, remove {index} by hand")


def holder_of(lock: Path) -> str:
    """The living process that holds `lock`; empty if nobody does, or there is no such file."""
    try:
        descriptor = os.open(lock, os.O_RDWR)
    except OSError:
        return ""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return ""
    except BlockingIOError:
        return _holder(os.fstat(descriptor).st_ino)
    except OSError:  # no locks on this file system
        return ""
    finally:
        os.close(descriptor)


def _holder(inode: int) -> str:
    """Who holds the lock of this inode, by the system's table, which knows this machine's processes only."""
    try:
        table = LOCKS.read_text(encoding="utf-8")
    except OSError:
        return "another process"
    for line in table.splitlines():
        fields = line.split()
        if "->" not in fields and len(fields) > 5 and fields[5].rpartition(":")[2] == str(inode):
            return f"process {fields[4]}" if int(fields[4]) > 0 else "a process in another container"
    return "a process on another machine"


def _runs_dvc(pid: int) -> bool:
    """Whether a process of this number lives and may be DVC: numbers are used again."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True
    return not command or b"dvc" in command or b"trajprobe" in command  # empty while it starts or ends


def _remove_locked(path: Path, locks: Sequence[Path]) -> None:
    """Remove a file of DVC while no DVC can start; leave it if one has just started."""
    with ExitStack() as stack:
        for lock in locks:
            file = stack.enter_context(lock.open("a"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return
        path.unlink(missing_ok=True)


def _restore(path: Path) -> None:
    """The file as git has it at HEAD; none if git has none."""
    show = ["git", "show", f"HEAD:./{path.name}"]
    committed = subprocess.run(show, cwd=path.parent, capture_output=True, check=False)
    if committed.returncode:
        path.unlink()
        return
    with atomic(path) as temporary:
        temporary.write_bytes(committed.stdout)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)

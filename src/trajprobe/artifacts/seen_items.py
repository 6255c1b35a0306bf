"""models/NAME/seen_items.txt: the recordings that a pretraining saw, so that no later study takes them for unseen ones.

A line for each: `points` and the digest of a path, or `clip` and the digest of a clip's bytes. The digests are those of
the content, so that the same recording is found again under another name. `trajprobe pretrain` writes the file, the
card names it, and `fetch` copies it into the provenance of the weights; `extract` compares the clips, `probe` the
paths, and counts how many of the items that it holds out are among them.

An exact copy is found. The same recording with other points (resampled, filtered, cut) is not.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trajprobe.core import files
from trajprobe.core.errors import UserError

POINTS, CLIP = "points", "clip"
DIGITS = 16  # of each digest: among a billion pairs of items, two different ones agree once in 10**10 studies
LINE = re.compile(rf"({POINTS}|{CLIP}) ([0-9a-f]{{{DIGITS}}})")
HEADER = "# Digests of the recordings that the pretraining of this encoder saw; see docs/pretraining.md.\n"


def points_digest(points: np.ndarray) -> str:
    """The digest of a path (P, 2|3) float32, from its first point as in data/trajectories.parquet; no times."""
    return _digest(POINTS, np.ascontiguousarray(points, dtype="<f4"))


def clip_digest(clip: np.ndarray) -> str:
    """The digest of a clip (T, H, W, 3) uint8."""
    return _digest(CLIP, np.ascontiguousarray(clip, dtype=np.uint8))


def write_seen_items(path: Path, points: Iterable[str], clips: Iterable[str]) -> None:
    """Write the digests of both kinds, sorted, each once."""
    lines = [
        f"{kind} {digest}\n" for kind, own in ((POINTS, points), (CLIP, clips)) for digest in sorted({*own})
    ]
    with files.atomic(path) as temporary:
        temporary.write_text(HEADER + "".join(lines), encoding="utf-8")


def read_seen_items(path: Path | str, sha256: str) -> dict[str, list[str]]:
    """The digests in the file under `points` and `clip`.

    Raises UserError if the file is missing or is not the one with this SHA-256: what was seen is then unknown.
    """
    if not Path(path).is_file():
        raise UserError(
            f"{path}: is missing, so that it is unknown what the pretraining saw; restore it (`git checkout {path}`), "
            "or pretrain again"
        )
    if (found := files.sha256(path)) != sha256:
        raise UserError(
            f"{path}: its SHA-256 is {found}, but the card pins {sha256}; restore the file (`git checkout {path}`), or "
            "pretrain again"
        )
    digests: dict[str, list[str]] = {POINTS: [], CLIP: []}
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("#"):
            continue
        if (match := LINE.fullmatch(line)) is None:
            raise UserError(
                f"{path}: line {number}: expected `{POINTS}` or `{CLIP}` and {DIGITS} hexadecimal digits, "
                f"got {line!r:.80}"
            )
        digests[match[1]].append(match[2])
    return digests


def held_out_seen(features: Mapping[str, Any]) -> tuple[int, int]:
    """(how many recordings the pretraining saw, how many of the held-out items they include), zeros if none is known.

    features: the metadata of features in a file of predictions.
    """
    seen = features.get("seen", {})
    return seen.get("recorded", 0), seen.get("held_out", 0)


def _digest(kind: str, array: np.ndarray) -> str:
    state = hashlib.sha256(f"{kind} {array.shape}".encode())
    state.update(array.tobytes())
    return state.hexdigest()[:DIGITS]

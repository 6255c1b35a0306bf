"""The bytes of a file that have arrived so far, kept until the file is whole and verified.

They lie beside the target under a name of their own, with a note that says which version of the remote file they
belong to. A later process continues them only if the note is there and names the same address.
"""

import glob
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from trajprobe.core.terminal import without_password


@dataclass
class PartialDownload:
    """What has arrived of one version of the file behind `url`.

    validator: the ETag or Last-Modified of that version. total: its length in bytes, if the server gave it.
    """

    url: str
    target: Path
    validator: str | None = None
    total: int | None = None

    @property
    def path(self) -> Path:
        # One name for each address: a mirror must not overwrite what the origin began to send.
        address = hashlib.sha256(self.url.encode()).hexdigest()[:8]
        return self.target.with_name(f"{self.target.name}.{address}.part")

    @property
    def note(self) -> Path:
        return self.path.with_name(self.path.name + ".json")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def missing(self) -> int:
        """Bytes still to come; 0 if the server gave no length."""
        return 0 if self.total is None else self.total - self.size

    @property
    def complete(self) -> bool:
        return self.path.exists() and self.size == self.total

    def resume(self) -> None:
        """Take up what an earlier attempt left, or discard it if its version is unknown."""
        try:
            note = json.loads(self.note.read_text(encoding="utf-8"))
            known = note["url"] == without_password(self.url) and note["validator"] is not None
            self.validator, self.total = (note["validator"], note["total"]) if known else (None, None)
        except (OSError, ValueError, KeyError, TypeError):
            known = False
        if not known:
            self.discard()

    def restart(self, validator: str | None, total: int | None) -> None:
        """Discard what there is; what arrives next belongs to this version."""
        self.discard()
        self.validator, self.total = validator, total
        self.note.write_text(
            json.dumps({"url": without_password(self.url), "validator": validator, "total": total}),
            encoding="utf-8",
        )

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)
        self.validator = self.total = None

    def move_to_target(self) -> None:
        """Give it the target's name, and remove what other addresses have sent of the same file."""
        self.path.replace(self.target)
        for rest in self.target.parent.glob(f"{glob.escape(self.target.name)}.????????.part*"):
            rest.unlink()

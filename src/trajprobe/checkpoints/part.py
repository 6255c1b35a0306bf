"""The part of a file that has arrived, and beside it a note of the version that it belongs to."""

import glob
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Part:
    """What has arrived so far of one version of the file behind an address."""

    url: str
    target: Path
    validator: str | None = None  # ETag or Last-Modified of that version
    total: int | None = None  # its length, where the server said it

    @property
    def path(self) -> Path:
        """A name for every address: what a mirror sends, or lacks, must not end what the origin began."""
        address = hashlib.sha256(self.url.encode()).hexdigest()[:8]
        return self.target.with_name(f"{self.target.name}.{address}.part")

    @property
    def note(self) -> Path:
        return self.path.with_name(self.path.name + ".json")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def whole(self) -> bool:
        return self.path.exists() and self.size == self.total

    def recall(self) -> None:
        """Take up what an earlier attempt left; forget it where it cannot be told to be the same version."""
        try:
            note = json.loads(self.note.read_text(encoding="utf-8"))
            known = note["url"] == self.url and note["validator"] is not None
            self.validator, self.total = (note["validator"], note["total"]) if known else (None, None)
        except (OSError, ValueError, KeyError, TypeError):
            known = False
        if not known:
            self.forget()

    def begin(self, validator: str | None, total: int | None) -> None:
        self.forget()
        self.validator, self.total = validator, total
        self.note.write_text(
            json.dumps({"url": self.url, "validator": validator, "total": total}), encoding="utf-8"
        )

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)
        self.validator = self.total = None

    def settle(self) -> None:
        """Make it the target, and remove what came of the same file from elsewhere."""
        self.path.replace(self.target)
        for rest in self.target.parent.glob(f"{glob.escape(self.target.name)}.????????.part*"):
            rest.unlink()

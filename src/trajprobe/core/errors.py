"""What ends a command in one line: mistakes that a user can correct, and writes that the system refuses.

A mistake's line says what is wrong, where, what was expected against what was found, and a remedy. The command line
prints it and exits with 1. A write is refused by a full disk, a quota, a limit on the size of files, or missing
permissions; libraries in C or Rust tell of that in exceptions of their own, some of which only quote the system. Any
other exception is a defect of trajprobe and keeps its traceback.
"""

import errno
import re
from collections.abc import Iterator

from trajprobe.core.terminal import escape_controls, without_password

REFUSED = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,  # by `ulimit -f`
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
}
# Of safetensors, of SQLite (which DVC uses), of Python's tempfile, of torch.
QUOTED = re.compile(
    r"No space left on device|Disk quota exceeded|File too large|disk I/O error|database or disk is full"
    r"|readonly database|unable to open database file|No usable temporary directory found"
    r"|PytorchStreamWriter failed writing|iostream error"
)


LONGEST = 2000  # characters of a message


class UserError(Exception):
    """A mistake that the user can correct, described in one line. Controls are escaped, passwords hidden.

    A message that lists what a large file holds is cut in its middle: it ends with the remedy.
    """

    def __init__(self, message: str) -> None:
        line = without_password(escape_controls(" ".join(message.split())))
        if len(line) > LONGEST:
            line = f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}"
        super().__init__(line)


def refused_write(error: BaseException) -> tuple[str, str] | None:
    """The system's reason and the path, empty if unknown; None if `error` is nothing of the kind."""
    for each in _chain(error):
        if isinstance(each, OSError) and each.errno in REFUSED:
            return each.strerror or str(each), each.filename if isinstance(each.filename, str) else ""
        if quoted := QUOTED.search(str(each)):
            return quoted[0], ""
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, then those during whose handling it was raised, from the last to the first."""
    following: BaseException | None = error
    while following is not None:
        yield following
        hidden = following.__suppress_context__
        following = following.__cause__ or (None if hidden else following.__context__)

"""The exception for mistakes that a user can correct.

Its message is one line: what is wrong, where, what was expected against what was found, and a remedy. The command
line prints that line and exits with 1. Any other exception is a defect of trajprobe and keeps its traceback.
"""

from trajprobe.core.terminal import escape_controls, without_password


class UserError(Exception):
    """A mistake that the user can correct, described in one line. Controls are escaped, passwords hidden."""

    def __init__(self, message: str) -> None:
        super().__init__(without_password(escape_controls(" ".join(message.split()))))

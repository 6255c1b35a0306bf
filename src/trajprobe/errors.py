"""The one exception a user sees.

Whatever the user can mend is raised as `UserError` with a single line that says what is wrong, where, what was
required against what was found, and how to mend it. The command line prints that line and exits with 1; every
other exception is a defect of trajprobe and keeps its traceback.
"""


class UserError(Exception):
    """A mistake the user can mend, told in one line."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))

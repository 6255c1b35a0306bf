"""How many threads a stage may use; it changes no result."""

import os

from trajprobe.errors import UserError


def thread_count(most: int | None = None) -> int:
    """TRAJPROBE_WORKERS, or one thread for each core up to `most`.

    Raises UserError where the variable is not a whole number of at least 1.
    """
    cores = os.cpu_count() or 1
    text = os.environ.get("TRAJPROBE_WORKERS") or str(min(cores, most or cores))
    if not text.isdecimal() or int(text) < 1:
        raise UserError(
            f"TRAJPROBE_WORKERS: must be a whole number of at least 1, got {text!r}; mend or unset it"
        )
    return int(text)

"""The console that commands print tables to: as wide as the terminal, or wide enough for a table in a log."""

from rich.console import Console

LOG_WIDTH = 140  # columns, where the output is not a terminal


def console() -> Console:
    """A rich console on stdout."""
    output = Console(highlight=False)
    return output if output.is_terminal else Console(width=LOG_WIDTH, highlight=False)

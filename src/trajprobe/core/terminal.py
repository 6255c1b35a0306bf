"""Text on its way to a terminal or a log: it may contain whatever a file contains, and must break nothing.

Ids, labels and names come from untrusted files, and an escape sequence in one of them could rewrite what the terminal
shows. `escape_controls` makes such characters visible. `prepare_output` lets stdout and stderr write every character in
every encoding: a character that the encoding lacks becomes a similar one.
"""

import codecs
import os
import re
import sys
import unicodedata
from io import TextIOWrapper

SIMILAR = str.maketrans(
    {
        "−": "-",
        "–": "-",
        "—": "-",
        "±": "+/-",
        "…": "...",
        "×": "x",
        "≥": ">=",
        "≤": "<=",
        "→": "->",
        "·": ".",
        "‘": "'",
        "’": "'",
        "“": '"',
        "”": '"',
        "µ": "u",
    }
)
HIDDEN = (
    "Cc",
    "Cf",
    "Cs",
    "Co",
    "Zl",
    "Zp",
)  # Unicode's categories: controls, formats, surrogates, line separators
ERRORS = "trajprobe"  # the name of the handler of characters that an encoding lacks


def escape_controls(text: str) -> str:
    """`text` with controls, invisible formatting and lone surrogates written as escapes; line breaks stay."""
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "".join(_escaped(mark) if unicodedata.category(mark) in HIDDEN else mark for mark in text)


def without_password(text: str) -> str:
    """`text` with the name and the password in its addresses hidden."""
    return re.sub(r"(://)[^/@\s]+@", r"\1***@", text)


def _escaped(mark: str) -> str:
    return mark if mark == "\n" else mark.encode("unicode_escape").decode()


def prepare_output() -> None:
    """Let stdout and stderr replace characters that their encoding lacks; one that is closed leads nowhere."""
    codecs.register_error(ERRORS, _replaced)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # else the next file to be opened would take its place
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
        stream = getattr(sys, name)
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=ERRORS)


def _replaced(error: UnicodeError) -> tuple[str, int]:
    """In ASCII: the similar characters, a letter without its accents, or a question mark."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end].translate(SIMILAR)
    plain = unicodedata.normalize("NFKD", lacking)
    kept = (mark if mark.isascii() else "?" for mark in plain if not unicodedata.combining(mark))
    return "".join(kept), error.end

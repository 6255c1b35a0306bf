"""Text for a terminal: no control of an untrusted file gets through, and every encoding can show every character."""

import io
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trajprobe.core.errors import UserError
from trajprobe.core.terminal import escape_controls, prepare_output

ANY = st.text(st.characters(codec=None))  # lone surrogates included


@given(ANY)
def test_nothing_that_controls_a_terminal_is_left(text: str) -> None:
    shown = escape_controls(text)
    assert not [mark for mark in shown if mark != "\n" and unicodedata.category(mark) in ("Cc", "Cf", "Cs")]
    assert shown.count("\n") == text.count("\n")
    shown.encode("utf-8")


@pytest.mark.parametrize("text", ["plain", "two\nlines", "Zoë läuft", "加速", "+23.4 (−61.0 to 100.0) ±2"])
def test_ordinary_text_stays(text: str) -> None:
    assert escape_controls(text) == text


def test_an_error_is_one_line_without_controls() -> None:
    assert str(UserError("label '\x1b[31mred\x1b[0m':\n not \u202eknown \ud800")) == (
        "label '\\x1b[31mred\\x1b[0m': not \\u202eknown \\ud800"
    )


def test_an_error_about_many_names_is_short_and_keeps_its_remedy() -> None:
    names = ", ".join(f"k{number}" for number in range(200_000))
    line = str(UserError(f"c.json: needs a key 'points'; known: {names}; name it by --key points=NAME"))
    assert line.startswith("c.json: needs a key 'points'; known: k0, k1, ")
    assert line.endswith("; name it by --key points=NAME")
    assert len(line) < 2100


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
@given(text=ANY)
def test_every_encoding_takes_every_text(encoding: str, text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        bytes_ = io.BytesIO()
        patch.setattr(sys, "stdout", io.TextIOWrapper(bytes_, encoding=encoding, newline=""))
        prepare_output()
        sys.stdout.write(text)
        sys.stdout.flush()
        shown = bytes_.getvalue().decode(encoding)
        if text.isascii():
            assert shown == text


def test_a_character_that_is_lacking_becomes_a_similar_one(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    prepare_output()
    print("−7.0 ±2 … Zoë 加", end="", flush=True)
    assert written.getvalue() == b"-7.0 +/-2 ... Zoe ?"

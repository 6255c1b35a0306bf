"""Each kind of bad input ends in one line, exit code 1 and no file; docs/errors.md shows exactly these lines."""

import pytest

from bad_inputs import PAGE, BadInput, bad_inputs, page_rows, provoke

CASES = list(bad_inputs())


@pytest.mark.parametrize("bad", CASES, ids=lambda bad: bad.what)
def test_one_line_and_nothing_written(bad: BadInput) -> None:
    code, message, left = provoke(bad)
    assert code == 1
    assert message.startswith("error: ")
    assert message.count("\n") == 1, message
    assert "\x1b" not in message
    assert left == []
    assert page_rows([(bad, message)])[0] in PAGE.read_text(encoding="utf-8"), (
        "run `python tests/bad_inputs.py`"
    )


def test_the_page_has_no_other_rows() -> None:
    shown = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    sections = len({bad.section for bad in CASES})
    assert len(shown) == len(CASES) + 2 * sections

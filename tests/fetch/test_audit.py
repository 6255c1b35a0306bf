"""What a checkpoint lacks, has too much of, or holds in the wrong shape is named; values that cannot be are refused."""

import re

import numpy as np
import pytest

from trajprobe.core.errors import UserError
from trajprobe.fetch.audit import ValueCheck, audit

EXPECTED = {"conv.weight": (8, 3, 3, 3), "conv.bias": (8,), "scale": ()}


def refusal(found: dict[str, tuple[int, ...]]) -> str:
    with pytest.raises(UserError) as error:
        audit(found, EXPECTED, "hub:someone/encoder (EMA)")
    return str(error.value)


def test_what_fits_passes_in_any_order() -> None:
    audit(dict(reversed(EXPECTED.items())), EXPECTED, "x")
    audit({name: list(shape) for name, shape in EXPECTED.items()}, EXPECTED, "x")


def test_every_difference_is_named() -> None:
    text = refusal({"conv.weight": (8, 3, 1, 1), "scale": (), "extra": (1,)})
    assert text.startswith("hub:someone/encoder (EMA): does not fit the encoder, which has 3 tensors: ")
    assert "1 missing (conv.bias)" in text
    assert "1 unexpected (extra)" in text
    assert "1 misshapen (conv.weight 8×3×1×1 for 8×3×3×3)" in text
    assert "scale (1) for" not in text
    assert "scale 1 for scalar" in refusal(EXPECTED | {"scale": (1,)})


def test_long_lists_are_cut_and_counted() -> None:
    text = refusal(EXPECTED | {f"extra.{number}": () for number in range(100)})
    assert "100 unexpected (extra.0, extra.1, extra.2, extra.3, …)" in text


def test_names_cannot_write_on_the_terminal() -> None:
    text = refusal(EXPECTED | {"\x1b[2J\n": (), "n" * 10_000: ()})
    assert "\x1b" not in text
    assert r"\x1b[2J\n" in text
    assert len(text) < 500


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("a", [1, np.nan, np.inf, 2], "a has 2 NaN or infinite values of 4"),
        ("a", [-np.inf], "a has 1 NaN or infinite values of 1"),
        ("bn.running_var", [1, -0.5], "bn.running_var is a variance and has negative values, down to -0.5"),
    ],
)
def test_values_that_cannot_be_are_refused(name: str, values: list[float], message: str) -> None:
    with pytest.raises(UserError, match=re.escape(f"here: {message}; the file is damaged")):
        ValueCheck("here").add(name, np.array(values, np.float32))


def test_weights_without_variation_are_refused_and_a_part_of_them_is_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    check = ValueCheck("here")
    check.add("empty", np.zeros((0, 3), np.float32))
    check.finish()
    check.add("conv.weight", np.zeros((2, 3), np.float32))
    check.add("bn.weight", np.ones(3, np.float32))
    check.add("bn.running_var", np.zeros(3, np.float32))
    with pytest.raises(
        UserError, match=r"^here: no tensor has two different values \(conv.weight is 0 throughout\); "
    ):
        check.finish()
    assert not caplog.records
    check.add("fc.weight", np.array([[0, -1e-9]], np.float32))
    check.finish()
    assert caplog.messages == [
        "here: 1 of its tensors have one value throughout (conv.weight: 0): is the file whole?"
    ]

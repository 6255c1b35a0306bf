"""Held: what a checkpoint lacks or has too much is named, and the record says what was taken."""

import json
from pathlib import Path

import pytest

from trajprobe.checkpoints.audit import audit, provenance
from trajprobe.checkpoints.obtain import Obtained
from trajprobe.errors import UserError

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


def test_the_record() -> None:
    obtained = Obtained(Path("/cache/x"), ("x",), "hub:someone/encoder/x", "abc", "0" * 64, 2_963_000_000)
    record = provenance(
        obtained,
        shapes={f"t{number}": (1_000_000,) for number in range(133)},
        expected=[f"t{number}" for number in range(133)],
        unused=435,
        variant="EMA",
        licence="Apache-2.0",
        digest="f" * 64,
    )
    assert record["summary"] == "133 of 133 tensors, 133.0 M parameters, EMA"
    assert record["tensors"] == {"read": 133, "expected": 133, "unused": 435}
    assert record["parameters"] == 133_000_000
    assert record["revision"] == "abc"
    assert "/cache" not in json.dumps(record)
    plain = provenance(
        obtained, shapes=EXPECTED, expected=EXPECTED, unused=0, variant=None, licence="", digest=""
    )
    assert plain["summary"] == "3 of 3 tensors, 0.0 M parameters"

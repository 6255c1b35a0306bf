"""The encoder's tensors are found under every known wrapping; of two different copies none is taken silently.

Names are built here by the rules of the wrappers, and must be recovered.
"""

import itertools
import re

import pytest

from trajprobe.checkpoints.storage import Block, TensorSpec, row_major
from trajprobe.core.errors import UserError
from trajprobe.fetch.naming import WRAPPERS, Naming, find_naming, tensors_under

EXPECTED = {"conv.weight": (4, 3), "norm.0.bias": (4,), "encoder.scale": ()}
OTHER = {"decoder.conv.weight": (4, 3), "optimizer.step": ()}


def index_of(shapes: dict[str, tuple[int, ...]]) -> dict[str, TensorSpec]:
    return {
        name: TensorSpec("float32", shape, row_major(shape), 0, Block(0, 0)) for name, shape in shapes.items()
    }


def named(*prefixes: str) -> dict[str, tuple[int, ...]]:
    return {prefix + name: shape for prefix in prefixes for name, shape in EXPECTED.items()}


def lit_ema(head: str = "") -> dict[str, tuple[int, ...]]:
    copies = {f"model_ema.{(head + name).replace('.', '')}": shape for name, shape in EXPECTED.items()}
    return {**copies, "model_ema.decay": (), "model_ema.num_updates": ()}


def find(
    shapes: dict[str, tuple[int, ...]],
    ema: bool | None = None,
    equal: bool = False,
    prefix: str | None = None,
) -> tuple[Naming, str | None]:
    return find_naming(index_of(shapes), EXPECTED, ema, prefix, lambda one, other: equal, "file")


def refusal(shapes: dict[str, tuple[int, ...]], ema: bool | None = None, prefix: str | None = None) -> str:
    with pytest.raises(UserError) as error:
        find(shapes, ema, prefix=prefix)
    return str(error.value)


def test_every_combination_of_wrappers_is_found() -> None:
    for depth in range(4):
        for words in itertools.product(WRAPPERS, repeat=depth):
            prefix = "".join(f"{word}." for word in words)
            assert find({**OTHER, **named(prefix)}) == (Naming(prefix), None)


@pytest.mark.parametrize("prefix", ["ema.", "module.ema_model.", "state_dict_ema.encoder."])
def test_averaged_copies_are_governed_by_ema(prefix: str) -> None:
    shapes = named("model.", prefix)
    assert find(shapes) == find(shapes, ema=True) == (Naming(prefix), "EMA")
    assert find(shapes, ema=False) == (Naming("model."), "raw")
    assert find(named(prefix)) == (Naming(prefix), "EMA")
    assert find(named("model."), ema=False) == (Naming("model."), None)


@pytest.mark.parametrize("head", ["", "encoder.", "_orig_mod.module.", "model.encoder."])
def test_names_without_dots_are_found(head: str) -> None:
    shapes = {**named(head), **lit_ema(head), **OTHER}
    naming = Naming("model_ema." + head.replace(".", ""), dotless=True)
    assert find(shapes) == (naming, "EMA")
    assert {naming(name) for name in EXPECTED} <= shapes.keys()
    assert find(shapes, ema=False) == (Naming(head), "raw")


def test_names_that_are_the_same_without_dots_are_not_guessed() -> None:
    expected = {"a.bc": (1,), "ab.c": (1,)}
    shapes = {"model_ema.abc": (1,), "model_ema.decay": ()}
    with pytest.raises(UserError, match="not named like"):
        find_naming(index_of(shapes), expected, None, None, lambda one, other: True, "file")


def test_two_different_copies_are_refused() -> None:
    shapes = named("module.", "model.module.")
    assert (
        "two different copies of the encoder, module.* and model.module.*; choose one in the card's weights: "
        "`prefix: module.` or `prefix: model.module.`"
    ) in refusal(shapes)
    assert (
        find(shapes, prefix="model.module")
        == find(shapes, prefix="model.module.")
        == (Naming("model.module."), None)
    )
    assert find(named("", "module."), prefix="") == (Naming(""), None)
    assert '`prefix: ""` or' in refusal(named("", "module."))
    assert find(shapes, equal=True) == (Naming("module."), None)
    assert find(shapes | {"module.norm.0.bias": (5,)}) == (
        Naming("model.module."),
        None,
    )  # one has other shapes


def test_a_prefix_that_is_not_there_is_answered_with_those_that_are() -> None:
    assert (
        "has no tensor of the encoder under `prefix: net.` in the card's weights; prefixes with tensors of its names: "
        "model. (3 tensors), other. (1 tensors)"
    ) in refusal({**named("model."), "other.encoder.scale": ()}, prefix="net.")
    assert "tensors of its names: none" in refusal({"a": (1,)}, prefix="net.")


def test_unknown_prefixes_are_found_and_never_silently_left_out() -> None:
    assert find({**OTHER, **named("net.visual.")}) == (Naming("net.visual."), None)
    assert find(named("decoder.", "encoder.")) == (Naming("encoder."), None)
    assert find(named("decoder.")) == (Naming("decoder."), None)
    assert "copies of the encoder, model.* and teacher.*; choose" in refusal(named("teacher.", "model."))
    assert find(named("a.", "model."), equal=True) == (Naming("model."), None)
    assert "two different copies of the encoder, student.* and teacher.*" in refusal(
        named("teacher.", "student.")
    )
    assert find({**named("net."), **lit_ema("net.")}) == (Naming("model_ema.net", dotless=True), "EMA")


def test_the_other_setting_of_ema_is_suggested() -> None:
    assert "has no averaged weights that fit the encoder, but raw ones do; set `ema: false`" in refusal(
        named(""), True
    )
    assert "has no raw weights that fit the encoder, but averaged ones do; set `ema: true`" in refusal(
        named("ema."), False
    )
    without_buffers = {name: shape for name, shape in lit_ema().items() if "scale" not in name}
    assert "set `ema: false`" in refusal({**named(""), **without_buffers}, True)


def test_names_that_do_not_fit_are_shown() -> None:
    assert re.search(
        r"its 3 tensors \(backbone.stem.weight, .*\) are not named like the encoder's 3 \(conv.weight, .*\); check "
        "`family`, `architecture` and `weights`",
        refusal({f"backbone.{name}": (7,) for name in ("stem.weight", "stem.bias", "head.weight")}),
    )
    few = {"backbone.conv.weight": (4, 3), "backbone.x": (1,)}
    assert (
        "(conv.weight, norm.0.bias, encoder.scale), of which `prefix: backbone.` gives 1; check"
        in refusal(few)
    )
    assert "are not named like" in refusal({"model." * 1_000_000 + "conv.weight": (4, 3)})
    # Most of them are left to the audit, which lists what differs.
    shapes = named("module.")
    del shapes["module.conv.weight"]
    assert find(shapes) == (Naming("module."), None)


def test_what_else_stands_under_the_prefix() -> None:
    shapes = {
        **named("module."),
        "module.head.weight": (2,),
        "module.extra": (7,),
        "module.bn.num_batches_tracked": (),
        "module.model_ema.decay": (),
        "outside": (1,),
    }
    found = tensors_under(Naming("module."), index_of(shapes), EXPECTED, unused=("head.",))
    assert found == {**EXPECTED, "module.extra": (7,)}
    averaged = {**lit_ema(), "model_ema.headweight": (2,), "model_ema.extra": (7,)}
    naming = Naming("model_ema.", dotless=True)
    assert tensors_under(naming, index_of(averaged), EXPECTED, ("head.",)) == {
        **EXPECTED,
        "model_ema.extra": (7,),
    }
    assert tensors_under(naming, index_of(averaged), EXPECTED, ("",)) == EXPECTED

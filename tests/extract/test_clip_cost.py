"""Multiply-adds against counts by hand and, of whole encoders, against the shapes that torch is called with."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from trajprobe.artifacts.encoder_card import load_encoder_card
from trajprobe.encoders.registry import family
from trajprobe.extract.clip_cost import multiply_adds

ROOT = Path(__file__).parents[2]


def test_layers_are_counted_as_by_hand() -> None:
    clip = torch.zeros(1, 3, 5, 16, 16)
    # Every one of 8 x 5 x 8 x 8 outputs takes 3 channels of 27 neighbours.
    assert multiply_adds(lambda: nn.Conv3d(3, 8, 3, (1, 2, 2), 1)(clip)) == 8 * 5 * 8 * 8 * 3 * 27
    # In three groups every output takes one channel.
    assert multiply_adds(lambda: nn.Conv3d(3, 6, 3, 1, 1, groups=3)(clip)) == 6 * 5 * 16 * 16 * 27
    assert multiply_adds(lambda: nn.Linear(16, 7)(clip)) == 3 * 5 * 16 * 16 * 7
    assert multiply_adds(lambda: nn.GroupNorm(3, 3)(clip)) == 0


def test_attention_is_counted_whatever_computes_it() -> None:
    queries = torch.zeros(2, 3, 10, 4)  # two clips, three heads, ten tokens of four numbers
    expected = 2 * 3 * (10 * 10 * 4 + 10 * 10 * 4)  # queries with keys, then weights with values
    attend = nn.functional.scaled_dot_product_attention
    assert multiply_adds(lambda: attend(queries, queries, queries)) == expected
    with torch.inference_mode():
        assert multiply_adds(lambda: attend(queries, queries, queries)) == expected


class ByShapes(TorchFunctionMode):
    """Adds up what every convolution and linear layer computes, by the shapes of its output and its weights."""

    count = 0

    def __torch_function__(
        self, called: Callable[..., object], types: object, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        output = called(*args, **(kwargs or {}))
        if called in (torch.conv2d, torch.conv3d, nn.functional.linear):
            assert isinstance(output, torch.Tensor)
            self.count += output.numel() * math.prod(args[1].shape[1:])
        return output


@pytest.mark.parametrize("name", ["magvit2_mini", "cifar_resnet20"])
def test_an_encoder_takes_what_its_layers_take_one_by_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    card = load_encoder_card(name)
    encoder = family(card.family).initialise(card, Path("unused"), 0, torch.device("cpu"))
    clip = torch.zeros(1, 5, 32, 32, 3, dtype=torch.uint8)
    with torch.no_grad(), ByShapes() as layers:
        encoder.encode(clip, card.features.layer)
    assert multiply_adds(lambda: encoder.encode(clip, card.features.layer)) == layers.count > 10**6

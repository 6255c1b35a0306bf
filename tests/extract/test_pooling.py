"""Pooling against numpy on maps of any shape (hypothesis), documented widths, and what each pooling can tell apart."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trajprobe.core.errors import UserError
from trajprobe.encoders.protocol import FeatureMap
from trajprobe.extract.pooling import POOLINGS, check_pooling, pool

SHAPES = st.tuples(
    st.integers(1, 3), st.integers(1, 4), st.integers(1, 5), st.integers(1, 5), st.integers(1, 3)
)


def layer(shape: tuple[int, ...], seed: int = 0) -> FeatureMap:
    values = torch.from_numpy(np.random.default_rng(seed).standard_normal(shape).astype(np.float32))
    return FeatureMap(values, values[:, :, 0, 0])


@given(SHAPES)
def test_against_numpy(shape: tuple[int, int, int, int, int]) -> None:
    batch, t, h, w, channels = shape
    shown = layer(shape)
    x = shown.grid.numpy().astype(np.float64)
    course = x.mean(axis=(2, 3))
    expected = {
        "mean": x.mean(axis=(1, 2, 3)),
        "mean_std": np.concatenate([x.mean(axis=(1, 2, 3)), x.std(axis=(1, 2, 3))], axis=1),
        "per_frame": course.reshape(batch, t * channels),
        "cls": x[:, :, 0, 0].reshape(batch, t * channels),
    }
    if t > 1:
        changes = np.abs(np.diff(course, axis=1)).mean(axis=1)
        expected["delta"] = np.concatenate(
            [course.mean(axis=1), course[:, -1] - course[:, 0], changes], axis=1
        )
    for name, vectors in expected.items():
        np.testing.assert_allclose(pool(name, shown), vectors, atol=1e-5)
    width = t * min(2, h) * min(2, w) * channels
    assert pool("grid", shown).shape == (batch, width)


def test_grid_is_the_four_quarters_of_each_frame_in_order() -> None:
    x = layer((2, 3, 4, 6, 5)).grid
    found = pool("grid", FeatureMap(x)).reshape(2, 3, 2, 2, 5)
    for row in range(2):
        for column in range(2):
            quarter = x[:, :, 2 * row : 2 * row + 2, 3 * column : 3 * column + 3].mean(dim=(2, 3))
            np.testing.assert_allclose(found[:, :, row, column], quarter, atol=1e-6)


def test_which_poolings_see_the_order_of_time() -> None:
    x = layer((2, 4, 3, 3, 5)).grid
    blind = {
        name
        for name in POOLINGS
        if torch.allclose(pool(name, _with_cls(x)), pool(name, _with_cls(x.flip(1))))
    }
    assert blind == {"mean", "mean_std"}


def test_a_clip_is_pooled_alone() -> None:
    x = layer((3, 2, 4, 4, 5)).grid
    for name in POOLINGS:
        alone = torch.cat([pool(name, _with_cls(x[i : i + 1])) for i in range(3)])
        np.testing.assert_allclose(pool(name, _with_cls(x)), alone, atol=1e-6)


def test_what_a_layer_does_not_have_is_refused() -> None:
    with pytest.raises(UserError, match="cls needs a model with a class token"):
        pool("cls", FeatureMap(torch.zeros(1, 2, 1, 1, 3)))
    with pytest.raises(UserError, match="delta needs a layer with at least two times"):
        pool("delta", FeatureMap(torch.zeros(1, 1, 2, 2, 3)))
    with pytest.raises(UserError, match="no pooling 'means'; did you mean mean"):
        check_pooling("means")
    check_pooling("mean")


def _with_cls(x: torch.Tensor) -> FeatureMap:
    return FeatureMap(x, x[:, :, 0, 0])

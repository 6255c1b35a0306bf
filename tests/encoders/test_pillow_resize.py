"""Resizing on tensors against Pillow itself, bit for bit, over filters, sizes and contents."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from trajprobe.encoders.transformers.pillow_resize import FILTERS, pillow_resize


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    before=st.integers(1, 70),
    after=st.integers(1, 90),
    resample=st.sampled_from(sorted(FILTERS)),
    extreme=st.booleans(),
)
def test_equals_pillow(seed: int, before: int, after: int, resample: int, extreme: bool) -> None:
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 256, (2, before, before, 3), dtype=np.uint8)
    if extreme:  # black and white, where a cubic overshoots and is clamped
        pictures = np.where(pictures < 128, 0, 255).astype(np.uint8)
    expected = [np.asarray(Image.fromarray(p).resize((after, after), resample=resample)) for p in pictures]
    np.testing.assert_array_equal(
        pillow_resize(torch.from_numpy(pictures), after, resample).numpy(), np.stack(expected)
    )


@pytest.mark.parametrize(("before", "after"), [(128, 224), (256, 224), (128, 292), (64, 256)])
def test_equals_pillow_at_the_sizes_in_use(before: int, after: int) -> None:
    picture = np.random.default_rng(before).integers(0, 256, (before, before, 3), dtype=np.uint8)
    for resample in (2, 3):
        expected = np.asarray(Image.fromarray(picture).resize((after, after), resample=resample))
        got = pillow_resize(torch.from_numpy(picture)[None], after, resample)[0].numpy()
        np.testing.assert_array_equal(got, expected)

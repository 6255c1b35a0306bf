"""The order certificate of an arm (see order.py), measured once and kept with the shards."""

from pathlib import Path

import numpy as np

from trajprobe.encoders.preprocess import frame_indices
from trajprobe.features import order
from trajprobe.features.cache import ShardCache, shard_key
from trajprobe.features.extraction import (
    Arm,
    Clips,
    Settings,
    built,
    clips_digest,
    encode,
    some_clips,
    source_digest,
)
from trajprobe.features.order import CLIPS, DISORDERS, certify
from trajprobe.params.encoder_card import Input


def certificate(
    arm: Arm, clips: Clips, expected: Input, settings: Settings, cache: ShardCache
) -> dict[str, dict[str, float]]:
    """{"<layer>/<pooling>": {disorder: ratio}} for an arm, on a few clips with the frames that the card shows it."""
    shown = some_clips(clips, CLIPS)
    shown = np.ascontiguousarray(shown[:, frame_indices(shown.shape[1], expected)])
    code = source_digest(Path(__file__), Path(order.__file__))
    key = shard_key({**settings.identity, **arm.identity, "order of": clips_digest(shown), "by": code})
    kept = cache.get(key)
    if kept is None:
        encoder = built(arm, settings.layers)
        ratios = certify(
            lambda batch: encode(encoder, batch, settings, arm.name, lambda amount=1, note="": None),
            shown,
            getattr(encoder, "tubelet", 1),
        )
        kept = {name: np.array([ratio[d] for d in DISORDERS], np.float64) for name, ratio in ratios.items()}
        cache.put(key, kept)
    return {
        name: {disorder: float(value) for disorder, value in zip(DISORDERS, values, strict=True)}
        for name, values in sorted(kept.items())
    }

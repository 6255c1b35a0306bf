"""How far an arm's features move if the frames of a clip are rearranged, measured on a few clips.

Some random arms are insensitive to the order of frames, because their time embeddings start at zero (ViViT and
TimeSformer). If the pretrained arm is sensitive to order and the random arm is not, a gain may be due to the time
embeddings alone: it is confounded, and says little about what was learned. An image model under a mean over frames is
insensitive in both arms.

Clips are shown in three disorders. The movement of the features is divided by the distance between clips:

    ratio = median over clips |f(disordered clip) - f(clip)| / median over pairs of clips |f(clip) - f(other clip)|

`shuffled` permutes whole tubelets, the runs of frames that a model joins into one position in time: a model without
time embeddings then moves by rounding only, though it may see motion inside a tubelet. `reversed` plays the clip
backwards. `static` repeats the middle frame: how much motion matters at all.

Of the random arms only the first is measured: whether an architecture starts with a sense of time does not depend on
the seed, and building a large model for every seed would cost far more than the few clips.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from trajprobe.artifacts.clips import Clips
from trajprobe.artifacts.encoder_card import Input
from trajprobe.artifacts.features import DISORDERS
from trajprobe.core import files
from trajprobe.encoders.preprocess import frame_indices
from trajprobe.extract.extraction import (
    EncoderArm,
    ExtractSettings,
    build_encoder,
    clips_digest,
    encode,
    sample_clips,
)
from trajprobe.extract.shard_cache import ShardCache, shard_key

CLIPS = 8  # on which it is measured, evenly spaced over all

Ratios = dict[str, dict[str, float]]  # representation -> one of DISORDERS -> ratio


def measure_order_sensitivity(
    arm: EncoderArm, clips: Clips, expected: Input, settings: ExtractSettings, cache: ShardCache
) -> Ratios:
    """The ratios of each "<layer>/<pooling>" of an arm; measured once, then kept in the cache.

    expected: the card's `input`; frames are rearranged after the choice of those that the encoder is shown.
    """
    shown = sample_clips(clips, CLIPS)
    shown = np.ascontiguousarray(shown[:, frame_indices(shown.shape[1], expected)])
    code = files.sha256(Path(__file__))
    key = shard_key({**settings.identity, **arm.identity, "order of": clips_digest(shown), "by": code})
    kept = cache.get(key, settings.representations, (len(DISORDERS),), np.float64)
    if kept is None:
        encoder = build_encoder(arm, settings.layers)
        ratios = order_ratios(
            lambda batch: encode(encoder, batch, settings, arm.name, lambda amount=1, note="": None),
            shown,
            getattr(encoder, "tubelet", 1),
        )
        kept = {name: np.array([ratio[d] for d in DISORDERS], np.float64) for name, ratio in ratios.items()}
        cache.put(key, kept)
    return {name: dict(zip(DISORDERS, values.tolist(), strict=True)) for name, values in sorted(kept.items())}


def order_ratios(
    encode: Callable[[np.ndarray], Mapping[str, np.ndarray]], clips: np.ndarray, tubelet: int
) -> Ratios:
    """The ratios of each representation, rounded to 6 digits; 0 if all clips have the same features.

    encode: uint8 (n, T, H, W, 3) -> {representation: (n, D)}. clips: with as many frames as the encoder is shown.
    tubelet: frames that are joined into one position in time.
    """
    features = encode(clips)
    moved = {disorder: encode(shown) for disorder, shown in disordered(clips, tubelet).items()}
    return {
        name: {disorder: _ratio(vectors[name], rows) for disorder, vectors in moved.items()}
        for name, rows in features.items()
    }


def disordered(clips: np.ndarray, tubelet: int) -> dict[str, np.ndarray]:
    """The clips under each of DISORDERS, same shape. A clip of less than two tubelets cannot be shuffled."""
    frames = clips.shape[1]
    whole = frames // tubelet
    shuffled = clips.copy()
    for index, clip in enumerate(clips):
        order = np.random.default_rng([frames, index]).permutation(whole)
        if whole > 1 and (order == np.arange(whole)).all():
            order = order[::-1]
        rows = (order[:, None] * tubelet + np.arange(tubelet)).ravel()
        shuffled[index, : len(rows)] = clip[rows]
    middle = clips[:, frames // 2 : frames // 2 + 1]
    return {
        "shuffled": shuffled,
        "reversed": np.ascontiguousarray(clips[:, ::-1]),
        "static": np.ascontiguousarray(np.broadcast_to(middle, clips.shape)),
    }


def _ratio(moved: np.ndarray, features: np.ndarray) -> float:
    movement = np.median(np.linalg.norm(moved.astype(np.float64) - features, axis=1))
    pairs = np.triu_indices(len(features), k=1)
    distances = np.linalg.norm(features[pairs[0]].astype(np.float64) - features[pairs[1]], axis=1)
    spread = np.median(distances) if len(distances) else 0.0
    return round(float(movement / spread), 6) if spread > 0 else 0.0

"""Can an encoder tell the order of frames? A certificate for each arm, measured on a few clips.

Some random arms start with a clock of zeros and see a clip as a bag of frames (ViViT and TimeSformer initialise their
time embeddings so). Where the pretrained arm has a clock and the random arm has none, a gain may be no more than
having one: it is confounded, and says little about what was learned. An image model under a mean over frames is blind
in both arms.

Clips are shown in three disorders, and what the features move by is set against how far apart clips are:

    ratio = median over clips |f(disordered clip) - f(clip)| / median over pairs of clips |f(clip) - f(other clip)|

`shuffled` permutes whole tubelets, the runs of frames that a model joins into one position in time: a model without a
clock then moves by nothing but rounding, though it may well see motion inside a tubelet. `reversed` plays the clip
backwards. `static` shows one frame, the middle one, for all: how much motion matters at all.

Of the random initialisations the first is certified and stands for the others: an architecture has a clock at the start
or has none, whatever the seed. To build a large model anew for each seed would cost far more than its few clips.
"""

from collections.abc import Callable, Mapping

import numpy as np

CLIPS = 8  # evenly spaced over all
BLIND = 1e-3  # ratio under which an arm is as good as blind: a thousandth of the way to another clip
DISORDERS = ("shuffled", "reversed", "static")

Encode = Callable[[np.ndarray], Mapping[str, np.ndarray]]


def certify(encode: Encode, clips: np.ndarray, tubelet: int) -> dict[str, dict[str, float]]:
    """For each representation the ratio of each of DISORDERS, rounded to 6 digits.

    encode: uint8 (n, T, H, W, 3) -> {representation: (n, D)}. clips: with as many frames as the encoder is shown.
    tubelet: frames joined into one position in time. A ratio is 0 where all clips have the same features.
    """
    shown = encode(clips)
    moved = {name: encode(disordered) for name, disordered in disorders(clips, tubelet).items()}
    return {
        representation: {name: _ratio(vectors[representation], features) for name, vectors in moved.items()}
        for representation, features in shown.items()
    }


def disorders(clips: np.ndarray, tubelet: int) -> dict[str, np.ndarray]:
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


def is_blind(ratios: Mapping[str, float]) -> bool:
    """Whether the order of frames is lost on an arm with these ratios."""
    return ratios["shuffled"] < BLIND


def is_confounded(pretrained: Mapping[str, float], random: Mapping[str, float]) -> bool:
    """Whether the pretrained arm sees order and the random arm does not."""
    return is_blind(random) and not is_blind(pretrained)


def _ratio(moved: np.ndarray, features: np.ndarray) -> float:
    movement = np.median(np.linalg.norm(moved.astype(np.float64) - features, axis=1))
    pairs = np.triu_indices(len(features), k=1)
    distances = np.linalg.norm(features[pairs[0]].astype(np.float64) - features[pairs[1]], axis=1)
    spread = np.median(distances) if len(distances) else 0.0
    return round(float(movement / spread), 6) if spread > 0 else 0.0

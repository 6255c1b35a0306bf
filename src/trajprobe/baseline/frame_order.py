"""`static`, `shuffled`, `reversed`: the frozen encoder on clips whose frames are rearranged.

What does the answer owe to the order of frames? The encoder is pretrained and frozen as in its own stage `extract`, at
the headline layer and pooling, and so is the probe; only the clips differ, in training and in testing alike. `static`
repeats the middle frame; `shuffled` draws an order for each item; `reversed` plays the clip backwards. An encoder that
does not see order loses nothing by the last two.

Frames are rearranged before the encoder chooses those that it is shown. With `render.trail: whole` a frame shows the
path travelled so far, so a clip without order still tells much. The random arms are not measured: a loss is to be set
against the pretrained arm's own accuracy, and every arm would cost as much as the stage `extract`.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

from trajprobe.artifacts.clips import Clips
from trajprobe.artifacts.predictions import Arm
from trajprobe.baseline.frozen_encoder import frozen_encoder
from trajprobe.baseline.probed import probe_features
from trajprobe.baseline.task import BASELINE, Outcome, Task
from trajprobe.extract.clip_cost import seconds_per_clip


class RearrangedClips(Clips):
    """The clips with the frames of each in another order; reads as `Clips` do."""

    def __init__(self, clips: Clips, orders: np.ndarray) -> None:
        """orders: (N, T) for each item the frames that are shown, in order."""
        self._clips, self._orders = clips, orders
        self.shape, self.items, self.drawn = clips.shape, clips.items, clips.drawn

    def __getitem__(self, rows: slice) -> np.ndarray:
        batch = self._clips[rows]
        return np.take_along_axis(batch, self._orders[rows][:, :, None, None, None], axis=1)


def frame_orders(kind: str, item_ids: Sequence[str], frames: int, seed: int) -> np.ndarray:
    """(N, T) the frames that each item shows, in order; kind: static, shuffled or reversed.

    A shuffle depends on the item's id and the seed alone. It is never the true order, if there is another one.
    """
    forwards = np.arange(frames)
    if kind == "static":
        return np.tile(np.full(frames, frames // 2), (len(item_ids), 1))
    if kind == "reversed":
        return np.tile(forwards[::-1], (len(item_ids), 1))
    orders = np.empty((len(item_ids), frames), int)
    for order, item in zip(orders, item_ids, strict=True):
        digest = hashlib.sha256(f"{seed} {item}".encode()).digest()
        rng = np.random.default_rng(list(digest))
        order[:] = rng.permutation(frames)
        while frames > 1 and (order == forwards).all():
            order[:] = rng.permutation(frames)
    return orders


def rearranged(task: Task) -> Outcome:
    """The outcome of `task.name`: static, shuffled or reversed. Raises UserError as the stage `extract` does."""
    encoder = frozen_encoder(task)
    clips = task.clips()
    orders = frame_orders(task.name, task.items.item_ids, clips.shape[1], task.settings.seed)
    shown = RearrangedClips(clips, orders)
    arms = encoder.arms([], shown)
    (rows,) = encoder.features(task, arms, shown)
    return probe_features(
        task,
        rows,
        Arm(task.name, BASELINE, 0, *encoder.place),
        seconds_per_clip(arms[0], shown, encoder.settings),
        encoder.metadata,
        parameters=encoder.parameters,
        device=encoder.settings.device.type,
    )

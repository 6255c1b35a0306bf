"""The order in which a pretraining reads the user's own clips: epochs, each in an order of its own.

Everything follows from the seed and the position in the sequence, so that a run that was killed goes on with the same
clips. A part of the clips is put aside before the first step: training never reads it, and the reconstruction error is
measured on it.
"""

import numpy as np

from trajprobe.commands.pretrain.clip_pool import ClipPool
from trajprobe.commands.pretrain.unlabelled_clips import HELD_OUT
from trajprobe.core.errors import UserError

HELD_OUT_SHARE = 10  # one clip of so many is put aside
MOST_HELD_OUT = 32


class ClipSequence:
    """The endless sequence of a pool's clips; called as `training.Draw`.

    held_out, trained: indices of the clips in the pool. The same seed gives the same sequence.
    """

    def __init__(self, pool: ClipPool, seed: int, batch: int) -> None:
        """Raises UserError if the pool has too few clips for one step of `batch` different ones."""
        aside = max(1, min(MOST_HELD_OUT, pool.count // HELD_OUT_SHARE))
        if pool.count - aside < batch:
            lower = f"lower --batch to {pool.count - aside}, or " if pool.count > aside else ""
            raise UserError(
                f"{pool.where}: a step of --batch {batch} and {aside} to measure the error need {batch + aside} "
                f"different clips, got {pool.count}; {lower}give more"
            )
        self.pool, self.seed = pool, seed
        order = np.random.default_rng([seed, 0]).permutation(pool.count)
        self.held_out, self.trained = order[:aside], order[aside:]
        self._epoch, self._order = -1, self.trained

    def __call__(self, start: int, count: int) -> np.ndarray:
        """(count, T, S, S, 3) uint8; from HELD_OUT on the clips that were put aside, as many as there are."""
        if start >= HELD_OUT:
            first = start - HELD_OUT
            return np.stack([self.pool.draw(int(index), 0) for index in self.held_out[first : first + count]])
        return np.stack([self._clip(position) for position in range(start, start + count)])

    def seen(self, count: int) -> list[int]:
        """The indices in the pool of the clips at positions 0 to `count`, each once."""
        return sorted(self._index(position) for position in range(min(count, len(self.trained))))

    def _clip(self, position: int) -> np.ndarray:
        return self.pool.draw(self._index(position), position // len(self.trained))

    def _index(self, position: int) -> int:
        epoch, place = divmod(position, len(self.trained))
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = np.random.default_rng([self.seed, 1 + epoch]).permutation(self.trained)
        return int(self._order[place])

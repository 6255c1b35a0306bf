"""An extraction on Ray: the same shards, computed by workers on this machine or on a cluster.

A worker keeps the model of the arm that it is at. The weights are read from the folder that the driver reads, which
other machines must have under the same path. On a core a worker has one thread.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch

from trajprobe.core.progress import Advance
from trajprobe.core.ray_map import Kind, ray_map
from trajprobe.extract.extraction import EncoderArm, ExtractSettings, build_encoder, encode
from trajprobe.extract.work_units import Arrays, WorkUnit


class UnitEncoder:
    """Encodes units of any of `arms`, with one model in memory."""

    def __init__(self, arms: Sequence[EncoderArm], settings: ExtractSettings) -> None:
        self.arms, self.settings = arms, settings
        self.index = -1
        self.encoder: Any = None

    def __call__(self, unit: WorkUnit) -> Arrays:
        """The arrays of the unit's clips. Raises what `build_encoder` and `encode` raise."""
        arm = self.arms[unit.arm]
        if unit.arm != self.index:
            self.encoder = None  # before the next one is built: two may not fit
            if self.settings.device.type == "cpu":
                torch.set_num_threads(1)
            self.encoder, self.index = build_encoder(arm, self.settings.layers), unit.arm
        assert unit.clips is not None  # the caller knows the arrays of stored units
        own = unit.clips.copy()  # Ray's are shared and cannot be written to, of which torch warns
        return encode(self.encoder, own, self.settings, arm.name, lambda amount=1, note="": None)


def encode_on_ray(
    units: Iterable[WorkUnit], arms: Sequence[EncoderArm], settings: ExtractSettings, advance: Advance
) -> Iterator[tuple[WorkUnit, Arrays]]:
    """An `Engine` on the GPUs or cores of `ray_map`, as the device says. Raises UserError as it does."""
    kind: Kind = "GPU" if settings.device.type == "cuda" else "CPU"
    encoded = ray_map(UnitEncoder(arms, settings), units, kind, lambda unit: unit.stored)
    for unit, arrays in encoded:
        advance(unit.count, arms[unit.arm].name)
        yield unit, arrays

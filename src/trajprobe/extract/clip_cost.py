"""What the features of one clip cost: multiply-adds, the same on every machine, and seconds, never twice the same.

Multiply-adds are those of convolutions, matrix products and attention, as is usual; norms, activations and poolings
come on top and are few. torch's `FlopCounterMode` counts two operations for each.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from trajprobe.artifacts.clips import Clips
from trajprobe.core import files
from trajprobe.core.costs import stopwatch
from trajprobe.core.torch_threads import torch_threads
from trajprobe.extract.extraction import EncoderArm, ExtractSettings, build_encoder, encode
from trajprobe.extract.shard_cache import ShardCache, shard_key

TIMED_CLIPS = 4  # in the batch that is timed


def clip_identity(arm: EncoderArm, clips: Clips, settings: ExtractSettings) -> str:
    """Hex SHA-256 of what decides the cost of a clip, but for the machine: the encoder, and the clip's shape."""
    code = files.sha256(Path(__file__))
    return shard_key({**settings.identity, **arm.identity, "clip": list(clips.shape[1:]), "cost by": code})


def count_multiply_adds(arm: EncoderArm, clips: Clips, settings: ExtractSettings, cache: ShardCache) -> int:
    """Of one clip with the encoder of an arm, for all layers in the settings; counted once, then kept in the cache."""
    key = clip_identity(arm, clips, settings)
    kept = cache.get(key, ["multiply_adds"], (1,), np.int64)
    if kept is None:
        encoder = build_encoder(arm, settings.layers)
        clip = torch.from_numpy(clips[:1]).to(settings.device)
        count = multiply_adds(lambda: encoder.encode(clip, settings.layers))
        kept = {"multiply_adds": np.array([count], np.int64)}
        cache.put(key, kept)
    return int(kept["multiply_adds"][0])


def multiply_adds(work: Callable[[], object]) -> int:
    """How many `work` takes.

    Attention is computed as matrix products meanwhile, because not every device's own kernel is known to the counter.
    """
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() // 2


def seconds_per_clip(arm: EncoderArm, clips: Clips, settings: ExtractSettings) -> float:
    """Seconds (see `stopwatch`) that the features of one clip take: of one small batch, after another to warm up.

    On one thread: several wait for each other busily, and all the more on a machine with other work. Finished shards
    may come from the cache, so the time of an extraction would tell nothing.
    """
    encoder, few = build_encoder(arm, settings.layers), clips[: min(settings.batch, TIMED_CLIPS)]
    clock = stopwatch(settings.device.type)

    def run() -> None:
        encode(encoder, few, settings, arm.name, lambda amount=1, note="": None)

    with torch_threads(1):
        run()
        start = clock()
        run()
        return (clock() - start) / len(few)

"""Stage `extract`: data/videos.zarr, models/<encoder>/weights -> data/features/<encoder>.safetensors, data/costs/."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from trajprobe.artifacts.clips import Clips, open_clips
from trajprobe.artifacts.encoder_card import load_encoder_card
from trajprobe.artifacts.features import create_features
from trajprobe.artifacts.seen_items import CLIP, KINDS, clip_digest
from trajprobe.artifacts.weights import load_record
from trajprobe.core import paths
from trajprobe.core.costs import write_pass_costs
from trajprobe.core.machine import environment
from trajprobe.core.progress import progress
from trajprobe.encoders.registry import resolve_device
from trajprobe.extract.clip_cost import clip_identity, count_multiply_adds, seconds_per_clip
from trajprobe.extract.extraction import (
    encode_in_turn,
    encoder_arms,
    extract_settings,
    extract_shards,
)
from trajprobe.extract.order_sensitivity import measure_order_sensitivity
from trajprobe.extract.params import ExtractParams
from trajprobe.extract.ray_engine import encode_on_ray
from trajprobe.extract.shard_cache import ShardCache


def run(params: ExtractParams, encoder: str, device: str | None, batch: int, engine: str = "local") -> str:
    """Write the features of the pretrained and of all random arms of `encoder`, and what a pass costs; returns a line.

    device: its name for torch, or None (see `resolve_device`). batch: clips in one pass. engine: local, or ray (see
    ray_engine.py). Raises UserError if the weights are missing, damaged or of another card, and if the encoder does not
    take the clips or the params.
    """
    card = load_encoder_card(encoder)
    provenance, weights = load_record(card)
    clips = open_clips(paths.VIDEOS)
    total = clips.shape[0]
    seeds = [params.seed + index for index in range(params.random_inits)]
    settings = extract_settings(params, card, resolve_device(device), batch)
    arms = encoder_arms(card, paths.weights(encoder), weights, seeds, clips, settings.device)
    compute = encode_on_ray if engine == "ray" else encode_in_turn
    cache = ShardCache(paths.finished_work("features"))
    target = paths.features(encoder)
    description = f"extracting with {encoder} on {settings.device}"
    with progress(description, total * len(arms), "clips") as advance:
        # Before the shards, because the encoder of the arm in progress stays in memory while its shards are made.
        order = {
            name: measure_order_sensitivity(arm, clips, card.input, settings, cache)
            for name, arm in (("pretrained", arms[0]), ("random", arms[1]))
        }
        count = count_multiply_adds(arms[0], clips, settings, cache)
        shards = extract_shards(clips, arms, settings, cache, advance, compute)
        first = next(shards)  # gives the widths
        widths = {name: array.shape[1] for name, array in first[2].items()}
        shapes: dict[str, tuple[int, ...]] = {}
        for name, width in widths.items():
            shapes[f"pretrained/{name}"] = (total, width)
            shapes[f"random/{name}"] = (len(seeds), total, width)
        metadata = {
            "items": clips.items,
            "layers": list(settings.layers),
            "poolings": list(settings.poolings),
            "seeds": seeds,
            "weights": weights,
            "card": card.model_dump(),
            "provenance": {key: value for key, value in provenance.items() if key != "seen"},
            "order": order,
            "multiply_adds": count,
            "environment": environment(str(settings.device)),
        }
        if params.precision != "float32":
            metadata["precision"] = params.precision
        if "seen" in provenance:
            metadata["seen"] = _seen(provenance["seen"], clips)
        with create_features(target, shapes, metadata) as put:
            for index, start, arrays in chain([first], shards):
                for name, array in arrays.items():
                    if index == 0:
                        put(f"pretrained/{name}", start, array)
                    else:
                        put(f"random/{name}", (index - 1) * total + start, array)
    cache.prune()
    write_pass_costs(
        encoder,
        clip_identity(arms[0], clips, settings),
        settings.device.type,
        lambda: seconds_per_clip(arms[0], clips, settings),
    )
    columns = ", ".join(f"{name} ({width} numbers)" for name, width in widths.items())
    return f"{target}: {total} clips, pretrained and {len(seeds)} random initialisations, {columns}"


def _seen(listed: Mapping[str, Sequence[str]], clips: Clips) -> dict[str, Any]:
    """What the pretraining saw, with the `rows` of clips that it saw as they are in place of their digests."""
    seen = set(listed[CLIP])
    rows = (
        [row for row in range(clips.shape[0]) if clip_digest(clips[row : row + 1][0]) in seen] if seen else []
    )
    others = {kind: listed[kind] for kind in KINDS if kind != CLIP}
    return {**others, "rows": rows, "recorded": max(map(len, listed.values()))}

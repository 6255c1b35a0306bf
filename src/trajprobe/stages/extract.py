"""Stage `extract`: data/videos.zarr and models/<encoder>/weights -> data/features/<encoder>.safetensors."""

import json
from functools import partial
from importlib.metadata import version
from itertools import chain

import numpy as np
import torch

from trajprobe import paths
from trajprobe.encoders.device import batch, device
from trajprobe.encoders.families import family
from trajprobe.errors import UserError
from trajprobe.features.cache import ShardCache
from trajprobe.features.certificate import certificate
from trajprobe.features.extraction import (
    CALIBRATION,
    Arm,
    Clips,
    Settings,
    calibrated,
    chosen,
    clips_digest,
    code_digest,
    extract,
    some_clips,
    weights_digest,
)
from trajprobe.features.pooling import check_pooling
from trajprobe.features.store import create_features, items_digest
from trajprobe.params.encoder_card import EncoderCard, load_encoder_card
from trajprobe.params.study import Params
from trajprobe.progress import progress
from trajprobe.trajectories.table import read_items
from trajprobe.video.store import open_clips


def run(params: Params, encoder: str) -> str:
    """Extract both arms of `encoder` and say what was written. Raises UserError (see `extract`)."""
    card = load_encoder_card(encoder)
    items = read_items(paths.TRAJECTORIES).item_ids
    clips = open_clips(paths.VIDEOS)
    if len(items) != clips.shape[0]:
        raise UserError(
            f"{paths.VIDEOS}: has {clips.shape[0]} clips for {len(items)} trajectories; `dvc repro` brings both in line"
        )
    settings = _settings(params, card)
    seeds = [params.features.seed + index for index in range(params.features.random_inits)]
    arms = _arms(card, seeds, clips, settings.device)
    provenance = json.loads((paths.weights(encoder) / "provenance.json").read_text(encoding="utf-8"))
    cache = ShardCache.default()
    target = paths.features(encoder)
    description = f"extracting with {encoder} on {settings.device}"
    with progress(description, len(items) * len(arms), "clips") as advance:
        # Before the shards: an arm's encoder stays in memory while its shards are made, and there is to be one at a
        # time. The first initialisation stands for all (see features/order.py).
        order = {
            name: certificate(arm, clips, card.input, settings, cache)
            for name, arm in (("pretrained", arms[0]), ("random", arms[1]))
        }
        shards = extract(clips, arms, settings, cache, advance)
        first = next(shards)  # tells the widths
        shapes: dict[str, tuple[int, ...]] = {}
        for name, array in first[2].items():
            shapes[f"pretrained/{name}"] = (len(items), array.shape[1])
            shapes[f"random/{name}"] = (len(seeds), len(items), array.shape[1])
        metadata = {
            "items": items_digest(items),
            "layers": list(settings.layers),
            "poolings": list(settings.poolings),
            "seeds": seeds,
            "weights": arms[0].identity["weights"],
            "card": card.model_dump(),
            "provenance": provenance,
            "order": order,
        }
        with create_features(target, shapes, metadata) as put:
            for index, start, arrays in chain([first], shards):
                for name, array in arrays.items():
                    if index == 0:
                        put(f"pretrained/{name}", start, array)
                    else:
                        put(f"random/{name}", (index - 1) * len(items) + start, array)
    cache.prune()
    widths = ", ".join(f"{name} ({array.shape[1]} numbers)" for name, array in first[2].items())
    return f"{target}: {len(items)} clips, pretrained and {len(seeds)} random initialisations, {widths}"


def _settings(params: Params, card: EncoderCard) -> Settings:
    layers = chosen(params.features.layer, card.features.layer)
    poolings = chosen(params.features.pooling, card.features.pooling)
    for pooling in poolings:
        check_pooling(pooling)
    place = device()
    identity = {
        "family": card.family,
        "architecture": card.architecture,
        "preprocessing": card.input.model_dump(),
        "layers": layers,
        "poolings": poolings,
        "precision": "float32",
        "code": code_digest(),
        "libraries": [np.__version__, torch.__version__, *_transformers(card)],
        "device": place.type,
    }
    return Settings(layers, poolings, identity, place, batch())


def _arms(card: EncoderCard, seeds: list[int], clips: Clips, place: torch.device) -> list[Arm]:
    folder = paths.weights(card.name)
    if not (folder / "provenance.json").is_file():
        raise UserError(f"{folder}: is missing; run `dvc repro fetch@{card.name}`")
    known = family(card.family)
    weights = weights_digest(folder)
    arms = [Arm("pretrained", {"weights": weights}, partial(known.load, card, folder, place))]
    # Whether a family calibrates is known only once it is built; the clips it would see are always part of the key.
    calibration = clips_digest(some_clips(clips, CALIBRATION))
    random = card.features.random.model_dump()
    for seed in seeds:
        build = partial(known.initialise, card, folder, seed, place)
        # The folder may also hold the architecture, and what the random arm keeps.
        identity = {"seed": seed, "calibration": calibration, "random": random, "folder": weights}
        arms.append(Arm(f"random {seed}", identity, calibrated(build, clips, place)))
    return arms


def _transformers(card: EncoderCard) -> list[str]:
    return [version("transformers")] if card.family == "transformers" else []

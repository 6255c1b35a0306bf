"""An extraction by all arms compared with the forward passes alone: what reading, resizing and storing add.

    python benchmarks/overhead.py                        # ViT base, 9 arms, 16 clips: about 5 minutes on two cores
    python benchmarks/overhead.py --encoder magvit2_mini --clips 480

Clips of 5 frames of 128 pixels lie in a store as `render` writes it. The extraction is that of the stage, into an empty
cache. A forward pass alone is the network on clips that are prepared already, in batches of the same size; for each
arm it is timed on as many clips, directly after the extraction, and models are built outside the clock of both.
`ratio` is all that the extraction takes over the passes; target: at most 1.1.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from results import report
from trajprobe.artifacts.clips import open_clips, write_clips
from trajprobe.artifacts.encoder_card import EncoderCard
from trajprobe.core import paths
from trajprobe.core.allocator import keep_freed_memory
from trajprobe.core.schema import load
from trajprobe.encoders.open_magvit2 import encoder as open_magvit2
from trajprobe.extract.extraction import EncoderArm, ExtractSettings, extract_shards
from trajprobe.extract.shard_cache import ShardCache

CPU = torch.device("cpu")
BATCH = 8
PROCESSOR = {
    "image_processor_type": "ViTImageProcessor",
    "size": {"height": 224, "width": 224},
    "resample": 2,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "do_resize": True,
    "do_rescale": True,
    "do_normalize": True,
    "rescale_factor": 1 / 255,
}


def vit_base(folder: Path) -> tuple[Any, list[str], Callable[[torch.Tensor], Any]]:
    """A ViT of base size at random initialisation, its layer, and the function from clips to its prepared input."""
    import transformers

    from trajprobe.encoders.transformers import encoder as hub

    folder.mkdir()
    transformers.ViTConfig(architectures=["ViTModel"]).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    card = load(EncoderCard, paths.encoder_card("dinov2_base"))
    shown = card.input.model_copy(update={"size": 224})
    encoder = hub.initialise(card.model_copy(update={"input": shown}), folder, 0, CPU)
    return encoder, ["last"], lambda clips: encoder._prepared(clips)


def magvit2_mini() -> tuple[Any, list[str], Callable[[torch.Tensor], Any]]:
    """The embedded default, its headline layer, and the function from clips to its prepared input."""
    card = load(EncoderCard, paths.encoder_card("magvit2_mini"))
    encoder = open_magvit2.load(card, paths.encoder_card("magvit2_mini").parent, CPU)
    return encoder, ["mid"], lambda clips: open_magvit2.model_input(clips, card.input)


def passes_alone(encoder: Any, layers: list[str], inputs: list[torch.Tensor]) -> float:
    """Seconds of the network on prepared batches."""
    run = encoder.model.maps if hasattr(encoder.model, "maps") else encoder.model.layers
    start = time.perf_counter()
    with torch.inference_mode():
        for batch in inputs:
            run(batch, layers)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--encoder", choices=("vit_base", "magvit2_mini"), default="vit_base")
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--arms", type=int, default=9)
    options = parser.parse_args()
    made = np.full((options.clips, 5, 128, 128, 3), 20, np.uint8)
    made[:, :, 40:60, 40:60] = np.random.default_rng(0).integers(0, 256, (options.clips, 5, 20, 20, 3))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_clips(folder / "videos.zarr", made.shape, [made], items="0" * 64, drawn={})
        encoder, layers, prepare = (
            vit_base(folder / "vit") if options.encoder == "vit_base" else magvit2_mini()
        )
        with torch.inference_mode():
            starts = range(0, options.clips, BATCH)
            inputs = [prepare(torch.from_numpy(made[start : start + BATCH])) for start in starts]
        passes_alone(encoder, layers, inputs[:1])  # to warm up
        arms = [EncoderArm(str(arm), {"arm": arm}, lambda: encoder) for arm in range(options.arms)]
        settings = ExtractSettings(layers, ["mean_std"], {"benchmark": 1}, CPU, BATCH)
        alone, start = 0.0, time.perf_counter()
        shards = extract_shards(
            open_clips(folder / "videos.zarr"), arms, settings, ShardCache(folder / "cache"), lambda *_: None
        )
        arm = -1
        for index, _, _ in shards:
            if index != arm:  # side by side, so that another program on the machine slows both alike
                arm, paused = index, time.perf_counter()
                alone += passes_alone(encoder, layers, inputs)
                start += time.perf_counter() - paused
        extraction = time.perf_counter() - start
    clips = options.clips * options.arms
    print(
        f"{torch.get_num_threads()} threads, torch {torch.__version__}, {options.encoder}, {options.arms} arms"
    )
    print(f"extraction   {1e3 * extraction / clips:8.1f} ms/clip")
    print(f"passes alone {1e3 * alone / clips:8.1f} ms/clip    ratio {extraction / alone:.3f}")
    report(
        options.encoder,
        f"{extraction / alone:.2f}× ({1e3 * extraction / clips:.0f} against {1e3 * alone / clips:.0f} ms a clip)",
    )


if __name__ == "__main__":
    keep_freed_memory()  # as the command line does
    main()

"""`trajprobe pretrain NAME`: train the network of a card on unlabelled clips and make its weights the card's.

Beside the card this writes `encoder.safetensors`, `recipe.yaml` and the folder `pretraining/` with the log and a
picture of reconstructions. A run that is killed continues with --resume at its last checkpoint.
"""

from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import save_file

from trajprobe.artifacts.encoder_card import load_encoder_card
from trajprobe.commands.pretrain.objective import reconstruct
from trajprobe.commands.pretrain.recipe import Recipe, check, training_code_digest, update_card, write_recipe
from trajprobe.commands.pretrain.training import Training
from trajprobe.commands.pretrain.unlabelled_clips import HELD_OUT
from trajprobe.core import files, paths
from trajprobe.core.errors import UserError
from trajprobe.encoders.open_magvit2.encoder import FILE, architecture
from trajprobe.encoders.registry import resolve_device

SHOWN = 4  # clips in the picture
GAP = 2  # pixels between pictures


def run(
    name: str,
    steps: int,
    *,
    frames: int,
    batch: int,
    learning_rate: float,
    seed: int,
    device: str | None = None,
    resume: bool = False,
) -> str:
    """Pretrain the encoder of models/NAME/card.yaml; one line on the result.

    Raises UserError if the card is of another family, if the clips do not fit its architecture, and, without
    `resume`, if an unfinished run is there.
    """
    card = load_encoder_card(name)
    if card.family != "open_magvit2":
        raise UserError(
            f"card of {name}: family: pretraining needs open_magvit2, got {card.family}; take models/magvit2_mini as "
            "a pattern for a card of your own"
        )
    recipe = Recipe(
        steps=steps,
        batch=batch,
        frames=frames,
        learning_rate=learning_rate,
        seed=seed,
        threads=torch.get_num_threads(),
        device=str(resolve_device(device)),
        torch=torch.__version__,
        code_sha256=training_code_digest(),
    )
    check(recipe, architecture(card), card)
    folder = paths.encoder_card(name).parent
    training = Training(architecture(card), card.input, recipe, folder / "pretraining")
    if resume:
        training.resume()
    elif training.checkpoint.exists():
        raise UserError(
            f"{training.checkpoint}: an unfinished pretraining is there; continue it with --resume, or delete it"
        )
    training.run(name)
    tensors = {key: tensor.cpu().contiguous() for key, tensor in training.encoder.state_dict().items()}
    weights = folder / FILE
    with files.atomic(weights) as temporary:
        save_file(tensors, temporary)
    picture(training, folder / "pretraining" / "reconstructions.png")
    last = training.log.rows[-1]
    result = {
        "parameters": sum(tensor.numel() for tensor in tensors.values()),
        "final_loss": round(last["loss"], 4),
        "held_out_unexplained_variance": round(last["held_out"], 4),
        "seconds": round(training.log.seconds),
        "clips_sha256": training.log.clips,
        "weights_sha256": files.sha256(weights),
    }
    write_recipe(folder / "recipe.yaml", name, recipe, result)
    training.checkpoint.unlink()
    update_card(paths.encoder_card(name), weights)
    return (
        f"{weights}: {steps} steps of {batch} clips, held-out unexplained variance {last['held_out']:.3f}; "
        f"`dvc repro` uses it where params.yaml lists {name} under encoders"
    )


def picture(training: Training, path: Path) -> None:
    """Held-out clips, each a row of frames above the row of its reconstruction, as a PNG.

    Each reconstruction gets its clip's mean of each colour, which the error leaves out (see `objective.unexplained`).
    """
    videos = training.videos(HELD_OUT, SHOWN)
    with torch.inference_mode():
        decoded = reconstruct(training.encoder, training.decoder, videos)
        decoded += (videos - decoded).mean(dim=(2, 3, 4), keepdim=True)
    rows = [row for pair in zip(_pixels(videos), _pixels(decoded), strict=True) for row in pair]
    spaced = [np.pad(row, ((0, 0), (0, GAP), (0, GAP), (0, 0)), constant_values=128) for row in rows]
    grid = np.concatenate([np.concatenate(list(row), axis=1) for row in spaced], axis=0)
    with files.atomic(path) as temporary:
        cv2.imwrite(str(temporary), grid[..., ::-1])


def _pixels(videos: torch.Tensor) -> np.ndarray:
    """(B, 3, T, H, W) in [-1, 1] -> (B, T, H, W, 3) uint8."""
    return ((videos.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 4, 1).cpu().numpy()

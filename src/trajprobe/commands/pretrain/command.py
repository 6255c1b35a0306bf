"""`trajprobe pretrain NAME`: train the network of a card on unlabelled clips and make its weights the card's.

Beside the card this writes `encoder.safetensors`, `recipe.yaml` and the folder `pretraining/` with the log and a
picture of reconstructions; and, if the clips are the user's own, `seen_items.txt`, by which a study that holds one of
them out is marked. A run that is killed continues with --resume at its last checkpoint.
"""

from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import save_file

from trajprobe.artifacts.formatting import counted
from trajprobe.artifacts.seen_items import write_seen_items
from trajprobe.commands.pretrain.clip_pool import ClipPool, clips_pool
from trajprobe.commands.pretrain.clip_sequence import ClipSequence
from trajprobe.commands.pretrain.encoder_folder import card_for, check_project, ignore, next_commands, version
from trajprobe.commands.pretrain.objective import reconstruct
from trajprobe.commands.pretrain.recipe import Recipe, check, training_code_digest, update_card, write_recipe
from trajprobe.commands.pretrain.source_pool import source_pool
from trajprobe.commands.pretrain.training import Draw, Training
from trajprobe.commands.pretrain.unlabelled_clips import HELD_OUT, pretraining_clips
from trajprobe.core import files, paths
from trajprobe.core.errors import UserError
from trajprobe.encoders.open_magvit2.encoder import FILE, architecture
from trajprobe.encoders.registry import resolve_device

FRAMES = 5  # of a synthetic clip, unless --frames says otherwise
SHOWN = 4  # clips in the picture
GAP = 2  # pixels between pictures


def run(
    name: str,
    steps: int,
    *,
    batch: int,
    learning_rate: float,
    seed: int,
    frames: int | None = None,
    source: str | None = None,
    items: str | None = None,
    clips: Path | None = None,
    like: str | None = None,
    device: str | None = None,
    resume: bool = False,
) -> str:
    """Pretrain the encoder of models/NAME/card.yaml; what came out, and what to type next.

    source, items, clips: see `clip_pool`; without them the clips are synthetic, with `frames` frames. like: the encoder
    whose architecture a new NAME gets. Raises UserError if the card is of another family, if the clips are missing, too
    few or do not fit its architecture, and, without `resume`, if an unfinished run is there.
    """
    card, text = card_for(name, like, _what(source, items, clips))
    pool = _pool(source, items, clips, frames)
    recipe = Recipe(
        steps=steps,
        batch=batch,
        frames=pool.frames if pool else frames or FRAMES,
        learning_rate=learning_rate,
        seed=seed,
        threads=torch.get_num_threads(),
        device=str(resolve_device(device)),
        torch=torch.__version__,
        code_sha256=training_code_digest(),
        source=source,
        items=items,
        clips=None if clips is None else clips.as_posix(),
        data_sha256=pool.content if pool else None,
    )
    check(recipe, architecture(card), card, "--frames" if pool is None else f"frames of {pool.where}")
    sequence = ClipSequence(pool, seed, batch) if pool else None
    folder = paths.encoder_card(name).parent
    weights = folder / FILE
    check_project(weights)
    draw: Draw = sequence or (lambda start, count: pretraining_clips(seed, start, count, recipe.frames))
    training = Training(architecture(card), card.input, recipe, folder / "pretraining", draw)
    if resume:
        training.resume()
    elif training.checkpoint.exists():
        raise UserError(
            f"{training.checkpoint}: an unfinished pretraining is there; continue it with --resume, or delete it"
        )
    ignore(folder, "/weights", "/pretraining/checkpoint.pt")
    training.run(name)
    tensors = {key: tensor.cpu().contiguous() for key, tensor in training.encoder.state_dict().items()}
    with files.atomic(weights) as temporary:
        save_file(tensors, temporary)
    picture(training, folder / "pretraining" / "reconstructions.png")
    last = training.log.rows[-1]
    seen = sequence.seen(steps * batch) if sequence else []
    result = {
        "parameters": sum(tensor.numel() for tensor in tensors.values()),
        **({"final_loss": round(last["loss"], 4)} if steps else {}),
        "held_out_unexplained_variance": round(last["held_out"], 4),
        "seconds": round(training.log.seconds),
        "clips_sha256": training.log.clips,
        "weights_sha256": files.sha256(weights),
        **({"seen_items": len(seen)} if pool else {}),
    }
    write_recipe(folder / "recipe.yaml", name, recipe, result)
    list_of_seen = folder / "seen_items.txt"
    if pool:
        own = {kind: [digests[index] for index in seen] for kind, digests in pool.digests.items()}
        write_seen_items(list_of_seen, own)
    else:
        list_of_seen.unlink(missing_ok=True)
    try:
        update_card(paths.encoder_card(name), weights, list_of_seen if pool else None, text)
    except UserError:  # the card is the user's to edit; after a full disk --resume goes on here
        training.checkpoint.unlink()
        raise
    training.checkpoint.unlink()
    version(weights)
    lines = [
        f"{weights}: {steps} steps of {batch} clips, held-out unexplained variance {last['held_out']:.3f}",
        *(pool.notes if pool else ()),
    ]
    if sequence:
        lines.append(
            f"saw {counted(len(seen), 'item')} ({list_of_seen}), measured on {len(sequence.held_out)} others; a study "
            "that holds out one that was seen is marked contaminated"
        )
    return "\n".join([*lines, "", *next_commands(name, source, items)])


def _pool(source: str | None, items: str | None, clips: Path | None, frames: int | None) -> ClipPool | None:
    """The user's own clips; None if they are to be synthetic."""
    if source is not None and clips is not None:
        raise UserError("--source and --clips: give one of the two")
    if items is not None and source is None:
        raise UserError("--items: chooses among the items of a source; add --source NAME")
    if source is None and clips is None:
        return None
    pool = source_pool(source, items) if source is not None else clips_pool(Path(str(clips)))
    if frames is not None and frames != pool.frames:
        of = "render.frames in params.yaml" if source is not None else pool.where
        raise UserError(
            f"--frames {frames}: the clips have {pool.frames} ({of}); leave --frames out, or change that"
        )
    return pool


def _what(source: str | None, items: str | None, clips: Path | None) -> str:
    """The clips, for the card of a new encoder."""
    if source is not None:
        return f"clips of {source}" + (f" ({Path(items).name})" if items else "")
    return "the user's own clips" if clips is not None else "synthetic clips"


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
        temporary.write_bytes(cv2.imencode(".png", grid[..., ::-1])[1].tobytes())


def _pixels(videos: torch.Tensor) -> np.ndarray:
    """(B, 3, T, H, W) in [-1, 1] -> (B, T, H, W, 3) uint8."""
    return ((videos.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 4, 1).cpu().numpy()

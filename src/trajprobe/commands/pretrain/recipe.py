"""The recipe of a pretraining, everything that decides the weights, and what is written beside the weights.

`models/NAME/recipe.yaml` records it with the result; the card's `weights` then points to the new file by its digest.
"""

import hashlib
import re
import shlex
from pathlib import Path

import yaml

import trajprobe
from trajprobe.artifacts.encoder_card import EncoderCard
from trajprobe.core import files
from trajprobe.core.errors import UserError
from trajprobe.core.schema import NonNegativeInt, Positive, PositiveInt, Section, Seed
from trajprobe.encoders.open_magvit2.network import Architecture, strides

HEADER = "# How encoder.safetensors beside it was made; what decided the recipe is in docs/pretraining.md.\n"
WEIGHTS = re.compile(r"^weights:.*\n(?:[ \t]*\n(?=[ \t])|[ \t]+\S.*\n)*", re.MULTILINE)
# Below src/trajprobe: the code that decides the weights, besides what draws the clips (`clips_sha256` is of these).
CODE = (
    "commands/pretrain/objective.py",
    "commands/pretrain/training.py",
    "encoders/open_magvit2/encoder.py",
    "encoders/open_magvit2/network.py",
    "encoders/preprocess.py",
)


class Recipe(Section):
    """What a pretraining depends on, apart from the card. frames: of each clip. threads: of torch.

    code_sha256: see `training_code_digest`; a run that is resumed with other code is refused. source, items, clips: the
    options that name the user's own clips; without them the clips are synthetic. data_sha256: of all that decides how
    these own clips look.
    """

    steps: NonNegativeInt
    batch: PositiveInt
    frames: PositiveInt
    learning_rate: Positive
    seed: Seed
    threads: PositiveInt
    device: str
    torch: str
    code_sha256: str
    source: str | None = None
    items: str | None = None
    clips: str | None = None
    data_sha256: str | None = None


def check(recipe: Recipe, architecture: Architecture, card: EncoderCard, frames_of: str = "--frames") -> None:
    """Raise UserError unless the network can be mirrored by a decoder and halves these clips without a rest.

    frames_of: what decides the number of frames, for the message.
    """
    steps = [step for step in strides(architecture.multipliers) if step is not None]
    if not steps:
        raise UserError(
            f"card of {card.name}: architecture.multipliers: pretraining needs at least 2 levels, got 1"
        )
    across, times = 2 ** len(steps), 2 ** sum(step[0] == 2 for step in steps)
    if card.input.size % across:
        raise UserError(
            f"card of {card.name}: input.size: must be a multiple of {across} for its {len(steps) + 1} levels, got "
            f"{card.input.size}"
        )
    if (recipe.frames - 1) % times:
        nearest = 1 + times * max(1, round((recipe.frames - 1) / times))
        raise UserError(
            f"{frames_of}: must be 1 more than a multiple of {times} for the levels of {card.name}, got "
            f"{recipe.frames}; take {nearest}"
        )


def write_recipe(path: Path, name: str, recipe: Recipe, result: dict[str, object]) -> None:
    """Write the recipe and the `result` of the training as YAML."""
    own = recipe.data_sha256 is not None  # such clips have their own number of frames
    keys = (
        "source",
        "items",
        "clips",
        "steps",
        "batch",
        *(() if own else ("frames",)),
        "learning_rate",
        "seed",
    )
    given = {key: value for key in keys if (value := getattr(recipe, key)) is not None}
    options = " ".join(f"--{key.replace('_', '-')} {shlex.quote(str(value))}" for key, value in given.items())
    known = recipe.model_dump(exclude_none=True)
    content = {"command": f"trajprobe pretrain {name} {options}", **known, **result}
    with files.atomic(path) as temporary:
        text = yaml.safe_dump(content, sort_keys=False, width=1000)
        temporary.write_text(HEADER + text, encoding="utf-8")


def update_card(path: Path, weights: Path, seen_items: Path | None = None, text: str | None = None) -> None:
    """Make the card's `weights` name this file, what it saw, and their digests; everything else stays as it is.

    text: of a new card; None for that at `path`. Raises UserError if the card has no block `weights:` of its own.
    """
    if text is None:
        text = path.read_text(encoding="utf-8")
    block = f"weights:\n  file: {weights.as_posix()}\n  sha256: {files.sha256(weights)}\n"
    if seen_items is not None:
        block += f"  seen_items:\n    file: {seen_items.as_posix()}\n    sha256: {files.sha256(seen_items)}\n"
    updated, found = WEIGHTS.subn(block, text if text.endswith("\n") else f"{text}\n")
    if found != 1:
        raise UserError(
            f"{path}: weights: does not begin a line, so that it was left as it is; replace it by hand with {block!r}"
        )
    with files.atomic(path) as temporary:
        temporary.write_text(updated, encoding="utf-8")


def training_code_digest() -> str:
    """SHA-256 over the names and contents of the files in CODE."""
    root = Path(trajprobe.__file__).parent
    lines = [f"{name} {files.sha256(root / name)}" for name in CODE]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()

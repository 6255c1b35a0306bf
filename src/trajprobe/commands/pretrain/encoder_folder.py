"""The folder models/NAME of a pretrained encoder: a new one's card, what git ignores, and the weights under DVC."""

import re
import subprocess
from pathlib import Path

import yaml

from trajprobe.artifacts.encoder_card import EncoderCard, load_encoder_card
from trajprobe.commands.importing import dvc_add
from trajprobe.core import paths
from trajprobe.core.errors import UserError
from trajprobe.core.files import atomic
from trajprobe.core.schema import NAME, validate
from trajprobe.encoders.open_magvit2.encoder import FILE

PATTERN = "magvit2_mini"  # whose architecture a new encoder gets, unless --like names another
COPIED = ("parameters", "family", "architecture")  # of the pattern's card, before and after what is new
COPIED_LAST = ("input", "features")


def card_for(name: str, like: str | None, clips: str) -> tuple[EncoderCard, str | None]:
    """The card of `name` and None; without one, a new card with the architecture of `like`, and its text.

    clips: what the encoder is pretrained on, in words. Raises UserError if the card is of another family, or if there
    is one and `like` names another.
    """
    text = None
    path = paths.encoder_card(name)
    if path.exists():
        card = load_encoder_card(name)
        if like not in (None, name):
            raise UserError(f"{path}: there is a card already; leave --like out, or choose another name")
    else:
        if not re.fullmatch(NAME, name) or name == paths.CONTROLS:
            raise UserError(
                f"{name!r}: a new encoder's name must be of lower-case letters, digits and underscores"
            )
        text = _new_card(name, like or PATTERN, clips)
        card = validate(EncoderCard, yaml.safe_load(text), str(path))
    if card.family != "open_magvit2":
        raise UserError(
            f"card of {like or name}: family: pretraining needs open_magvit2, got {card.family}; take models/{PATTERN} "
            "as a pattern for a card of your own"
        )
    return card, text


def check_project(weights: Path) -> None:
    """Raise UserError, before anything expensive, if the weights are to go under DVC and this is no project of it."""
    from dvc.exceptions import NotDvcRepoError
    from dvc.repo import Repo

    if not _in_git(weights):
        try:
            Repo.find_root()
        except NotDvcRepoError:
            raise UserError(
                f"{weights}: is versioned by DVC, and this is not a DVC project; run `dvc init`"
            ) from None


def ignore(folder: Path, *lines: str) -> None:
    """Let git ignore these paths in the folder, besides what it ignores there already."""
    path = folder / ".gitignore"
    there = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    if new := [line for line in lines if line not in there]:
        with atomic(path) as temporary:
            temporary.write_text("\n".join([*there, *new, ""]), encoding="utf-8")


def version(weights: Path) -> None:
    """`dvc add` the weights, unless git tracks them. Raises UserError if DVC refuses."""
    if not _in_git(weights):
        ignore(weights.parent, f"/{FILE}")
        dvc_add([weights], f"the pretraining is complete, so repeat only `dvc add {weights}`")


def next_commands(name: str, source: str | None, items: str | None) -> list[str]:
    """What to type after the pretraining."""
    study = f" -S source={source}" if source else ""
    split = " -S probe.split=published" if items == "train" else ""
    return [
        "Next:",
        f"  git add {paths.encoder_card(name).parent}",
        f"  dvc exp run -n {name} -S 'encoders=[{name}]'{study}{split}",
    ]


def _new_card(name: str, like: str, clips: str) -> str:
    pattern = load_encoder_card(like)
    path = paths.encoder_card(like)
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    content = {
        "name": name,
        "summary": f"The architecture of {like}, pretrained on unlabelled {clips}",
        **{key: raw[key] for key in COPIED if key in raw},
        "weights": {"file": paths.encoder_card(name).with_name(FILE).as_posix()},
        "training": f"self-supervised reconstruction of unlabelled {clips}, by the recipe beside this card",
        "licence": pattern.licence if clips == "synthetic clips" else "that of the clips",
        **{key: raw[key] for key in COPIED_LAST},
    }
    text = yaml.safe_dump(content, sort_keys=False, width=1000, allow_unicode=True)
    return f"# Made by `trajprobe pretrain {name}`; recipe.yaml beside it says how.\n{text}"


def _in_git(path: Path) -> bool:
    tracked = ["git", "ls-files", "--error-unmatch", "--", str(path)]
    return subprocess.run(tracked, capture_output=True, check=False).returncode == 0

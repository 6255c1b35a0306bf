"""The schema of models/<encoder>/card.yaml: what an encoder is, where its weights come from, what it is fed."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from trajprobe import paths
from trajprobe.errors import UserError
from trajprobe.params.loading import load
from trajprobe.params.types import Name, Names, Positive, Section, Seed, Sha256, Some


class HubWeights(Section):
    """A repository on the Hugging Face Hub; one `file` of it, or (None) the folder that transformers reads.

    sha256: of the file; for a folder, of the lines "<sha256>  <name>" of its files (as `sha256sum` prints them).
    """

    hub: str
    file: str | None = None
    revision: str | None = None
    sha256: Sha256 | None = None
    ema: bool = False


class UrlWeights(Section):
    url: str
    sha256: Sha256 | None = None
    ema: bool = False


class FileWeights(Section):
    file: str
    sha256: Sha256 | None = None
    ema: bool = False


class Recipe(Section):
    """Pretraining of the embedded default: reconstruction of unlabelled synthetic clips."""

    steps: Some
    batch: Some
    frames: Some
    learning_rate: Positive
    threads: Some
    seed: Seed


class RecipeWeights(Section):
    recipe: Recipe


Weights = HubWeights | UrlWeights | FileWeights | RecipeWeights | Literal["none"]


class Input(Section):
    """What the encoder is shown: how many frames, at which size, on which scale."""

    frames: Some | Literal["4k+1", "any"]
    fit: Literal["refuse", "resample"] = "refuse"
    size: Annotated[int, Field(ge=8)]
    scale: str


class RandomArm(Section):
    """What the random arm keeps of the pretraining; by default nothing (see encoders/random_arm.py)."""

    recipe: Literal["initialisation", "shuffled_weights"] = "initialisation"
    positions: Literal["initialisation", "pretrained"] = "initialisation"

    @property
    def keeps_pretrained(self) -> bool:
        return self != RandomArm()


class CardFeatures(Section):
    """Layers and poolings; the first of each is what the headline reports.

    order_blind: the arms that cannot tell the order of frames, as far as the card's author knows.
    """

    layer: Names
    pooling: Names
    random: RandomArm = RandomArm()
    order_blind: list[Literal["pretrained", "random"]] = Field(default_factory=list)


KEEPERS = ("transformers", "resnet")  # families whose random arm can keep something


class EncoderCard(Section):
    """parameters: how many million the encoder has, where that is known before it is fetched."""

    name: Name
    summary: str
    parameters: Positive | None = None
    family: Literal["open_magvit2", "stem", "transformers", "resnet", "placeholder"]
    architecture: dict[str, Any]
    weights: Weights
    training: str
    licence: str
    input: Input
    features: CardFeatures

    @model_validator(mode="after")
    def _can_keep(self) -> "EncoderCard":
        if self.features.random.keeps_pretrained and self.family not in KEEPERS:
            raise ValueError(f"features.random is for the families {' and '.join(KEEPERS)} only")
        return self


def load_encoder_card(encoder: str) -> EncoderCard:
    """The card of `encoder`. Raises UserError in one line where it is missing, wrong, or names another encoder."""
    path: Path = paths.encoder_card(encoder)
    card = load(EncoderCard, path)
    if card.name != encoder:
        raise UserError(f"{path}: name: must be that of its folder, {encoder!r}, got {card.name!r}")
    return card

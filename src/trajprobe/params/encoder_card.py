"""The schema of models/<encoder>/card.yaml: what an encoder is, where its weights come from, what it is fed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from trajprobe import paths
from trajprobe.errors import UserError
from trajprobe.params.loading import CHOICE, load, nearest
from trajprobe.params.types import Name, Names, Positive, Section, Seed, Sha256, Some


class HubWeights(Section):
    """A repository on the Hugging Face Hub; one `file` of it, or (None) the folder that transformers reads.

    sha256: of the file; for a folder, of the lines "<sha256>  <name>" of its files (as `sha256sum` prints them).
    ema: averaged weights (the default) or, false, the raw ones; for the families open_magvit2 and stem.
    """

    hub: str
    file: str | None = None
    revision: str | None = None
    sha256: Sha256 | None = None
    ema: bool | None = None


class UrlWeights(Section):
    """A file at a public address; sha256 and ema as above."""

    url: str
    sha256: Sha256 | None = None
    ema: bool | None = None


class FileWeights(Section):
    """A file or folder on this machine; sha256 and ema as above."""

    file: str
    sha256: Sha256 | None = None
    ema: bool | None = None


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


def _origin(weights: Any) -> str | None:
    """Which of the keys says where weights come from; a `file` beside `hub` is one of the repository."""
    if weights == "none":
        return "none"
    keys = weights if isinstance(weights, Mapping) else getattr(weights, "__dict__", {})
    return next((key for key in ("hub", "url", "file", "recipe") if key in keys), None)


Weights = Annotated[
    Annotated[HubWeights, Tag("hub")]
    | Annotated[UrlWeights, Tag("url")]
    | Annotated[FileWeights, Tag("file")]
    | Annotated[RecipeWeights, Tag("recipe")]
    | Annotated[Literal["none"], Tag("none")],
    Discriminator(
        _origin, custom_error_type=CHOICE, custom_error_message="give one of hub, url, file, recipe, or none"
    ),
]


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
            raise ValueError(f"no features.random, which is for the families {' and '.join(KEEPERS)} only")
        return self


def load_encoder_card(encoder: str) -> EncoderCard:
    """The card of `encoder`. Raises UserError in one line where it is missing, wrong, or names another encoder."""
    path: Path = paths.encoder_card(encoder)
    if not path.exists():
        known = sorted(card.parent.name for card in Path().glob("models/*/card.yaml"))
        raise UserError(f"{path}: there is no card for {encoder!r}; {nearest(encoder, known)}")
    card = load(EncoderCard, path)
    if card.name != encoder:
        raise UserError(f"{path}: name: must be that of its folder, {encoder!r}, got {card.name!r}")
    return card

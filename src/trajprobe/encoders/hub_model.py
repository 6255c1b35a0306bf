"""Any vision model of the transformers library as layers of feature maps, told by the card alone.

What differs between architectures is read off the model itself: whether it takes clips or pictures, how it is
called, into which grid its tokens fall. Only what cannot be read off stands in the card's `architecture`. The shapes
of all layers are found by a pass on torch's meta device, which computes nothing, so that a layer that does not exist
is told before the first clip is encoded.
"""

import inspect
import math
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from torch import nn

from trajprobe.encoders.protocol import FeatureMap
from trajprobe.errors import UserError
from trajprobe.params.encoder_card import EncoderCard
from trajprobe.params.loading import nearest, validate
from trajprobe.params.types import Section

try:
    import transformers
except ModuleNotFoundError as error:
    raise UserError(
        f"the family transformers needs the package {error.name}: install trajprobe with its extra `hub`"
    ) from None

PIXELS = ("pixel_values", "pixel_values_videos")  # what models call their input
SET = ("self", "output_hidden_states", "return_dict", "kwargs")  # arguments that are not the card's to choose
EXTRA = 17  # tokens before those of the picture, at most: the class token, and registers


class Architecture(Section):
    """unused: prefixes of tensors of the checkpoint that the encoder does without: heads, decoders, text towers.
    arguments: passed to every call of the model. tokens: the order in which tokens run through time and picture.
    """

    unused: list[str] = Field(default_factory=list)
    arguments: dict[str, bool | int | float | str] = Field(default_factory=dict)
    tokens: Literal["t h w", "h w t"] = "t h w"


class HubModel:
    """A transformers model without its unused parts, and how to call it.

    module: the model. video: whether it takes clips (B, T, 3, S, S) rather than pictures (n, 3, S, S).
    frames: how many a clip has to have, or None where any number will do.
    """

    def __init__(self, module: Any, architecture: Architecture) -> None:
        self.module: nn.Module = module.eval().requires_grad_(False)
        self.architecture = architecture
        config = module.config
        self.frames: int | None = getattr(getattr(config, "vision_config", config), "num_frames", None)
        patches = next((m for m in module.modules() if isinstance(m, nn.Conv2d | nn.Conv3d)), None)
        if patches is None:
            raise UserError(
                f"the model type {config.model_type!r} does not cut pictures into patches by a convolution, so its "
                "tokens have no known place; take another model"
            )
        self.patches: nn.Conv2d | nn.Conv3d = patches
        self.video = self.frames is not None or isinstance(patches, nn.Conv3d)
        names = ("get_video_features", "get_image_features")  # where there is a text tower, too
        self.call: Any = next((getattr(module, name) for name in names if hasattr(module, name)), module)
        known = inspect.signature(self.call.forward if self.call is module else self.call).parameters
        pixels = [name for name in PIXELS if name in known]
        if not pixels:
            raise UserError(
                f"the model type {config.model_type!r} does not take pictures; take another model"
            )
        self.pixels = pixels[0]
        free = [name for name in known if name not in (self.pixels, *SET)]
        for name in architecture.arguments:
            if name not in free:
                raise UserError(
                    f"card: architecture.arguments: the model takes no {name!r} from a card; {nearest(name, free)}"
                )

    def layers(self, clips: torch.Tensor, names: Collection[str] | None = None) -> dict[str, FeatureMap]:
        """The layers `names`, by default all that can be laid out, shallow to deep: hidden.0 (what enters the first
        block) ... hidden.L, last, pooled (where the model has such a thing), for clips (B, T, 3, S, S) float32.
        """
        pixels = clips if self.video else clips.flatten(0, 1)
        # All hidden states of a large model are many times what one layer takes.
        hidden = names is None or any(name.startswith("hidden.") for name in names)
        output = self.call(
            **{self.pixels: pixels}, output_hidden_states=hidden, **self.architecture.arguments
        )
        values = {f"hidden.{index}": value for index, value in enumerate(_hidden(output))}
        for name, field in (("last", "last_hidden_state"), ("pooled", "pooler_output")):
            if output.get(field) is not None:
                values[name] = output[field]
        wanted = values if names is None else names
        laid_out = {name: self._lay_out(values[name], clips) for name in wanted}
        return {name: layer for name, layer in laid_out.items() if layer is not None}

    @property
    def tubelet(self) -> int:
        """Frames that go into one position in time."""
        return self.patches.stride[0] if isinstance(self.patches, nn.Conv3d) else 1

    def _lay_out(self, value: torch.Tensor, clips: torch.Tensor) -> FeatureMap | None:
        """A layer's output as a map; None where its positions have no known place."""
        count, frames, side = len(clips), clips.shape[1], clips.shape[-1]
        groups, rest = divmod(len(value), count)  # 1, or one group of positions a frame
        if rest or groups not in (1, frames):
            return None
        value = value.unflatten(0, (count, groups))
        if value.dim() == 5:  # a convolutional network's (h, w) with channels first
            return FeatureMap(value.permute(0, 1, 3, 4, 2).float())
        if value.dim() == 3:  # one vector
            return FeatureMap(value[:, :, None, None].float())
        height = width = side // self.patches.stride[-1]
        times = frames // self.tubelet if groups == 1 else 1
        tokens, channels = value.shape[2:]
        if tokens < times * height * width:
            height = width = math.isqrt(tokens // times)  # a network that merges its patches on the way
            if times * height * width != tokens:
                return None
        before = tokens - times * height * width
        if before > EXTRA:
            return None
        cls = value[:, :, 0].float() if before else None
        patches = value[:, :, before:]
        if groups == 1 and self.architecture.tokens == "h w t":
            grid = patches.reshape(count, height, width, times, channels).permute(0, 3, 1, 2, 4)
        else:
            grid = patches.reshape(count, groups * times, height, width, channels)
        return FeatureMap(grid.float(), cls)


def _hidden(output: Any) -> list[torch.Tensor]:
    """The hidden states, tokens in the order of the picture.

    Hiera keeps its tokens window by window and hands out a rearranged copy (n, h, w, C) beside them. Swin's copy has
    channels first and tokens that were in order already.
    """
    states = list(output.get("hidden_states") or ())
    for index, copy in enumerate(output.get("reshaped_hidden_states") or ()):
        channels = states[index].shape[-1]
        if copy.shape[-1] == channels and copy.shape[1] != channels:
            states[index] = copy.flatten(1, 2)
    return states


def build(card: EncoderCard, folder: Path) -> HubModel:
    """The architecture of the config.json in `folder` at its own initialisation, from torch's global generator.

    Raises UserError for a wrong `architecture` in the card and for a model type that transformers does not know.
    """
    architecture, config = read_architecture(card), read_config(folder)
    with quiet(), _told(folder):
        # A checkpoint may ask for halves; every arm of every encoder runs in float32.
        module = transformers.AutoModel.from_config(config, dtype=torch.float32).float()
    strip(module, architecture)
    return HubModel(module, architecture)


def read_architecture(card: EncoderCard) -> Architecture:
    return validate(Architecture, card.architecture, f"card of {card.name}: architecture")


def read_config(folder: Path) -> Any:
    """The configuration in `folder`. Raises UserError where it is missing or unknown; code it names is never run."""
    path = folder / "config.json"
    if not path.is_file():
        raise UserError(
            f"{path}: is missing, so nothing tells the architecture; take a repository for transformers"
        )
    with quiet(), _told(folder):
        config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False)
        known = type(config) in transformers.MODEL_MAPPING
    if not known:
        raise UserError(
            f"{path}: transformers {library_version()} has no model for the type {config.model_type!r}; take another "
            "model"
        )
    return config


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """What the library says against a configuration, as one line. It raises errors of many kinds, some of its own."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"{folder / 'config.json'}: transformers {library_version()} cannot build a model of it ({reason:.200}); "
            "install a newer transformers, or take another model"
        ) from None


def load_state(folder: Path, tensors: Mapping[str, torch.Tensor]) -> tuple[Any, dict[str, Any]]:
    """The model of the configuration in `folder`, float32, with `tensors` renamed as the library knows how to; and its
    report: `missing_keys`, `unexpected_keys`, `mismatched_keys`. Whether the report is empty is for the caller to see.
    """
    config = read_config(folder)
    with quiet(), _told(folder):
        return transformers.MODEL_MAPPING[type(config)].from_pretrained(
            None,
            config=config,
            state_dict=dict(tensors),
            dtype=torch.float32,
            ignore_mismatched_sizes=True,  # reported, not raised
            output_loading_info=True,
        )


def library_version() -> str:
    return str(transformers.__version__)


def strip(module: nn.Module, architecture: Architecture) -> None:
    """Take the unused parts off a freshly built model; what is only in the checkpoint is not there to be taken off."""
    for name in architecture.unused:
        *path, last = name.rstrip(".").split(".")
        parent: Any = module
        for part in path:
            parent = getattr(parent, part, None)
        if getattr(parent, last, None) is not None:
            setattr(parent, last, None)


def layer_names(card: EncoderCard, folder: Path, frames: int, side: int) -> list[str]:
    """The layers that the model has for clips of `frames` frames of `side` x `side` pixels, shallow to deep."""
    with torch.device("meta"), torch.inference_mode():
        return list(build(card, folder).layers(torch.empty(1, frames, 3, side, side)))


@contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' own reports: what matters of them is checked, and told in one line."""
    log = transformers.utils.logging
    verbosity, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(verbosity)
        if bars:
            log.enable_progress_bar()

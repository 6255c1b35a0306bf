"""Any vision model of the transformers library as layers of feature maps, described by the card alone.

What differs between architectures is read off the model: whether it takes clips or pictures, how it is called, into
which grid its tokens fall. The card's `architecture` has only what cannot be read off. The shapes of all layers are
found by a pass on torch's meta device, which computes nothing, so that a layer that does not exist is reported before
the first clip is encoded.
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

from trajprobe.artifacts.encoder_card import EncoderCard
from trajprobe.core.errors import UserError
from trajprobe.core.schema import Section, nearest, validate
from trajprobe.encoders.protocol import FeatureMap

try:
    import transformers
except ModuleNotFoundError as error:
    raise UserError(
        f"the family transformers needs the package {error.name}: install trajprobe with its extra `hub`"
    ) from None

PIXELS = ("pixel_values", "pixel_values_videos")  # names of a model's input
FIXED = ("self", "output_hidden_states", "return_dict", "kwargs")  # arguments that a card cannot set
EXTRA = 17  # tokens before those of the patches, at most: the class token and registers
ANY_FRAMES = 2  # in the clip that shapes are found with, if an image model takes any number


class Architecture(Section):
    """unused: prefixes of the checkpoint's tensors that the encoder does not need: heads, decoders, text towers.
    arguments: passed to every call of the model. tokens: the order of the tokens in time, height and width.
    """

    unused: list[str] = Field(default_factory=list)
    arguments: dict[str, bool | int | float | str] = Field(default_factory=dict)
    tokens: Literal["t h w", "h w t"] = "t h w"


class HubModel:
    """A transformers model without its unused parts, and how to call it.

    module: the model. video: whether it takes clips (B, T, 3, S, S) rather than pictures (n, 3, S, S).
    frames: the number of frames that it takes, or None for any.
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
                "tokens have no known position; take another model"
            )
        self.patches: nn.Conv2d | nn.Conv3d = patches
        self.video = self.frames is not None or isinstance(patches, nn.Conv3d)
        names = ("get_video_features", "get_image_features")  # of a model with a text tower
        self.call: Any = next((getattr(module, name) for name in names if hasattr(module, name)), module)
        known = inspect.signature(self.call.forward if self.call is module else self.call).parameters
        pixels = [name for name in PIXELS if name in known]
        if not pixels:
            raise UserError(
                f"the model type {config.model_type!r} does not take pictures; take another model"
            )
        self.pixels = pixels[0]
        free = [name for name in known if name not in (self.pixels, *FIXED)]
        for name in architecture.arguments:
            if name not in free:
                raise UserError(
                    f"card: architecture.arguments: the model takes no {name!r} from a card; {nearest(name, free)}"
                )

    def layers(self, clips: torch.Tensor, names: Collection[str] | None = None) -> dict[str, FeatureMap]:
        """The layers `names` for clips (B, T, 3, S, S) float32; by default all whose positions are known.

        Shallow to deep: hidden.0 (the input of the first block) ... hidden.L, last, pooled (if the model has it).
        """
        pixels = clips if self.video else clips.flatten(0, 1)
        # All hidden states of a large model take many times the memory of one layer.
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
        """Frames that are joined into one position in time."""
        return self.patches.stride[0] if isinstance(self.patches, nn.Conv3d) else 1

    def _lay_out(self, value: torch.Tensor, clips: torch.Tensor) -> FeatureMap | None:
        """A layer's output as a map, or None if its positions are not known."""
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
            height = width = math.isqrt(tokens // times)  # a network that merges patches between blocks
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
    """The hidden states, with tokens in the order of the picture.

    Hiera orders tokens by window and returns a rearranged copy (n, h, w, C) as well. Swin's copy has channels first,
    and its tokens are in order already.
    """
    states = list(output.get("hidden_states") or ())
    for index, copy in enumerate(output.get("reshaped_hidden_states") or ()):
        channels = states[index].shape[-1]
        if copy.shape[-1] == channels and copy.shape[1] != channels:
            states[index] = copy.flatten(1, 2)
    return states


def build(card: EncoderCard, folder: Path) -> HubModel:
    """The architecture of the config.json in `folder` at its own initialisation, drawn from torch's global generator.

    Raises UserError for a wrong `architecture` in the card, and for a model type that transformers does not know.
    """
    architecture, config = read_architecture(card), read_config(folder)
    with _quiet(), _one_line(folder):
        # A checkpoint may ask for half precision; every arm of every encoder runs in float32.
        module = transformers.AutoModel.from_config(config, dtype=torch.float32).float()
    strip(module, architecture)
    return HubModel(module, architecture)


def read_architecture(card: EncoderCard) -> Architecture:
    """The card's `architecture`, checked."""
    return validate(Architecture, card.architecture, f"card of {card.name}: architecture")


def read_config(folder: Path) -> Any:
    """The configuration in `folder`. Raises UserError if it is missing or unknown; code that it names is never run."""
    path = folder / "config.json"
    if not path.is_file():
        raise UserError(
            f"{path}: is missing, so the architecture is not known; take a repository for transformers"
        )
    with _quiet(), _one_line(folder):
        config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False)
        known = type(config) in transformers.MODEL_MAPPING
    if not known:
        raise UserError(
            f"{path}: transformers {library_version()} has no model for the type {config.model_type!r}; take another "
            "model"
        )
    return config


@contextmanager
def _one_line(folder: Path) -> Iterator[None]:
    """Turn what the library raises for a configuration, errors of many types, into a UserError."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"{folder / 'config.json'}: transformers {library_version()} cannot build a model from it ({reason:.200}); "
            "install a newer transformers, or take another model"
        ) from None


def load_state(folder: Path, tensors: Mapping[str, torch.Tensor]) -> tuple[Any, dict[str, Any]]:
    """The model of the configuration in `folder` in float32, with `tensors` renamed by the library, and its report.

    The report has `missing_keys`, `unexpected_keys` and `mismatched_keys`; the caller checks that they are empty.
    """
    config = read_config(folder)
    with _quiet(), _one_line(folder):
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
    """Remove the unused parts from a freshly built model; those that are in the checkpoint alone are no part of it."""
    for name in architecture.unused:
        *path, last = name.rstrip(".").split(".")
        parent: Any = module
        for part in path:
            parent = getattr(parent, part, None)
        if getattr(parent, last, None) is not None:
            setattr(parent, last, None)


def layer_names(card: EncoderCard, folder: Path) -> list[str]:
    """The layers that the model has for clips as the card's `input` says, shallow to deep."""
    frames = card.input.frames if isinstance(card.input.frames, int) else ANY_FRAMES
    with torch.device("meta"), torch.inference_mode():
        return list(build(card, folder).layers(torch.empty(1, frames, 3, card.input.size, card.input.size)))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's own reports: what matters in them is checked, and reported in one line."""
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

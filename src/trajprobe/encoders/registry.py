"""The families of encoders: which module implements each, which source decides its features, where it runs.

A family is imported only when a card asks for it, so that one encoder does not pay for the libraries of another.
"""

import ast
import hashlib
import logging
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from trajprobe.core.errors import UserError
from trajprobe.encoders.protocol import Family

if TYPE_CHECKING:
    import torch

PACKAGE = "trajprobe.encoders"
FAMILIES = {  # `family` in a card -> the module with the functions of `Family`
    "open_magvit2": f"{PACKAGE}.open_magvit2.encoder",
    "stem": f"{PACKAGE}.open_magvit2.stem",
    "transformers": f"{PACKAGE}.transformers.encoder",
    "transnetv2": f"{PACKAGE}.transnetv2",
    "light_asd": f"{PACKAGE}.light_asd",
    "resnet": f"{PACKAGE}.resnet",
    "placeholder": f"{PACKAGE}.placeholder",
}
PROBED_CHANNELS = ((3, 16), (32, 32), (32, 64))  # into and out of the convolutions that a device is tested by
WRONG_CONVOLUTIONS = "with this torch and macOS its 3-D convolutions are wrong"
log = logging.getLogger(__name__)


def family(name: str) -> Family:
    """The module of the family `name`. Raises UserError if there is no such family, or a library of it is missing."""
    if name not in FAMILIES:
        raise UserError(f"the family {name!r} has no code yet; see CONTRIBUTING.md, 'Add an encoder'")
    return import_module(FAMILIES[name])


def code_digest(name: str, folder: Path = Path(__file__).parent) -> str:
    """SHA-256 of the source in this package that decides the features of the family `name`.

    folder: that of the package. A version number would have to be raised by hand and would be forgotten; an edited
    comment that costs an extraction is the cheaper mistake.
    """
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in family_sources(name, folder))).hexdigest()


def family_sources(name: str, folder: Path = Path(__file__).parent) -> list[Path]:
    """The module of the family `name` and all modules of this package that it imports, directly or not, sorted.

    They are found in the source, so nothing has to be listed by hand and nothing is imported.
    """
    found: set[Path] = set()
    waiting = {FAMILIES[name]}
    while waiting:
        path = folder.joinpath(*waiting.pop().removeprefix(f"{PACKAGE}.").split(".")).with_suffix(".py")
        if path.is_file() and path not in found:  # a name may be that of a function
            found.add(path)
            waiting |= _imported(path)
    return sorted(found)


def _imported(path: Path) -> set[str]:
    """The dotted names in this package that the module at `path` imports, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in names if name.startswith(f"{PACKAGE}.")}


def resolve_device(name: str | None = None) -> "torch.device":
    """The device `name`; by default cuda if there is one, else mps, else cpu. Raises UserError if it cannot be used."""
    import torch

    name = name or _preferred_device()
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"--device (TRAJPROBE_DEVICE): cannot use {name!r} ({reason}); take cpu, cuda, cuda:1, ..."
        ) from None
    if device.type == "mps" and not convolves_as_the_cpu(device):
        raise UserError(f"--device (TRAJPROBE_DEVICE): cannot use 'mps': {WRONG_CONVOLUTIONS}; take cpu")
    if device.type == "cuda":
        # TF32 has ten bits of mantissa: features would differ by more than between any two implementations.
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
    return device


def _preferred_device() -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if not torch.backends.mps.is_available():
        return "cpu"
    if convolves_as_the_cpu(torch.device("mps")):
        return "mps"
    log.warning("running on cpu, not on mps: %s", WRONG_CONVOLUTIONS)
    return "cpu"


def convolves_as_the_cpu(device: "torch.device") -> bool:
    """Whether 3-D convolutions on `device` are those of the CPU, in both memory orders, up to rounding.

    On Apple's MPS some versions of torch and macOS return wrong values without an error (github.com/pytorch/pytorch,
    issues 141471 and 197114), which would pass for features.
    """
    import torch

    generator = torch.Generator().manual_seed(0)
    for channels in PROBED_CHANNELS:
        clips = torch.randn(2, channels[0], 5, 16, 16, generator=generator)
        weights = torch.randn(channels[1], channels[0], 3, 3, 3, generator=generator)
        exact = torch.nn.functional.conv3d(clips, weights, padding=1)
        for order in (torch.contiguous_format, torch.channels_last_3d):
            operands = [x.to(device).contiguous(memory_format=order) for x in (clips, weights)]
            found = torch.nn.functional.conv3d(operands[0], operands[1], padding=1).cpu()
            if not (found - exact).abs().max() <= 1e-3 * exact.abs().max():
                return False
    return True

"""The families of encoders: which module implements each, which source decides its features, where it runs.

A family is imported only when a card asks for it, so that one encoder does not pay for the libraries of another.
"""

import ast
import hashlib
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
    """The device `name`; by default cuda if there is one, else cpu. Raises UserError if it cannot be used."""
    import torch

    name = name or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"--device (TRAJPROBE_DEVICE): cannot use {name!r} ({reason}); take cpu, cuda, cuda:1, ..."
        ) from None
    if device.type == "cuda":
        # TF32 has ten bits of mantissa: features would differ by more than between any two implementations.
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
    return device

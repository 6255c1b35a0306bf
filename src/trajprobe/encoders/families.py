"""Which module knows an encoder's family. Each is imported only when a card asks for it."""

from trajprobe.encoders.protocol import Family
from trajprobe.errors import UserError


def family(name: str) -> Family:
    """The module of the family `name`. Raises UserError where there is none."""
    match name:
        case "open_magvit2":
            from trajprobe.encoders import open_magvit2

            return open_magvit2
        case "stem":
            from trajprobe.encoders import stem

            return stem
        case "transformers":
            from trajprobe.encoders import hub_vision

            return hub_vision
        case "resnet":
            from trajprobe.encoders import resnet

            return resnet
        case "placeholder":
            from trajprobe.encoders import placeholder

            return placeholder
    raise UserError(f"the family {name!r} has no code yet; see CONTRIBUTING.md, 'Add an encoder'")

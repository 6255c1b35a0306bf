"""Pictures beneath the paths: `render.background` may name an image, or a folder of images, below data/backgrounds.

That folder is a dependency of the stage in dvc.yaml, so that another image in it draws the clips again; an image
elsewhere would be one that DVC does not see, and is refused. All images are read before the first clip is drawn. An
item's own generator chooses one of them.
"""

import warnings
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from trajprobe.core.errors import UserError
from trajprobe.render.params import RenderParams

MEMORY = 2**29  # bytes that the pictures of a folder may take, at the size of the clips
EIGHT_BIT = (
    "1",
    "L",
    "LA",
    "P",
    "RGB",
    "RGBA",
    "CMYK",
    "YCbCr",
)  # Pillow's modes of up to 8 bits in a channel
REMEDY = "correct render.background in params.yaml, or the file"


def load_backgrounds(render: RenderParams) -> np.ndarray | None:
    """(B, S, S, 3) uint8: the images that `render.background` names, in the order of their names; None for a colour.

    Each is scaled, by averages over areas where it shrinks, until it covers the frame, and its centre is cut out.
    Hidden files and DVC's own (.dvc) are no images. Raises UserError if there is no image, if a file is none, and if
    they would take more than MEMORY.
    """
    if render.background.startswith("#"):
        return None
    path = Path(render.background)
    files = _files(path)
    most = MEMORY // (3 * render.size**2)
    if len(files) > most:
        raise UserError(
            f"{path}: expected at most {most} images for clips of {render.size} pixels (they are kept in memory), got "
            f"{len(files)}; take fewer, or lower render.size"
        )
    return np.stack([cover(_read(file), render.size) for file in files])


def cover(picture: np.ndarray, size: int) -> np.ndarray:
    """(size, size, 3) uint8: the central square of `picture` (H, W, 3) uint8, scaled."""
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = np.ascontiguousarray(picture[top : top + side, left : left + side])
    filter_ = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return cv2.resize(square, (size, size), interpolation=filter_)


def _files(path: Path) -> list[Path]:
    """The file at `path`, or the files of the folder at `path` and of those below it, sorted."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(
            f"{path}: render.background names this image or folder, but it is missing; put it there"
        )
    found = sorted(file for file in path.rglob("*") if file.is_file())
    images = [
        file
        for file in found
        if file.suffix != ".dvc" and not any(part.startswith(".") for part in file.relative_to(path).parts)
    ]
    if not images:
        raise UserError(
            f"{path}: render.background names this folder, but it contains no image; put some there"
        )
    return images


def _read(file: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB, turned as the camera was held. Transparent parts are black."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file) as image:
                if image.mode not in EIGHT_BIT:
                    raise UserError(
                        f"{file}: expected an image of 8 bits in each channel, got one of mode {image.mode}; convert it"
                    )
                frames = getattr(image, "n_frames", 1)
                if frames > 1:
                    raise UserError(
                        f"{file}: expected an image, got an animation of {frames} frames; save its frames as images"
                    )
                turned = ImageOps.exif_transpose(image).convert("RGBA")
        opaque = Image.new("RGBA", turned.size, "black")
        opaque.alpha_composite(turned)
        return np.asarray(opaque.convert("RGB"))
    except UnidentifiedImageError:
        raise UserError(f"{file}: expected an image, got something else; {REMEDY}") from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise UserError(
            f"{file}: expected at most {Image.MAX_IMAGE_PIXELS} pixels, got more; scale it down"
        ) from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise UserError(f"{file}: cannot be read as an image ({error}); {REMEDY}") from None

"""Whether a checkpoint has what the encoder needs: all its tensors, in the right shapes, with sound values.

An encoder with one tensor left at random would still give features, and a comparison would blame the pretraining. So
anything missing, unexpected, misshapen or not finite stops the stage.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from trajprobe.core.errors import UserError

log = logging.getLogger(__name__)

SHOWN = 4  # names of each kind in a message

Shapes = Mapping[str, Sequence[int]]


def audit(found: Shapes, expected: Shapes, what: str) -> None:
    """Compare the tensors that a checkpoint has for an encoder with those that the encoder has, by name and shape.

    what: the checkpoint, for the message. Raises UserError with the first names of each kind of difference and their
    counts.
    """
    missing = [name for name in expected if name not in found]
    unexpected = [name for name in found if name not in expected]
    misshapen = [
        f"{printable(name)} {_shape(found[name])} for {_shape(shape)}"
        for name, shape in expected.items()
        if name in found and tuple(found[name]) != tuple(shape)
    ]
    differences = [
        f"{len(names)} {kind} ({first_names(names)})"
        for kind, names in (("missing", missing), ("unexpected", unexpected), ("misshapen", misshapen))
        if names
    ]
    if differences:
        raise UserError(
            f"{what}: does not fit the encoder, which has {len(expected)} tensors: {'; '.join(differences)}; check "
            "`architecture` and `weights` in the card"
        )


class ValueCheck:
    """Checks tensors one by one as they are converted. what: the checkpoint, for messages."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.constant: dict[
            str, tuple[float, int]
        ] = {}  # tensors of one value: that, and their number of axes
        self.varied = False

    def add(self, name: str, values: np.ndarray) -> None:
        """Raise UserError if a floating-point tensor has NaN, infinite values or a negative variance."""
        if not values.size:
            return
        with np.errstate(invalid="ignore"):
            least, largest = values.min(), values.max()  # NaN if any value is
        if not (np.isfinite(least) and np.isfinite(largest)):
            count = np.count_nonzero(~np.isfinite(values))
            self._refuse(f"{printable(name)} has {count} NaN or infinite values of {values.size}")
        if name.endswith("running_var") and least < 0:
            self._refuse(f"{printable(name)} is a variance and has negative values, down to {least:g}")
        if least < largest:
            self.varied = True
        else:
            self.constant[name] = (float(least), values.ndim)

    def finish(self) -> None:
        """Raise UserError if no tensor has two different values; warn of the matrices and kernels that have not.

        Biases and norms may be constant in a sound file, as some are never trained.
        """
        if self.constant and not self.varied:
            name, (value, _) = next(iter(self.constant.items()))
            self._refuse(f"no tensor has two different values ({printable(name)} is {value:g} throughout)")
        odd = [f"{name}: {value:g}" for name, (value, axes) in self.constant.items() if axes > 1]
        if odd:
            log.warning(
                "%s: %d of its tensors have one value throughout (%s): is the file whole?",
                self.what,
                len(odd),
                first_names(odd),
            )

    def _refuse(self, reason: str) -> None:
        raise UserError(
            f"{self.what}: {reason}; the file is damaged or was saved untrained: name another one in the card"
        )


def first_names(names: Iterable[str]) -> str:
    """The first of the names, fit for a terminal."""
    names = list(names)
    more = ", …" if len(names) > SHOWN else ""
    return ", ".join(printable(name) for name in names[:SHOWN]) + more


def printable(name: str) -> str:
    """A name from an untrusted file, fit for a terminal."""
    return name if name.isprintable() and len(name) <= 150 else f"{name!a:.150}"


def _shape(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape)) or "scalar"

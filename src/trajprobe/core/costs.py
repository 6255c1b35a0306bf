"""data/costs/<name>.json: the measured seconds of an alternative, or of a pass through an encoder.

Seconds are never twice the same, while predictions and features are. So they are in a file of their own, and a
measurement is kept as long as it belongs to what was made: if the stage `baseline` runs again and predicts the same
bytes, or `extract` with the same encoder, settings and shape of clips, the file stays as it is. Delete it to measure
again.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from trajprobe.core import paths
from trajprobe.core.errors import UserError
from trajprobe.core.files import sha256, write_json
from trajprobe.core.schema import NonNegative, NonNegativeInt, Section, Sha256, load

AnySection = TypeVar("AnySection", bound=Section)


def stopwatch(device: str) -> Callable[[], float]:
    """A clock in seconds: the time of all cores that this process used, or that which went by on another device.

    What a core does does not depend on what else the machine is doing.
    """
    return time.process_time if device == "cpu" else time.perf_counter


class Measured(Section):
    """Seconds are those of `stopwatch`.

    training_seconds: of one training, averaged over the outer folds and seeds, from paths or clips to a model.
    inference_seconds: for one item, from its path or clip to probabilities, in batches. parameters: numbers that the
    model keeps, the encoder's included; for nearest neighbours those of the paths that it compares with. bytes: that
    these take. trainings: how many were needed for the folds and the split halves, 0 if it was left out. device: cpu,
    cuda or mps.
    """

    training_seconds: NonNegative
    inference_seconds: NonNegative
    parameters: NonNegativeInt
    bytes: NonNegativeInt
    trainings: NonNegativeInt
    device: str


class PassCosts(Section):
    """Of an encoder, which is frozen. name: its own. identity: SHA-256 of what decides how long a pass takes, but for
    the machine. seconds: those of `stopwatch` from one clip to its features, in batches. device: cpu, cuda or mps.
    """

    name: str
    identity: Sha256
    seconds: NonNegative
    device: str


class Costs(Measured):
    """name: of the alternative. predictions: SHA-256 of the predictions that the measurement belongs to."""

    name: str
    predictions: Sha256


def write_costs(name: str, measured: Measured) -> Costs:
    """Write data/costs/<name>.json for the predictions as they are now, or keep what was measured for them before."""
    path, digest = paths.costs(name), sha256(paths.predictions(name))
    kept = read_costs(name)
    if kept is not None and (kept.name, kept.predictions) == (name, digest):
        return kept
    costs = Costs(name=name, predictions=digest, **measured.model_dump())
    write_json(path, costs.model_dump())
    return costs


def write_pass_costs(name: str, identity: str, device: str, measure: Callable[[], float]) -> PassCosts:
    """Write data/costs/<name>.json of an encoder, or keep what was measured for the same identity before."""
    kept = read_pass_costs(name)
    if kept is not None and (kept.name, kept.identity) == (name, identity):
        return kept
    costs = PassCosts(name=name, identity=identity, seconds=measure(), device=device)
    write_json(paths.costs(name), costs.model_dump())
    return costs


def read_costs(name: str) -> Costs | None:
    """What was measured of an alternative; None if that is missing or damaged, and of an encoder."""
    return _read(Costs, name)


def read_pass_costs(name: str) -> PassCosts | None:
    """What was measured of an encoder; None if that is missing or damaged, and of an alternative."""
    return _read(PassCosts, name)


def _read(kind: type[AnySection], name: str) -> AnySection | None:
    try:
        return load(kind, paths.costs(name))  # JSON is YAML
    except UserError:
        return None

"""Run a stage with the sections of params that the command line gives it, and import no other stage."""

from importlib import import_module
from typing import Any

from trajprobe.params import Params


def run(
    stage: str,
    params: Params | None,
    name: str = "",
    workers: int | None = None,
    device: str | None = None,
    batch: int = 8,
) -> str:
    """The message of the stage. params: None for `controls` and `fetch`. name: of an encoder, or `controls`."""
    call: Any = import_module(f"trajprobe.{stage}.stage").run
    given: Any = params
    match stage:
        case "controls":
            return str(call())
        case "fetch":
            return str(call(name))
        case "trajectories":
            return str(call(given.source, given.synthesis, given.trajectories))
        case "render":
            return str(call(given.render, workers))
        case "extract":
            return str(call(given.extract, name, device, batch))
        case "probe":
            return str(call(given.probe, name, workers))
        case "analyse":
            confidence, frames = given.compare.confidence, given.render.frames
            return str(call(given.analyse, given.probe, confidence, frames, name, workers))
        case "baseline":
            given = (given.baseline, given.probe, given.extract, given.encoders[0])
            return str(call(*given, name, device, batch, workers))
        case "compare":
            return str(call(given.compare, given.encoders, given.baselines, given.weights))
        case "plot":
            rope, confidence = given.compare.rope, given.compare.confidence
            return str(call(given.plot, given.source, given.encoders, rope, confidence))
    raise ValueError(stage)

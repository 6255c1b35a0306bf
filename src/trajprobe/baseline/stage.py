"""Stage `baseline`: an alternative to the frozen encoder -> data/predictions/<name>.parquet, data/costs/<name>.json."""

from collections.abc import Callable
from typing import get_args

from trajprobe.artifacts.features import FeatureFile
from trajprobe.artifacts.predictions import Predictions, write_predictions
from trajprobe.artifacts.trajectories import items_digest, read_items
from trajprobe.baseline.params import BaselineName, BaselineParams
from trajprobe.baseline.task import Outcome, Task, left_out
from trajprobe.core import paths
from trajprobe.core.costs import write_costs
from trajprobe.core.errors import UserError
from trajprobe.core.parallel import worker_count
from trajprobe.core.schema import nearest
from trajprobe.extract.params import ExtractParams
from trajprobe.probe.inputs import load_inputs
from trajprobe.probe.params import ProbeParams


def run(
    settings: BaselineParams,
    probe: ProbeParams,
    extract: ExtractParams,
    encoder: str,
    name: str,
    device: str | None = None,
    batch: int = 8,
    workers: int | None = None,
) -> str:
    """Train the alternative `name` on the folds of the probe and write its predictions and costs; returns a message.

    encoder: that of the alternatives which have one. An alternative that needs paths is left out, without arms, where
    the items are clips without them, and one that needs classes where labels are numbers. Raises UserError if something
    that it needs is missing, or if the items do not suffice for the folds.
    """
    train = _alternative(name)
    items = read_items(paths.TRAJECTORIES)
    digest = items_digest(items.item_ids)
    inputs = load_inputs(items, FeatureFile({}, {"items": digest}), name, probe)
    task = Task(
        name=name,
        items=items,
        inputs=inputs,
        settings=settings,
        extract=extract,
        encoder=encoder,
        device=device,
        batch=batch,
        workers=worker_count(workers),
    )
    outcome = left_out(task) if task.hindrance else train(task)
    tested = inputs.tested
    write_predictions(
        paths.predictions(name),
        Predictions(
            item_ids=[items.item_ids[i] for i in tested],
            groups=[items.groups[i] for i in tested],
            y=inputs.y[tested],
            classes=items.classes,
            items=digest,
            l2_grid=(probe.l2_grid.low, probe.l2_grid.high),
            arms=outcome.arms,
            features={
                "items": digest,
                "baseline": name,
                "parameters": outcome.measured.parameters,
                **outcome.metadata,
            },
            split_half_counts=outcome.split_half_counts,
        ),
    )
    costs = write_costs(name, outcome.measured)
    if not outcome.arms:
        return f"{name} is left out: {task.hindrance}"
    # Of the first arm, because arms may be trained from different starts.
    first, y = outcome.arms[0].predicted, inputs.y[tested]
    if items.classes:
        reached = f"{float((first == y).mean()):.1%} of {len(tested)} items held out"
    else:
        reached = f"R² {1 - float(((first - y) ** 2).mean() / y.var()):.2f} on {len(tested)} items held out"
    return (
        f"{paths.predictions(name)}: {reached}; {costs.training_seconds:.3g} s to "
        f"train, {1000 * costs.inference_seconds:.3g} ms an item, {costs.parameters} parameters"
    )


def _alternative(name: str) -> Callable[[Task], Outcome]:
    """The function of the alternative `name`. Raises UserError, with the nearest names, if there is none.

    Only the one that is asked for is imported: most need torch.
    """
    match name:
        case "kinematics":
            from trajprobe.baseline.kinematics import probe_kinematics

            return probe_kinematics
        case "static" | "shuffled" | "reversed":
            from trajprobe.baseline.frame_order import rearranged

            return rearranged
        case "dtw":
            from trajprobe.baseline.dtw import nearest_warped

            return nearest_warped
        case "multirocket":
            from trajprobe.baseline.multirocket import random_convolutions

            return random_convolutions
        case "cnn3d":
            from trajprobe.baseline.cnn3d import train_cnn3d

            return train_cnn3d
        case "finetune":
            from trajprobe.baseline.finetune import finetune_encoder

            return finetune_encoder
    raise UserError(f"baseline: no alternative {name!r}; {nearest(name, list(get_args(BaselineName)))}")

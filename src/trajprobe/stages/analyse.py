"""The analyse stage: what the headline representation of an encoder gives besides accuracy."""

from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np

from trajprobe import paths
from trajprobe.analyses.bench import Bench, Learner
from trajprobe.analyses.contrast import contrast
from trajprobe.analyses.description_length import description_length
from trajprobe.analyses.label_efficiency import label_efficiency
from trajprobe.analyses.neighbours import vote
from trajprobe.analyses.selectivity import selectivity
from trajprobe.features.store import Features, read_features
from trajprobe.files import write_json
from trajprobe.params.study import Analyses, Params
from trajprobe.probe.material import Material, gather
from trajprobe.probe.predictions import Arm
from trajprobe.threads import thread_count
from trajprobe.trajectories.table import Items, read_items


def run(params: Params, encoder: str) -> str:
    """Analyse the pretrained arm of `encoder` against its random ones and write data/analyses/<encoder>.json.

    Raises UserError where the features are of other items, or do not admit an analysis that is asked for.
    """
    items = read_items(paths.TRAJECTORIES)
    features = read_features(paths.features(encoder))
    material = gather(items, features, encoder, params.probe)
    settings, headline = params.analyses, material.arms[0][0]
    bench = _bench(params, encoder, items, material)
    learners = _learners(settings, features, headline)
    tested = bench.codes[bench.tested]
    efficiency = length = selective = None
    if settings.label_efficiency:
        efficiency = label_efficiency(bench, settings.labels, settings.draws, settings.bootstrap)
    if settings.description_length:
        length = description_length(bench, settings.orders)
    if settings.selectivity:
        selective = selectivity(bench)
    with _one_torch_thread() if settings.mlp or settings.attentive else nullcontext():
        probes = [contrast(bench, name, learner) for name, learner in learners.items()]
    found = {
        "encoder": encoder,
        "n_classes": bench.n_classes,
        "chance": np.bincount(tested).max() / len(tested),
        "seeds": len(bench.arms) - 1,
        "confidence": bench.confidence,
        "label_efficiency": efficiency,
        "description_length": length,
        "selectivity": selective,
        "probes": probes,
    }
    write_json(paths.analyses(encoder), _rounded(found))
    done = [name.replace("_", " ") for name, value in found.items() if isinstance(value, dict)] + list(
        learners
    )
    lacking = settings.label_efficiency and efficiency is None
    why = "; label efficiency left out: some class has too few groups for the budgets in analyses.labels"
    return f"{paths.analyses(encoder)}: {', '.join(done) or 'nothing asked for'}{why if lacking else ''}"


def _bench(params: Params, encoder: str, items: Items, material: Material) -> Bench:
    headline = material.arms[0][0]
    return Bench(
        name=encoder,
        arms=[
            rows
            for arm, rows in material.arms
            if (arm.layer, arm.pooling) == (headline.layer, headline.pooling)
        ],
        codes=material.codes,
        groups=np.unique(np.asarray(items.groups, dtype=object), return_inverse=True)[1],
        n_classes=len(items.classes),
        folds=[fold for fold in material.folds if fold.repeat == 0],
        inner_folds=params.probe.inner_folds,
        strengths=material.strengths,
        seed=params.analyses.seed,
        confidence=params.compare.confidence,
        workers=thread_count(),
    )


def _learners(settings: Analyses, features: Features, headline: Arm) -> dict[str, Learner]:
    """The classifiers asked for beside the probe; torch is loaded for those alone that need it."""
    learners: dict[str, Learner] = {}
    if settings.knn:
        learners["knn"] = partial(vote, settings.neighbours)
    if settings.mlp:
        from trajprobe.analyses.mlp import mlp

        learners["mlp"] = partial(mlp, settings.hidden, settings.epochs, settings.seed)
    if settings.attentive:
        from trajprobe.analyses.attentive import attentive, token_width

        width = token_width(features.arrays, headline.layer, headline.pooling)
        learners["attentive"] = partial(attentive, width, settings.heads, settings.epochs, settings.seed)
    return learners


def _one_torch_thread() -> Any:
    from trajprobe.analyses.networks import single_threaded

    return single_threaded()


def _rounded(value: Any) -> Any:
    """Plain JSON with figures of six digits after the point, so that rounding in a sum's last bit changes nothing."""
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_rounded(part) for part in value]
    return round(float(value), 6) if isinstance(value, float | np.floating) else value

"""Stage `analyse`: what the headline representation of an encoder gives besides accuracy."""

import numpy as np

from trajprobe.analyse.description_length import description_length
from trajprobe.analyse.harness import Harness
from trajprobe.analyse.label_efficiency import label_efficiency
from trajprobe.analyse.other_probes import make_estimators, other_probes
from trajprobe.analyse.params import AnalyseParams
from trajprobe.analyse.selectivity import selectivity
from trajprobe.artifacts.analyses import Analyses, write_analyses
from trajprobe.artifacts.features import read_features
from trajprobe.artifacts.trajectories import read_items
from trajprobe.core import paths
from trajprobe.core.parallel import worker_count
from trajprobe.probe.inputs import load_inputs
from trajprobe.probe.params import ProbeParams


def run(
    settings: AnalyseParams, probe: ProbeParams, confidence: float, encoder: str, workers: int | None = None
) -> str:
    """Analyse the pretrained arm of `encoder` against its random ones and write data/analyses/<encoder>.json.

    Raises UserError if the features are of other items, or do not admit an analysis that is switched on.
    """
    items = read_items(paths.TRAJECTORIES)
    features = read_features(paths.features(encoder))
    inputs = load_inputs(items, features, encoder, probe)
    headline = inputs.arms[0][0]
    estimators = make_estimators(settings, features, headline)
    harness = Harness(
        name=encoder,
        arms=inputs.arms_at(headline.layer, headline.pooling),
        y=inputs.y,
        groups=np.unique(np.asarray(items.groups, dtype=object), return_inverse=True)[1],
        n_classes=len(items.classes),
        folds=[fold for fold in inputs.folds if fold.repeat == 0],
        inner_folds=probe.inner_folds,
        l2_grid=inputs.l2_grid,
        seed=settings.seed,
        confidence=confidence,
        workers=worker_count(workers),
    )
    tested = harness.y[harness.tested]
    efficiency = length = selective = None
    if settings.label_efficiency:
        efficiency = label_efficiency(harness, settings.labels, settings.draws, settings.bootstrap)
    if settings.description_length:
        length = description_length(harness, settings.orders)
    if settings.selectivity:
        selective = selectivity(harness)
    analyses = Analyses(
        encoder=encoder,
        n_classes=harness.n_classes,
        chance=float(np.bincount(tested).max() / len(tested)),
        seeds=len(harness.arms) - 1,
        confidence=confidence,
        label_efficiency=efficiency,
        description_length=length,
        selectivity=selective,
        probes=other_probes(harness, estimators),
    )
    write_analyses(paths.analyses(encoder), analyses)
    sections = ("label_efficiency", "description_length", "selectivity")
    done = [name.replace("_", " ") for name in sections if getattr(analyses, name)] + list(estimators)
    message = f"{paths.analyses(encoder)}: {', '.join(done) or 'no analysis is switched on'}"
    if settings.label_efficiency and not efficiency:
        message += (
            "; label efficiency left out: some class has too few groups for the budgets in analyse.labels"
        )
    return message

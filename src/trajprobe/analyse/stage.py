"""Stage `analyse`: what the headline representation of an encoder gives besides accuracy."""

import numpy as np

from trajprobe.analyse.attributes import attribute_gains, middle_frame, path_attributes
from trajprobe.analyse.description_length import description_length
from trajprobe.analyse.harness import Harness
from trajprobe.analyse.injection import inject
from trajprobe.analyse.label_efficiency import label_efficiency
from trajprobe.analyse.other_probes import make_estimators, other_probes
from trajprobe.analyse.params import LEAST_INITS, AnalyseParams
from trajprobe.analyse.selectivity import selectivity
from trajprobe.artifacts.analyses import Analyses, AttributeGain, write_analyses
from trajprobe.artifacts.features import read_features
from trajprobe.artifacts.trajectories import read_items, read_trajectories
from trajprobe.core import paths
from trajprobe.core.errors import UserError
from trajprobe.core.parallel import worker_count
from trajprobe.probe.inputs import ProbeInputs, load_inputs
from trajprobe.probe.params import ProbeParams

# Analyses that need classes: left out where labels are numbers to predict.
OF_CLASSES = ("label_efficiency", "description_length", "selectivity", "knn", "mlp", "attentive", "injection")


def run(
    settings: AnalyseParams,
    probe: ProbeParams,
    confidence: float,
    frames: int,
    encoder: str,
    workers: int | None = None,
) -> str:
    """Analyse the pretrained arm of `encoder` against its random ones and write data/analyses/<encoder>.json.

    frames: in a clip. Raises UserError if the features are of other items, or do not admit an analysis that is switched
    on.
    """
    items = read_items(paths.TRAJECTORIES)
    if settings.attributes and not items.has_paths:
        raise UserError(
            "analyse.attributes: needs trajectories, and the items of this source are clips without them; set it to "
            "false"
        )
    features = read_features(paths.features(encoder))
    inputs = load_inputs(items, features, encoder, probe)
    headline = inputs.arms[0][0]
    left_out = "" if items.classes else _switched_on(settings)
    if not items.classes:
        settings = settings.model_copy(update=dict.fromkeys(OF_CLASSES, False))
    estimators = make_estimators(settings, features, headline)
    arms = inputs.arms_at(headline.layer, headline.pooling)
    if settings.injection and len(arms) - 1 < LEAST_INITS:
        raise UserError(
            f"{paths.features(encoder)}: analyse.injection needs at least {LEAST_INITS} random initialisations, found "
            f"{len(arms) - 1}; run `dvc repro extract@{encoder}`"
        )
    harness = Harness(
        name=encoder,
        arms=arms,
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
    efficiency = length = selective = attributes = injection = None
    if settings.label_efficiency:
        efficiency = label_efficiency(harness, settings.labels, settings.draws, settings.bootstrap)
    if settings.description_length:
        length = description_length(harness, settings.orders)
    if settings.selectivity:
        selective = selectivity(harness)
    if settings.attributes:
        attributes = _attributes(harness, inputs, frames, settings.window)
    if settings.injection:
        injection = inject(
            encoder, items, inputs, arms[1:], settings.planted, confidence, settings.seed, harness.workers
        )
    analyses = Analyses(
        encoder=encoder,
        n_classes=harness.n_classes,
        chance=float(np.bincount(tested).max() / len(tested)) if items.classes else 0.0,
        seeds=len(harness.arms) - 1,
        confidence=confidence,
        label_efficiency=efficiency,
        description_length=length,
        selectivity=selective,
        probes=other_probes(harness, estimators),
        attributes=attributes,
        injection=injection,
    )
    write_analyses(paths.analyses(encoder), analyses)
    sections = ("label_efficiency", "description_length", "selectivity", "attributes", "injection")
    done = [name.replace("_", " ") for name in sections if getattr(analyses, name)] + list(estimators)
    message = f"{paths.analyses(encoder)}: {', '.join(done) or 'no analysis is switched on'}"
    if left_out:
        message += f"; left out, as they are of classes and labels are numbers: {left_out}"
    if settings.label_efficiency and not efficiency:
        message += (
            "; label efficiency left out: some class has too few groups for the budgets in analyse.labels"
        )
    if settings.injection and not injection:
        message += (
            f"; injection left out: no planted signal raises the random arm by {100 * settings.planted:g} points; "
            "lower analyse.planted"
        )
    return message


def _switched_on(settings: AnalyseParams) -> str:
    """The analyses of classes that are switched on, in words."""
    return ", ".join(name.replace("_", " ") for name in OF_CLASSES if getattr(settings, name))


def _attributes(harness: Harness, inputs: ProbeInputs, frames: int, window: int) -> list[AttributeGain]:
    """The gain by attribute. Raises UserError if the controls are of other items or another number of frames."""
    controls = read_features(paths.features(paths.CONTROLS))
    pixels = controls.arrays["control/pixels"]
    if controls.metadata.get("items") != inputs.digest or pixels.shape[1] % frames:
        raise UserError(
            f"{paths.features(paths.CONTROLS)}: was made from other clips; run `dvc repro`, so that both are up "
            "to date"
        )
    own = read_trajectories(paths.TRAJECTORIES)
    attributes = path_attributes(own.times, own.points, own.strokes, window)
    return attribute_gains(harness, attributes, middle_frame(pixels, frames), inputs.split_halves)

"""The compare stage: predictions in, the gain of pretraining and a verdict out."""

from collections.abc import Mapping, Sequence
from typing import Any

from trajprobe import paths
from trajprobe.compare.calibration import RELIABILITY_COLUMNS, reliability_rows
from trajprobe.compare.evidence import Contrast, gather
from trajprobe.compare.gain import Gain, estimate_gain
from trajprobe.compare.guards import above_noise, refuse_leakage, saturated, share_at_edge
from trajprobe.compare.holm import holm
from trajprobe.compare.order import ORDER_COLUMNS, order_rows
from trajprobe.compare.per_class import CLASS_COLUMNS, class_rows
from trajprobe.compare.summary import ARM_COLUMNS, Judged, arm_rows, confusion_rows, summarise, write_csv
from trajprobe.compare.verdict import decide
from trajprobe.features.order import is_confounded
from trajprobe.files import keep_only, write_json
from trajprobe.params.study import Params
from trajprobe.probe.predictions import read_predictions


def run(params: Params) -> str:
    """Compare the arms of every encoder and write metrics/; returns the headline verdict in a sentence.

    Raises UserError where predictions are missing or do not fit together, or where labels leak.
    """
    names = [*params.encoders, paths.CONTROLS]
    keep_only([paths.predictions(name) for name in names])
    files = {name: read_predictions(paths.predictions(name)) for name in names}
    evidence = gather(files, params.encoders, paths.CONTROLS)
    refuse_leakage(evidence)
    settings = params.compare
    gains = {
        encoder: [estimate_gain(evidence, contrast, settings, len(params.encoders)) for contrast in contrasts]
        for encoder, contrasts in evidence.contrasts.items()
    }
    adjusted = _adjusted(gains)
    judged: dict[str, list[Judged]] = {}
    for encoder, contrasts in evidence.contrasts.items():
        judged[encoder] = []
        for contrast, gain, p_adjusted in zip(contrasts, gains[encoder], adjusted[encoder], strict=True):
            verdict = decide(
                gain,
                p_adjusted=p_adjusted,
                confidence=settings.confidence,
                rope=settings.rope,
                pretrained_above_noise=above_noise(evidence, [contrast.pretrained]),
                random_above_noise=above_noise(evidence, contrast.random),
                saturated=saturated(evidence, contrast),
                confounded=_confounded(files[encoder].features, contrast),
                at_edge=share_at_edge(evidence, [contrast.pretrained, *contrast.random]),
            )
            judged[encoder].append(Judged(contrast, gain, p_adjusted, verdict))
    headline = params.encoders[0]
    first = judged[headline][0]
    summary = summarise(evidence, headline, first, params.weights, settings.confidence, settings.rope)
    write_json(paths.SUMMARY, summary)
    write_csv(paths.ARMS, ARM_COLUMNS, arm_rows(evidence, judged, settings.confidence))
    write_csv(paths.CONFUSION, ("encoder", "arm", "actual", "predicted"), confusion_rows(evidence, judged))
    headlines = {encoder: contrasts[0] for encoder, contrasts in evidence.contrasts.items()}
    write_csv(paths.PER_CLASS, CLASS_COLUMNS, class_rows(evidence, headlines, settings.confidence))
    write_csv(paths.RELIABILITY, RELIABILITY_COLUMNS, reliability_rows(evidence, headlines))
    write_csv(
        paths.ORDER, ORDER_COLUMNS, order_rows({name: files[name].features for name in params.encoders})
    )
    return first.verdict.sentence + (f" Mind: {first.verdict.warning}." if first.verdict.warning else "")


def _adjusted(gains: Mapping[str, Sequence[Gain]]) -> dict[str, list[float]]:
    """p-values after Holm's correction: of each encoder's first contrast over the encoders, which is what was asked;
    of its other layers and poolings over all contrasts there are, among which one might go looking.
    """
    first = holm([each[0].p_value for each in gains.values()])
    every = iter(holm([gain.p_value for each in gains.values() for gain in each]))
    found = {encoder: [next(every) for _ in each] for encoder, each in gains.items()}
    return {encoder: [own, *found[encoder][1:]] for encoder, own in zip(gains, first, strict=True)}


def _confounded(features: Mapping[str, Any], contrast: Contrast) -> bool:
    """Whether, by the certificates that came with the features, only the pretrained arm sees the order of frames."""
    place = f"{contrast.pretrained.arm.layer}/{contrast.pretrained.arm.pooling}"
    return is_confounded(features["order"]["pretrained"][place], features["order"]["random"][place])

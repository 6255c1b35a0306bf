"""Stage `compare`: predictions -> metrics/, the gain of pretraining with its uncertainty and a verdict."""

from collections.abc import Sequence

from trajprobe.artifacts.formatting import scale_of
from trajprobe.artifacts.metrics import (
    ARM_COLUMNS,
    CLASS_COLUMNS,
    CONFUSION_COLUMNS,
    LADDER_COLUMNS,
    ORDER_COLUMNS,
    RELIABILITY_COLUMNS,
    write_summary,
    write_table,
)
from trajprobe.artifacts.predictions import read_predictions
from trajprobe.compare import tables
from trajprobe.compare.checks import refuse_leakage, unpinned_weights
from trajprobe.compare.ladder import climb, ladder_rows, worth_using
from trajprobe.compare.paired_predictions import pair_predictions
from trajprobe.compare.params import CompareParams
from trajprobe.compare.verdict import judge
from trajprobe.core import paths


def run(settings: CompareParams, encoders: Sequence[str], baselines: Sequence[str], weights: str) -> str:
    """Compare the arms of every encoder and the alternatives, and write metrics/.

    Returns the verdict on the first, in plain sentences, and the digests of weights that no card pins.

    Raises UserError if predictions are missing or do not fit together, or if labels leak.
    """
    paired = pair_predictions(
        {name: read_predictions(paths.predictions(name)) for name in (*encoders, paths.CONTROLS)},
        {name: own for name in baselines if (own := read_predictions(paths.predictions(name))).arms},
    )
    refuse_leakage(paired)
    judged = judge(paired, settings)
    headline = judged[encoders[0]][0]
    rungs = climb(paired, encoders[0], settings.confidence)
    numeric, scale = not paired.classes, scale_of(len(paired.classes))
    worth = worth_using(rungs, settings.confidence, scale)
    sentence = f"{headline.verdict.sentence} {worth}".strip()
    write_summary(paths.SUMMARY, tables.summarise(paired, encoders[0], headline, weights, sentence))
    write_table(paths.LADDER, LADDER_COLUMNS, ladder_rows(paired, rungs, settings.confidence), numeric)
    write_table(paths.ARMS, ARM_COLUMNS, tables.arm_rows(paired, judged, settings.confidence), numeric)
    write_table(paths.CONFUSION, CONFUSION_COLUMNS, tables.confusion_rows(paired))
    write_table(paths.PER_CLASS, CLASS_COLUMNS, tables.per_class_rows(paired, settings.confidence))
    write_table(paths.RELIABILITY, RELIABILITY_COLUMNS, tables.reliability_rows(paired))
    write_table(paths.ORDER, ORDER_COLUMNS, tables.order_rows(paired))
    verdict = headline.verdict
    warning = f" Warning: {verdict.warning}" if verdict.warning else ""
    return "\n".join([sentence + warning, *unpinned_weights(paired)])

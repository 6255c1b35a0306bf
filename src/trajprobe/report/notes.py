"""What the results do and do not say, in words: the headline, remarks, and the limits of a conclusion.

Each is decided by the numbers it speaks of, so that a page never claims what its own figures do not carry. The
verdict itself, its sentence and its warning come from the comparison and are shown as they are.
"""

from trajprobe.report.provenance import EncoderFacts
from trajprobe.report.tables import Arms, Comparison
from trajprobe.report.words import bare, counted, percent

KNOWN = {
    "coordinates": "the paths themselves, resampled, with no picture drawn",
    "pixels": "the pixels of the clips, without any encoder",
    "random_projection": "a random projection of the pixels, likewise",
    "hash_noise": "nothing: noise drawn from the name of the item",
}

DISORDERED = {
    "shuffled": "frames in random order",
    "reversed": "played backwards",
    "static": "one frame throughout",
}


def headline(verdict: str, rope: float) -> str:
    """The verdict as a heading. rope: a fraction."""
    return {
        "helps": "Pretraining helps",
        "hurts": "Pretraining hurts",
        "no_difference": f"Pretraining makes no difference beyond ±{100 * rope:g} points",
        "inconclusive": "Inconclusive: this much data cannot tell",
    }[verdict]


def lede(comparison: Comparison, held: int, items: int, n_classes: int, source: str) -> str:
    """One sentence with both accuracies. held: items that were held out at least once, of `items`."""
    own, random = comparison.pretrained.accuracy.value, comparison.random_mean
    count = f"{items:,}" if held == items else f"{held:,} of {items:,}"
    return (
        f"A linear probe on the frozen features of {comparison.encoder} recognises {percent(own)} of held-out "
        f"trajectories with its pretraining, and {percent(random)} at random initialisation: {count} "
        f"{source} trajectories in {counted(n_classes, 'class')}."
    )


def remarks(arms: Arms, noise: bool) -> list[str]:
    """What a reader must know beside the headline, most serious first; empty where there is nothing.

    noise: the clips show noise in place of the trajectories.
    """
    found = []
    if noise:
        found.append(
            "The clips are Gaussian noise (render.content: noise): no encoder can help, and a gain is luck."
        )
    several = len(arms.headlines) > 1
    found += [
        f"Mind{', of ' + comparison.encoder if several else ''}: {comparison.warning}."
        for comparison in arms.headlines
        if comparison.warning
    ]
    own = arms.headlines[0].pretrained.accuracy
    better = [arm for arm in arms.controls if arm.accuracy.low > own.high]
    if better:
        best = max(better, key=lambda arm: arm.accuracy.value)
        found.append(
            f"The control {best.encoder} reaches {percent(best.accuracy.value)}, more than the encoder: whoever only "
            "wants these classes told apart does better without it."
        )
    return found


def limits(
    comparison: Comparison, rope: float, detectable: float, synthetic: bool, facts: EncoderFacts
) -> list[str]:
    """What cannot be concluded from this comparison.

    rope, detectable: fractions. synthetic: the trajectories were made, not recorded. facts: of the encoder compared.
    """
    gain = comparison.gain
    found = []
    if comparison.verdict == "no_difference":
        found.append(
            f"Not that the gain is zero: only that it is smaller than ±{100 * rope:g} points, which compare.rope in "
            "params.yaml calls too small to matter."
        )
    if comparison.verdict == "inconclusive":
        found.append(
            f"Not that pretraining makes no difference: any gain from {bare(gain.low)} to {bare(gain.high)} points "
            "fits."
            + (
                f" A gain of {100 * detectable:.1f} points would have been detected four times in five."
                if detectable <= 1
                else ""
            )
        )
    if not facts.trained:
        found.append("Nothing about pretraining at all: this encoder has no trained weights.")
    place = ", ".join(filter(None, (comparison.pretrained.layer, comparison.pretrained.pooling)))
    found += [
        f"Nothing about other encoders, about other layers or poolings than {place or 'this one'}, or about "
        "fine-tuning: the encoder is frozen and the probe is linear.",
        "Nothing about other ways to draw the same paths: frames, size, view and trail are part of the question.",
        f"Not which part of the pretraining matters: the random arm lacks {facts.lacks}.",
    ]
    if synthetic:
        found.append(
            "Nothing about motion in the wild: these paths come from formulas. trajprobe import brings in your own."
        )
    return found

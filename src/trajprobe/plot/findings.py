"""What the results show and do not show, in words: the headline, the remarks, and the limits of the conclusion.

Every sentence follows from the numbers that it states, so that the page claims nothing that its figures do not support.
The verdict, its sentence and its warning come from the comparison and are shown unchanged.
"""

from collections.abc import Mapping, Sequence

from trajprobe.artifacts.analyses import Injection
from trajprobe.artifacts.comparisons import Arms, Comparison
from trajprobe.artifacts.formatting import ACCURACY, Scale, bare, counted
from trajprobe.plot.encoder_facts import EncoderFacts

KNOWN = {
    "coordinates": "the paths themselves, resampled, on the scale and the clock of the clips",
    "pixels": "the pixels of the clips, without an encoder",
    "random_projection": "a random projection of the pixels",
    "hash_noise": "nothing: noise seeded by the item's id",
}

DISORDERED = {
    "shuffled": "frames shuffled",
    "reversed": "frames reversed",
    "static": "one frame repeated",
}

ATTRIBUTES = {
    "speed": "logarithm of the median speed",
    "direction": "where the path leads: displacement over length, a vector",
    "curvature": "logarithm of the median curvature",
    "acceleration": "logarithm of the median size of the acceleration",
    "length": "logarithm of the path's length",
}


def injection_sentence(found: Injection, level: str) -> str:
    """What became of the planted gain. level: of the intervals, in words."""
    count, values = len(found.plantings), [each.gain.value for each in found.plantings]
    return (
        f"A gain of {bare(found.size)} points, planted into each of {counted(count, 'untrained network')} in turn, was "
        f"found in {found.found} of {count} (both intervals above zero); {bare(sum(values) / count)} points were "
        f"measured on average. The {level} prediction interval contained the planted gain in {found.covered} of "
        f"{count}."
    )


def clip_look(drawn: Mapping[str, str]) -> str:
    """How the paths were drawn, in words; what the clips show of sizes and durations is said either way."""
    found = [f"view {drawn['view']}", f"trail {drawn['trail']}"]
    if drawn.get("trail_colour") == "time":
        found[-1] += " coloured by time (viridis)"
    background = drawn.get("background", "#")
    if not background.startswith("#"):
        found.append(f"over images of {background}")
    found += [
        words[drawn[key]]
        for key, words in (
            ("fit", {"item": "each path on its own scale", "dataset": "all paths on one scale"}),
            (
                "time",
                {"item": "each clip as long as its path", "dataset": "all clips as long as the longest path"},
            ),
        )
        if key in drawn
    ]
    return ", ".join(found)


def unseen(drawn: Mapping[str, str]) -> list[str]:
    """What the clips do not show of the paths, because each one was fitted to its own frame or duration."""
    return [name for key, name in (("fit", "size"), ("time", "duration")) if drawn.get(key) == "item"]


def headline(verdict: str, rope: float, scale: Scale = ACCURACY) -> str:
    """The verdict as a heading. rope: a fraction, or in units of the scale."""
    return {
        "helps": "Pretraining helps",
        "hurts": "Pretraining hurts",
        "no_difference": f"Pretraining makes no difference beyond {scale.region(rope)}",
        "inconclusive": "Inconclusive: the data do not decide",
    }[verdict]


def lede(
    comparison: Comparison,
    held: int,
    items: int,
    n_classes: int,
    source: str,
    noun: str = "trajectories",
    scale: Scale = ACCURACY,
) -> str:
    """One sentence with both accuracies.

    held: number of items that were held out at least once, of `items`. n_classes: 0 if numbers are predicted. noun:
    what the items are.
    """
    own, random = comparison.pretrained.accuracy.value, comparison.random_mean
    count = f"{items:,}" if held == items else f"{held:,} of {items:,}"
    return (
        f"A linear probe on frozen features of {comparison.encoder} reaches a held-out {scale.name} of "
        f"{scale.value(own)} with pretrained weights and {scale.value(random)} with random weights, on {count} "
        f"{source} {noun}"
        f"{' in ' + counted(n_classes, 'class') if n_classes else ''}."
    )


def remarks(arms: Arms, noise: bool, scale: Scale = ACCURACY) -> list[str]:
    """What a reader must know beside the headline, most serious first; may be empty.

    noise: the clips show noise instead of the trajectories.
    """
    found = []
    if noise:
        found.append(
            "The clips show Gaussian noise (render.content: noise): no encoder can help, and any gain is due to chance."
        )
    warned: dict[str, list[str]] = {}
    for comparison in arms.headlines:
        warned.setdefault(comparison.warning, []).append(comparison.encoder)
    several = len(arms.headlines) > 1
    for warning, encoders in warned.items():
        if warning:
            found.append(f"Warning{f' for {_listed(encoders)}' if several else ''}: {warning}")
    own = arms.headlines[0].pretrained.accuracy
    better = [arm for arm in arms.controls if arm.accuracy.low > own.high]
    if better:
        best = max(better, key=lambda arm: arm.accuracy.value)
        found.append(
            f"The control “{best.encoder}” reaches {scale.value(best.accuracy.value)}, more than the pretrained "
            f"encoder: for these {scale.labels} alone, no encoder is needed."
        )
    return found


def limits(
    comparison: Comparison,
    rope: float,
    detectable: float,
    synthetic: bool,
    facts: EncoderFacts,
    ready: bool = False,
    hidden: Sequence[str] = (),
    scale: Scale = ACCURACY,
) -> list[str]:
    """What cannot be concluded from this comparison.

    rope, detectable: fractions. synthetic: the trajectories were generated, not recorded. facts: of the encoder. ready:
    the clips were not drawn. hidden: see `unseen`.
    """
    gain = comparison.gain
    found = []
    if comparison.verdict == "no_difference":
        found.append(
            f"That the gain is zero. It is smaller than {scale.region(rope)}, which compare.rope in params.yaml "
            "defines as too small to matter."
        )
    if comparison.verdict == "inconclusive":
        found.append(
            f"That pretraining makes no difference. Gains from {scale.between(gain.low, gain.high)}{scale.unit} are "
            "consistent with the data."
            + (
                f" A gain of {scale.sized(detectable)} would have been detected with 80 % power."
                if detectable <= 1
                else ""
            )
        )
    if not facts.trained:
        found.append("Anything about pretraining: this encoder has no pretrained weights.")
    place = ", ".join(filter(None, (comparison.pretrained.layer, comparison.pretrained.pooling)))
    found += [
        f"Anything about other encoders, about layers or poolings other than {place or 'this one'}, or about "
        "fine-tuning. The encoder is frozen and the probe is linear.",
        "Anything about other versions of the same clips. The number of frames and the size are part of the question."
        if ready
        else "Anything about other renderings of the same trajectories. The number of frames, the size, the view and "
        "the trail are part of the question.",
        *(
            [
                f"Anything about differences in {' or '.join(hidden)}: each path is fitted to its own frame or clip, "
                "and the control “coordinates” is scaled alike. render.fit and render.time in params.yaml change it."
            ]
            if hidden
            else []
        ),
        f"Which part of the pretraining matters. The random arm lacks {facts.lacks}.",
    ]
    if synthetic:
        found.append(
            "Anything about recorded motion. These trajectories were generated by formulas; trajprobe import reads "
            "your own."
        )
    return found


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))

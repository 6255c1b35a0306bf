"""The section `extract` of params.yaml."""

from typing import Literal

from trajprobe.core.schema import Names, Section, Seed, Some

Precision = Literal["float32", "bfloat16"]


class ExtractParams(Section):
    """Which features are taken, from how many random initialisations."""

    layer: Names  # the layers; `card` stands for those of the encoder's card
    pooling: Names  # the poolings (see pooling.py); `card` as above
    random_inits: Some  # number of random arms
    precision: Precision  # of the encoder's arithmetic (see passes.py); features are float32 in any case
    seed: Seed  # of the first random arm; the next have the seeds that follow

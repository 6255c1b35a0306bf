"""The section `extract` of params.yaml."""

from trajprobe.core.schema import Names, Section, Seed, Some


class ExtractParams(Section):
    """Which features are taken, from how many random initialisations."""

    layer: Names  # the layers; `card` stands for those of the encoder's card
    pooling: Names  # the poolings (see pooling.py); `card` as above
    random_inits: Some  # number of random arms
    seed: Seed  # of the first random arm; the next have the seeds that follow

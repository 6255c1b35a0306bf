"""The section `extract` of params.yaml."""

from typing import Any, Literal

from pydantic import field_validator

from trajprobe.core.schema import Names, Section, Seed, Some

Precision = Literal["float32", "bfloat16"]


class ExtractParams(Section):
    """Which features are taken, from how many random initialisations."""

    layer: Names  # the layers; `card` stands for those of the encoder's card
    pooling: Names  # the poolings (see pooling.py); `card` as above
    random_inits: Some  # number of random arms
    precision: Precision  # of the encoder's arithmetic (see passes.py); features are float32 in any case
    seed: Seed  # of the first random arm; the next have the seeds that follow

    @field_validator("random_inits", mode="before")
    @classmethod
    def _is_decided(cls, value: Any) -> Any:
        if value == "auto":
            raise ValueError(
                "a whole number (auto: for an experiment in a studies/NAME.yaml, docs/statistics.md)"
            )
        return value

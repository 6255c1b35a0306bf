"""The section `plot` of params.yaml."""

from trajprobe.core.schema import PositiveInt, Section


class PlotParams(Section):
    clips_per_class: PositiveInt

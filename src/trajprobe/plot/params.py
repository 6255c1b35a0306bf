"""The section `plot` of params.yaml."""

from trajprobe.core.schema import Section, Some


class PlotParams(Section):
    clips_per_class: Some

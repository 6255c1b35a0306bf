"""Stage `plot`: the figures and the report page."""

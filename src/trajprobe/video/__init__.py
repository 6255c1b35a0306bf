"""From a path in space to a short uint8 RGB clip."""

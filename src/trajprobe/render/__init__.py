"""Stage `render`: each path becomes a short uint8 RGB clip."""

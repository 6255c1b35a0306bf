"""Synthetic paths: their motions, the families, and the sampling of items."""

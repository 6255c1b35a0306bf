"""Readers of trajectory files, one module per format."""

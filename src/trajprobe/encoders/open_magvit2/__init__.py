"""Open-MAGVIT2's video encoder at any width, and its first convolution alone."""

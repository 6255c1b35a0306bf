"""Vision models of the transformers library, each described by its card alone."""

"""Tensors out of untrusted checkpoint files; nothing that such a file names is imported or run."""

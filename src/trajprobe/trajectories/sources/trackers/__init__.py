"""Readers of what tracking programs write, one module per program."""

"""Obtaining a checkpoint and reading nothing but tensors from it."""

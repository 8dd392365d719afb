"""Tensors of stored files: one by one, and what changes in them from one version to another."""

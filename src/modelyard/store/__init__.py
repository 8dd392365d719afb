"""Bytes that never change and are verified whenever they are read; knows nothing of models."""

from modelyard.store.files import FileDigest, Recipe
from modelyard.store.manifest import Manifest, ManifestFile
from modelyard.store.store import Store

__all__ = ["FileDigest", "Manifest", "ManifestFile", "Recipe", "Store"]

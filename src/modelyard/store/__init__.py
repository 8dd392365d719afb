"""Bytes that never change and are verified whenever they are read; knows nothing of models."""

from modelyard.store.manifest import Manifest, ManifestFile
from modelyard.store.progress import Advance, Progress
from modelyard.store.reading.files import FileDigest
from modelyard.store.reading.recipe import Recipe
from modelyard.store.store import Store
from modelyard.store.writing.intake import Intake

__all__ = ["Advance", "FileDigest", "Intake", "Manifest", "ManifestFile", "Progress", "Recipe", "Store"]

"""Packs, which hold the stored chunks, and the index, which says where each of them is."""

from modelyard.store.packs.entry import Entry, Kind
from modelyard.store.packs.index import Index
from modelyard.store.packs.pack import Pack, PackBuilder

__all__ = ["Entry", "Index", "Kind", "Pack", "PackBuilder"]

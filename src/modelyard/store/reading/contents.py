"""What lies where in stored files: their chunks and their tensors, found out once a process."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from modelyard.core.digests import Digest
from modelyard.store.layouts.layout import Layout
from modelyard.store.manifest import ManifestFile
from modelyard.store.reading.files import Files
from modelyard.store.reading.recipe import Recipe

KEPT = 1_000_000
"""So many chunks and tensors together are remembered; some hundred bytes each."""
BATCH = 256


@dataclass(frozen=True)
class Content:
    """A stored file; ``path`` is its name in the version that asked, ``layout`` is None where it has no tensors that we know of."""

    path: str
    recipe: Recipe
    layout: Layout | None

    @property
    def weight(self) -> int:
        return 4 + len(self.recipe.chunks) + (len(self.layout.tensors) if self.layout else 0)


class Contents:
    """Contents by digest: immutable, so remembered, the latest used. Safe for threads."""

    def __init__(self, files: Files, kept: int = KEPT) -> None:
        self._files = files
        self._left = kept
        self._known: OrderedDict[Digest, Content] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, file: ManifestFile) -> Content:
        """The content of one file. Raises MissingBlob, CorruptBlob, and what the objects raise."""
        return next(self.of_all([file]))

    def of_all(self, files: Iterable[ManifestFile]) -> Iterator[Content]:
        """The contents of many files, in order, the beginnings of which are read together. Raises as :meth:`of` does."""
        listed = iter(files)
        while batch := list(islice(listed, BATCH)):
            known = [self._recall(file.digest) for file in batch]
            missing = {file.digest: file.path for file, found in zip(batch, known, strict=True) if found is None}
            made = dict(zip(missing, self._read(list(missing.items())), strict=True))
            for file, found in zip(batch, known, strict=True):
                content = found or made[file.digest]
                yield content if content.path == file.path else Content(file.path, content.recipe, content.layout)

    def _read(self, named: list[tuple[Digest, str]]) -> Iterator[Content]:
        recipes = list(self._files.recipes(named))
        layouts = self._files.layouts(list(zip(recipes, (path for _, path in named), strict=True)))
        for (digest, path), recipe, layout in zip(named, recipes, layouts, strict=True):
            content = Content(path, recipe, layout)
            self._remember(digest, content)
            yield content

    def _recall(self, digest: Digest) -> Content | None:
        with self._lock:
            if digest in self._known:
                self._known.move_to_end(digest)
            return self._known.get(digest)

    def _remember(self, digest: Digest, content: Content) -> None:
        with self._lock:
            if digest in self._known:
                return
            self._known[digest] = content
            self._left -= content.weight
            while self._left < 0 and len(self._known) > 1:
                self._left += self._known.popitem(last=False)[1].weight

"""Documents out of the store that gates look into: provenance and manifests. They never change, so they are read outside of transactions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from modelyard.core.digests import Digest
from modelyard.core.errors import Damaged

Found = TypeVar("Found")


class _Wanted(Exception):
    """A document that is not at hand."""

    def __init__(self, digest: str) -> None:
        super().__init__(digest)
        self.digest = digest


class Documents:
    """What has been read so far. Asking for another breaks off what is under way: see :func:`with_documents`."""

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}

    def read(self, digest: str) -> Any:
        """The JSON document with this digest; None for one that cannot be read, where that is borne."""
        if digest not in self._known:
            raise _Wanted(digest)
        return self._known[digest]

    def keep(self, digest: str, document: Any) -> None:
        self._known[digest] = document


def with_documents(
    read_file: Callable[[Digest], bytes], action: Callable[[Documents], Found], *, bear_damage: bool = False
) -> Found:
    """What the action returns. Where it asks for a document that is not at hand, it is broken off, and begun anew when the document has been read:
    a write transaction holds up others only while it works, not while a store far away answers.

    Raises what the action raises, and Damaged for a document that cannot be read; with ``bear_damage`` that is None, and all in it unknown.
    """
    documents = Documents()
    while True:
        try:
            return action(documents)
        except _Wanted as wanted:
            documents.keep(wanted.digest, _read(read_file, wanted.digest, bear_damage))


def _read(read_file: Callable[[Digest], bytes], digest: str, bear_damage: bool) -> Any:
    try:
        return json.loads(read_file(Digest(digest)))
    except Damaged:
        if not bear_damage:
            raise
        return None

"""What takes in pieces: a store, or a bundle that is being written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from modelyard.core.digests import Digest
from modelyard.store.codecs.codec import Bytes
from modelyard.store.packs import Entry
from modelyard.store.reading.reader import Wanted
from modelyard.store.reading.recipe import Recipe


class Sink(Protocol):
    """What an implementer owes. All methods are called from one thread, but for :meth:`read` and :meth:`is_readable`."""

    @property
    def checks_files(self) -> bool:
        """Whether a file is to be held against its digest before its recipe is taken: so it is where others will count on the recipe."""
        ...

    def depth(self, key: bytes) -> int | None:
        """How many chunks must be decoded before this one at the receiver; None when the receiver lacks it, or what it stands on."""
        ...

    def can_carry(self, key: bytes) -> bool:
        """Whether the receiver has the chunk, and another may be kept there as the difference from it."""
        ...

    def is_whole(self, digest: Digest) -> bool:
        """Whether the receiver has the whole file."""
        ...

    def recipe(self, digest: Digest) -> Recipe | None:
        """The recipe of a file, where the receiver has it and can be asked."""
        ...

    @property
    def is_near(self) -> bool:
        """Whether reading from the receiver costs no request over a network."""
        ...

    def is_readable(self, key: bytes) -> bool:
        """Whether :meth:`read` can give a chunk."""
        ...

    def read(self, wanted: Sequence[Wanted]) -> list[Bytes]:
        """The bytes of chunks that the receiver has, verified. Raises Damaged."""
        ...

    def take(self, piece: Entry, stored: Bytes) -> None:
        """Takes a chunk; called once for each, after what it stands on."""
        ...

    def finish_file(self, digest: Digest, recipe: Recipe) -> None:
        """Takes the recipe of a file; called after all its chunks."""
        ...

    def renew(self) -> None:
        """Called often, while pieces are on their way."""
        ...

"""What every part of a workspace stands on."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

from modelyard.client.cache import Cache
from modelyard.core.clock import Clock, parse_when
from modelyard.core.errors import InvalidReference
from modelyard.core.names import Kind
from modelyard.core.references import Reference
from modelyard.registry import Registry
from modelyard.store import Store

When = datetime | date | str
"""An instant: a ``datetime``, ``"2026-03-01T12:00Z"``, ``"2h ago"``, ``"now"``; without a zone it is local time."""


class Seat:
    """One yard, as one actor sees it; :class:`modelyard.client.workspace.Workspace` fills it."""

    place: str
    """Where the yard is, for people: a folder, or a URL without its password."""
    url: str
    """What opens the yard again."""
    root: Path
    """The folder of the yard; of a yard in a database, one of this machine's own for the cache and for logs."""
    yard_id: str
    actor: str
    clock: Clock
    store: Store
    cache: Cache
    registry: Registry

    def when(self, text: When) -> datetime:
        """The instant that a person means. Raises InvalidTime."""
        return parse_when(text, self.clock.now())

    def _expected(self, expected: int | str | None) -> int | None:
        if expected is None:
            return None
        if isinstance(expected, int):
            if expected < 0:
                raise InvalidReference(reference=expected, problem="expected is a version number, or 0 for nowhere yet")
            return expected
        return self.registry.version("model", Reference.parse(expected)).number


def kind_of(dataset: bool) -> Kind:
    return "dataset" if dataset else "model"

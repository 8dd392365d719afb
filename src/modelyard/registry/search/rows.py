"""What is found: a model or data set, a version, a ledger row; and a page of such."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar

from modelyard.core.clock import to_text
from modelyard.core.names import Kind, ModelName
from modelyard.registry.ledger import LedgerRow
from modelyard.registry.versions import VersionRow

T = TypeVar("T")


@dataclass(frozen=True)
class ModelRow:
    """A registered name: a model, or a data set. ``latest`` is the highest number of an active version."""

    id: int
    kind: Kind
    name: ModelName
    description: str
    state: str
    created_time: datetime
    created_by: str
    latest: int | None

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kind": self.kind,
            "latest": self.latest,
            "state": self.state,
            "description": self.description,
            "created_by": self.created_by,
            "created_time": to_text(self.created_time),
        }


Found: TypeAlias = ModelRow | VersionRow | LedgerRow


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some of what was found, in order; ``next_token`` asks for the rows after them, and is None with the last."""

    items: Sequence[T]
    next_token: str | None

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

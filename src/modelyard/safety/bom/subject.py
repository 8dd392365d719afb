"""What a BOM is about: the version as plain values, gathered by whoever knows the yard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from modelyard.store import Manifest


@dataclass(frozen=True, slots=True)
class Source:
    """Another version that this one was made from. ``role`` is training, validation … for data, and base for a model."""

    role: str
    kind: str  # model | dataset
    name: str
    number: int
    digest: str


@dataclass(frozen=True, slots=True)
class Measured:
    """The last value of a metric, on a data set where that was said."""

    key: str
    value: float
    dataset: str | None = None


@dataclass(frozen=True)
class Subject:
    """A version. ``reports`` are the digests of what was found of it, with the kind, and a sentence for people."""

    kind: str
    name: str
    number: int
    digest: str
    manifest: Manifest
    created_time: datetime
    created_by: str
    label: str | None = None
    description: str = ""
    card: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()
    metrics: tuple[Measured, ...] = ()
    reports: tuple[tuple[str, str, str], ...] = ()
    tool_version: str = ""

    @property
    def reference(self) -> str:
        return f"{self.name}/{self.number}"

    def said(self, *keys: str) -> str | None:
        """What a property or a tag of one of these names says; properties first, since they cannot be changed."""
        for told in (self.properties, self.tags):
            for key in keys:
                if told.get(key):
                    return told[key]
        return None

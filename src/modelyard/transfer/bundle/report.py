"""What a bundle is, in words and in numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from modelyard.core.names import Kind
from modelyard.transfer.bundle.header import Header
from modelyard.transfer.bundle.reading import BundleFile
from modelyard.transfer.bundle.signature import signers
from modelyard.transfer.records import Parcel


@dataclass
class NameInBundle:
    """Of one name: the numbers of its versions, and where its aliases point."""

    kind: Kind
    name: str
    numbers: list[int] = field(default_factory=list)
    aliases: dict[str, int | None] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return vars(self)


@dataclass
class BundleReport:
    """``id`` is the SHA-256 of the index; ``signed_by`` are the keys that are said to have signed it, of which ``checked`` was found to be right.
    ``whole``: every byte was read and held against its digest. ``chunks`` lie in it as ``stored`` bytes; ``borrowed`` of them can be decoded only
    where its base is."""

    path: str
    id: str
    size: int
    header: Header
    names: list[NameInBundle]
    signed_by: list[str]
    checked: str | None = None
    whole: bool = False
    chunks: int = 0
    stored: int = 0
    borrowed: int = 0

    def to_json(self) -> dict[str, Any]:
        told = {key: value for key, value in vars(self).items() if key not in ("header", "names")}
        return {**told, **self.header.to_json(), "contents": [each.to_json() for each in self.names]}


def report_of(bundle: BundleFile, header: Header, parcels: Iterable[Parcel]) -> BundleReport:
    """What a bundle says that is in it."""
    names: dict[tuple[Kind, str], NameInBundle] = {}
    for parcel in parcels:
        model = parcel.model
        found = names.setdefault((model.kind, model.name), NameInBundle(model.kind, model.name))
        found.numbers += [version.number for version in parcel.versions]
        found.aliases |= {name: None if alias is None else alias.number for name, alias in parcel.aliases.items()}
    return BundleReport(str(bundle.path), bundle.id, bundle.size, header, list(names.values()), signers(bundle))

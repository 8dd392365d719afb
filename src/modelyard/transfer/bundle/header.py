"""What a bundle says of itself: where it comes from, what is in it, and what its receiver must have already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelyard.core.names import Kind
from modelyard.transfer.bundle import values


@dataclass(frozen=True)
class Need:
    """A version that the receiver must have: the bundle counts on ``chunks`` of its chunks."""

    kind: Kind
    name: str
    number: int
    digest: str
    chunks: int

    @property
    def told(self) -> str:
        return f"{self.kind} {self.name}/{self.number}"


@dataclass(frozen=True)
class Earlier:
    """A bundle that this one continues: its identity, and the name that the file had."""

    id: str
    name: str


@dataclass(frozen=True)
class Header:
    """``yard`` is the id of the yard that it is from, ``sequence`` and ``hash`` the last row of its ledger then; ``names``, ``versions``, ``files`` and
    ``bytes`` count what the versions in it are, whether or not their bytes are in it."""

    yard: str
    workspace: str
    sequence: int
    hash: str
    names: int
    versions: int
    bytes: int
    aliases: bool
    policies: bool
    needs: tuple[Need, ...] = ()
    since: tuple[Earlier, ...] = ()

    @property
    def is_incremental(self) -> bool:
        """Whether it was made for a receiver that has something already."""
        return bool(self.needs or self.since)

    def to_json(self) -> dict[str, Any]:
        lists = {"needs": [vars(each) for each in self.needs], "since": [vars(each) for each in self.since]}
        return {**vars(self), **lists}


def header_from_json(value: Mapping[str, Any]) -> Header:
    """The inverse of :meth:`Header.to_json`. Raises ``ValueError``."""
    return _HEADER(dict(value))


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("it is neither true nor false")
    return value


_COUNT = values.integer(0, values.SIZE_LIMIT)
_NEED = values.made(
    Need,
    {
        "kind": values.one_of("model", "dataset"), "name": values.model_name, "number": values.version_number,
        "digest": values.digest, "chunks": _COUNT,
    },
)  # fmt: skip
_EARLIER = values.made(Earlier, {"id": values.hash_text, "name": values.text(255)})
_HEADER = values.made(
    Header,
    {
        "yard": values.text(64, least=1), "workspace": values.text(255), "sequence": _COUNT, "hash": values.hash_text,
        "names": _COUNT, "versions": _COUNT, "bytes": _COUNT, "aliases": _flag, "policies": _flag,
        "needs": values.listed(_NEED), "since": values.listed(_EARLIER),
    },
)  # fmt: skip

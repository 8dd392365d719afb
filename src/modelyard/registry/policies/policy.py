"""The policy of an alias: who may move it, what must hold, who must agree, and who may break the glass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any

from modelyard.core.clock import parse_duration
from modelyard.core.digests import Digest, canonical_json


@dataclass(frozen=True)
class Policy:
    """What must hold before an alias moves. ``Policy.from_json(p.to_json()) == p``.

    Actors are names or patterns (``ci-*``); see :mod:`modelyard.registry.policies.actors`.
    """

    gates: tuple[str, ...] = ()  # expressions that must all hold
    movers: tuple[str, ...] = ()  # who may move the alias; empty is anyone
    approvals: int = 0  # how many persons must have approved the version for the alias
    approvers: tuple[str, ...] = ()  # whose approvals and rejections count; empty is anyone's
    separate_author: bool = False  # who registered the version does not count as an approver
    separate_mover: bool = False  # nor does who moves the alias
    approvals_expire: str = ""  # "30d": an older approval no longer counts; empty is never
    require_reason: bool = False  # a move must say why
    break_glass: tuple[str, ...] = ()  # who may move it although something does not hold; empty is nobody
    allow_remove: bool = True  # whether the alias may be removed

    @property
    def expiry(self) -> timedelta | None:
        """How long an approval counts; None for ever."""
        return parse_duration(self.approvals_expire) if self.approvals_expire else None

    @property
    def asks_for_approval(self) -> bool:
        """Whether the word of approvers counts: then a rejection blocks."""
        return self.approvals > 0 or bool(self.approvers)

    @property
    def digest(self) -> str:
        """Of what it says: equal policies, equal digests."""
        return Digest.of(canonical_json(self.to_json()))

    def to_json(self) -> dict[str, Any]:
        """The keys that are not at their default."""
        told: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                told[field.name] = list(value) if isinstance(value, tuple) else value
        return told

    @classmethod
    def from_json(cls, document: Mapping[str, Any], place: str = "policy") -> Policy:
        """The policy of a document, of JSON or TOML; ``place`` is where it was found, for errors. Raises InvalidPolicy with the key and the mistake."""
        from modelyard.registry.policies.document import read

        return cls(**read(document, place))


@dataclass(frozen=True)
class Rule:
    """A policy and what it is of: ``fraud@production``, or ``*@production`` for all models of the workspace."""

    subject: str
    policy: Policy


KEYS: dict[str, Any] = {field.name: field.default for field in fields(Policy)}
"""The keys of a policy document with their defaults."""

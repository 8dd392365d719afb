"""Approvals and rejections as values, and which of them count."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from modelyard.core.clock import to_text
from modelyard.registry.policies.actors import person

Word = Literal["approve", "reject"]


@dataclass(frozen=True)
class Decision:
    """What an actor said of the bytes of a version, for one alias."""

    id: int
    number: int
    digest: str  # of the version that was looked at
    alias: str
    word: Word
    actor: str
    reason: str
    time: datetime
    expires: datetime | None = None
    withdrawn: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        times = {"time": self.time, "expires": self.expires, "withdrawn": self.withdrawn}
        return {
            "id": self.id,
            "version": self.number,
            "digest": self.digest,
            "alias": self.alias,
            "decision": self.word,
            "actor": self.actor,
            "reason": self.reason,
            **{name: None if when is None else to_text(when) for name, when in times.items()},
        }


def last_words(decisions: Iterable[Decision], digest: str) -> list[Decision]:
    """What each actor says in the end of these bytes, in order; what was withdrawn, or said of other bytes, counts for nothing.

    A rejection takes back an earlier approval of the very same name, and an approval an earlier rejection: one that was kept before, and made
    before. The two orders differ where clocks were set back or two yards were merged; then the rejection stands.
    """
    by_actor: dict[str, list[Decision]] = {}
    for decision in sorted(decisions, key=lambda decision: decision.id):
        if decision.withdrawn is None and decision.digest == digest:
            by_actor.setdefault(decision.actor, []).append(decision)
    return sorted((_last(mine) for mine in by_actor.values()), key=lambda decision: decision.id)


def _last(mine: list[Decision]) -> Decision:
    approvals = [decision for decision in mine if decision.word == "approve"]
    rejections = [
        decision
        for decision in mine
        if decision.word == "reject"
        and not any(later.id > decision.id and later.time >= decision.time for later in approvals)
    ]
    return (rejections or approvals)[-1]


def expired(decision: Decision, now: datetime, within: timedelta | None = None) -> datetime | None:
    """Since when an approval no longer counts, or None while it does: it counts up to its end, and no longer at that instant. A rejection never expires."""
    if decision.word == "reject":
        return None
    ends = [] if decision.expires is None else [decision.expires]
    if within is not None:
        ends.append(_after(decision.time, within))
    return min((end for end in ends if end <= now), default=None)


def state(decision: Decision, decisions: Iterable[Decision], digest: str, now: datetime) -> str:
    """What has become of one of these decisions: stands, withdrawn, expired, replaced by a later one, or of other bytes."""
    if decision.withdrawn is not None:
        return "withdrawn"
    if decision.digest != digest:
        return "of other bytes"
    if decision not in last_words(decisions, digest):
        return "replaced"
    return "stands" if expired(decision, now) is None else "expired"


def standing(decisions: Iterable[Decision], digest: str, now: datetime) -> list[Decision]:
    """The decisions that are in force, whoever made them."""
    return [decision for decision in last_words(decisions, digest) if expired(decision, now) is None]


def persons(decisions: Iterable[Decision]) -> list[Decision]:
    """One decision, the oldest, of each person."""
    first: dict[str, Decision] = {}
    for decision in decisions:
        first.setdefault(person(decision.actor), decision)
    return list(first.values())


def _after(time: datetime, length: timedelta) -> datetime:
    try:
        return time + length
    except OverflowError:
        return datetime.max.replace(tzinfo=time.tzinfo)

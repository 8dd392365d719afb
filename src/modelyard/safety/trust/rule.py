"""What a version must meet to be loaded.

1. ``trust=True`` is the reader's own word: it loads, whatever a scan says.
2. What the last report of the yard calls dangerous is refused, whatever it is and whoever made it.
3. What runs no code by being loaded loads.
4. What does run code needs somebody who stands for it: the reader himself, an author whom his policy names, or the owner of a key that
   it names.
5. And its files, looked at by the reader himself, must not be dangerous; where the policy asks for it, what others made must be safe.

What the version says of itself decides none of this: not its manifest, not its tags, not the report that its author made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from modelyard.core.errors import Dangerous, Unscanned
from modelyard.flavors.trust import may_run, require_trust
from modelyard.safety.scanning.report import Verdict
from modelyard.safety.trust.policy import TrustPolicy


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a scan says, and its worst finding in words."""

    verdict: Verdict
    finding: str = ""


@dataclass(frozen=True)
class Asked:
    """A version that somebody wants to load. What costs something to find out is a function, called only when the answer depends on it."""

    reference: str
    format: str
    author: str
    reader: str
    runs_code: bool
    signed: Callable[[], bool]
    """Whether a key of the policy has signed it."""
    reported: Callable[[], Scanned | None]
    """The last report of the yard, whoever made it."""
    scanned: Callable[[], Scanned]
    """What the reader himself found in its files."""


def require_trusted(asked: Asked, policy: TrustPolicy, trust: bool | None) -> None:
    """Returns when the version may be loaded. Raises Untrusted, Dangerous, Unscanned, and what checking signatures and files raises."""
    if trust is True:
        return
    _refuse_dangerous(asked, asked.reported())
    if not asked.runs_code:
        return
    own = may_run(True, asked.author, asked.reader, trust)
    vouched = not own and trust is None and (asked.author in policy.authors or (bool(policy.keys) and asked.signed()))
    require_trust(asked.reference, asked.format, asked.author, asked.reader, trust, True, vouched)
    found = asked.scanned()
    _refuse_dangerous(asked, found)
    if policy.require_scan and not own and found.verdict != "safe":
        why = f": {found.finding}" if found.finding else ""
        raise Unscanned(reference=asked.reference, verdict=found.verdict, why=why)


def _refuse_dangerous(asked: Asked, found: Scanned | None) -> None:
    if found is not None and found.verdict == "dangerous":
        raise Dangerous(reference=asked.reference, finding=found.finding or "a scan calls it dangerous")

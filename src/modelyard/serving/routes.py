"""What a replica answers with, and the rule that gives a request to one side: values and arithmetic, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal

from modelyard.core.errors import InvalidInput
from modelyard.profiles.signature import Signature

Role = Literal["stable", "canary"]
Predict = Callable[[Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True)
class Served:
    """A version that is loaded: ``predict`` takes columns of equal length and gives columns of that length.

    ``predict`` is called from a worker thread, by one thread at a time, with the rows of several requests at once.
    """

    name: str
    number: int
    digest: str
    signature: Signature | None
    predict: Predict

    @property
    def reference(self) -> str:
        return f"{self.name}/{self.number}"

    @property
    def key(self) -> tuple[str, int, str]:
        """What makes it the same version, whatever object holds it."""
        return (self.name, self.number, self.digest)


@dataclass(frozen=True)
class Routes:
    """Who answers: ``weight`` is the share of routing keys, 0 to 1, that goes to the candidate."""

    stable: Served | None = None
    candidate: Served | None = None
    weight: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.weight <= 1.0:
            raise InvalidInput(message=f"a weight is a share from 0 to 1, not {self.weight!r}")

    @property
    def loaded(self) -> tuple[tuple[Role, Served], ...]:
        """The versions that are there, the stable one first."""
        sides: tuple[tuple[Role, Served | None], ...] = (("stable", self.stable), ("canary", self.candidate))
        return tuple((role, served) for role, served in sides if served is not None)

    def side(self, key: str) -> Role:
        """Who answers a request with this routing key.

        The same key goes to the same side at the same weight on every replica, and as the weight grows keys move to
        the candidate only. The candidate's digest is in the hash, so that it is not always the same few who try
        whatever is new.
        """
        if self.candidate is None or self.weight == 0.0:
            return "stable"
        return "canary" if place(key, self.candidate.digest) < self.weight else "stable"


def place(key: str, salt: str) -> float:
    """A point in [0, 1), the same for the same key and salt everywhere, spread evenly over keys."""
    text = f"{salt}\0{key}".encode("utf-8", "surrogatepass")
    # 53 bits: what a float holds exactly, so that the result stays below 1
    return (int.from_bytes(blake2b(text, digest_size=8).digest(), "big") >> 11) / 2**53

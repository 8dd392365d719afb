"""How long the store waits for a place over the network before it gives up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Patience:
    """Seconds, except ``attempts``. Between attempts it waits ``first``, then twice as long each time, never longer than ``longest``.

    ``total`` is the time after which no further attempt starts. ``connect`` bounds making a connection, ``silence`` the time in which nothing
    arrives; the time of a whole request is not bounded, because how long a large object takes depends on the line.
    """

    attempts: int = 5
    total: float = 120.0
    first: float = 0.2
    longest: float = 10.0
    connect: float = 5.0
    silence: float = 30.0

    def pause(self, failed: int, chance: float) -> float:
        """The wait after ``failed`` attempts; ``chance`` in 0…1 takes up to half of it away, so that many clients do not come back together.

        >>> [Patience(first=1.0, longest=5.0).pause(failed, 0.0) for failed in (1, 2, 3, 4)]
        [1.0, 2.0, 4.0, 5.0]
        """
        whole = min(self.longest, self.first * 2.0 ** min(failed - 1, 60))
        return whole * (1 - chance / 2)


PATIENT = Patience()

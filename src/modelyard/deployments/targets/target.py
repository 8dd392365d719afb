"""The contract of a target: whatever can run the replicas of a deployment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Running:
    """A replica that runs: its id in the registry's reports, and its process."""

    replica: str
    pid: int


class Target(Protocol):
    """Runs the replica of one deployment. Knows nothing of versions and rollouts: the agent in the replica does."""

    def check(self, host: str, port: int) -> None:
        """Raises what would keep a replica from starting there (PortInUse, AddressUnusable); called before anything is changed for it."""
        ...

    def start(self, timeout: float) -> Running:
        """Starts the replica unless it runs; returns when it is ready to predict, at most ``timeout`` seconds later.

        Raises :class:`ReplicaFailed` with what it said last; then nothing runs. May be called again, and by several at once: one starts it, the others
        find it running.
        """
        ...

    def running(self) -> Running | None:
        """The replica that runs now, whoever started it; None when there is none."""
        ...

    def stop(self, grace: float) -> bool:
        """Ends the replica: requests in flight are answered for at most ``grace`` seconds. Whether one ran."""
        ...

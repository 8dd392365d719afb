"""Desired against actual: what the alias says, what each replica says, and what does not fit. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from modelyard.deployments.records import RUNNING, DeploymentRow
from modelyard.deployments.replica_records import STOPPED, ReplicaRow
from modelyard.deployments.rollout_records import RolloutRow


@dataclass(frozen=True)
class ReplicaStatus:
    """A replica's last report, whether it is alive, how old the report is (seconds), and whether it serves what is wanted."""

    row: ReplicaRow
    alive: bool
    age: float
    in_sync: bool

    def to_json(self) -> dict[str, Any]:
        return {**self.row.to_json(), "alive": self.alive, "age": round(self.age, 3), "in_sync": self.in_sync}


@dataclass(frozen=True)
class DeploymentStatus:
    """One deployment at one instant. ``problems`` has one sentence for each thing that is not as wanted; empty when all is well."""

    name: str
    model: str
    alias: str
    state: str
    stable: int | None
    stable_digest: str | None
    replicas: tuple[ReplicaStatus, ...]
    rollout: RolloutRow | None
    problems: tuple[str, ...]
    config: Mapping[str, Any]

    @property
    def in_sync(self) -> bool:
        """Whether what is served is what is wanted."""
        return not self.problems

    @property
    def url(self) -> str | None:
        """Where a live replica answers."""
        return next((replica.row.url for replica in self.replicas if replica.alive), None)

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "model": self.model,
            "alias": self.alias,
            "state": self.state,
            "url": self.url,
            "stable": self.stable,
            "stable_digest": self.stable_digest,
            "in_sync": self.in_sync,
            "problems": list(self.problems),
            "replicas": [replica.to_json() for replica in self.replicas],
            "rollout": None if self.rollout is None else self.rollout.to_json(),
            "config": dict(self.config),
        }


def compare(
    row: DeploymentRow,
    stable: int | None,
    digest: str | None,
    replicas: Sequence[ReplicaRow],
    rollout: RolloutRow | None,
    now: datetime,
) -> DeploymentStatus:
    """What is wanted beside what is reported. Replicas that said goodbye are not shown."""
    shown = tuple(_replica(replica, row, digest, now) for replica in replicas if replica.state != STOPPED)
    return DeploymentStatus(
        name=row.name,
        model=row.model,
        alias=row.alias,
        state=row.state,
        stable=stable,
        stable_digest=digest,
        replicas=shown,
        rollout=rollout,
        problems=tuple(_problems(row, stable, digest, shown)),
        config=row.config.to_json(),
    )


def _replica(replica: ReplicaRow, row: DeploymentRow, digest: str | None, now: datetime) -> ReplicaStatus:
    alive = replica.alive(now, row.config.tick_seconds)
    age = max(0.0, (now - replica.heartbeat).total_seconds())
    return ReplicaStatus(replica, alive, age, alive and replica.stable_digest == digest)


def _problems(row: DeploymentRow, stable: int | None, digest: str | None, shown: Sequence[ReplicaStatus]) -> list[str]:
    found = []
    if stable is None:
        found.append(f"{row.subject} points nowhere, so there is nothing to serve")
    if row.state == RUNNING and not any(replica.alive for replica in shown):
        found.append("no replica is alive; start one with: modelyard deploy " + f"{row.model}@{row.alias}")
    for replica in shown:
        it = f"replica {replica.row.id}"
        if not replica.alive:
            found.append(f"{it} was last heard of {replica.age:.0f} s ago")
        elif digest is not None and replica.row.stable_digest != digest:
            served = f"version {replica.row.stable}" if replica.row.stable else "nothing"
            found.append(f"{it} serves {served}, not version {stable}, which {row.alias} points to")
        if replica.alive and replica.row.problem:
            found.append(f"{it}: {replica.row.problem}")
        if replica.alive and row.state != RUNNING:
            found.append(f"{it} still runs, although the deployment is stopped")
    return found

"""What each replica says of itself: the digests that it has loaded, the weight it routes by, and that it is alive."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert, select, update

from modelyard.core.clock import from_micros, to_micros, to_text
from modelyard.registry import Registry
from modelyard.registry.schema import replicas

STARTING, READY, FAILED, STOPPED = "starting", "ready", "failed", "stopped"


@dataclass(frozen=True)
class ReplicaRow:
    """The last report of one serving process. ``problem`` is empty when all is well; ``heartbeat`` is when it reported."""

    id: str
    deployment: str
    pid: int
    host: str
    url: str
    state: str
    stable: int | None
    stable_digest: str | None
    candidate: int | None
    candidate_digest: str | None
    weight: float
    problem: str
    started_time: datetime
    heartbeat: datetime

    def alive(self, now: datetime, tick_seconds: float) -> bool:
        """Whether it has not stopped and its heartbeat is young: three ticks, and never less than 10 s."""
        young = now - self.heartbeat <= timedelta(seconds=max(10.0, 3 * tick_seconds))
        return self.state != STOPPED and young

    def to_json(self) -> dict[str, Any]:
        times = {key: to_text(getattr(self, key)) for key in ("started_time", "heartbeat")}
        return {**vars(self), **times}


def report(registry: Registry, row: ReplicaRow) -> None:
    """Writes the report of a replica; its first makes the row. A report is not a change of what is wanted: no ledger row."""
    values = {**vars(row), "workspace": registry.workspace}
    values |= {"started_time": to_micros(row.started_time), "heartbeat": to_micros(row.heartbeat)}
    with registry.begin() as tx:
        known = update(replicas).where(replicas.c.id == row.id).values(**values)
        if tx.execute(known).rowcount == 0:
            tx.execute(insert(replicas).values(**values))


def replicas_of(connection: Connection, workspace: str, name: str, newest: int = 50) -> list[ReplicaRow]:
    """The last replicas of a deployment, newest start first, whether or not they live."""
    place = (replicas.c.workspace == workspace, replicas.c.deployment == name)
    query = select(replicas).where(*place).order_by(replicas.c.started_time.desc(), replicas.c.id).limit(newest)
    return [_row(dict(row._mapping)) for row in connection.execute(query)]


def close(registry: Registry, row: ReplicaRow, problem: str) -> None:
    """Says that a replica has ended, on behalf of one that could not say it itself."""
    report(registry, replace(row, state=STOPPED, problem=problem))


def _row(row: dict[str, Any]) -> ReplicaRow:
    del row["workspace"]
    row |= {"started_time": from_micros(row["started_time"]), "heartbeat": from_micros(row["heartbeat"])}
    return ReplicaRow(**row)

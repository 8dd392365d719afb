"""Rollouts in the registry: every event is one row changed by compare-and-set and one ledger row, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from modelyard.core.clock import from_micros, to_micros, to_text
from modelyard.core.errors import RolloutInProgress, RolloutNotFound
from modelyard.deployments.records import DeploymentRow, deployment, stable_number
from modelyard.deployments.rollout import FINAL, Event, State, next_state, weight_after
from modelyard.registry import Registry, Transaction
from modelyard.registry.schema import deployments, rollouts


@dataclass(frozen=True)
class RolloutRow:
    """A rollout as the registry holds it. ``evidence`` has one entry a step: ``{"step", "weight", "analysis"}``."""

    id: int
    deployment: str
    model: str
    stable: int | None
    candidate: int
    state: State
    step: int
    weight: float
    steps: tuple[float, ...]
    revision: int
    reason: str
    evidence: tuple[Mapping[str, Any], ...]
    started_time: datetime
    step_time: datetime
    updated_time: datetime

    @property
    def active(self) -> bool:
        return self.state not in FINAL

    @property
    def candidate_reference(self) -> str:
        return f"{self.model}/{self.candidate}"

    def to_json(self) -> dict[str, Any]:
        times = {key: to_text(getattr(self, key)) for key in ("started_time", "step_time", "updated_time")}
        plain = {**vars(self), "state": str(self.state), "steps": list(self.steps), "evidence": list(self.evidence)}
        return {**plain, **times}


@dataclass(frozen=True)
class Change:
    """What an event does to a rollout, beside its state: new values of the row, and what the ledger says of it."""

    event: Event
    step: int
    reason: str
    evidence: tuple[Mapping[str, Any], ...]


def start_rollout(
    registry: Registry, row: DeploymentRow, candidate: int, steps: tuple[float, ...], reason: str = ""
) -> RolloutRow:
    """Begins a rollout from where the alias is now. Raises RolloutInProgress when one is under way."""
    with registry.begin() as tx:
        current = newest_rollout(tx.connection, registry.workspace, row.name)
        if current is not None and current.active:
            raise RolloutInProgress(name=row.name, candidate=current.candidate_reference, state=str(current.state))
        now = to_micros(tx.now())
        stable = stable_number(tx.connection, registry.workspace, row)
        tx.execute(
            insert(rollouts).values(
                workspace=registry.workspace,
                deployment=row.name,
                stable=stable,
                candidate=candidate,
                state=str(State.PENDING),
                step=0,
                weight=0.0,
                steps=list(steps),
                revision=1,
                reason=reason,
                evidence=[],
                started_time=now,
                step_time=now,
                updated_time=now,
            )
        )
        tx.record(
            "rollout.start",
            kind="deployment",
            name=row.name,
            subject=row.name,
            before={"stable": stable},
            after={"candidate": candidate, "steps": list(steps)},
            reason=reason,
        )
        begun = newest_rollout(tx.connection, registry.workspace, row.name)
        assert begun is not None  # noqa: S101 - inserted above
        return begun


def newest_rollout(connection: Connection, workspace: str, name: str) -> RolloutRow | None:
    """The last rollout of a deployment, whether or not it has ended."""
    found = rollout_history(connection, workspace, name, limit=1)
    return found[0] if found else None


def rollout_history(connection: Connection, workspace: str, name: str, limit: int | None = None) -> list[RolloutRow]:
    """The rollouts of a deployment, newest first."""
    place = (rollouts.c.workspace == workspace, rollouts.c.deployment == name)
    joined = select(rollouts, deployments.c.model).join(
        deployments, (deployments.c.workspace == rollouts.c.workspace) & (deployments.c.name == rollouts.c.deployment)
    )
    query = joined.where(*place).order_by(rollouts.c.id.desc()).limit(limit)
    return [_rollout_row(row) for row in connection.execute(query)]


def active_rollout(connection: Connection, workspace: str, name: str) -> RolloutRow:
    """The rollout that is under way. Raises DeploymentNotFound, RolloutNotFound."""
    deployment(connection, workspace, name)
    found = newest_rollout(connection, workspace, name)
    if found is None or not found.active:
        raise RolloutNotFound(name=name)
    return found


def apply(registry: Registry, seen: RolloutRow, change: Change) -> RolloutRow | None:
    """Makes an event happen to the rollout as it was ``seen``; None when it has changed since (look again, decide again).

    Raises InvalidTransition. The window of a step begins anew whenever the rollout comes to ``progressing`` or its step changes.
    """
    state = next_state(seen.state, change.event)
    weight = weight_after(state, change.step, seen.steps, seen.weight)
    with registry.begin() as tx:
        now = to_micros(tx.now())
        fresh = state is State.PROGRESSING and (seen.state is not State.PROGRESSING or change.step != seen.step)
        values: dict[str, Any] = {
            "state": str(state),
            "step": change.step,
            "weight": weight,
            "revision": seen.revision + 1,
            "reason": change.reason,
            "evidence": list(change.evidence),
            "step_time": now if fresh else to_micros(seen.step_time),
            "updated_time": now,
        }
        if not _set(tx, seen, values):
            return None
        tx.record(
            _ACTIONS.get((change.event, state), f"rollout.{state}"),
            kind="deployment",
            name=seen.deployment,
            subject=seen.deployment,
            before=_told(seen.state, seen.step, seen.weight, seen),
            after=_told(state, change.step, weight, seen),
            reason=change.reason,
            evidence=change.evidence[-1] if change.evidence else None,
        )
    times = {key: from_micros(values.pop(key)) for key in ("step_time", "updated_time")}
    return replace(seen, **{**values, **times, "state": state, "evidence": change.evidence})


def note(registry: Registry, seen: RolloutRow, evidence: tuple[Mapping[str, Any], ...]) -> RolloutRow | None:
    """Keeps how the analysis of the present step stands; no state changes, so the ledger is silent. None when the row has changed since."""
    with registry.begin() as tx:
        now = to_micros(tx.now())
        values = {"evidence": list(evidence), "revision": seen.revision + 1, "updated_time": now}
        if not _set(tx, seen, values):
            return None
    return replace(seen, evidence=evidence, revision=seen.revision + 1, updated_time=from_micros(now))


_ACTIONS = {(Event.STEP_PASSED, State.PROGRESSING): "rollout.step", (Event.LOADED, State.PROGRESSING): "rollout.step"}
_ACTIONS |= {(Event.RESUME, State.LOADING): "rollout.resume", (Event.START, State.LOADING): "rollout.load"}
_ACTIONS |= {(event, State.PAUSED): "rollout.pause" for event in Event}
_ACTIONS |= {(event, State.PROMOTING): "rollout.promote" for event in Event}
_ACTIONS |= {(event, State.ABORTING): "rollout.abort" for event in Event}


def _set(tx: Transaction, seen: RolloutRow, values: dict[str, Any]) -> bool:
    same = (rollouts.c.id == seen.id, rollouts.c.revision == seen.revision)
    return tx.execute(update(rollouts).where(*same).values(**values)).rowcount == 1


def _told(state: State, step: int, weight: float, row: RolloutRow) -> dict[str, Any]:
    return {"state": str(state), "step": step, "weight": weight, "stable": row.stable, "candidate": row.candidate}


def _rollout_row(row: Any) -> RolloutRow:
    return RolloutRow(
        id=row.id,
        deployment=row.deployment,
        model=row.model,
        stable=row.stable,
        candidate=row.candidate,
        state=State(row.state),
        step=row.step,
        weight=row.weight,
        steps=tuple(row.steps),
        revision=row.revision,
        reason=row.reason,
        evidence=tuple(row.evidence),
        started_time=from_micros(row.started_time),
        step_time=from_micros(row.step_time),
        updated_time=from_micros(row.updated_time),
    )

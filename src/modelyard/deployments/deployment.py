"""The object that users hold of a deployment: look at it, and say what should happen to its rollout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import uuid4

from modelyard.client.workspace import Workspace
from modelyard.core.errors import (
    InvalidRequest,
    ReplicaFailed,
    RolloutNotFound,
    RolloutStopped,
    TargetUnwritable,
)
from modelyard.core.names import ModelName
from modelyard.core.references import Number, Reference
from modelyard.deployments import records, replica_records, rollout_records
from modelyard.deployments.config import DeploymentConfig
from modelyard.deployments.folder import replica_log, traffic_folder
from modelyard.deployments.records import DeploymentRow
from modelyard.deployments.rollout import Event, State
from modelyard.deployments.rollout_records import Change, RolloutRow
from modelyard.deployments.status import DeploymentStatus, compare
from modelyard.deployments.stepper import Stepper
from modelyard.deployments.targets.local import LocalTarget
from modelyard.deployments.targets.target import Running, Target
from modelyard.serving.records import LabelRecord
from modelyard.serving.traffic_log import TrafficLog
from modelyard.serving.traffic_writer import TrafficWriter


class Deployment:
    """One serving endpoint of a yard. Raises DeploymentNotFound when there is none of this name; :func:`deploy` makes one."""

    def __init__(self, workspace: Workspace, name: str, *, target: Target | None = None) -> None:
        self.workspace = workspace
        self.name = ModelName(name)
        self.target: Target = target or LocalTarget(workspace, self.name)
        self._labels: TrafficWriter | None = None
        _ = self.row

    def __repr__(self) -> str:
        return f"Deployment({self.workspace!r}, {str(self.name)!r})"

    def __str__(self) -> str:
        status = self.status()
        line = f"{self.name} serves {self.row.subject}"
        line += f" (version {status.stable})" if status.stable else " (no version yet)"
        line += f" at {status.url}" if status.url else ", and no replica is alive"
        if status.rollout is not None and status.rollout.active:
            rollout = status.rollout
            line += f"; {rollout.candidate_reference} is {rollout.state} with {rollout.weight:.0%} of the traffic"
        return line

    # --- look ---

    @property
    def row(self) -> DeploymentRow:
        """What is wanted, as the registry has it now."""
        with self.workspace.registry.read() as connection:
            return records.deployment(connection, self.workspace.registry.workspace, self.name)

    @property
    def config(self) -> DeploymentConfig:
        return self.row.config

    @property
    def rollout(self) -> RolloutRow | None:
        """The newest rollout, whether or not it has ended; None when there was none."""
        with self.workspace.registry.read() as connection:
            return rollout_records.newest_rollout(connection, self.workspace.registry.workspace, self.name)

    def rollouts(self, limit: int | None = None) -> list[RolloutRow]:
        """All rollouts, newest first."""
        with self.workspace.registry.read() as connection:
            return rollout_records.rollout_history(connection, self.workspace.registry.workspace, self.name, limit)

    @property
    def url(self) -> str | None:
        """Where a live replica answers; None when none is alive."""
        return self.status().url

    def status(self) -> DeploymentStatus:
        """What is wanted beside what each replica reports, read at one instant."""
        registry = self.workspace.registry
        with registry.read() as connection:
            row = records.deployment(connection, registry.workspace, self.name)
            stable = records.stable_number(connection, registry.workspace, row)
            replicas = replica_records.replicas_of(connection, registry.workspace, self.name)
            rollout = rollout_records.newest_rollout(connection, registry.workspace, self.name)
        digest = None if stable is None else self._digest(row, stable)
        return compare(row, stable, digest, replicas, rollout, self.workspace.clock.now())

    def watch(self, poll: float = 0.2) -> Iterator[RolloutRow]:
        """The newest rollout whenever it has changed, its analysis included, until it has ended or is paused; now at once.

        Raises RolloutNotFound when there was none, ReplicaFailed when no replica is left to carry it on.
        """
        seen = (0, 0)
        while True:
            rollout = self.rollout
            if rollout is None:
                raise RolloutNotFound(name=self.name)
            if (rollout.id, rollout.revision) != seen:
                seen = (rollout.id, rollout.revision)
                yield rollout
            if not rollout.active or rollout.state is State.PAUSED:
                return
            if not self._alive(self.workspace.clock.now()):
                log = replica_log(self.workspace.root, self.name)
                raise ReplicaFailed(name=self.name, problem="no replica is alive to go on with the rollout", log=log)
            self.workspace.clock.sleep(poll)

    def wait(self) -> RolloutRow:
        """Returns when the newest rollout is done. Raises RolloutStopped when it was aborted or is paused, and what :meth:`watch` raises."""
        for rollout in self.watch():
            last = rollout
        if last.state is not State.DONE:
            raise RolloutStopped(candidate=last.candidate_reference, state=str(last.state), reason=last.reason)
        return last

    # --- say what should happen ---

    def pause(self, reason: str = "") -> RolloutRow:
        """Keeps the candidate's share as it is until somebody decides. Raises RolloutNotFound, InvalidTransition."""
        return self._happens(Event.PAUSE, reason or "paused by hand")

    def resume(self, reason: str = "") -> RolloutRow:
        """Lets a paused rollout go on; its present step is measured anew. Raises RolloutNotFound, InvalidTransition."""
        return self._happens(Event.RESUME, reason or "resumed by hand")

    def promote(self, reason: str = "") -> RolloutRow:
        """Skips the remaining steps, not the gates. Raises RolloutNotFound, InvalidTransition."""
        return self._happens(Event.PROMOTE, reason or "promoted by hand")

    def abort(self, reason: str = "") -> RolloutRow:
        """Takes all traffic from the candidate. The alias stays where it is. Raises RolloutNotFound, InvalidTransition."""
        after = self._happens(Event.ABORT, reason or "aborted by hand")
        return self._settled(after)

    def start(self, timeout: float = 60.0, reason: str = "") -> Running:
        """Wants the deployment running, and starts its replica unless it runs. Raises ReplicaFailed."""
        records.set_state(self.workspace.registry, self.name, records.RUNNING, reason)
        return self.target.start(timeout)

    def stop(self, grace: float = 30.0, reason: str = "") -> None:
        """Aborts a rollout that is under way, answers the requests in flight, and ends the replica. Repeating it is safe."""
        told = reason or "the deployment was stopped"
        with suppress(RolloutNotFound):
            if self._active().state is not State.ABORTING:
                self._happens(Event.ABORT, told)
        records.set_state(self.workspace.registry, self.name, records.STOPPED, told)
        self.target.stop(grace)
        rollout = self.rollout
        if rollout is not None and rollout.active:
            self._settled(rollout)
        self.close()

    # --- labels ---

    def add_labels(self, ids: Sequence[Any], values: Sequence[Any]) -> None:
        """What turned out to be true: one value for each of ``ids``, which are those of the predictions.

        Returns when the labels are with the operating system. Raises InvalidRequest, TargetUnwritable.
        """
        if isinstance(ids, str) or isinstance(values, str) or len(ids) != len(values):
            raise InvalidRequest(problem=f"{len(ids)} ids and {len(values)} values are given; there must be as many")
        if not len(ids):
            return
        folder = traffic_folder(self.workspace.root, self.name)
        try:
            if self._labels is None:
                self._labels = TrafficLog(folder).open_writer(f"sdk-{uuid4().hex[:12]}")
        except OSError as error:
            raise TargetUnwritable(path=folder, problem=error.strerror or error) from error
        now = self.workspace.clock.now()
        record = LabelRecord(now, tuple(str(i) for i in ids), tuple(_plain(value) for value in values))
        before = self._labels.dropped
        self._labels.labels(record)
        if not self._labels.flush() or self._labels.dropped > before:
            raise TargetUnwritable(path=folder, problem="the labels were not written: is the disk full?")

    def close(self) -> None:
        """Lets the file of labels go; the deployment itself is not touched."""
        if self._labels is not None:
            self._labels.close()
            self._labels = None

    # --- inside ---

    def _active(self) -> RolloutRow:
        with self.workspace.registry.read() as connection:
            return rollout_records.active_rollout(connection, self.workspace.registry.workspace, self.name)

    def _happens(self, event: Event, reason: str) -> RolloutRow:
        while True:  # whoever changed the rollout in between only makes us look again
            seen = self._active()
            after = rollout_records.apply(
                self.workspace.registry, seen, Change(event, seen.step, reason, seen.evidence)
            )
            if after is not None:
                return after

    def _settled(self, rollout: RolloutRow) -> RolloutRow:
        """Where no agent is left to end an abort, it is ended here: nobody sends traffic to the candidate."""
        if not self._alive(self.workspace.clock.now()):
            Stepper(self.workspace, self.name).tick()
        return self.rollout or rollout

    def _alive(self, now: datetime) -> bool:
        registry = self.workspace.registry
        tick = self.config.tick_seconds
        with registry.read() as connection:
            rows = replica_records.replicas_of(connection, registry.workspace, self.name)
        return any(row.alive(now, tick) for row in rows)

    def _digest(self, row: DeploymentRow, number: int) -> str:
        return str(self.workspace.registry.version("model", Reference(row.model, Number(number))).digest)


def all_deployments(workspace: Workspace) -> list[Deployment]:
    """The deployments of a yard, by name."""
    with workspace.registry.read() as connection:
        rows = records.all_deployments(connection, workspace.registry.workspace)
    return [Deployment(workspace, row.name) for row in rows]


def _plain(value: Any) -> Any:
    """A numpy scalar as Python's own; anything else must be a number, text or a truth value."""
    plain = value.item() if hasattr(value, "item") and not isinstance(value, str | bytes) else value
    if (
        not isinstance(plain, bool | int | float | str) or plain != plain
    ):  # NaN is the one value that differs from itself
        raise InvalidRequest(problem=f"a label is a number, text, true or false, not {value!r}")
    return plain

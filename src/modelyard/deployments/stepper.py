"""Applies the controller's decisions: the shell around :func:`modelyard.deployments.controller.step`.

Any number of agents may have a stepper; the lease, which the agent takes, keeps them from doing the same work. That nothing happens
twice is kept by the compare-and-set on the rollout's revision and on the alias, lease or not.
"""

from __future__ import annotations

import logging

from modelyard.client.workspace import Workspace
from modelyard.core.errors import AliasMoved, InvalidPolicy, PolicyRefused, VersionNotFound
from modelyard.core.references import Number, Reference
from modelyard.deployments import controller, rollout_records
from modelyard.deployments.analysis import Analysis, analyse
from modelyard.deployments.controller import MoveAlias, Situation, Wait
from modelyard.deployments.folder import traffic_folder
from modelyard.deployments.records import DeploymentRow, deployment, stable_number
from modelyard.deployments.replica_records import replicas_of
from modelyard.deployments.rollout import Event, State
from modelyard.deployments.rollout_records import Change, RolloutRow
from modelyard.deployments.traffic import WindowReader
from modelyard.serving.traffic_log import TrafficLog

_log = logging.getLogger(__name__)
_MEASURED = (State.PROGRESSING, State.PAUSED)
_AT_ONCE = 8
"""Decisions of one tick; more than any rollout can need without new facts."""


class Stepper:
    """Steps the rollouts of one deployment. ``waiting_for`` says what the present one waits for."""

    def __init__(self, workspace: Workspace, name: str) -> None:
        self._workspace = workspace
        self._registry = workspace.registry
        self._name = name
        self._reader = WindowReader(TrafficLog(traffic_folder(workspace.root, name)))
        self.waiting_for = ""

    def tick(self) -> bool:
        """Takes the rollout as far as it can go now; whether anything changed. Raises what the registry raises."""
        with self._registry.read() as connection:
            row = deployment(connection, self._registry.workspace, self._name)
            rollout = rollout_records.newest_rollout(connection, self._registry.workspace, self._name)
        if rollout is None or not rollout.active:
            self._reader.close()
            return False
        changed = False
        for _ in range(_AT_ONCE):
            if self._once(row) is None:
                break
            changed = True
        return changed

    def _once(self, row: DeploymentRow) -> RolloutRow | None:
        """One decision, applied; None when there is nothing to do, or another was faster."""
        situation = self._look(row)
        if situation is None:
            return None
        decision = controller.step(situation)
        rollout = situation.rollout
        if isinstance(decision, Wait):
            self.waiting_for = decision.reason
            evidence = controller.evidence_with(rollout, situation.analysis)
            if _told(evidence) != _told(rollout.evidence):
                rollout_records.note(self._registry, rollout, evidence)
            return None
        change = self._promote(row, rollout, decision) if isinstance(decision, MoveAlias) else decision
        if change is None:
            return None
        after = rollout_records.apply(self._registry, rollout, change)
        if after is not None:
            _log.info(
                "rollout of %s: %s, %s: %s", rollout.candidate_reference, change.event, after.state, change.reason
            )
        return after

    def _look(self, row: DeploymentRow) -> Situation | None:
        name, workspace = self._name, self._registry.workspace
        with self._registry.read() as connection:
            rollout = rollout_records.newest_rollout(connection, workspace, name)
            alias = stable_number(connection, workspace, row)
            replicas = replicas_of(connection, workspace, name)
        if rollout is None or not rollout.active:
            return None
        now = self._workspace.clock.now()
        reference = Reference(row.model, Number(rollout.candidate))
        return Situation(
            rollout=rollout,
            alias=alias,
            candidate_digest=self._registry.version("model", reference).digest,
            replicas=tuple(r for r in replicas if r.alive(now, row.config.tick_seconds)),
            analysis=self._analysis(row, rollout) if rollout.state in _MEASURED and rollout.steps else None,
            rule=row.config.analysis,
        )

    def _analysis(self, row: DeploymentRow, rollout: RolloutRow) -> Analysis:
        window = self._reader.window(rollout.id, rollout.stable, rollout.candidate, rollout.step_time)
        seconds = (self._workspace.clock.now() - rollout.step_time).total_seconds()
        before = controller.analysis_before(rollout)
        return analyse(
            window.stable,
            window.candidate,
            row.config.analysis,
            seconds=seconds,
            before=before,
            positive=row.config.positive,
        )

    def _promote(self, row: DeploymentRow, rollout: RolloutRow, move: MoveAlias) -> Change | None:
        """Moves the alias, and says as an event what came of it; None when another moved it since it was looked at."""
        reference = Reference(row.model, Number(rollout.candidate))
        evidence = {"deployment": row.name, "rollout": rollout.id, "analyses": list(move.evidence)}
        try:
            self._registry.move_alias(
                "model", reference, row.alias, expected=move.expected, reason=move.reason, evidence=evidence
            )
        except (PolicyRefused, InvalidPolicy, VersionNotFound) as refusal:
            return Change(Event.GATE_REFUSED, rollout.step, str(refusal), move.evidence)
        except AliasMoved:  # by whom, and whether it was this very promotion, is for the next look to say
            return None
        return Change(Event.MOVED, rollout.step, move.reason, move.evidence)


def _told(evidence: controller.Evidence) -> list[object]:
    """What is worth a write: that time has passed is not."""
    return [{**entry, "analysis": {**entry["analysis"], "seconds": None}} for entry in evidence]

"""What should happen to a rollout next: a pure decision out of what is known, with its reasons.

The shell (:mod:`modelyard.deployments.stepper`) applies it by compare-and-set. Deciding twice on the same situation gives the same decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelyard.core.clock import to_text
from modelyard.deployments.analysis import Analysis, AnalysisRule, Phase
from modelyard.deployments.replica_records import FAILED, READY, ReplicaRow
from modelyard.deployments.rollout import Event, State
from modelyard.deployments.rollout_records import Change, RolloutRow

Evidence = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Situation:
    """All that a decision is made of.

    ``alias`` is the version that the alias points to now; ``replicas`` are those that are alive; ``analysis`` is that of the present step, None when
    it was not made; ``candidate_digest`` is what a replica must report to have the candidate.
    """

    rollout: RolloutRow
    alias: int | None
    candidate_digest: str
    replicas: tuple[ReplicaRow, ...]
    analysis: Analysis | None
    rule: AnalysisRule


@dataclass(frozen=True)
class Wait:
    """Nothing to do now, and what is waited for."""

    reason: str


@dataclass(frozen=True)
class MoveAlias:
    """The alias should go to the candidate, through its gates, from where it was when the rollout began."""

    expected: int
    reason: str
    evidence: Evidence


Decision = Change | MoveAlias | Wait


def step(situation: Situation) -> Decision:
    """The next thing to do. Total: it has an answer for every state of the table."""
    rollout, state = situation.rollout, situation.rollout.state
    if state in (State.DONE, State.ABORTED):
        return Wait(f"the rollout is {state}")
    if state is State.ABORTING:
        return _drained(situation)
    if moved := _alias_moved(situation):
        return moved
    if state is State.PENDING:
        return _change(situation, Event.START, f"loading {rollout.candidate_reference} beside the stable version")
    if failed := _load_failure(situation):
        return failed
    match state:
        case State.LOADING:
            return _waiting_for_load(situation) or _change(
                situation, Event.LOADED, f"every replica has loaded {rollout.candidate_reference} and verified it"
            )
        case State.PROMOTING:
            waiting = _waiting_for_load(situation)
            return waiting or MoveAlias(rollout.stable or 0, rollout.reason, rollout.evidence)
        case State.PAUSED:
            return _guarded(situation)
        case _:
            return _judged(situation)


def evidence_with(rollout: RolloutRow, analysis: Analysis | None) -> Evidence:
    """The evidence of a rollout with the newest analysis of its present step in place of the one before."""
    if analysis is None:
        return rollout.evidence
    since = to_text(rollout.step_time)
    entry = {"step": rollout.step, "weight": rollout.weight, "since": since, "analysis": analysis.to_json()}
    earlier = [found for found in rollout.evidence if found.get("step") != rollout.step]
    return (*earlier, entry)


def analysis_before(rollout: RolloutRow) -> Analysis | None:
    """The last analysis kept of the present window; None after a resume, which begins the window anew."""
    for entry in rollout.evidence:
        if entry["step"] == rollout.step and entry["since"] == to_text(rollout.step_time):
            return Analysis.from_json(entry["analysis"])
    return None


def _judged(situation: Situation) -> Decision:
    rollout, analysis = situation.rollout, situation.analysis
    if rollout.step >= len(rollout.steps):
        return _change(situation, Event.ALL_STEPS_PASSED, "a direct rollout shares no traffic: nothing to analyse")
    if analysis is None:
        return Wait("no traffic has been measured yet")
    share = f"at {rollout.weight:.0%} of the traffic"
    match analysis.phase:
        case Phase.FAILED:
            return _change(situation, Event.ANALYSIS_FAILED, f"{share}: {analysis.reason}")
        case Phase.SUCCESSFUL if rollout.step + 1 < len(rollout.steps):
            return _change(situation, Event.STEP_PASSED, f"{share}: {analysis.reason}", step=rollout.step + 1)
        case Phase.SUCCESSFUL:
            return _change(situation, Event.ALL_STEPS_PASSED, f"{share}: {analysis.reason}")
        case Phase.INCONCLUSIVE if situation.rule.on_inconclusive == "abort":
            return _change(situation, Event.ABORT, f"inconclusive {share}: {analysis.reason}")
        case Phase.INCONCLUSIVE:
            return _change(situation, Event.INCONCLUSIVE, f"inconclusive {share}: {analysis.reason}")
        case _:
            return Wait(analysis.reason)


def _guarded(situation: Situation) -> Decision:
    """In a pause a candidate that keeps its traffic can still be found bad; nothing else happens by itself."""
    analysis = situation.analysis
    if situation.rollout.weight > 0 and analysis is not None and analysis.phase is Phase.FAILED:
        return _change(situation, Event.ANALYSIS_FAILED, f"while paused: {analysis.reason}")
    return Wait("a person decides: resume, promote or abort")


def _alias_moved(situation: Situation) -> Change | None:
    rollout, alias = situation.rollout, situation.alias
    if alias == rollout.candidate:
        told = rollout.reason if rollout.state is State.PROMOTING else "the alias was moved to the candidate by hand"
        return _change(situation, Event.MOVED, told)
    if alias != rollout.stable:
        was = f"version {rollout.stable}" if rollout.stable else "nothing"
        now = f"version {alias}" if alias else "nothing"
        return _change(situation, Event.OVERTAKEN, f"the alias was moved from {was} to {now} during the rollout")
    return None


def _load_failure(situation: Situation) -> Change | None:
    wanted = situation.rollout.candidate
    for replica in situation.replicas:
        if replica.candidate == wanted and replica.candidate_digest is None and replica.problem:
            reference = situation.rollout.candidate_reference
            return _change(situation, Event.LOAD_FAILED, f"{reference} cannot be loaded: {replica.problem}")
    return None


def _waiting_for_load(situation: Situation) -> Wait | None:
    if not situation.replicas:
        return Wait("no replica is alive")
    for replica in situation.replicas:
        if replica.state == FAILED or (replica.state != READY and replica.stable_digest is None):
            return Wait(f"replica {replica.id} is not ready: {replica.problem or replica.state}")
        if replica.candidate_digest != situation.candidate_digest:
            return Wait(f"replica {replica.id} is loading {situation.rollout.candidate_reference}")
    return None


def _drained(situation: Situation) -> Decision:
    for replica in situation.replicas:
        if replica.weight > 0 or replica.candidate is not None:
            return Wait(f"replica {replica.id} has not let go of the candidate yet")
    return _change(situation, Event.DRAINED, situation.rollout.reason)


def _change(situation: Situation, event: Event, reason: str, step: int | None = None) -> Change:
    rollout = situation.rollout
    evidence = evidence_with(rollout, situation.analysis)
    return Change(event, rollout.step if step is None else step, reason, evidence)

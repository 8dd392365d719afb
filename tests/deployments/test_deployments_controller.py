"""What the controller decides in each situation, as a table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from modelyard.deployments.analysis import Analysis, AnalysisRule, Phase
from modelyard.deployments.controller import MoveAlias, Situation, Wait, analysis_before, evidence_with, step
from modelyard.deployments.replica_records import ReplicaRow
from modelyard.deployments.rollout import TABLE, Event, State
from modelyard.deployments.rollout_records import Change, RolloutRow

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DIGEST = "sha256:" + "c" * 64

ROLLOUT = RolloutRow(
    id=1,
    deployment="fraud",
    model="fraud",
    stable=3,
    candidate=4,
    state=State.PROGRESSING,
    step=0,
    weight=0.1,
    steps=(0.1, 0.5),
    revision=5,
    reason="a better one",
    evidence=(),
    started_time=NOON,
    step_time=NOON,
    updated_time=NOON,
)
REPLICA = ReplicaRow(
    id="r1",
    deployment="fraud",
    pid=1,
    host="here",
    url="http://127.0.0.1:1",
    state="ready",
    stable=3,
    stable_digest="sha256:" + "b" * 64,
    candidate=4,
    candidate_digest=DIGEST,
    weight=0.1,
    problem="",
    started_time=NOON,
    heartbeat=NOON,
)
LOADING = replace(REPLICA, candidate_digest=None, weight=0.0)
UNABLE = replace(LOADING, problem="CorruptBlob: the stored bytes are damaged")
DRAINED = replace(LOADING, candidate=None)


def measured(phase: Phase) -> Analysis:
    return Analysis(phase, (f"it is {phase}",))


def at(state: State, **more: object) -> Situation:
    fields = {key: more.pop(key) for key in list(more) if hasattr(ROLLOUT, key)}
    rollout = replace(ROLLOUT, state=state, **fields)  # type: ignore[arg-type]
    known: dict[str, object] = {"alias": 3, "replicas": (REPLICA,), "analysis": None, "rule": AnalysisRule()}
    return Situation(rollout=rollout, candidate_digest=DIGEST, **{**known, **more})  # type: ignore[arg-type]


P = State.PROGRESSING
CASES: dict[str, tuple[Situation, Event | type]] = {
    "a new rollout begins": (at(State.PENDING), Event.START),
    "it waits while a replica loads": (at(State.LOADING, replicas=(REPLICA, LOADING)), Wait),
    "it waits while no replica lives": (at(State.LOADING, replicas=()), Wait),
    "it waits for a replica that starts": (
        at(State.LOADING, replicas=(replace(LOADING, state="starting", stable_digest=None),)),
        Wait,
    ),
    "all have loaded": (at(State.LOADING), Event.LOADED),
    "the bytes that were loaded are other bytes": (
        at(State.LOADING, replicas=(replace(REPLICA, candidate_digest="sha256:" + "e" * 64),)),
        Wait,
    ),
    "one cannot load": (at(State.LOADING, replicas=(REPLICA, UNABLE)), Event.LOAD_FAILED),
    "a new replica cannot load in the middle": (at(P, replicas=(REPLICA, UNABLE)), Event.LOAD_FAILED),
    "a problem with another version is not the candidate's": (
        at(State.LOADING, replicas=(replace(UNABLE, candidate=None),)),
        Wait,
    ),
    "nothing was measured": (at(P), Wait),
    "pending": (at(P, analysis=measured(Phase.PENDING)), Wait),
    "running": (at(P, analysis=measured(Phase.RUNNING)), Wait),
    "could not measure": (at(P, analysis=measured(Phase.ERROR)), Wait),
    "measured and good, more steps follow": (at(P, analysis=measured(Phase.SUCCESSFUL)), Event.STEP_PASSED),
    "measured and good, the last step": (at(P, step=1, analysis=measured(Phase.SUCCESSFUL)), Event.ALL_STEPS_PASSED),
    "measured and bad": (at(P, analysis=measured(Phase.FAILED)), Event.ANALYSIS_FAILED),
    "inconclusive pauses": (at(P, analysis=measured(Phase.INCONCLUSIVE)), Event.INCONCLUSIVE),
    "inconclusive aborts, where asked": (
        at(P, analysis=measured(Phase.INCONCLUSIVE), rule=AnalysisRule(on_inconclusive="abort")),
        Event.ABORT,
    ),
    "a direct rollout needs no analysis": (at(P, steps=()), Event.ALL_STEPS_PASSED),
    "a pause waits for a person": (at(State.PAUSED, analysis=measured(Phase.SUCCESSFUL)), Wait),
    "a pause does not end by itself": (at(State.PAUSED, analysis=measured(Phase.INCONCLUSIVE)), Wait),
    "a pause keeps its guard": (at(State.PAUSED, analysis=measured(Phase.FAILED)), Event.ANALYSIS_FAILED),
    "promoting waits for a replica that has not loaded": (at(State.PROMOTING, replicas=(LOADING,)), Wait),
    "promoting moves the alias": (at(State.PROMOTING), MoveAlias),
    "promoting, and the stepper before died after the move": (at(State.PROMOTING, alias=4), Event.MOVED),
    "promoting, and a replica cannot load": (at(State.PROMOTING, replicas=(UNABLE,)), Event.LOAD_FAILED),
    "somebody moved the alias to the candidate": (at(P, alias=4), Event.MOVED),
    "somebody moved the alias elsewhere": (at(P, alias=2), Event.OVERTAKEN),
    "somebody moved the alias elsewhere in a pause": (at(State.PAUSED, alias=2), Event.OVERTAKEN),
    "somebody moved the alias just before the promotion": (at(State.PROMOTING, alias=2), Event.OVERTAKEN),
    "aborting waits until traffic is off": (at(State.ABORTING, replicas=(REPLICA,)), Wait),
    "aborting waits until the candidate is let go": (at(State.ABORTING, replicas=(LOADING,)), Wait),
    "all traffic is off": (at(State.ABORTING, replicas=(DRAINED,)), Event.DRAINED),
    "no replica lives that could have traffic": (at(State.ABORTING, replicas=()), Event.DRAINED),
    "an abort goes on whatever the alias does": (at(State.ABORTING, alias=4, replicas=(DRAINED,)), Event.DRAINED),
    "done": (at(State.DONE, alias=4), Wait),
    "aborted": (at(State.ABORTED), Wait),
}


@pytest.mark.parametrize("case", CASES)
def test_it_decides(case: str) -> None:
    situation, expected = CASES[case]
    decision = step(situation)
    if isinstance(expected, Event):
        assert isinstance(decision, Change), decision
        assert decision.event is expected
    else:
        assert isinstance(decision, expected), decision
    assert decision.reason
    assert step(situation) == decision, "the same situation, the same decision"


def test_every_decision_is_in_the_table() -> None:
    for case, (situation, _) in CASES.items():
        decision = step(situation)
        if isinstance(decision, Change):
            assert (situation.rollout.state, decision.event) in TABLE, case


def test_only_a_successful_analysis_goes_on() -> None:
    onward = {Event.STEP_PASSED, Event.ALL_STEPS_PASSED}
    for phase in Phase:
        for number in (0, 1):
            decision = step(at(P, step=number, analysis=measured(phase)))
            assert (isinstance(decision, Change) and decision.event in onward) is (phase is Phase.SUCCESSFUL)


def test_the_alias_is_expected_where_the_rollout_began() -> None:
    moved = step(at(State.PROMOTING))
    assert isinstance(moved, MoveAlias)
    assert moved.expected == 3
    first = step(at(State.PROMOTING, stable=None, alias=None))
    assert isinstance(first, MoveAlias)
    assert first.expected == 0


def test_the_reason_of_a_failure_tells_the_share_and_the_numbers() -> None:
    decision = step(at(P, weight=0.25, analysis=Analysis(Phase.FAILED, ("auc is 0.61, not 0.69",))))
    assert decision.reason == "at 25% of the traffic: auc is 0.61, not 0.69"


def test_the_evidence_keeps_the_last_analysis_of_each_step() -> None:
    first = replace(ROLLOUT, evidence=evidence_with(ROLLOUT, measured(Phase.RUNNING)))
    first = replace(first, evidence=evidence_with(first, measured(Phase.SUCCESSFUL)))
    second = replace(first, step=1, weight=0.5)
    found = evidence_with(second, measured(Phase.FAILED))
    assert [(entry["step"], entry["weight"], entry["analysis"]["phase"]) for entry in found] == [
        (0, 0.1, "successful"),
        (1, 0.5, "failed"),
    ]


def test_a_resumed_step_is_measured_anew() -> None:
    running = replace(ROLLOUT, evidence=evidence_with(ROLLOUT, measured(Phase.RUNNING)))
    assert analysis_before(running) == measured(Phase.RUNNING)
    assert analysis_before(replace(running, step_time=NOON.replace(hour=13))) is None

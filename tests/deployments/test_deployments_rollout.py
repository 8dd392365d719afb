"""The lifecycle table: what it promises, and that the page shows it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from modelyard.core.errors import InvalidTransition
from modelyard.deployments.rollout import (
    ACTIVE,
    FINAL,
    TABLE,
    Event,
    State,
    mermaid,
    next_state,
    possible,
    weight_after,
)

PAGE = Path(__file__).parents[2] / "docs" / "rollouts.md"


def test_the_page_shows_the_table_as_it_is() -> None:
    shown = PAGE.read_text().partition("```mermaid\n")[2].partition("```")[0]
    assert shown == mermaid(), (
        'draw it again: python -c "from modelyard.deployments.rollout import mermaid; print(mermaid())"'
    )


def test_every_event_of_the_page_exists() -> None:
    told = PAGE.read_text()
    assert [event for event in Event if f"`{event}`" not in told] == []


def test_what_has_ended_stays_ended() -> None:
    for state in FINAL:
        assert possible(state) == []
        for event in Event:
            with pytest.raises(InvalidTransition, match="it has ended"):
                next_state(state, event)


def test_every_state_can_be_reached_and_every_active_one_can_end() -> None:
    reached, edge = {State.PENDING}, {State.PENDING}
    while edge:
        edge = {after for (before, _), after in TABLE.items() if before in edge} - reached
        reached |= edge
    assert reached == set(State)
    ending = set(FINAL)
    while more := {before for (before, _), after in TABLE.items() if after in ending} - ending:
        ending |= more
    assert ending == set(State)


def test_a_person_can_abort_wherever_traffic_or_the_alias_is_at_stake() -> None:
    assert {state for state in ACTIVE if (state, Event.ABORT) not in TABLE} == {State.ABORTING}


def test_only_a_moved_alias_makes_a_rollout_done() -> None:
    assert {event for (_, event), after in TABLE.items() if after is State.DONE} == {Event.MOVED}


def test_an_illegal_event_says_what_is_possible() -> None:
    with pytest.raises(InvalidTransition) as caught:
        next_state(State.PAUSED, Event.PAUSE)
    assert caught.value.state == "paused"
    assert caught.value.event == "pause"
    assert caught.value.possible == "resume, analysis_failed, load_failed, promote, abort, moved, overtaken"
    assert str(caught.value) == f"a rollout that is paused cannot pause; possible now: {caught.value.possible}"


class RolloutMachine(RuleBasedStateMachine):
    """Any events in any order, against what must hold whatever comes."""

    def __init__(self) -> None:
        super().__init__()
        self.state, self.step, self.weight = State.PENDING, 0, 0.0
        self.steps = (0.1, 0.25, 0.5)
        self.loaded = False

    @rule(event=st.sampled_from(Event))
    def happen(self, event: Event) -> None:
        before, weight = self.state, self.weight
        step = min(self.step + 1, len(self.steps) - 1) if event is Event.STEP_PASSED else self.step
        try:
            self.state = next_state(before, event)
        except InvalidTransition:
            assert str(event) not in possible(before)
            assert self.state is before
            return
        self.step = step
        self.weight = weight_after(self.state, self.step, self.steps, weight)
        self.loaded = self.loaded or event is Event.LOADED
        repeated = weight_after(self.state, self.step, self.steps, self.weight)
        assert repeated == self.weight, "the same event again must not move traffic"
        if self.weight < weight:
            assert self.state in (State.ABORTING, State.ABORTED)

    @invariant()
    def no_traffic_before_every_replica_has_loaded(self) -> None:
        if not self.loaded and self.state is not State.DONE:
            assert self.weight == 0.0

    @invariant()
    def an_aborted_rollout_gets_no_traffic(self) -> None:
        if self.state in (State.ABORTING, State.ABORTED):
            assert self.weight == 0.0

    @invariant()
    def a_rollout_that_goes_on_never_takes_everything(self) -> None:
        assert 0.0 <= self.weight <= 1.0
        if self.state in ACTIVE:
            assert self.weight <= max(self.steps)


RolloutMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestAnyEventsInAnyOrder = RolloutMachine.TestCase

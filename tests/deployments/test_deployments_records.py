"""Rows and ledger rows: compare-and-set, leases, and what several at once can do to them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelyard import Workspace
from modelyard.core.errors import DeploymentNotFound, InvalidTransition, RolloutInProgress, RolloutNotFound
from modelyard.core.names import ModelName
from modelyard.deployments import records, rollout_records
from modelyard.deployments.config import DeploymentConfig
from modelyard.deployments.replica_records import ReplicaRow, replicas_of, report
from modelyard.deployments.rollout import Event, State
from modelyard.deployments.rollout_records import Change, RolloutRow

FRAUD = ModelName("fraud")


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def yard(tmp_path: Path, clock: Clock) -> Workspace:
    """A deployment of ``fraud``, at version 1 of 2."""
    workspace = Workspace(tmp_path / "yard", actor="ana", clock=clock)
    for text in ("one", "two"):
        (tmp_path / "weights").write_text(text)
        workspace.register("fraud", tmp_path / "weights")
    workspace.promote("fraud/1", to="production")
    records.create_deployment(workspace.registry, FRAUD, FRAUD, DeploymentConfig())
    return workspace


def row_of(workspace: Workspace) -> records.DeploymentRow:
    with workspace.registry.read() as connection:
        return records.deployment(connection, "default", "fraud")


def begin(workspace: Workspace) -> RolloutRow:
    return rollout_records.start_rollout(workspace.registry, row_of(workspace), 2, (0.1, 0.5), "a better one")


def newest(workspace: Workspace) -> RolloutRow:
    with workspace.registry.read() as connection:
        found = rollout_records.newest_rollout(connection, "default", "fraud")
    assert found is not None
    return found


def change(seen: RolloutRow, event: Event, step: int | None = None) -> Change:
    return Change(event, seen.step if step is None else step, f"because of {event}", ())


def actions(workspace: Workspace) -> list[str]:
    return [entry.action for entry in reversed(workspace.registry.history(kind="deployment", name="fraud"))]


def test_a_deployment_comes_back_as_it_was_written(yard: Workspace) -> None:
    row = row_of(yard)
    assert (row.name, row.model, row.alias, row.state, row.created_by) == (
        "fraud",
        "fraud",
        "production",
        "running",
        "ana",
    )
    assert row.config == DeploymentConfig()


def test_the_second_to_make_a_deployment_changes_nothing(yard: Workspace) -> None:
    assert not records.create_deployment(yard.registry, FRAUD, FRAUD, DeploymentConfig(port=1))
    assert row_of(yard).config.port == DeploymentConfig().port
    assert actions(yard) == ["deployment.create"]


def test_a_deployment_that_is_not_there_is_named_with_those_that_are(yard: Workspace) -> None:
    with yard.registry.read() as connection, pytest.raises(DeploymentNotFound, match="'fruad'; there are fraud"):
        records.deployment(connection, "default", "fruad")


def test_saying_the_same_again_writes_no_ledger_row(yard: Workspace) -> None:
    records.set_state(yard.registry, "fraud", "running")
    records.set_config(yard.registry, "fraud", DeploymentConfig())
    assert actions(yard) == ["deployment.create"]
    records.set_state(yard.registry, "fraud", "stopped", "night")
    records.set_config(yard.registry, "fraud", DeploymentConfig(port=9))
    assert actions(yard)[1:] == ["deployment.stop", "deployment.configure"]


def test_a_rollout_begins_where_the_alias_is(yard: Workspace) -> None:
    begun = begin(yard)
    assert begun == newest(yard)
    assert (begun.stable, begun.candidate, begun.state, begun.weight) == (1, 2, State.PENDING, 0.0)
    with pytest.raises(RolloutInProgress, match="already rolling out fraud/2"):
        begin(yard)


def test_of_many_that_begin_at_once_one_does(yard: Workspace) -> None:
    def attempt(_: int) -> bool:
        try:
            begin(yard)
        except RolloutInProgress:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(attempt, range(6))) == 1
    assert actions(yard).count("rollout.start") == 1


def test_an_event_is_one_row_and_one_ledger_row(yard: Workspace) -> None:
    seen = begin(yard)
    after = rollout_records.apply(yard.registry, seen, change(seen, Event.START))
    assert after == newest(yard)
    assert after is not None
    assert (after.state, after.revision) == (State.LOADING, 2)
    entry = yard.registry.history(kind="deployment", name="fraud", limit=1)[0]
    assert (entry.action, entry.subject, entry.reason) == ("rollout.load", "fraud", "because of start")
    assert (entry.before["state"], entry.after["state"]) == ("pending", "loading")


def test_an_event_on_an_older_look_changes_nothing(yard: Workspace) -> None:
    seen = begin(yard)
    rollout_records.apply(yard.registry, seen, change(seen, Event.START))
    before = actions(yard)
    assert rollout_records.apply(yard.registry, seen, change(seen, Event.START)) is None
    assert rollout_records.note(yard.registry, seen, ({"step": 0},)) is None
    assert actions(yard) == before
    assert newest(yard).revision == 2


def test_of_many_steppers_at_once_one_steps(yard: Workspace) -> None:
    seen = begin(yard)
    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(lambda _: rollout_records.apply(yard.registry, seen, change(seen, Event.START)), range(6)))
    assert sum(after is not None for after in done) == 1
    assert actions(yard).count("rollout.load") == 1


def test_an_illegal_event_leaves_no_trace(yard: Workspace) -> None:
    seen = begin(yard)
    before = actions(yard)
    with pytest.raises(InvalidTransition):
        rollout_records.apply(yard.registry, seen, change(seen, Event.DRAINED))
    assert newest(yard) == seen
    assert actions(yard) == before


def test_the_window_of_a_step_begins_when_its_traffic_does(yard: Workspace, clock: Clock) -> None:
    seen = begin(yard)
    for event, step, fresh in (
        (Event.START, 0, False),
        (Event.LOADED, 0, True),
        (Event.STEP_PASSED, 1, True),
        (Event.PAUSE, 1, False),
        (Event.RESUME, 1, False),
        (Event.LOADED, 1, True),
    ):
        clock.sleep(60)
        after = rollout_records.apply(yard.registry, seen, change(seen, event, step))
        assert after is not None
        assert (after.step_time == clock.now()) is fresh, event
        seen = after
    assert seen.weight == 0.5


def test_the_ledger_tells_the_story(yard: Workspace) -> None:
    seen: RolloutRow | None = begin(yard)
    for event, step in ((Event.START, 0), (Event.LOADED, 0), (Event.STEP_PASSED, 1), (Event.PAUSE, 1),
                        (Event.RESUME, 1), (Event.LOADED, 1), (Event.ANALYSIS_FAILED, 1), (Event.DRAINED, 1)):  # fmt: skip
        assert seen is not None
        seen = rollout_records.apply(yard.registry, seen, change(seen, event, step))
    assert actions(yard) == [
        "deployment.create", "rollout.start", "rollout.load", "rollout.step", "rollout.step", "rollout.pause",
        "rollout.resume", "rollout.step", "rollout.abort", "rollout.aborted",
    ]  # fmt: skip
    assert yard.registry.check_ledger()[1] == []
    with yard.registry.read() as connection, pytest.raises(RolloutNotFound):
        rollout_records.active_rollout(connection, "default", "fraud")


def test_a_lease_has_one_holder_until_it_runs_out(yard: Workspace, clock: Clock) -> None:
    assert records.take_lease(yard.registry, "fraud", "a", 10)
    assert not records.take_lease(yard.registry, "fraud", "b", 10)
    clock.sleep(6)
    assert records.take_lease(yard.registry, "fraud", "a", 10), "renewed"
    clock.sleep(9)
    assert not records.take_lease(yard.registry, "fraud", "b", 10)
    clock.sleep(1)
    assert records.take_lease(yard.registry, "fraud", "b", 10), "run out"
    assert not records.take_lease(yard.registry, "fraud", "a", 10)
    records.release_lease(yard.registry, "fraud", "a")
    assert not records.take_lease(yard.registry, "fraud", "a", 10), "only the holder can let go"
    records.release_lease(yard.registry, "fraud", "b")
    assert records.take_lease(yard.registry, "fraud", "a", 10)


def test_of_many_that_ask_for_a_lease_one_gets_it(yard: Workspace) -> None:
    with ThreadPoolExecutor(6) as pool:
        got = list(pool.map(lambda i: records.take_lease(yard.registry, "fraud", f"agent {i}", 10), range(6)))
    assert sum(got) == 1


def test_a_replica_is_alive_while_its_heartbeat_is_young(yard: Workspace, clock: Clock) -> None:
    now = clock.now()
    row = ReplicaRow("r1", "fraud", 1, "here", "http://x", "ready", 1, "sha256:1", None, None, 0.0, "", now, now)
    report(yard.registry, row)
    report(yard.registry, replace(row, weight=0.5))
    with yard.registry.read() as connection:
        assert replicas_of(connection, "default", "fraud") == [replace(row, weight=0.5)]
    assert row.alive(now + timedelta(seconds=10), 2)
    assert not row.alive(now + timedelta(seconds=11), 2)
    assert row.alive(now + timedelta(seconds=29), 10), "a slow agent gets three of its ticks"
    assert not replace(row, state="stopped").alive(now, 2)

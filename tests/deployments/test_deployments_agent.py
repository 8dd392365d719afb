"""The agent beside a replica, in this process: what it serves, what it reports, and what it does when things break."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from modelyard import Workspace
from modelyard.core.errors import CorruptBlob, Locked, YardUnwritable
from modelyard.core.names import ModelName
from modelyard.core.references import Number, Reference
from modelyard.deployments import Deployment, records, rollout_records
from modelyard.deployments.agent import Agent
from modelyard.deployments.analysis import analyse
from modelyard.deployments.config import DeploymentConfig
from modelyard.deployments.loader import Loader
from modelyard.deployments.replica_records import ReplicaRow, replicas_of, report
from modelyard.deployments.rollout import Event, State
from modelyard.deployments.rollout_records import Change, RolloutRow
from modelyard.serving.engine import Engine
from modelyard.serving.records import LabelRecord, PredictionRecord
from modelyard.serving.routes import Served
from modelyard.serving.traffic_log import TrafficLog

FRAUD = ModelName("fraud")
QUICK: dict[str, Any] = {
    "port": 0,
    "tick_seconds": 0.05,
    "rollout": {"steps": [0.2, 0.5]},
    "analysis": {"metric": "accuracy", "margin": 0.1, "min_rows": 50, "min_requests": 5, "max_looks": 3},
}


@pytest.fixture
def yard(tmp_path: Path) -> Workspace:
    """A deployment of ``fraud``, at version 1 of 3, and no replica."""
    workspace = Workspace(tmp_path / "yard", actor="ana")
    for text in ("one", "two", "three"):
        (tmp_path / "weights").write_text(text)
        workspace.register("fraud", tmp_path / "weights")
    workspace.promote("fraud/1", to="production")
    records.create_deployment(workspace.registry, FRAUD, FRAUD, DeploymentConfig.parse(QUICK))
    return workspace


def served(workspace: Workspace, number: int) -> Served:
    digest = workspace.registry.version("model", Reference(FRAUD, Number(number))).digest
    return Served("fraud", number, digest, None, lambda columns: {"label": np.full(len(columns["x"]), number)})


@contextmanager
def agent_of(
    workspace: Workspace, replica: str = "r1", read: Callable[[int], Served] | None = None
) -> Iterator[tuple[Agent, Engine]]:
    engine = Engine("fraud", replica)
    loader = Loader(read or (lambda number: served(workspace, number)), first_delay=0.01)
    agent = Agent(workspace, "fraud", engine, url=f"http://{replica}", loader=loader)
    try:
        yield agent, engine
    finally:
        agent.stop()
        engine.close()


def until(condition: Callable[[], object], *agents: Agent, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        for agent in agents:
            agent.tick()
        time.sleep(0.005)


def number(engine: Engine) -> int | None:
    return engine.routes.stable.number if engine.routes.stable else None


def begin(workspace: Workspace, candidate: int = 2, steps: tuple[float, ...] = (0.2, 0.5)) -> None:
    row = Deployment(workspace, "fraud").row
    rollout_records.start_rollout(workspace.registry, row, candidate, steps, "a better one")


def newest(workspace: Workspace) -> RolloutRow:
    found = Deployment(workspace, "fraud").rollout
    assert found is not None
    return found


def actions(workspace: Workspace) -> list[str]:
    return [entry.action for entry in reversed(workspace.registry.history())]


class Users:
    """Traffic that a replica would have logged: both versions answer, the labels come at once."""

    def __init__(self, workspace: Workspace, right: dict[int, float]) -> None:
        self._writer = TrafficLog(workspace.root / "deployments" / "fraud" / "traffic").open_writer("users")
        self._workspace = workspace
        self._right = right
        self._count = 0

    def ask(self, rollout: RolloutRow, rows: int = 200) -> None:
        now = self._workspace.clock.now()
        for version, role in ((rollout.stable, "stable"), (rollout.candidate, "canary")):
            for _ in range(10):
                self._count += 1
                each = rows // 10
                ids = tuple(f"{self._count}-{i}" for i in range(each))
                right = round(each * self._right[version])  # type: ignore[index]
                outputs = {"label": [1] * right + [0] * (each - right)}
                self._writer.prediction(
                    PredictionRecord(
                        str(self._count), ids, now, now, "fraud", "users", version, role, {}, outputs, 1.0, 200,  # type: ignore[arg-type]
                    )
                )  # fmt: skip
                self._writer.labels(LabelRecord(now, ids, (1,) * each))
        assert self._writer.flush()

    def close(self) -> None:
        self._writer.close()


def test_it_serves_what_the_alias_says_and_reports_the_digest(yard: Workspace) -> None:
    with agent_of(yard) as (agent, engine):
        until(lambda: engine.ready, agent)
        agent.tick()
        status = Deployment(yard, "fraud").status()
        assert (status.stable, status.in_sync, status.url) == (1, True, "http://r1")
        assert status.replicas[0].row.stable_digest == served(yard, 1).digest
    after = Deployment(yard, "fraud").status()
    assert after.replicas == (), "it said goodbye"
    assert after.problems == ("no replica is alive; start one with: modelyard deploy fraud@production",)


def test_it_follows_an_alias_that_is_moved_by_hand_and_back(yard: Workspace) -> None:
    with agent_of(yard) as (agent, engine):
        until(lambda: number(engine) == 1, agent)
        yard.promote("fraud/2", to="production")
        until(lambda: number(engine) == 2, agent)
        yard.rollback("fraud@production")
        until(lambda: number(engine) == 1, agent)


def test_a_replica_that_serves_something_else_is_shown(yard: Workspace) -> None:
    with agent_of(yard) as (agent, engine):
        until(lambda: number(engine) == 1, agent)
        yard.promote("fraud/2", to="production")
        status = Deployment(yard, "fraud").status()
        assert not status.in_sync
        assert "serves version 1, not version 2, which production points to" in status.problems[0]


@pytest.mark.parametrize("problem", [YardUnwritable(path="yard", problem="gone"), OSError(5, "I/O error")])
def test_with_the_registry_down_it_keeps_serving(
    yard: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, problem: Exception
) -> None:
    def down() -> Any:
        raise problem

    with agent_of(yard) as (agent, engine):
        until(lambda: number(engine) == 1, agent)
        with monkeypatch.context() as broken:
            broken.setattr(yard.registry.database, "read", down)
            broken.setattr(yard.registry.database, "write", down)
            for _ in range(3):
                agent.tick()
            assert number(engine) == 1
        told = [message for message in caplog.messages if "serving goes on with what is loaded" in message]
        assert len(told) == 1, "once, not at every tick"
        yard.promote("fraud/2", to="production")
        until(lambda: number(engine) == 2, agent)


def test_a_rollout_that_cannot_be_stepped_does_not_stop_the_monitor(
    yard: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*of: object) -> bool:
        raise OverflowError("int too large to convert to float")

    looks: list[object] = []
    with agent_of(yard) as (agent, engine):
        until(lambda: number(engine) == 1, agent)
        monkeypatch.setattr(agent._stepper, "tick", broken)
        monkeypatch.setattr(agent.watch, "tick", lambda row, live: looks.append(live) or False)
        for _ in range(3):
            agent.tick()
        assert looks == [1, 1, 1]
        monkeypatch.setattr(agent.watch, "tick", broken)
        for _ in range(3):
            agent.tick()
    assert [text.partition(":")[0] for text in caplog.messages] == ["the rollout waits", "monitoring waits"]


def test_a_rollout_measures_by_the_positive_class_of_the_monitor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(tmp_path / "yard", actor="ana")
    for text in ("one", "two"):
        (tmp_path / "weights").write_text(text)
        workspace.register("fraud", tmp_path / "weights")
    workspace.promote("fraud/1", to="production")
    config = DeploymentConfig.parse(QUICK | {"monitor": {"positive": "late"}})
    records.create_deployment(workspace.registry, FRAUD, FRAUD, config)
    asked: list[object] = []

    def analysed(*samples: Any, positive: object = None, **more: Any) -> Any:
        asked.append(positive)
        return analyse(*samples, positive=positive, **more)

    monkeypatch.setattr("modelyard.deployments.stepper.analyse", analysed)
    with agent_of(workspace) as (agent, engine):
        until(lambda: number(engine) == 1, agent)
        begin(workspace)
        until(lambda: asked, agent)
    assert set(asked) == {"late"}


def test_a_stable_version_that_cannot_be_loaded_leaves_the_last_good_one_serving(yard: Workspace) -> None:
    def read(wanted: int) -> Served:
        if wanted == 2:
            raise CorruptBlob(file="weights", offset=3, expected="a", found="b")
        return served(yard, wanted)

    with agent_of(yard, read=read) as (agent, engine):
        until(lambda: number(engine) == 1, agent)
        yard.promote("fraud/2", to="production")
        until(lambda: any("damaged at offset 3" in text for text in Deployment(yard, "fraud").status().problems), agent)
        assert number(engine) == 1
        yard.rollback("fraud@production")
        until(lambda: Deployment(yard, "fraud").status().in_sync, agent)


def test_a_candidate_that_cannot_be_loaded_aborts_and_the_alias_stays(yard: Workspace) -> None:
    def read(wanted: int) -> Served:
        if wanted == 2:
            raise CorruptBlob(file="weights", offset=3, expected="a", found="b")
        return served(yard, wanted)

    with agent_of(yard, read=read) as (agent, engine):
        until(lambda: number(engine) == 1, agent)
        begin(yard)
        until(lambda: newest(yard).state is State.ABORTED, agent)
        assert "fraud/2 cannot be loaded: CorruptBlob" in newest(yard).reason
        assert yard.model("fraud@production").version == 1
        assert (number(engine), engine.routes.candidate) == (1, None)


def test_a_machine_that_says_no_once_is_asked_again(yard: Workspace) -> None:
    tries: list[int] = []

    def read(wanted: int) -> Served:
        tries.append(wanted)
        if wanted == 2 and tries.count(2) < 3:
            raise Locked(what="the yard", holder="a writer") if tries.count(2) == 1 else OSError(28, "no space")
        return served(yard, wanted)

    with agent_of(yard, read=read) as (agent, engine):
        until(lambda: number(engine) == 1, agent)
        begin(yard, steps=())
        try:
            until(lambda: newest(yard).state in (State.DONE, State.ABORTED), agent)
        except AssertionError:
            pytest.fail(f"still {newest(yard).state}")
        # a Locked is somebody else's write, not this version's fault, and no more is a full disk
        assert newest(yard).state is State.DONE
        assert tries.count(2) == 3


def test_a_canary_that_is_as_good_is_promoted_with_its_evidence(yard: Workspace) -> None:
    users = Users(yard, {1: 0.9, 2: 0.95})
    with agent_of(yard) as (agent, engine):
        until(lambda: number(engine) == 1, agent)
        begin(yard)
        until(lambda: newest(yard).state is State.PROGRESSING, agent)
        agent.tick()
        assert (engine.routes.weight, engine.routes.candidate and engine.routes.candidate.number) == (0.2, 2)
        users.ask(newest(yard))
        until(lambda: newest(yard).step == 1, agent)
        users.ask(newest(yard))
        until(lambda: newest(yard).state is State.DONE, agent)
        until(lambda: number(engine) == 2, agent)
        assert engine.routes.candidate is None
    users.close()
    move = yard.registry.history(subject="fraud@production", limit=1)[0]
    assert (move.before["version"], move.after["version"]) == (1, 2)
    assert [entry["analysis"]["phase"] for entry in move.evidence["analyses"]] == ["successful", "successful"]
    assert [a for a in actions(yard) if a.startswith("rollout") or a == "alias.move"][1:] == [
        "rollout.start", "rollout.load", "rollout.step", "rollout.step", "rollout.promote", "alias.move", "rollout.done",
    ]  # fmt: skip


def test_a_canary_that_is_worse_aborts_by_itself_and_says_why(yard: Workspace) -> None:
    users = Users(yard, {1: 0.9, 2: 0.5})
    with agent_of(yard) as (agent, engine):
        until(lambda: number(engine) == 1, agent)
        begin(yard)
        until(lambda: newest(yard).state is State.PROGRESSING, agent)
        users.ask(newest(yard))
        until(lambda: newest(yard).state is State.ABORTED, agent)
        until(lambda: engine.routes.candidate is None, agent)
        assert (number(engine), engine.routes.weight) == (1, 0.0)
    users.close()
    entry = next(e for e in yard.registry.history(kind="deployment") if e.action == "rollout.abort")
    assert "accuracy of the candidate is 0.5000" in entry.reason
    assert entry.evidence["analysis"]["phase"] == "failed"
    assert yard.model("fraud@production").version == 1
    assert actions(yard).count("alias.move") == 1


def test_a_gate_that_refuses_aborts_with_its_words(yard: Workspace) -> None:
    yard.set_gates("fraud", "production", ["metrics.auc >= 0.9"])
    with agent_of(yard) as (agent, engine):
        until(lambda: number(engine) == 1, agent)
        begin(yard, steps=())
        until(lambda: newest(yard).state is State.ABORTED, agent)
        assert "fraud/2 may not become production" in newest(yard).reason
        assert yard.model("fraud@production").version == 1


def test_an_approval_that_is_missing_aborts_with_the_words_of_the_policy(yard: Workspace) -> None:
    yard.policies.set("fraud", "production", approvals=1)
    with agent_of(yard) as (agent, engine):
        until(lambda: number(engine) == 1, agent)
        begin(yard, steps=())
        until(lambda: newest(yard).state is State.ABORTED, agent)
        assert newest(yard).reason == "fraud/2 may not become production: 0 of 1 approvals"
        assert yard.model("fraud@production").version == 1


def test_an_alias_that_a_person_moves_ends_the_rollout(yard: Workspace) -> None:
    with agent_of(yard) as (agent, engine):
        until(lambda: number(engine) == 1, agent)
        begin(yard)
        until(lambda: newest(yard).state is State.PROGRESSING, agent)
        yard.promote("fraud/3", to="production")
        until(lambda: newest(yard).state is State.ABORTED, agent)
        assert newest(yard).reason == "the alias was moved from version 1 to version 3 during the rollout"
        until(lambda: number(engine) == 3, agent)
        assert yard.model("fraud@production").version == 3


def test_a_stepper_that_died_between_the_alias_and_its_row_is_carried_on(yard: Workspace) -> None:
    with agent_of(yard) as (agent, engine):
        until(lambda: number(engine) == 1, agent)
        begin(yard)
        until(lambda: newest(yard).state is State.PROGRESSING, agent)
        seen = newest(yard)
        rollout_records.apply(yard.registry, seen, Change(Event.PROMOTE, seen.step, "enough seen", seen.evidence))
        yard.promote("fraud/2", to="production")  # here the power went out
        until(lambda: newest(yard).state is State.DONE, agent)
        assert newest(yard).reason == "enough seen"
    assert actions(yard).count("alias.move") == 2


def test_a_pause_holds_and_a_resume_goes_on(yard: Workspace) -> None:
    deployment = Deployment(yard, "fraud")
    with agent_of(yard) as (agent, engine):
        until(lambda: number(engine) == 1, agent)
        begin(yard)
        until(lambda: engine.routes.weight == 0.2, agent)
        deployment.pause("lunch")
        for _ in range(5):
            agent.tick()
        assert (newest(yard).state, engine.routes.weight) == (State.PAUSED, 0.2)
        deployment.resume()
        until(lambda: newest(yard).state is State.PROGRESSING, agent)
        deployment.abort("enough")
        until(lambda: newest(yard).state is State.ABORTED, agent)
        assert newest(yard).reason == "enough"


def test_without_any_replica_an_abort_is_over_at_once(yard: Workspace) -> None:
    begin(yard)
    assert Deployment(yard, "fraud").abort("never mind").state is State.ABORTED


def test_two_agents_at_once_step_each_step_once(yard: Workspace) -> None:
    users = Users(yard, {1: 0.9, 2: 0.95})
    problems: list[BaseException] = []
    with agent_of(yard, "r1") as (one, first), agent_of(yard, "r2") as (two, second):
        until(lambda: first.ready and second.ready, one, two)
        begin(yard)

        def loop(agent: Agent) -> None:
            end = time.monotonic() + 20
            try:
                while newest(yard).active and time.monotonic() < end:
                    agent.tick()
            except BaseException as error:  # noqa: BLE001 - shown below
                problems.append(error)

        threads = [Thread(target=loop, args=(agent,)) for agent in (one, two)]
        for thread in threads:
            thread.start()
        fed: set[int] = set()
        while any(thread.is_alive() for thread in threads):
            row = newest(yard)
            if row.state is State.PROGRESSING and row.step not in fed:
                fed.add(row.step)
                users.ask(row)
            time.sleep(0.02)
        assert problems == []
        assert newest(yard).state is State.DONE
        until(lambda: number(first) == number(second) == 2, one, two)
    users.close()
    told = [a for a in actions(yard) if a.startswith("rollout.")]
    assert told == ["rollout.start", "rollout.load", "rollout.step", "rollout.step", "rollout.promote", "rollout.done"]
    assert actions(yard).count("alias.move") == 2, "the first one, and the promotion"
    assert yard.registry.check_ledger()[1] == []


def test_without_the_lease_two_steppers_still_step_each_step_once(
    yard: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that both believe to be the one: the compare-and-set on the row is what counts."""
    monkeypatch.setattr("modelyard.deployments.agent.take_lease", lambda *_: True)
    test_two_agents_at_once_step_each_step_once(yard)


def test_a_promotion_that_another_agent_made_a_moment_before_is_done_and_not_overtaken(
    yard: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = yard.registry.move_alias

    def twice(*what: Any, **more: Any) -> Any:
        move(*what, **more)  # the other agent, between our look and our move
        return move(*what, **more)

    with agent_of(yard) as (agent, engine):
        until(lambda: number(engine) == 1, agent)
        monkeypatch.setattr(yard.registry, "move_alias", twice)
        begin(yard, steps=())
        until(lambda: not newest(yard).active, agent)
        assert newest(yard).state is State.DONE


def test_the_agent_of_a_stopped_deployment_ends_its_replica(yard: Workspace) -> None:
    ended: list[bool] = []
    engine = Engine("fraud", "r1")
    loader = Loader(lambda number: served(yard, number))
    agent = Agent(yard, "fraud", engine, url="http://r1", on_stopped=lambda: ended.append(True), loader=loader)
    records.set_state(yard.registry, "fraud", "stopped")
    agent.tick()
    assert ended == [True]
    agent.stop()
    engine.close()


def test_the_report_of_a_process_that_died_is_closed_by_the_next(yard: Workspace) -> None:
    with agent_of(yard) as (agent, _):
        now = yard.clock.now()
        dead = replace(agent._row, id="dead", pid=2**22 + 1, started_time=now, heartbeat=now, state="ready")
        elsewhere = replace(dead, id="elsewhere", host="another machine")
        for row in (dead, elsewhere):
            report(yard.registry, row)
        agent.adopt()
        with yard.registry.read() as connection:
            rows: dict[str, ReplicaRow] = {row.id: row for row in replicas_of(connection, "default", "fraud")}
        assert rows["dead"].state == "stopped"
        assert "ended without a goodbye" in rows["dead"].problem
        assert rows["elsewhere"].state == "ready", "of another machine nothing is known"


def test_a_heartbeat_that_is_old_is_shown(yard: Workspace) -> None:
    with agent_of(yard) as (agent, engine):
        until(lambda: engine.ready, agent)
        agent.tick()
        old = replace(agent._row, heartbeat=yard.clock.now() - timedelta(seconds=60))
        report(yard.registry, old)
        status = Deployment(yard, "fraud").status()
        assert not status.replicas[0].alive
        assert "was last heard of 60 s ago" in " ".join(status.problems)
        assert status.url is None

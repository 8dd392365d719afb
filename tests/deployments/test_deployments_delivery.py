"""``deploy``: what it does the first time, after that, and when somebody else was there. No process is started here."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from modelyard import Workspace
from modelyard.core.errors import (
    DeploymentNotFound,
    DeploymentTaken,
    GateRefused,
    InvalidConfig,
    InvalidRequest,
    InvalidTransition,
    ModelNotFound,
    ReplicaFailed,
    RolloutInProgress,
    RolloutNotFound,
    RolloutStopped,
    TargetUnwritable,
)
from modelyard.deployments import Deployment, all_deployments, deploy, foreground
from modelyard.deployments.rollout import State
from modelyard.deployments.targets.target import Running
from modelyard.serving.records import LabelRecord
from modelyard.serving.traffic_log import TrafficLog

dummy = pytest.importorskip("sklearn.dummy")
MODEL = dummy.DummyClassifier().fit([[0.0], [1.0]], [0, 1])


class NoProcess:
    """A target that only counts."""

    fails = False

    def __init__(self, workspace: Workspace, name: str) -> None:
        self.started = 0

    def check(self, host: str, port: int) -> None:
        return None

    def start(self, timeout: float) -> Running:
        self.started += 1
        if self.fails:
            raise ReplicaFailed(name="fraud", problem="port 80 is taken", log="replica.log")
        return Running("r1", 1)

    def running(self) -> Running | None:
        return None

    def stop(self, grace: float) -> bool:
        return False


class Broken(NoProcess):
    fails = True


@pytest.fixture
def yard(ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """``fraud`` 1 and 2 and ``spam`` 1, in a folder without a project."""
    monkeypatch.chdir(tmp_path)
    for name in ("fraud", "fraud", "spam"):
        ws.save(name, MODEL)
    return ws


def out(workspace: Workspace, reference: str, **more: object) -> Deployment:
    return deploy(workspace, reference, target=NoProcess, **more)  # type: ignore[arg-type]


def actions(workspace: Workspace) -> list[str]:
    return [e.action for e in reversed(workspace.history()) if not e.action.startswith(("version", "model"))]


def test_the_first_time_the_alias_moves_and_the_deployment_is_made(yard: Workspace) -> None:
    made = out(yard, "fraud/1", reason="go")
    assert yard.model("fraud@production").version == 1
    assert (made.name, made.row.model, made.rollout) == ("fraud", "fraud", None)
    assert actions(yard) == ["alias.move", "deployment.create"]
    assert [d.name for d in all_deployments(yard)] == ["fraud"]
    assert str(made) == "fraud serves fraud@production (version 1), and no replica is alive"


def test_an_alias_that_is_there_already_is_not_moved(yard: Workspace) -> None:
    yard.promote("fraud/1", to="production")
    out(yard, "fraud@production")
    assert actions(yard) == ["alias.move", "deployment.create"]


def test_after_that_a_rollout_starts(yard: Workspace) -> None:
    out(yard, "fraud/1")
    rollout = out(yard, "fraud/2", reason="better").rollout
    assert rollout is not None
    assert (rollout.stable, rollout.candidate, rollout.state, rollout.reason) == (1, 2, State.PENDING, "better")
    assert rollout.steps == (0.1, 0.25, 0.5)
    assert yard.model("fraud@production").version == 1


def test_a_direct_strategy_is_a_rollout_without_steps(yard: Workspace) -> None:
    out(yard, "fraud/1", config={"rollout": {"strategy": "direct"}})
    rollout = out(yard, "fraud/2").rollout
    assert rollout is not None
    assert rollout.steps == ()


def test_what_is_live_already_is_left_alone(yard: Workspace) -> None:
    out(yard, "fraud/1")
    before = actions(yard)
    assert out(yard, "fraud/1").rollout is None
    assert actions(yard) == before


def test_a_second_rollout_is_refused_while_one_is_under_way(yard: Workspace) -> None:
    out(yard, "fraud/1")
    out(yard, "fraud/2")
    yard.save("fraud", MODEL)
    before = actions(yard)
    with pytest.raises(RolloutInProgress, match=r"already rolling out fraud/2 \(pending\); finish or abort it first"):
        out(yard, "fraud/3", config={"port": 1})
    assert actions(yard) == before, "its settings are not taken either"


def test_of_many_deploys_at_once_one_makes_the_deployment_and_one_the_rollout(yard: Workspace) -> None:
    def attempt(reference: str) -> str:
        try:
            out(yard, reference)
        except RolloutInProgress:
            return "refused"
        return "done"

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(attempt, ["fraud/1"] * 4))
        assert actions(yard) == ["alias.move", "deployment.create"]
        assert sorted(pool.map(attempt, ["fraud/2"] * 4)) == ["done", "refused", "refused", "refused"]
    assert actions(yard).count("rollout.start") == 1


def test_a_gate_that_refuses_the_first_version_leaves_nothing(yard: Workspace) -> None:
    yard.set_gates("fraud", "production", ["metrics.auc >= 0.9"])
    before = actions(yard)
    with pytest.raises(GateRefused):
        out(yard, "fraud/1")
    assert actions(yard) == before
    with pytest.raises(DeploymentNotFound):
        Deployment(yard, "fraud")


def test_a_replica_that_does_not_come_up_leaves_a_stopped_deployment(yard: Workspace) -> None:
    with pytest.raises(ReplicaFailed, match=r"port 80 is taken .*; its log is in replica\.log"):
        deploy(yard, "fraud/1", target=Broken)
    assert Deployment(yard, "fraud").row.state == "stopped"
    assert out(yard, "fraud/1").row.state == "running", "and the next deploy starts it"


class Interrupted(NoProcess):
    def start(self, timeout: float) -> Running:
        raise KeyboardInterrupt


@pytest.mark.parametrize(("target", "error"), [(Broken, ReplicaFailed), (Interrupted, KeyboardInterrupt)])
def test_a_first_replica_that_does_not_come_up_takes_its_alias_back(
    yard: Workspace, target: type[NoProcess], error: type[BaseException]
) -> None:
    yard.promote("fraud/1", to="production")
    with pytest.raises(error) as raised:
        deploy(yard, "fraud/2", target=target)
    assert yard.model("fraud@production").version == 1
    assert actions(yard)[-1] == "alias.rollback"
    assert yard.history()[0].reason.startswith("its first replica did not come up: ")
    if error is ReplicaFailed:
        assert "fraud@production is at version 1 again" in str(raised.value)
    assert Deployment(yard, "fraud").row.state == "stopped"


def test_a_first_replica_that_does_not_come_up_leaves_an_alias_that_was_not_moved(yard: Workspace) -> None:
    yard.promote("fraud/1", to="production")
    yard.promote("fraud/2", to="production")
    with pytest.raises(ReplicaFailed) as raised:
        deploy(yard, "fraud/2", target=Broken)
    assert yard.model("fraud@production").version == 2
    assert "fraud@production" not in str(raised.value)


def test_an_alias_that_cannot_go_back_is_named_in_the_error(yard: Workspace) -> None:
    with pytest.raises(ReplicaFailed, match="fraud@production points at version 1; it pointed nowhere before"):
        deploy(yard, "fraud/1", target=Broken)


def test_a_name_that_serves_another_model_is_taken(yard: Workspace) -> None:
    out(yard, "fraud/1", name="shop")
    with pytest.raises(DeploymentTaken, match="deployment 'shop' serves model 'fraud', not 'spam'"):
        out(yard, "spam/1", name="shop")


def test_a_version_that_does_not_exist_changes_nothing(yard: Workspace) -> None:
    with pytest.raises(ModelNotFound):
        out(yard, "ham/1")
    assert actions(yard) == []


def test_the_settings_come_from_the_project_here(
    yard: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    settings = '[project]\nmodel = "fraud"\n[deployment]\nname = "fraud-eu"\nport = 0\n'
    (project / "modelyard.toml").write_text(settings)
    monkeypatch.chdir(project)
    assert out(yard, "fraud/1").name == "fraud-eu"
    assert out(yard, "spam/1").config.port == 8080, "the project is about another model"
    (project / "modelyard.toml").write_text(settings + "prot = 1\n")
    with pytest.raises(InvalidConfig, match="did you mean 'port'"):
        out(yard, "fraud/2")


def test_waiting_for_a_rollout_that_is_paused_or_aborted_says_so(yard: Workspace) -> None:
    out(yard, "fraud/1")
    deployment = out(yard, "fraud/2")
    deployment.pause("lunch")
    with pytest.raises(RolloutStopped, match="the rollout of fraud/2 is paused: lunch"):
        deployment.wait()
    deployment.abort("no")
    with pytest.raises(RolloutStopped, match="the rollout of fraud/2 is aborted: no"):
        deployment.wait()


def test_a_rollout_that_nobody_carries_on_is_not_waited_for(yard: Workspace) -> None:
    out(yard, "fraud/1")
    with pytest.raises(ReplicaFailed, match="no replica is alive to go on"):
        out(yard, "fraud/2", wait=True)


def test_what_a_person_cannot_do_now_is_refused(yard: Workspace) -> None:
    deployment = out(yard, "fraud/1")
    for act in (deployment.pause, deployment.resume, deployment.abort, deployment.promote):
        with pytest.raises(RolloutNotFound):
            act()
    out(yard, "fraud/2")
    with pytest.raises(InvalidTransition, match="a rollout that is pending cannot promote"):
        deployment.promote()


def test_stopping_aborts_the_rollout_and_can_be_repeated(yard: Workspace) -> None:
    deployment = out(yard, "fraud/1")
    out(yard, "fraud/2")
    deployment.stop()
    deployment.stop()
    assert deployment.rollout is not None
    assert (deployment.rollout.state, deployment.row.state) == (State.ABORTED, "stopped")
    assert actions(yard).count("deployment.stop") == 1


def test_labels_go_to_the_log_under_their_ids(yard: Workspace) -> None:
    deployment = out(yard, "fraud/1")
    deployment.add_labels(["a", 7], [True, np.float64(0.5)])
    deployment.add_labels(np.array(["b"]), np.array([1]))
    deployment.add_labels([], [])
    deployment.close()
    found, _ = TrafficLog(yard.root / "deployments" / "fraud" / "traffic").read()
    pairs = [pair for r in found if isinstance(r, LabelRecord) for pair in zip(r.ids, r.values, strict=True)]
    assert pairs == [("a", True), ("7", 0.5), ("b", 1)]


@pytest.mark.parametrize(
    ("ids", "values"),
    [(["a"], [1, 2]), ("ab", "cd"), (["a"], [None]), (["a"], [float("nan")]), (["a"], [{}])],
    ids=["not as many", "text is no list", "nothing", "not a number", "a table"],
)
def test_labels_that_are_none_are_refused(yard: Workspace, ids: list[str], values: list[object]) -> None:
    deployment = out(yard, "fraud/1")
    with pytest.raises(InvalidRequest):
        deployment.add_labels(ids, values)
    deployment.close()


def test_labels_that_cannot_be_written_are_not_forgotten_in_silence(yard: Workspace) -> None:
    deployment = out(yard, "fraud/1")
    folder = yard.root / "deployments" / "fraud"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "traffic").write_text("a file where the folder should be")
    with pytest.raises(TargetUnwritable):
        deployment.add_labels(["a"], [1])


def test_a_port_that_is_asked_for_changes_nothing_else(
    yard: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wish = {"alias": "live", "analysis": {"metric": "auc"}, "monitor": {"on_alert": "rollback"}}
    before = out(yard, "fraud/1", config=wish).config
    after = out(yard, "fraud/1", port=8123).config
    assert after == replace(before, port=8123), "outside a project it is the deployment's own config"

    (tmp_path / "modelyard.toml").write_text('[project]\nmodel = "spam"\n[deployment]\nalias = "eu"\n')
    assert out(yard, "fraud/1", port=8124).config == replace(before, port=8124), "the project is of another model"
    made = out(yard, "spam/1", port=8125).config
    assert (made.alias, made.port) == ("eu", 8125), "the project is of this model"
    with pytest.raises(InvalidConfig, match="0 to 65535"):
        out(yard, "fraud/1", port=70000)


def test_a_port_for_a_replica_in_the_foreground_changes_nothing_else(
    yard: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[str] = []
    monkeypatch.setattr(foreground, "serve", lambda workspace, name, *_, **__: served.append(name))
    before = out(yard, "fraud/1", config={"alias": "live", "analysis": {"metric": "auc"}}).config
    (tmp_path / "modelyard.toml").write_text('[project]\nmodel = "spam"\n[deployment]\nalias = "eu"\nport = 1\n')
    foreground.serve_here(yard, "fraud", port=0)
    assert Deployment(yard, "fraud").config == replace(before, port=0)
    yard.promote("spam/1", to="eu")
    foreground.serve_here(yard, "spam", port=0)
    made = Deployment(yard, "spam").config
    assert (made.alias, made.port) == ("eu", 0), "a new one follows the wish of its project"
    assert served == ["fraud", "spam"]

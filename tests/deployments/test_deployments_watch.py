"""An alert that asks for it takes the version out of production: once, with its proof."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelyard import Workspace
from modelyard.core.names import ModelName
from modelyard.deployments import Deployment, records
from modelyard.deployments.config import DeploymentConfig
from modelyard.deployments.watch import Watch, wants_rollback
from modelyard.monitoring.alerts import Alert
from modelyard.monitoring.config import MonitorConfig
from modelyard.serving.records import PredictionRecord
from modelyard.serving.traffic_log import TrafficLog

FRAUD = ModelName("fraud")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ASKS = MonitorConfig.from_json({"alerts": [{"on": "quality", "metric": "auc", "worse_by": 0.05, "rollback": True}]})
SILENT = MonitorConfig.from_json({"alerts": [{"on": "quality", "metric": "auc", "worse_by": 0.05}]})
LOSS = Alert("quality loss", "auc", 2, "firing", NOON)

CASES: dict[str, tuple[Alert, MonitorConfig, str, int | None, bool]] = {
    "its rule asks": (LOSS, ASKS, "none", 2, True),
    "the deployment asks for every alert": (LOSS, SILENT, "rollback", 2, True),
    "nobody asks": (LOSS, SILENT, "none", 2, False),
    "it is about another version": (LOSS, ASKS, "rollback", 3, False),
    "nothing is live": (LOSS, ASKS, "rollback", None, False),
    "it has not fired": (Alert("quality loss", "auc", 2, "pending", NOON), ASKS, "rollback", 2, False),
    "it is over": (Alert("quality loss", "auc", 2, "resolved", NOON), ASKS, "rollback", 2, False),
    "another rule asks": (Alert("errors", "error rate", 2, "firing", NOON), ASKS, "none", 2, False),
    "the same rule on another metric asks": (Alert("quality loss", "brier", 2, "firing", NOON), ASKS, "none", 2, False),
}


@pytest.mark.parametrize("case", CASES)
def test_an_alert_asks_for_a_rollback(case: str) -> None:
    alert, config, on_alert, live, asked = CASES[case]
    assert (wants_rollback([alert], config, on_alert, live) == alert) is asked


@pytest.fixture
def failing(tmp_path: Path) -> Iterator[Workspace]:
    """``fraud@production`` is version 2, which fails every request of a whole hour."""
    workspace = Workspace(tmp_path / "yard", actor="ana")
    for text in ("one", "two"):
        (tmp_path / "weights").write_text(text)
        workspace.register("fraud", tmp_path / "weights")
    workspace.promote("fraud/1", to="production")
    workspace.promote("fraud/2", to="production")
    monitor = {"window": "hour", "on_alert": "rollback", "alerts": [{"on": "errors", "above": 0.1}]}
    records.create_deployment(workspace.registry, FRAUD, FRAUD, DeploymentConfig.parse({"monitor": monitor}))
    writer = TrafficLog(workspace.root / "deployments" / "fraud" / "traffic").open_writer("r1")
    for i in range(40):
        when = NOON + timedelta(minutes=2 * i)
        status = 500 if when.hour == NOON.hour else 200
        outputs = {} if status == 500 else {"label": [1]}
        writer.prediction(
            PredictionRecord(str(i), (str(i),), when, when, "fraud", "r1", 2, "stable", {}, outputs, 1.0, status)
        )
    writer.close()
    yield workspace
    workspace.close()


def looked(workspace: Workspace) -> bool:
    """Watches as one process would, from its start to its end; whether the alias was moved."""
    watch = Watch(workspace, "fraud")
    moved = False
    for _ in range(4):
        row = Deployment(workspace, "fraud").row
        live = workspace.model("fraud@production").version
        moved = watch.tick(row, live) or moved
        for _ in range(400):
            if watch._busy is None or watch._busy.done():
                break
            time.sleep(0.005)
    watch.close()
    return moved


def test_an_alert_rolls_back_once_and_leaves_its_proof(failing: Workspace) -> None:
    assert looked(failing)
    assert failing.model("fraud@production").version == 1
    entry = failing.registry.history(subject="fraud@production", limit=1)[0]
    assert entry.action == "alias.rollback"
    assert entry.reason == "errors of error rate on fraud/2 is 1, the threshold is 0.1"
    assert entry.evidence["alert"] == {
        "rule": "errors", "subject": "error rate", "version": 2, "value": 1.0, "threshold": 0.1,
        "since": "2026-03-01T12:00:00Z",
    }  # fmt: skip
    assert not looked(failing)


def test_who_may_not_move_the_alias_cannot_roll_it_back_and_says_so(
    failing: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    failing.policies.set("fraud", "production", movers=["somebody else"], gates=["number > 5"], approvals=1)
    assert not looked(failing)
    assert failing.model("fraud@production").version == 2
    [told] = [message for message in caplog.messages if "asks to roll back, but" in message]
    assert "may not move it; movers are somebody else" in told
    failing.policies.set("fraud", "production", movers=[])
    assert looked(failing), "gates and approvals do not hold up a rollback"


def test_a_version_that_a_person_puts_back_stays(failing: Workspace) -> None:
    assert looked(failing)
    failing.promote("fraud/2", to="production", reason="it was the network")
    assert not looked(failing), "the same alert, also after a restart, asks once"
    assert failing.model("fraud@production").version == 2


def test_with_nowhere_to_go_back_to_it_says_so_and_stays(
    failing: Workspace, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    (tmp_path / "weights").write_text("only")
    failing.register("fraud", tmp_path / "weights")
    row = Deployment(failing, "fraud").row
    failing.promote("fraud/2", to="fresh")
    records.set_config(
        failing.registry, "fraud", DeploymentConfig.from_json({**row.config.to_json(), "alias": "fresh"})
    )
    assert not looked(failing)
    told = [message for message in caplog.messages if "asks to roll back, but" in message]
    assert len(told) == 1
    assert "it has only ever been at version 2" in told[0]

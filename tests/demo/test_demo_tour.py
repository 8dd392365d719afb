"""The tour, whole, as `make demo` runs it; and what is left of it when it is cut off."""

import io
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from modelyard import Model, Workspace, errors
from modelyard.demo import flights, plot, repository
from modelyard.demo.tour import NAME, tour
from modelyard.deployments import Deployment, monitored
from modelyard.deployments.targets.lock import holder
from modelyard.pipelines.process import Identity
from modelyard.serving.traffic_log import TrafficLog

pytestmark = pytest.mark.slow


def test_the_tour_shows_what_it_promises(tmp_path: Path) -> None:
    folder = tmp_path / "tour"
    told = io.StringIO()
    tour(folder, Console(file=told, width=200))
    text = told.getvalue()

    ws = Workspace(folder, create=False)
    one, two, three = reversed(Model.list(ws, name=NAME))
    assert ws.model(f"{NAME}@production") == two
    assert [model.inputs[0][1] for model in (one, two, three)] == ["flights/1", "flights/2", "flights/3"]
    for number, model in enumerate((one, two, three), start=1):
        assert model.provenance["build"]["number"] == str(number)
        assert model.provenance["git"]["dirty"] is False
        assert model.metrics["auc"] > 0.65, "the offline test sees nothing wrong with any of them"
        assert model.signature is not None

    states = {rollout.candidate: str(rollout.state) for rollout in Deployment(ws, NAME).rollouts()}
    assert states == {2: "done", 3: "aborted"}
    abort = next(row for row in ws.history(NAME, kind="deployment") if row.action == "rollout.abort")
    assert "auc of the candidate" in abort.reason
    assert "worse by" in abort.reason
    moves = [row.after["version"] for row in ws.history(f"{NAME}@production") if row.action == "alias.move"]
    assert moves == [2, 1]
    assert "0 failed" in text

    found = monitored(Deployment(ws, NAME))
    fired = {(alert.version, alert.subject, alert.since.month) for alert in found.alerts if alert.fired and alert.since}
    assert not [alert for alert in fired if alert[0] == 1 and alert[2] <= 3], "no alarm on the months of training"
    assert (1, "temp", 4) in fired, "April was warmer than anything that version 1 knew"
    assert 'modelyard_drift_score{deployment="flights-delay"' in text

    code = (folder / "version-1" / "features.py").read_text()
    assert "tz_convert" in code
    assert "tz_convert" not in (folder / "features.py").read_text()
    assert (folder / "flights-delay.png").read_bytes().startswith(b"\x89PNG")
    log = TrafficLog(ws.root / "deployments" / NAME / "traffic")
    assert {point.version for point in plot.weekly_auc(log)} == {1, 2, 3}

    assert ws.check(read=True).whole
    assert holder(ws.root / "deployments" / NAME) is None, "nothing is left running"


def test_interrupted_it_leaves_nothing_running_and_can_run_again(tmp_path: Path) -> None:
    folder = tmp_path / "tour"
    process = subprocess.Popen(
        [sys.executable, "-m", "modelyard", "demo", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "A replica answers" in line:
            break
    replica = holder(folder / ".modelyard" / "deployments" / NAME)
    assert replica is not None
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    rest = process.stdout.read()
    assert process.wait(30) == 130, rest
    process.stdout.close()
    assert "interrupted" in rest
    assert "Traceback" not in rest
    assert holder(folder / ".modelyard" / "deployments" / NAME) is None
    identity = Identity.of(replica.pid)
    assert identity is None or not identity.alive(), "a replica is left running"
    assert Workspace(folder, create=False).check(read=True).whole
    earlier = repository.prepare(folder)
    assert earlier == folder / "earlier-1"
    assert (earlier / ".modelyard" / "yard.toml").is_file()
    assert (earlier / "model.py").is_file()


def test_a_folder_that_holds_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("my work")
    with pytest.raises(errors.PathUnusable, match="something else"):
        tour(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_the_flights_are_the_real_ones() -> None:
    table = flights.load()
    assert len(table) == 327_346
    assert table["id"].is_unique
    share = table.groupby("month")["late"].mean()
    assert (share.min(), share.max()) == (pytest.approx(0.13, abs=0.01), pytest.approx(0.33, abs=0.01))


def test_requests_hold_each_flight_once_and_a_day_at_a_time() -> None:
    table = flights.load()
    found = list(flights.batches(table, 7, 1000, 20, seed=1))
    ids = [identity for batch in found for identity in batch.ids]
    assert len(ids) == len(set(ids)) == 1000
    days = [value[:10] for batch in found for value in batch.columns["departure"]]
    assert days == sorted(days)
    later = [batch.columns["departure"] for batch in flights.batches(table, 7, 1000, 20, seed=1, after="2013-07-20")]
    assert min(value for column in later for value in column) > "2013-07-21"

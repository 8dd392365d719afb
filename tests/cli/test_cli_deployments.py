"""Deploying, serving and looking, from the command line; and the mistakes that must change nothing."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelyard import Workspace, errors
from modelyard.cli import main
from modelyard.deployments import Deployment

pytestmark = pytest.mark.slow


@pytest.fixture
def yard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    import pandas as pd
    from sklearn.linear_model import LogisticRegression

    monkeypatch.chdir(tmp_path)
    ws = Workspace(tmp_path)
    table = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0] * 20})
    for c in (1.0, 2.0):
        ws.save("fraud", LogisticRegression(C=c).fit(table, table["x"] > 1), reference_data=table)
    yield ws
    for name in ("fraud", "plain"):
        with contextlib.suppress(errors.NotFound):  # most tests leave none
            Deployment(ws, name).stop(grace=2.0)


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def _ask(url: str, document: Any) -> tuple[int, Any]:
    request = urllib.request.Request(url, json.dumps(document).encode(), {"content-type": "application/json"})  # noqa: S310
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - loopback
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_deploy_status_rollout_and_stop(yard: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deploy", "fraud/1", "--port", "0"]) == 0
    assert "(version 1) at http://127.0.0.1:" in capsys.readouterr().out
    assert main(["status", "--json"]) == 0
    (state,) = json.loads(capsys.readouterr().out)
    assert (state["stable"], state["in_sync"], state["replicas"][0]["stable_digest"]) == (
        1,
        True,
        yard.model("fraud/1").digest,
    )

    status, answer = _ask(f"{state['url']}/invocations", {"dataframe_records": [{"x": 3.0}]})
    assert status == 200
    assert answer["predictions"]
    status, problem = _ask(f"{state['url']}/invocations", {"dataframe_records": [{"y": 3.0}]})
    assert (status, problem["error"]) == (422, "InvalidRequest")
    assert "'y'" in problem["detail"]

    assert main(["deploy", "fraud/2", "--no-wait"]) == 0
    assert main(["deploy", "fraud/2", "--no-wait"]) == 1
    assert "already rolling out fraud/2" in capsys.readouterr().err
    for rollout in Deployment(yard, "fraud").watch():
        if rollout.weight:
            break
    assert main(["rollout", "fraud", "promote", "--reason", "by hand"]) == 0
    Deployment(yard, "fraud").wait()
    assert yard.model("fraud@production").version == 2
    capsys.readouterr()
    assert main(["rollout", "fraud", "show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "done"
    assert main(["rollout", "fraud", "pause"]) == 1
    assert "no rollout under way" in capsys.readouterr().err
    assert main(["monitor", "fraud", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"windows", "alerts"}
    assert main(["stop", "fraud"]) == 0
    assert main(["monitor", "fraud", "--finish"]) == 0


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("deploy fraud/1 --port TAKEN", 1, "is in use by another process"),
        ("serve fraud@production --port TAKEN", 1, "is in use by another process"),
        ("deploy plain/1 --port 0", 2, "cannot answer predictions"),
        ("deploy fraud/9", 1, "has no version 9"),
        ("deploy nothing/1", 1, "no model 'nothing'"),
        ("serve fraud/1", 2, "a replica follows an alias"),
        ("serve nothing@production", 1, "no model 'nothing'"),
        ("stop fraud", 1, "there is no deployment 'fraud'"),
        ("rollout fraud", 1, "there is no deployment 'fraud'"),
        ("monitor fraud", 1, "there is no deployment 'fraud'"),
        ("status fraud", 1, "there is no deployment 'fraud'"),
        ("deploy fraud/1 --port 70000", 2, "65535"),
    ],
)
def test_each_mistake_is_one_line_and_changes_nothing(
    yard: Workspace, taken: int, capsys: pytest.CaptureFixture[str], line: str, code: int, told: str
) -> None:
    (yard.root.parent / "notes.txt").write_text("no model")
    yard.register("plain", yard.root.parent / "notes.txt")
    if line.startswith("serve fraud@"):
        yard.promote("fraud/1", to="production")
    before = [row.sequence for row in yard.history()]
    capsys.readouterr()
    assert main(line.replace("TAKEN", str(taken)).split()) == code
    err = capsys.readouterr().err
    assert told in err
    assert err.count("\n") == 1
    assert [row.sequence for row in yard.history()] == before


def test_serve_follows_its_alias_in_the_foreground_until_interrupted(yard: Workspace) -> None:
    yard.promote("fraud/1", to="production")
    process = subprocess.Popen(
        [sys.executable, "-m", "modelyard", "serve", "fraud@production", "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ},
    )
    assert process.stderr is not None
    try:
        until = time.monotonic() + 20
        while (url := _ready(yard, 1)) is None and time.monotonic() < until:
            time.sleep(0.05)
        assert url is not None
        yard.promote("fraud/2", to="production")
        while _ready(yard, 2) is None and time.monotonic() < until:
            time.sleep(0.05)
        assert _ready(yard, 2) == url
    finally:
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        process.stderr.close()
    assert process.wait(20) in (0, 130)
    assert "Traceback" not in rest


def _ready(ws: Workspace, version: int) -> str | None:
    try:
        state = Deployment(ws, "fraud").status()
    except LookupError:
        return None
    served = [replica for replica in state.replicas if replica.alive and replica.row.stable == version]
    return served[0].row.url if served else None

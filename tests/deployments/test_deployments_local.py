"""The whole of it with real processes, real models and real requests."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest

from modelyard import Workspace
from modelyard.core.errors import DeploymentNotFound, PortInUse, ReplicaFailed, RolloutStopped
from modelyard.deployments import Deployment, deploy, records
from modelyard.deployments.rollout import State
from modelyard.deployments.targets.local import LocalTarget
from modelyard.pipelines.process import Identity
from modelyard.store.packs import Kind

pytestmark = pytest.mark.slow
pd = pytest.importorskip("pandas")
linear_model = pytest.importorskip("sklearn.linear_model")

RNG = np.random.default_rng(5)
X = pd.DataFrame({"a": RNG.normal(size=4000), "b": RNG.normal(size=4000)})
Y = (X.a + X.b + RNG.normal(size=4000) > 0).astype(int)
CONFIG: dict[str, Any] = {
    "port": 0,
    "tick_seconds": 0.1,
    "rollout": {"steps": [0.3, 0.6]},
    "analysis": {"metric": "auc", "margin": 0.1, "min_rows": 150},
}


@pytest.fixture
def yard(ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """``fraud``: 1 and 2 are good, 3 has one of its features upside down. Whatever was deployed is stopped at the end."""
    monkeypatch.chdir(tmp_path)
    good = linear_model.LogisticRegression()
    for features in (X, X, X.assign(a=-X.a)):
        ws.save("fraud", good.fit(features, Y))
    yield ws
    with suppress(DeploymentNotFound):
        Deployment(ws, "fraud").stop(grace=5)
    ws.close()


@contextmanager
def users(deployment: Deployment, patient: bool = False) -> Iterator[list[str]]:
    """Asks all the time, and says what turned out to be true; gives the failures. The ``patient`` ask again where nobody answers."""
    failures: list[str] = []
    ended = Event()
    url = deployment.url
    assert url is not None

    def ask() -> None:
        rng = np.random.default_rng(1)
        number = 0
        while not ended.is_set():
            number += 1
            at = rng.integers(0, len(X), 10)
            ids = [f"{number}-{i}" for i in range(10)]
            inputs = [{"name": c, "datatype": "FP64", "shape": [10], "data": X[c].iloc[at].tolist()} for c in X]
            body = json.dumps({"id": f"q{number}", "parameters": {"ids": ids}, "inputs": inputs}).encode()
            request = urllib.request.Request(f"{url}/v2/models/fraud/infer", body, {"Content-Type": "application/json"})  # noqa: S310
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - our own replica
                    answer.read()
            except (OSError, http.client.HTTPException) as problem:  # also an answer that breaks off with its replica
                if not patient:
                    failures.append(repr(problem))
                time.sleep(0.02)
                continue
            deployment.add_labels(ids, Y.iloc[at].tolist())

    thread = Thread(target=ask)
    thread.start()
    try:
        yield failures
    finally:
        ended.set()
        thread.join()
        deployment.close()


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)


def state(deployment: Deployment) -> State | None:
    return deployment.rollout.state if deployment.rollout else None


def test_a_file_left_in_the_folder_of_a_deployment_does_not_run_as_a_module(yard: Workspace) -> None:
    folder = yard.root / "deployments" / "fraud"
    folder.mkdir(parents=True)
    (folder / "json.py").write_text("raise SystemExit('this was run')\n")
    assert deploy(yard, "fraud/1", config=CONFIG).url is not None


def test_a_good_canary_is_promoted_and_a_bad_one_aborts_without_one_failed_request(yard: Workspace) -> None:
    deployment = deploy(yard, "fraud/1", config=CONFIG)
    with users(deployment) as failures:
        assert deploy(yard, "fraud/2", wait=True, reason="better").rollout is not None
        until(lambda: deployment.status().in_sync)
        assert deployment.status().stable == 2
        with pytest.raises(RolloutStopped, match="auc of the candidate is 0"):
            deploy(yard, "fraud/3", wait=True)
        yard.rollback("fraud@production", reason="because we can")
        until(lambda: deployment.status().in_sync)
        assert deployment.status().stable == 1
    assert failures == []
    entry = next(e for e in yard.history(kind="deployment") if e.action == "rollout.abort")
    assert entry.evidence["analysis"]["phase"] == "failed"
    moves = [(e.action, e.after["version"]) for e in reversed(yard.history("fraud@production"))]
    assert moves == [("alias.move", 1), ("alias.move", 2), ("alias.rollback", 1)]
    assert yard.check().problems == ()


def test_a_replica_that_is_killed_in_a_rollout_goes_on_when_it_is_started_again(yard: Workspace) -> None:
    deployment = deploy(yard, "fraud/1", config=CONFIG | {"analysis": {"metric": "none", "min_rows": 10**6}})
    url = deployment.url
    with users(deployment, patient=True):
        deploy(yard, "fraud/2")
        until(lambda: state(deployment) is State.PROGRESSING)
        running = deployment.target.running()
        assert running is not None
        os.kill(running.pid, signal.SIGKILL)
        until(lambda: deployment.target.running() is None)
        again = deployment.start()
        assert again.pid != running.pid
        assert deployment.url == url, "clients find it where it was"
        until(lambda: (deployment.status().replicas or [None])[0] is not None)
        until(lambda: any(r.row.candidate_digest and r.row.weight == 0.3 for r in deployment.status().replicas))
        assert state(deployment) is State.PROGRESSING
        assert [r.row.id for r in deployment.status().replicas] == [again.replica], "the dead one is not waited for"
        deployment.promote("seen enough")
        assert deployment.wait().state is State.DONE
    told = [e.action for e in yard.history(kind="deployment") if e.action in ("rollout.step", "rollout.promote")]
    assert told == ["rollout.promote", "rollout.step"]


def test_of_two_starts_at_once_one_process_comes_up_and_stopping_ends_it(yard: Workspace) -> None:
    deployment = deploy(yard, "fraud/1", config=CONFIG)
    deployment.stop(grace=5)
    assert deployment.target.running() is None
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(lambda _: Deployment(yard, "fraud").start(30), range(2))
    assert one == two
    assert Deployment(yard, "fraud").target.stop(5)
    assert Identity.of(one.pid) is None
    assert not LocalTarget(yard, "fraud").stop(5)


def test_a_port_in_use_is_said_in_one_line(yard: Workspace) -> None:
    deployment = deploy(yard, "fraud/1", config=CONFIG)
    port = int(str(deployment.url).rpartition(":")[2])
    with pytest.raises(PortInUse, match=f"port {port} on 127.0.0.1 is in use by another process"):
        deploy(yard, "fraud/1", name="second", config={"port": port})
    with pytest.raises(DeploymentNotFound):
        Deployment(yard, "second")


def test_a_version_whose_bytes_are_damaged_never_becomes_ready(yard: Workspace) -> None:
    for file in yard.model("fraud/1").manifest.files:
        for chunk, _ in yard.store.files.recipe(file.digest, file.path).chunks:
            (entry,) = yard.store.index.find(Kind.CHUNK, chunk)
            pack = yard.root / "store" / "packs" / entry.pack
            damaged = bytearray(pack.read_bytes())
            damaged[entry.offset + entry.stored // 2] ^= 1
            pack.chmod(0o644)
            pack.write_bytes(damaged)
    with pytest.raises(ReplicaFailed, match="CorruptBlob: the stored bytes"):
        deploy(yard, "fraud/1", config=CONFIG)
    assert LocalTarget(yard, "fraud").running() is None, "nothing stays behind"
    assert Deployment(yard, "fraud").row.state == "stopped"


def test_a_deployment_that_nobody_wants_any_more_ends_by_itself(yard: Workspace) -> None:
    deployment = deploy(yard, "fraud/1", config=CONFIG)
    running = deployment.target.running()
    assert running is not None
    records.set_state(yard.registry, "fraud", records.STOPPED, "said from another machine")
    until(lambda: Identity.of(running.pid) is None)
    with pytest.raises(ReplicaFailed, match="has ended"):  # started behind the registry's back it leaves in good order
        LocalTarget(yard, "fraud").start(30)


PARENT = """
import sys, time
from modelyard import Workspace
from modelyard.deployments import deploy
from modelyard.deployments.targets.local import LocalTarget
ws = Workspace(sys.argv[1])
made = deploy(ws, "fraud/1", config={"port": 0}, target=lambda ws, name: LocalTarget(ws, name, until_parent_ends=True))
print(made.target.running().pid, flush=True)
time.sleep(60)
"""


def test_a_bound_replica_ends_with_its_parent_even_by_kill(yard: Workspace) -> None:
    command = [sys.executable, "-c", PARENT, str(yard.root)]
    environ = {**os.environ, "MODELYARD_USER": yard.actor}
    parent = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout is not None
        replica = Identity.of(int(parent.stdout.readline()))
        assert replica is not None
    finally:
        parent.kill()
        parent.communicate()
    until(lambda: not replica.alive())

"""Real processes that deliver: killed at any instant, two at once, asked to end."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
from receivers import OK, Receiver, Reply, Request
from sqlalchemy import update
from webhook_doubles import write

from modelyard import Workspace
from modelyard.registry import schema

pytestmark = pytest.mark.slow


def _start(ws: Workspace, folder: Path, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "modelyard", "--yard", ws.url, "webhook", "deliver", "--follow", "--poll", "0.05"]
    with (folder / "deliver.log").open("ab") as log:
        return subprocess.Popen(
            [*command, *options], stdout=log, stderr=log, env={**os.environ, "MODELYARD_USER": "ben"}
        )


def _until(holds: Callable[[], bool], what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def _time_passes(ws: Workspace) -> None:
    """Leases end, and waits are over."""
    with ws.registry.begin() as tx:
        tx.execute(update(schema.webhooks).values(lease_until=0))
        tx.execute(update(schema.deliveries).where(schema.deliveries.c.state == "pending").values(next_time=0))


def _subjects(receiver: Receiver) -> dict[str, list[int]]:
    """The rows of each subject in the order of their first arrival."""
    found: dict[str, list[int]] = defaultdict(list)
    for request in receiver.got:
        document = request.document
        if document["sequence"] not in found[document["subject"]]:
            found[document["subject"]].append(document["sequence"])
    return found


def test_killed_at_random_instants_nothing_is_lost_and_subjects_stay_in_order(
    any_ws: Workspace, tmp_path: Path, receiver: Receiver
) -> None:
    chance = random.Random(7)
    child: list[subprocess.Popen[bytes]] = []
    kills, taken = [], []

    def reply(request: Request) -> Reply:
        # Before the answer is there, after it, or with a refusal; the timer also hits what the process does between two attempts.
        if chance.random() < 0.15:
            kills.append(1)
            if chance.random() < 0.5:
                child[-1].kill()
            else:
                threading.Timer(chance.random() * 0.02, child[-1].kill).start()
        if chance.random() < 0.1:
            return (503, {}, b"")
        taken.append(request.document["sequence"])
        return OK

    receiver.reply = reply
    made = any_ws.webhooks.add("chat", receiver.url, filter="kind = 'model'", insecure=True)
    wanted = defaultdict(list)
    for _ in range(20):
        write(any_ws, *(f"m{chance.randrange(5)}@production" for _ in range(3)))
    for row in any_ws.history()[::-1]:
        if row.kind == "model":
            wanted[row.subject].append(row.sequence)

    def done() -> bool:
        found = any_ws.webhooks.get("chat")
        return not found.behind and not found.waiting

    for _ in range(200):
        child.append(_start(any_ws, tmp_path))
        _until(lambda: child[-1].poll() is not None or done(), "neither killed nor done")
        child[-1].kill()
        child[-1].wait()
        if done():
            break
        _time_passes(any_ws)
    assert len(kills) >= 5
    assert _subjects(receiver) == wanted
    assert made.secret is not None
    assert receiver.genuine(made.secret)
    assert len(taken) - len(set(taken)) <= len(kills), "each kill doubles at most one delivery"
    assert any_ws.webhooks.get("chat").failed == 0


def test_two_processes_at_once_deliver_each_row_once_and_in_order(
    any_ws: Workspace, tmp_path: Path, receiver: Receiver
) -> None:
    any_ws.webhooks.add("one", receiver.url + "/one", filter="kind = 'model'", insecure=True)
    any_ws.webhooks.add("two", receiver.url + "/two", filter="kind = 'model'", insecure=True)
    children = [_start(any_ws, tmp_path) for _ in range(2)]
    try:
        for number in range(30):
            write(any_ws, "a@production", f"b{number % 4}@production")
        _until(lambda: len(receiver.got) >= 120, "all rows arrive")
    finally:
        for child in children:
            child.send_signal(signal.SIGTERM)
        codes = [child.wait(30) for child in children]
    assert codes == [0, 0]
    for path in ("/hook/one", "/hook/two"):
        sequences = [request.document["sequence"] for request in receiver.got if request.path == path]
        assert sequences == sorted(set(sequences))
        assert len(sequences) == 60


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_asked_to_end_a_process_finishes_its_attempt_and_leaves_no_lease(
    ws: Workspace, tmp_path: Path, receiver: Receiver, number: signal.Signals, code: int
) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def reply(_request: Request) -> Reply:
        begun.set()
        assert may_end.wait(60)
        return OK

    receiver.reply = reply
    ws.webhooks.add("chat", receiver.url, insecure=True, filter="kind = 'model'")
    write(ws, "a", "b")
    child = _start(ws, tmp_path)
    assert begun.wait(60)
    child.send_signal(number)
    time.sleep(0.2)
    assert child.poll() is None, "the attempt under way is waited for"
    may_end.set()
    assert child.wait(30) == code
    assert [each.state for each in ws.webhooks.deliveries("chat")] == ["pending", "delivered"]
    assert ws.webhooks.deliver().delivered == 1, "at once: nobody has the lease"
    assert "Traceback" not in (tmp_path / "deliver.log").read_text()

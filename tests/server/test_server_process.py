"""The server as a process: how it begins, what it refuses, how it ends; and several of them on one yard."""

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from modelyard import Workspace
from modelyard.cli import main
from modelyard.store.reading.files import Files


@contextmanager
def running(yard: str, *more: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server's URL and its process, which is ended at the end."""
    command = [sys.executable, "-m", "modelyard.cli", "--yard", yard, "server", "--port", "0", *more]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], 60)
        line = process.stdout.readline() if ready else ""
        found = re.search(r"http://\S+", line)
        assert found, (
            line,
            process.poll(),
            process.stderr and process.stderr.read() if process.poll() is not None else "",
        )
        yield found[0], process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - our own server on the loopback
        found: bytes = answer.read()
    return found


def test_it_answers_logs_as_json_and_ends_by_sigterm(ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / "m.bin").write_bytes(b"x" * 1000)
    ws.register("fraud", tmp_path / "m.bin")
    for number in (signal.SIGTERM, signal.SIGINT):
        with running(ws.url) as (url, process):
            assert json.loads(get(f"{url}/ready")) == {"status": "ready"}
            assert get(f"{url}/api/v1/models/fraud/versions/1/files/m.bin") == b"x" * 1000
            process.send_signal(number)
            _, told = process.communicate(timeout=30)
            assert process.returncode == 0, told
        lines = [json.loads(line) for line in told.splitlines()]
        assert [line["path"] for line in lines] == ["/ready", "/api/v1/models/fraud/versions/1/files/m.bin"]
        assert [line["status"] for line in lines] == [200, 200]


def test_two_servers_answer_for_one_yard_and_one_may_be_killed(
    make_yard: Callable[..., Workspace], tmp_path: Path
) -> None:
    ws = make_yard()
    with running(ws.url) as (one, killed), running(ws.url) as (other, _):
        for number in range(6):
            (tmp_path / "m.bin").write_text(str(number))
            ws.register("fraud", tmp_path / "m.bin")
            if number == 3:
                killed.kill()
                killed.wait()
            for url in (one, other) if number < 3 else (other,):
                assert json.loads(get(f"{url}/api/v1/models/fraud/versions/latest"))["version"] == number + 1
                assert get(f"{url}/api/v1/models/fraud/versions/latest/files/m.bin") == str(number).encode()


def test_a_request_in_flight_is_finished_before_the_end(
    ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from modelyard.server import create_app
    from modelyard.serving.listener import Listener

    content = np.random.default_rng(0).bytes(30_000_000)
    (tmp_path / "m.bin").write_bytes(content)
    ws.register("fraud", tmp_path / "m.bin")
    begun, iterate = threading.Event(), Files.iterate

    def slowly(self: Files, *args: object) -> Iterator[object]:
        for chunk in iterate(self, *args):  # type: ignore[arg-type]
            begun.set()
            time.sleep(0.02)
            yield chunk

    monkeypatch.setattr(Files, "iterate", slowly)
    ended: list[bool] = []
    listener = Listener(create_app(ws), "127.0.0.1", 0, ended=lambda: ended.append(True))
    listener.start()
    answers: list[bytes] = []
    reader = threading.Thread(
        target=lambda: answers.append(get(f"{listener.url}/api/v1/models/fraud/versions/1/files/m.bin"))
    )
    reader.start()
    assert begun.wait(30)
    listener.stop()
    reader.join(30)
    assert answers == [content]
    assert ended == [True]


def test_it_listens_for_this_machine_alone(ws: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1", "example.com"):  # noqa: S104 - which are refused
        assert main(["--yard", ws.url, "server", "--host", host]) == 2
        assert "it knows no users yet" in capsys.readouterr().err


def test_a_port_that_is_taken_is_said_so(ws: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["--yard", ws.url, "server", "--port", str(taken.getsockname()[1])]) == 1
        assert "is in use by another process" in capsys.readouterr().err
    assert main(["--yard", ws.url, "server", "--port", "70000"]) in (1, 2)


def test_a_yard_that_is_not_there_is_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--yard", str(tmp_path / "nothing"), "server"]) == 1
    assert "nothing" in capsys.readouterr().err
    assert not os.path.lexists(tmp_path / "nothing")

"""``watch`` and ``webhook`` as a person and as a script meet them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from modelyard import Workspace, verify_webhook
from modelyard.cli import main
from modelyard.core.webhook_signature import new_secret


class Shell:
    """Runs commands in the test's folder and remembers what was said."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self, line: str, *more: str) -> int:
        self._capsys.readouterr()
        code = main([*line.split(), *more])
        self.out, self.err = self._capsys.readouterr()
        return code


@pytest.fixture
def sh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODELYARD_USER", "ana")
    (tmp_path / "model.bin").write_bytes(b"weights")
    shell = Shell(capsys)
    assert shell("init") == 0
    return shell


@pytest.fixture
def receiver() -> Iterator[Any]:
    got: list[tuple[dict[str, str], bytes]] = []
    answers: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((dict(self.headers.items()), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(answers.pop(0) if answers else 204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.got, server.answers = got, answers  # type: ignore[attr-defined]
    server.url = f"http://127.0.0.1:{server.server_address[1]}/hook"  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def _program(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-m", "modelyard", *arguments], text=True, env={**os.environ}, **options)


def test_watch_prints_what_is_there_one_row_a_line(sh: Shell) -> None:
    sh("register fraud model.bin")
    sh("promote fraud/1 --reason", "first, of many\nlines")
    assert sh("watch --no-follow") == 0
    lines = sh.out.splitlines()
    assert [line.split()[4] for line in lines] == ["model.create", "version.register", "alias.move"]
    assert lines[-1].startswith("3  ")
    assert lines[-1].endswith("fraud@production  nothing -> 1  (first, of many lines)")
    assert sh("watch fraud@production --no-follow --json") == 0
    assert [json.loads(line)["sequence"] for line in sh.out.splitlines()] == [3]
    assert sh("watch --no-follow --json --after 1 --limit 1") == 0
    assert [json.loads(line)["action"] for line in sh.out.splitlines()] == ["version.register"]
    assert sh("watch --no-follow --json --where", "action = 'alias.move'") == 0
    assert sh.out.count("\n") == 1
    assert sh("watch --no-follow --after now") == 0
    assert sh.out == ""


@pytest.mark.parametrize(
    ("code", "line", "told"),
    [
        (2, "watch --no-follow --after yesterday", "--after is the number of a ledger row"),
        (2, "watch --no-follow --after -1", "--after is the number"),
        (2, "watch --no-follow --after 99", "the ledger ends at row 0"),
        (2, "watch --no-follow --where nonsense", "column 1"),
        (2, "watch fraud/x --no-follow", "not a version number"),
        (2, "webhook add chat hooks.example.com", "begins neither with https://"),
        (2, "webhook add chat http://10.0.0.1/", "--insecure"),
        (2, "webhook add chat https://ana:pw@a.example/", "carries a user name or a password"),
        (2, "webhook add a/b https://a.example/", "cannot stand"),
        (2, "webhook add chat https://a.example/ --where actor", "column 1"),
        (2, "webhook add chat https://a.example/ --secret-file nowhere", "nowhere"),
        (1, "webhook show chat", "there is no webhook 'chat'; there are none"),
        (1, "webhook remove chat", "there is no webhook"),
        (1, "webhook replay chat", "there is no webhook"),
        (1, "webhook deliver chat", "there is no webhook"),
        (2, "webhook replay chat --from 0", "--from"),
    ],
)
def test_what_is_wrong_is_one_clear_error(sh: Shell, code: int, line: str, told: str) -> None:
    assert sh(line) == code, sh.out
    assert sh.out == ""
    assert sh.err.startswith("modelyard: ")
    assert told in sh.err
    assert sh.err.count("\n") == (3 if "column" in told else 1), "a filter is shown with the place of the mistake"


def test_a_webhook_from_its_making_to_its_removal(sh: Shell, receiver: Any) -> None:
    assert sh(f"webhook add chat {receiver.url} --insecure --where", "kind = 'model'") == 0
    secret = sh.out.splitlines()[1].rpartition(" ")[2]
    assert secret.startswith("whsec_")
    assert sh("webhook test chat") == 0
    assert "webhook chat delivered" in sh.out
    sh("register fraud model.bin")
    receiver.answers[:] = [503, 204]
    assert sh("webhook deliver") == 1
    assert "1 delivered, 1 to be tried again, 0 failed" in sh.out
    assert "row 2 model fraud again at " in sh.out
    assert "it answered 503" in sh.out
    types = [verify_webhook(secret, headers, body)["type"] for headers, body in receiver.got]
    assert types == ["webhook.ping", "model.create", "version.register"]
    for form in ("", " --json"):
        assert sh(f"webhook list{form}") == 0
        assert "http://127.0.0.1" in sh.out
        assert secret not in sh.out
        assert "/hook" not in sh.out
    assert sh("webhook show chat") == 0
    assert receiver.url in sh.out
    assert secret not in sh.out
    assert sh("webhook deliveries chat --state pending --json") == 0
    (pending,) = json.loads(sh.out)
    assert (pending["sequence"], pending["status"], pending["attempts"]) == (2, 503, 1)
    assert sh("webhook pause chat --reason", "it moves") == 0
    assert sh("webhook deliver --json") == 0
    assert json.loads(sh.out)["paused"] == ["chat"]
    assert sh("webhook resume chat") == 0
    assert sh("webhook deliver chat") == 0
    assert sh.out.endswith("1 delivered, 0 to be tried again, 0 failed\n")
    assert sh("webhook replay chat --from 2") == 0
    assert sh("webhook deliver --json") == 0
    assert json.loads(sh.out)["delivered"] == 2
    assert sh("webhook replay chat --failed") == 0
    assert sh.out == "0 that had failed will be sent again to chat\n"
    assert sh("webhook remove chat") == 0
    assert sh("webhook list") == 0
    assert sh.out == "no webhooks; make one with: modelyard webhook add NAME URL\n"


def test_a_test_that_is_not_taken_is_exit_code_1(sh: Shell, receiver: Any) -> None:
    sh(f"webhook add chat {receiver.url} --insecure")
    receiver.answers[:] = [500]
    assert sh("webhook test chat --json") == 1
    assert json.loads(sh.out)["answer"]["status"] == 500


def test_a_secret_comes_from_a_file_and_never_from_an_argument(sh: Shell, tmp_path: Path) -> None:
    secret = new_secret()
    (tmp_path / "secret").write_text(secret + "\n")
    assert sh("webhook add chat https://hooks.example.com/ --secret-file secret") == 0
    assert "whsec_" not in sh.out
    assert sh("webhook add other https://hooks.example.com/ --secret-file secret --json") == 0
    assert json.loads(sh.out)["secret"] == secret


WEBHOOK = ["add", "list", "show", "remove", "pause", "resume", "test", "deliver", "replay", "deliveries"]


@pytest.mark.parametrize("command", ["watch", *(f"webhook {word}" for word in WEBHOOK)])
def test_every_command_teaches_by_help_with_an_example(sh: Shell, command: str) -> None:
    assert sh(f"{command} --help") == 0
    assert f"Example: modelyard {command}" in " ".join(sh.out.split())


@pytest.mark.slow
def test_watch_follows_line_by_line_and_ends_quietly_at_an_interrupt(sh: Shell) -> None:
    watching = _program("watch", "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert watching.stdout is not None
    lines: list[str] = []
    reader = threading.Thread(target=lambda stream: [lines.append(line) for line in stream], args=(watching.stdout,))
    reader.start()
    end = time.monotonic() + 60
    while not lines:  # until it has begun
        Workspace().promote(Workspace().register("fraud", "model.bin").reference, to="production")
        time.sleep(0.3)
        assert time.monotonic() < end
    watching.send_signal(signal.SIGINT)
    reader.join(30)
    assert watching.wait(30) == 130
    assert watching.stderr is not None
    assert watching.stderr.read() == ""
    watching.stdout.close()
    watching.stderr.close()
    sequences = [json.loads(line)["sequence"] for line in lines]
    assert sequences == list(range(sequences[0], sequences[-1] + 1))


@pytest.mark.slow
def test_a_reader_of_watch_that_goes_away_is_no_traceback(sh: Shell, tmp_path: Path) -> None:
    for _ in range(3):
        sh("register fraud model.bin")
    command = f"{sys.executable} -m modelyard watch --no-follow | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.startswith("1  ")
    assert done.stderr == ""

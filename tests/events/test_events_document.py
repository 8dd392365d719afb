"""The page about events does what it says."""

import re
import threading
import time
from http.client import HTTPConnection
from http.server import HTTPServer
from pathlib import Path
from typing import Any

import pytest

from modelyard.core.webhook_signature import new_secret, signed_headers
from modelyard.events.schedule import ATTEMPTS, FIRST_SECONDS, LONGEST_SECONDS
from modelyard.events.sender import KEPT_CHARACTERS, TOTAL_SECONDS

PAGE = (Path(__file__).parents[2] / "docs/events.md").read_text()


def test_the_receiver_of_the_page_takes_what_is_genuine_once_and_refuses_the_rest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = new_secret()
    monkeypatch.setenv("CHAT_WEBHOOK_SECRET", secret)
    code = next(block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "verify_webhook" in block)
    names: dict[str, Any] = {"__name__": "receiver"}
    exec(code, names)  # noqa: S102 - our own page
    names["Receiver"].log_message = lambda *_: None
    server = HTTPServer(("127.0.0.1", 0), names["Receiver"])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def post(body: bytes, headers: dict[str, str]) -> int:
        connection = HTTPConnection("127.0.0.1", server.server_address[1])
        connection.request("POST", "/", body, headers)
        status = connection.getresponse().status
        connection.close()
        return status

    try:
        body = b'{"id":"a","type":"alias.move","subject":"fraud@production","after":{"version":3}}'
        headers = signed_headers(secret, "a", int(time.time()), body)
        assert [post(body, headers), post(body, headers)] == [204, 204]
        assert post(body.replace(b"3", b"4"), headers) == 401
        assert post(body, {}) == 401
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert capsys.readouterr().out == "alias.move fraud@production {'version': 3}\n"


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    assert f"after {FIRST_SECONDS:.0f} s, 15 s, 45 s … up to {LONGEST_SECONDS / 3600:.0f} hours" in PAGE
    assert f"{ATTEMPTS} times in all" in PAGE
    assert f"ends after {TOTAL_SECONDS:.0f} seconds" in PAGE
    assert f"{KEPT_CHARACTERS} characters are kept" in PAGE

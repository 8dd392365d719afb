"""Webhooks as things in a yard: made, paused, removed, and what the ledger says of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from webhook_doubles import DOWN, URL, Remembering, SetClock, hooks, write

from modelyard import Workspace
from modelyard.core.errors import (
    InvalidFilter,
    InvalidInput,
    InvalidName,
    InvalidWebhookSecret,
    InvalidWebhookUrl,
    SecretInWebhookUrl,
    WebhookExists,
    WebhookNotFound,
)
from modelyard.core.webhook_signature import key_of, new_secret

MakeYard = Callable[..., Workspace]


def test_a_webhook_is_made_with_a_secret_that_is_told_once(any_ws: Workspace) -> None:
    made = any_ws.webhooks.add("chat", URL, filter="action = 'alias.move'")
    assert made.secret is not None
    assert key_of(made.secret)
    found = any_ws.webhooks.get("chat")
    assert (found.name, found.url, found.origin) == ("chat", URL, "https://hooks.example.com")
    assert (found.filter, found.state, found.secret, found.created_by) == (
        "action = 'alias.move'",
        "active",
        None,
        "ana",
    )
    assert any_ws.webhooks.list() == [found]
    assert made.secret not in json.dumps(found.to_json())
    assert made.secret in json.dumps(made.to_json())


def test_a_secret_of_ones_own_is_used(any_ws: Workspace) -> None:
    secret = new_secret()
    assert any_ws.webhooks.add("chat", URL, secret=secret).secret == secret
    sender = Remembering()
    hooks(any_ws, sender).test("chat")
    assert sender.genuine(secret, any_ws.clock.now())


def test_neither_secret_nor_path_of_the_url_are_shown_by_repr_or_kept_in_the_ledger(any_ws: Workspace) -> None:
    made = any_ws.webhooks.add("chat", URL)
    any_ws.webhooks.pause("chat", reason="moves")
    any_ws.webhooks.resume("chat")
    any_ws.webhooks.remove("chat", reason="moved")
    rows = any_ws.history(kind="webhook")
    assert [row.action for row in rows] == ["webhook.remove", "webhook.resume", "webhook.pause", "webhook.add"]
    assert [row.reason for row in rows] == ["moved", "", "moves", ""]
    assert {(row.name, row.subject, row.actor) for row in rows} == {("chat", "chat", "ana")}
    told = json.dumps([row.to_json() for row in rows]) + repr(made)
    assert made.secret is not None
    assert made.secret not in told
    assert "T000" not in told
    assert "https://hooks.example.com" in told


def test_what_changes_nothing_leaves_no_ledger_row(any_ws: Workspace) -> None:
    any_ws.webhooks.add("chat", URL)
    before = len(any_ws.history())
    any_ws.webhooks.resume("chat")
    any_ws.webhooks.replay("chat")
    assert len(any_ws.history()) == before


@pytest.mark.parametrize(
    ("error", "arguments", "options"),
    [
        (InvalidName, ("a/b", URL), {}),
        (InvalidName, ("", URL), {}),
        (InvalidWebhookUrl, ("chat", "http://127.0.0.1/"), {}),
        (InvalidWebhookUrl, ("chat", "https://169.254.169.254/"), {"insecure": True}),
        (SecretInWebhookUrl, ("chat", "https://ana:pw@a.example/"), {}),
        (InvalidFilter, ("chat", URL), {"filter": "metrics.auc > 0.5"}),
        (InvalidFilter, ("chat", URL), {"filter": "actor = "}),
        (InvalidWebhookSecret, ("chat", URL), {"secret": "whsec_short"}),
        (InvalidWebhookSecret, ("chat", URL), {"secret": "hunter2"}),
    ],
)
def test_a_webhook_that_cannot_be_is_one_error_and_changes_nothing(
    ws: Workspace, error: type[Exception], arguments: tuple[str, str], options: dict[str, object]
) -> None:
    with pytest.raises(error):
        ws.webhooks.add(*arguments, **options)  # type: ignore[arg-type]
    assert ws.webhooks.list() == []
    assert ws.history() == []


def test_a_name_is_taken_once_also_when_eight_ask_for_it(any_ws: Workspace) -> None:
    def add(number: int) -> bool:
        try:
            any_ws.webhooks.add("chat", f"https://hooks.example.com/{number}")
        except WebhookExists:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(add, range(8))) == 1
    assert len(any_ws.history(kind="webhook")) == 1


def test_a_name_that_there_is_not_is_told_with_those_that_there_are(any_ws: Workspace) -> None:
    any_ws.webhooks.add("chat", URL)
    found = any_ws.webhooks
    for call in (
        found.get,
        found.remove,
        found.pause,
        found.resume,
        found.test,
        found.deliveries,
        found.replay,
        found.deliver,
    ):
        with pytest.raises(WebhookNotFound, match="there are chat"):
            call("chart")


def test_a_webhook_of_another_workspace_is_another(ws: Workspace) -> None:
    ws.webhooks.add("chat", URL)
    ws.registry.workspace = "other"
    assert ws.webhooks.list() == []
    ws.webhooks.add("chat", URL)
    sender = Remembering()
    write(ws, "fraud@production")
    hooks(ws, sender).deliver()
    assert {document["workspace"] for document in sender.got} == {"other"}


def test_removing_forgets_what_was_on_its_way(any_ws: Workspace) -> None:
    sender = Remembering(lambda _: DOWN)
    found = hooks(any_ws, sender)
    found.add("chat", URL)
    write(any_ws, "a", "a", "b")
    found.deliver()
    assert found.get("chat").waiting == 4
    found.remove("chat")
    found.add("chat", URL)
    assert found.get("chat").waiting == 0
    assert found.deliveries("chat") == []


def test_a_test_is_a_signed_ping_past_the_line(any_ws: Workspace) -> None:
    sender = Remembering()
    found = hooks(any_ws, sender)
    secret = found.add("chat", URL).secret
    attempt = found.test("chat")
    assert (attempt.outcome, attempt.sequence) == ("delivered", None)
    assert secret is not None
    assert sender.genuine(secret, any_ws.clock.now())
    assert (sender.got[0]["type"], sender.got[0]["yard"], sender.got[0]["actor"]) == (
        "webhook.ping",
        any_ws.yard_id,
        "ana",
    )
    sender.answer = lambda _: DOWN
    assert found.test("chat").outcome == "failed"
    assert len({document["id"] for document in sender.got}) == 2
    assert found.deliveries("chat") == []


def test_deliveries_page_by_sequence_newest_first(make_yard: MakeYard) -> None:
    ws = make_yard(clock=SetClock())
    sender = Remembering(lambda document: DOWN if document["subject"] == "a" else Remembering().answer(document))
    found = hooks(ws, sender)
    found.add("chat", URL)
    write(ws, *["a", "b", "c"] * 4)
    found.deliver()
    newest = found.deliveries("chat", limit=5)
    rest = found.deliveries("chat", before=newest[-1].sequence)
    assert [each.sequence for each in (*newest, *rest)] == list(range(13, 0, -1))
    assert [each.subject for each in found.deliveries("chat", state="held")] == ["model a"] * 3
    (pending,) = found.deliveries("chat", state="pending")
    assert (pending.sequence, pending.attempts, pending.status, pending.problem) == (2, 1, 503, "it answered 503")
    assert pending.next_time is not None
    assert pending.to_json()["next_time"].startswith("2026-03-01T12:00:0")
    with pytest.raises(InvalidInput, match="pending, held, delivered, failed"):
        found.deliveries("chat", state="lost")

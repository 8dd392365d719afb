"""Sending again; and whatever happens in whatever order, rows of a subject arrive in theirs."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable

import pytest
from sqlalchemy import select
from webhook_doubles import DOWN, TAKEN, URL, Remembering, SetClock, deliverer, hooks, write

from modelyard import Workspace
from modelyard.core.errors import CursorAhead, InvalidInput
from modelyard.events import Answer
from modelyard.events.schedule import ATTEMPTS
from modelyard.registry import schema

MakeYard = Callable[..., Workspace]


@pytest.fixture
def ws(make_yard: MakeYard) -> Workspace:
    return make_yard(clock=SetClock())


def _clock(ws: Workspace) -> SetClock:
    assert isinstance(ws.clock, SetClock)
    return ws.clock


def _give_up(ws: Workspace, sender: Remembering) -> None:
    sender.answer = lambda _: DOWN
    for _ in range(ATTEMPTS):
        deliverer(ws, sender).once()
        _clock(ws).move(86400)


def test_what_has_failed_is_sent_again_in_order(ws: Workspace) -> None:
    sender = Remembering()
    found = hooks(ws, sender)
    found.add("chat", URL, filter="kind = 'model'")
    write(ws, "a", "b", "a")
    for _ in range(3):
        _give_up(ws, sender)
    assert found.get("chat").failed == 3
    identities = {document["id"] for document in sender.got}
    sender.got.clear()
    sender.answer = lambda _: TAKEN
    assert found.replay("chat", reason="the receiver is back") == 3
    deliverer(ws, sender).once()
    assert [document["subject"] for document in sender.got] == ["a", "b", "a"]
    assert {document["id"] for document in sender.got} == identities, "the receiver can tell"
    assert (found.get("chat").failed, found.get("chat").waiting) == (0, 0)
    row = ws.history(kind="webhook", limit=1)[0]
    assert (row.action, row.after, row.reason) == (
        "webhook.replay", {"count": 3, "failed": True, "from": None}, "the receiver is back",
    )  # fmt: skip


def test_a_failed_row_that_is_sent_again_has_all_its_attempts_again(ws: Workspace) -> None:
    sender = Remembering()
    found = hooks(ws, sender)
    found.add("chat", URL, filter="kind = 'model'")
    write(ws, "a")
    _give_up(ws, sender)
    found.replay("chat")
    assert found.deliveries("chat")[0].attempts == 0
    _give_up(ws, sender)
    assert len(sender.got) == 2 * ATTEMPTS


def test_everything_from_a_row_on_is_sent_again_also_from_before_the_webhook(ws: Workspace) -> None:
    write(ws, "early", "early")
    sender = Remembering()
    found = hooks(ws, sender)
    found.add("chat", URL, filter="kind = 'model'")
    write(ws, "a", "b", "a")
    deliverer(ws, sender).once()
    assert sender.sequences() == [4, 5, 6]
    assert found.replay("chat", from_sequence=5) == 2
    deliverer(ws, sender).once()
    assert sender.sequences()[3:] == [5, 6]
    found.replay("chat", from_sequence=1)
    deliverer(ws, sender).once()
    assert sender.sequences()[5:] == [1, 2, 4, 5, 6]


def test_only_failed_rows_from_a_row_on(ws: Workspace) -> None:
    sender = Remembering()
    found = hooks(ws, sender)
    found.add("chat", URL, filter="kind = 'model'")
    write(ws, "a", "b", "c")
    _give_up(ws, sender)
    assert found.replay("chat", from_sequence=3, failed=True) == 2
    assert found.get("chat").failed == 1


def test_a_row_that_waits_is_not_put_in_line_twice(ws: Workspace) -> None:
    sender = Remembering(lambda _: DOWN)
    found = hooks(ws, sender)
    found.add("chat", URL, filter="kind = 'model'")
    write(ws, "a", "a", "b")
    deliverer(ws, sender).once()
    found.replay("chat", from_sequence=1)
    sender.answer = lambda _: TAKEN
    _clock(ws).move(100)
    deliverer(ws, sender).once()
    assert sorted(document["sequence"] for document in sender.taken) == [2, 3, 4]


def test_what_is_replayed_goes_before_what_waits_of_its_subject(ws: Workspace) -> None:
    sender = Remembering()
    found = hooks(ws, sender)
    found.add("chat", URL, filter="kind = 'model'")
    write(ws, "a", "a")
    deliverer(ws, sender).once()
    sender.answer = lambda _: DOWN
    write(ws, "a", "a")
    deliverer(ws, sender).once()
    sender.got.clear()
    sender.answer = lambda _: TAKEN
    found.replay("chat", from_sequence=2)
    deliverer(ws, sender).once()
    assert sender.sequences()[:2] == [2, 3]
    _clock(ws).move(100)
    deliverer(ws, sender).once()
    assert sender.sequences()[2:4] == [4, 5]


@pytest.mark.parametrize("answer", [TAKEN, DOWN])
def test_a_replay_during_an_attempt_overtakes_what_follows_it(ws: Workspace, answer: Answer) -> None:
    sender = Remembering()
    found = hooks(ws, sender)
    found.add("chat", URL, filter="kind = 'model'")
    write(ws, "a", "a")
    for _ in range(2):
        _give_up(ws, sender)
    write(ws, "a", "a")

    def replay(_document: object) -> Answer:
        sender.answer = lambda _: TAKEN
        assert found.replay("chat") == 2
        return answer

    sender.got.clear()
    sender.answer = replay
    deliverer(ws, sender).once()
    assert sender.sequences()[:3] == [4, 2, 3]
    _clock(ws).move(100)
    deliverer(ws, sender).once()
    assert sender.sequences()[3:] == ([5] if answer.taken else [4, 5])
    assert found.get("chat").waiting == 0


@pytest.mark.parametrize(
    ("first", "error"), [(0, InvalidInput), (-5, InvalidInput), (True, InvalidInput), (99, CursorAhead)]
)
def test_a_replay_from_nowhere_is_refused(ws: Workspace, first: int, error: type[Exception]) -> None:
    ws.webhooks.add("chat", URL)
    with pytest.raises(error):
        ws.webhooks.replay("chat", from_sequence=first)
    assert len(ws.history()) == 1


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_every_row_arrives_and_each_subject_in_order(ws: Workspace, seed: int) -> None:
    """Random receivers, pauses, replays, lost leases and times against what must always hold."""
    chance = random.Random(seed)
    clock, sender = _clock(ws), Remembering()
    found = hooks(ws, sender)
    found.add("chat", URL, filter="kind = 'model'")
    replayed = False

    def answer(_document: object) -> Answer:
        if chance.random() < 0.03:
            with ws.registry.begin() as tx:
                tx.execute(schema.webhooks.update().values(lease_holder="thief", lease_until=0))
        return chance.choice(
            [TAKEN, TAKEN, DOWN, Answer(None, "reset"), Answer(429, "slow", asked=chance.randint(0, 60))]
        )

    sender.answer = answer
    for _ in range(60):
        match chance.randrange(8):
            case 0 | 1 | 2:
                write(ws, *chance.choices("abcd", k=chance.randint(1, 9)))
            case 3 | 4 | 5:
                deliverer(ws, sender).once()
            case 6:
                clock.move(chance.choice([1, 30, 4000]))
            case _ if chance.random() < 0.5:
                found.pause("chat")
                found.resume("chat")
            case _ if seed % 2:
                found.replay("chat", from_sequence=chance.randint(1, ws.history(limit=1)[0].sequence))
                replayed = True
        _holds(ws)
    sender.answer = lambda _: TAKEN
    found.replay("chat")
    for _ in range(10):
        clock.move(86401)
        deliverer(ws, sender).once()
        _holds(ws)
    rows = [row for row in ws.history()[::-1] if row.kind == "model"]
    assert {document["sequence"] for document in sender.taken} == {row.sequence for row in rows}
    assert found.get("chat").waiting == 0
    if not replayed:
        arrived: dict[str, list[int]] = defaultdict(list)
        for document in sender.taken:
            if document["sequence"] not in arrived[document["subject"]]:
                arrived[document["subject"]].append(document["sequence"])
        for sequences in arrived.values():
            assert sequences == sorted(sequences)


def _holds(ws: Workspace) -> None:
    """Of each subject the first open delivery is pending, and the others are held."""
    with ws.registry.read() as connection:
        query = select(schema.deliveries).where(schema.deliveries.c.state.in_(("pending", "held")))
        lines = defaultdict(list)
        for row in connection.execute(query.order_by(schema.deliveries.c.sequence)):
            lines[row.subject].append(row.state)
    for states in lines.values():
        assert states == ["pending"] + ["held"] * (len(states) - 1)

"""Delivering: at least once, in order per subject, again until it arrives or is given up."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import delete, update
from webhook_doubles import DOWN, TAKEN, URL, Remembering, SetClock, deliverer, hooks, write

from modelyard import Workspace
from modelyard.client.webhooks import Webhooks
from modelyard.core.clock import to_micros
from modelyard.core.errors import YardUnwritable
from modelyard.events import Answer
from modelyard.events.leases import SECONDS
from modelyard.events.schedule import ATTEMPTS
from modelyard.registry import schema

MakeYard = Callable[..., Workspace]


class Bench:
    """A yard whose clock stands still, one webhook, and a sender that remembers."""

    def __init__(self, make_yard: MakeYard, **options: str) -> None:
        self.clock = SetClock()
        self.ws = make_yard(clock=self.clock)
        self.sender = Remembering()
        self.hooks: Webhooks = hooks(self.ws, self.sender)
        self.made = self.hooks.add("chat", URL, **options)
        deliverer(self.ws, self.sender).once()  # the row of its own making
        self.sender.messages.clear()
        self.sender.got.clear()
        self.sender.taken.clear()

    def write(self, *subjects: str) -> list[int]:
        """A row for each subject; their sequences."""
        write(self.ws, *subjects)
        last = self.ws.history(limit=1)[0].sequence
        return list(range(last - len(subjects) + 1, last + 1))

    def deliver(self):  # type: ignore[no-untyped-def]
        return deliverer(self.ws, self.sender).once()

    def states(self) -> dict[int, str]:
        return {each.sequence: each.state for each in self.hooks.deliveries("chat", limit=10**6)}


@pytest.fixture
def bench(make_yard: MakeYard) -> Bench:
    return Bench(make_yard)


def test_each_row_arrives_once_signed_and_whole(bench: Bench) -> None:
    with bench.ws.registry.begin() as tx:
        tx.record(
            "alias.move",
            kind="model",
            name="fraud",
            subject="fraud@production",
            before={"version": 1},
            after={"version": 2},
            reason="für Grün, 😀",
            evidence={"auc": 0.93},
        )
    report = bench.deliver()
    assert (report.enqueued, report.delivered, report.again, report.failed) == (1, 1, 0, 0)
    assert bench.deliver().delivered == 0
    (document,) = bench.sender.got
    row = bench.ws.history(limit=1)[0]
    assert document == {
        "id": f"{bench.ws.yard_id}_{bench.made.id}_{row.sequence}",
        "type": "alias.move",
        "time": "2026-03-01T12:00:00Z",
        "yard": bench.ws.yard_id,
        "workspace": "default",
        "sequence": row.sequence,
        "actor": "ana",
        "kind": "model",
        "name": "fraud",
        "subject": "fraud@production",
        "before": {"version": 1},
        "after": {"version": 2},
        "reason": "für Grün, 😀",
        "evidence": {"auc": 0.93},
    }
    ((url, headers, body),) = bench.sender.messages
    assert url == URL
    assert headers["webhook-id"] == document["id"]
    assert headers["Content-Type"] == "application/json"
    assert bench.made.secret is not None
    assert bench.sender.genuine(bench.made.secret, bench.clock.now())
    assert body.isascii()


def test_a_webhook_hears_only_of_what_its_filter_lets_through(make_yard: MakeYard) -> None:
    bench = Bench(make_yard, filter="subject = 'b' and actor = 'ana'")
    _, second, _ = bench.write("a", "b", "c")
    assert bench.deliver().enqueued == 1
    assert bench.sender.sequences() == [second]
    assert bench.hooks.get("chat").behind == 0


def test_rows_of_a_subject_arrive_in_order_and_a_refused_one_holds_back_no_other(bench: Bench) -> None:
    first, other, second, third = bench.write(
        "fraud@production", "churn@production", "fraud@production", "fraud@production"
    )
    bench.sender.answer = lambda document: DOWN if document["sequence"] == first else TAKEN
    report = bench.deliver()
    assert (report.delivered, report.again) == (1, 1)
    assert sorted(bench.sender.sequences()) == [first, other]
    assert {each: bench.states()[each] for each in (first, other, second, third)} == {
        first: "pending", other: "delivered", second: "held", third: "held",
    }  # fmt: skip
    assert bench.deliver().delivered == 0, "it is not yet time"
    bench.sender.answer = lambda _: TAKEN
    bench.clock.move(6)
    assert bench.deliver().delivered == 3
    assert bench.sender.sequences()[-3:] == [first, second, third]


def test_a_model_and_a_data_set_of_one_name_are_two_subjects(bench: Bench) -> None:
    with bench.ws.registry.begin() as tx:
        for kind in ("model", "dataset"):
            tx.record("version.register", kind=kind, name="flights", subject="flights/1")
    bench.sender.answer = lambda document: DOWN if document["kind"] == "model" else TAKEN
    report = bench.deliver()
    assert (report.delivered, report.again) == (1, 1)


def test_an_identity_stays_through_all_attempts_and_its_signature_is_of_each(bench: Bench) -> None:
    bench.write("a")
    bench.sender.answer = lambda _: DOWN
    for _ in range(3):
        bench.deliver()
        bench.clock.move(100)
    bench.sender.answer = lambda _: TAKEN
    bench.deliver()
    identities = {headers["webhook-id"] for _, headers, _ in bench.sender.messages}
    timestamps = [headers["webhook-timestamp"] for _, headers, _ in bench.sender.messages]
    assert len(bench.sender.messages) == 4
    assert len(identities) == 1
    assert timestamps == sorted(set(timestamps))
    assert len({body for *_, body in bench.sender.messages}) == 1


def test_attempts_follow_the_schedule_and_then_the_delivery_has_failed_and_the_next_goes_on(bench: Bench) -> None:
    bad, good = bench.write("a", "a")
    bench.sender.answer = lambda document: DOWN if document["sequence"] == bad else TAKEN
    began = bench.clock.now()
    times: list[float] = []
    while bench.states().get(bad) != "failed":
        report = bench.deliver()
        assert report.again + report.failed == 1
        times.append((bench.clock.now() - began).total_seconds())
        for pending in bench.hooks.deliveries("chat", state="pending"):
            assert pending.next_time is not None
            bench.clock.time = pending.next_time - timedelta(seconds=1)
            assert bench.deliver().again == 0, "it is not yet time"
            bench.clock.move(1)
    assert len(times) == ATTEMPTS
    assert times[:4] == [0, 5, 20, 65]
    assert 20 < times[-1] / 3600 < 26
    assert bench.states()[good] == "delivered", "in the same pass"
    assert bench.hooks.get("chat").failed == 1
    (failed,) = bench.hooks.deliveries("chat", state="failed")
    assert (failed.attempts, failed.status, failed.problem) == (ATTEMPTS, 503, "it answered 503")


@pytest.mark.parametrize(("asked", "seconds"), [(600.0, 600), (1.0, 5), (10.0**9, 86400)])
def test_the_receiver_may_ask_for_a_longer_wait_but_not_for_ever(bench: Bench, asked: float, seconds: int) -> None:
    bench.write("a")
    bench.sender.answer = lambda _: Answer(429, "it answered 429", asked=asked)
    bench.deliver()
    bench.clock.move(seconds - 1)
    assert bench.deliver().again == 0
    bench.clock.move(1)
    assert bench.deliver().again == 1


def test_gone_pauses_the_webhook_and_loses_nothing(bench: Bench) -> None:
    sequences = bench.write("a", "a", "b")
    bench.sender.answer = lambda _: Answer(410, "it answered 410 Gone")
    report = bench.deliver()
    assert report.paused == {"chat"}
    assert len(bench.sender.got) == 1
    assert bench.hooks.get("chat").state == "paused"
    row = bench.ws.history(limit=1)[0]
    assert (row.action, row.reason) == ("webhook.pause", "the receiver answered 410 Gone")
    bench.clock.move(10**6)
    assert bench.deliver().paused == {"chat"}
    assert len(bench.sender.got) == 1
    bench.sender.answer = lambda _: TAKEN
    bench.hooks.resume("chat")
    bench.deliver()
    assert {document["sequence"] for document in bench.sender.taken} >= set(sequences)
    assert not {"pending", "held", "failed"} & set(bench.states().values())


def test_resuming_tries_at_once_what_waited(bench: Bench) -> None:
    bench.write("a")
    bench.sender.answer = lambda _: Answer(503, "it answered 503", asked=3600)
    bench.deliver()
    bench.hooks.pause("chat")
    bench.write("b")
    assert bench.deliver().enqueued == 0
    bench.sender.answer = lambda _: TAKEN
    bench.hooks.resume("chat")
    bench.deliver()
    assert [d["subject"] for d in bench.sender.taken if d["kind"] == "model"] == ["a", "b"]


def test_a_webhook_that_is_paused_while_it_is_delivered_stops_after_the_attempt(bench: Bench) -> None:
    bench.write(*"abcdef")

    def pause(_document: object) -> Answer:
        bench.hooks.pause("chat")
        return TAKEN

    bench.sender.answer = pause
    bench.deliver()
    assert len(bench.sender.got) == 1


def test_a_webhook_that_is_removed_while_it_is_delivered_is_no_error(bench: Bench) -> None:
    bench.write("a", "b")

    def remove(_document: object) -> Answer:
        bench.hooks.remove("chat")
        return TAKEN

    bench.sender.answer = remove
    assert bench.deliver().delivered == 0
    assert len(bench.sender.got) == 1
    assert bench.hooks.list() == []


def test_another_process_with_the_lease_is_left_alone_until_it_is_over(bench: Bench) -> None:
    bench.write("a")
    inner = []

    def compete(_document: object) -> Answer:
        inner.append(deliverer(bench.ws, bench.sender).once())
        return TAKEN

    bench.sender.answer = compete
    bench.deliver()
    assert [report.busy for report in inner] == [{"chat"}]
    assert len(bench.sender.got) == 1


def test_a_lease_that_nobody_gave_back_ends_by_itself(bench: Bench) -> None:
    bench.write("a")
    until = to_micros(bench.clock.now() + timedelta(seconds=SECONDS))
    with bench.ws.registry.begin() as tx:
        tx.execute(update(schema.webhooks).values(lease_holder="killed", lease_until=until))
    assert bench.deliver().busy == {"chat"}
    bench.clock.move(SECONDS)
    assert bench.deliver().delivered == 1


def test_a_lease_from_a_clock_far_ahead_does_not_hold_for_ever(bench: Bench) -> None:
    bench.write("a")
    with bench.ws.registry.begin() as tx:
        tx.execute(update(schema.webhooks).values(lease_holder="ahead", lease_until=to_micros(bench.clock.now()) * 2))
    assert bench.deliver().delivered == 1


@pytest.mark.parametrize(("answer", "noted"), [(TAKEN, ("delivered", 1)), (DOWN, ("pending", 0))])
def test_who_lost_the_lease_notes_what_was_taken_and_nothing_else(
    bench: Bench, answer: Answer, noted: tuple[str, int]
) -> None:
    first, _ = bench.write("a", "b")

    def stall(_document: object) -> Answer:
        with bench.ws.registry.begin() as tx:
            tx.execute(update(schema.webhooks).values(lease_holder="other"))
        return answer

    bench.sender.answer = stall
    bench.deliver()
    assert bench.sender.sequences() == [first], "and sends nothing more"
    found = {each.sequence: each for each in bench.hooks.deliveries("chat")}
    assert (found[first].state, found[first].attempts) == noted


def test_what_was_delivered_is_forgotten_after_thirty_days_and_what_failed_is_not(bench: Bench) -> None:
    good, bad = bench.write("a", "b")
    bench.sender.answer = lambda document: DOWN if document["subject"] == "b" else TAKEN
    for _ in range(ATTEMPTS):
        bench.deliver()
        bench.clock.move(86400)
    assert bench.states()[bad] == "failed"
    bench.clock.move((30 - ATTEMPTS) * 86400 - 1)
    assert bench.deliver().dropped == 0
    assert good in bench.states()
    bench.clock.move(1)
    assert bench.deliver().dropped == 2, "and the one of its own making"
    assert bench.states() == {bad: "failed"}


def test_a_ledger_row_that_is_no_more_fails_its_delivery_and_stops_nothing(bench: Bench) -> None:
    first, second = bench.write("a", "a")
    bench.sender.answer = lambda _: DOWN
    bench.deliver()
    with bench.ws.registry.begin() as tx:
        tx.execute(delete(schema.ledger).where(schema.ledger.c.sequence == first))
    bench.sender.answer = lambda _: TAKEN
    bench.clock.move(10)
    bench.deliver()
    assert bench.states()[first] == "failed"
    assert bench.states()[second] == "delivered"
    (failed,) = bench.hooks.deliveries("chat", state="failed")
    assert failed.problem == f"ledger row {first} is missing; run: modelyard check --ledger"


def test_several_webhooks_are_delivered_side_by_side(make_yard: MakeYard) -> None:
    ws = make_yard()
    both = threading.Barrier(2, timeout=30)

    class Meeting(Remembering):
        def send(self, url: str, headers: object, body: bytes) -> Answer:
            if json.loads(body)["subject"] == "a":
                both.wait()  # passes only when the other one is sending too
            return TAKEN

    found = Webhooks(ws, Meeting())
    found.add("one", URL)
    found.add("two", URL)
    write(ws, "a")
    assert found.deliver("one", "two").delivered == 5


def test_one_webhook_whose_database_row_is_broken_does_not_stop_the_others(bench: Bench) -> None:
    bench.hooks.add("other", URL)
    bench.write("a")
    with bench.ws.registry.begin() as tx:
        tx.execute(update(schema.webhooks).where(schema.webhooks.c.name == "chat").values(filter="no longer ="))
    with pytest.raises(ValueError, match="no longer"):
        bench.deliver()
    assert [document["subject"] for document in bench.sender.got] == ["other", "a"]


def test_following_goes_on_when_the_database_is_away_for_a_while(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stop = threading.Event()
    told = deliverer(bench.ws, bench.sender)
    asked = told._wanting
    times = []

    def away(*arguments: object, **options: object) -> object:
        times.append(1)
        if len(times) <= 3:
            raise YardUnwritable(path="here", problem="away")
        return asked(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(told, "_wanting", away)
    bench.write("a")

    def end(_document: object) -> Answer:
        stop.set()
        return TAKEN

    bench.sender.answer = end
    report = told.follow(stop, poll=0.01)
    assert report.delivered == 1
    assert len([each for each in caplog.records if "away" in each.message]) == 1, "once while it stays the same"


def test_asked_to_end_it_notes_the_attempt_under_way_and_gives_the_lease_back(bench: Bench) -> None:
    bench.write(*"abcdef")
    stop = threading.Event()

    def end(_document: object) -> Answer:
        stop.set()
        return TAKEN

    bench.sender.answer = end
    assert deliverer(bench.ws, bench.sender).follow(stop, poll=0.01).delivered == 1
    assert len(bench.sender.got) == 1
    assert sorted(bench.states().values()).count("pending") == 5
    bench.sender.answer = lambda _: TAKEN
    assert bench.deliver().delivered == 5, "at once: nobody has the lease"


def test_an_idle_yard_is_not_written_to(bench: Bench) -> None:
    bench.write("a")
    bench.deliver()
    stop = threading.Event()
    found = deliverer(bench.ws, bench.sender)
    wanting = []

    def counted(names: object, *, also_leased: bool) -> list[tuple[str, str]]:
        wanting.append(found.__class__._wanting(found, names, also_leased=also_leased))  # type: ignore[arg-type]
        if len(wanting) == 5:
            stop.set()
        return wanting[-1]

    found._wanting = counted  # type: ignore[method-assign,assignment]
    found.follow(stop, poll=0.01)
    assert wanting == [[]] * 5

"""Watching the ledger: every row, once, in order, whoever writes."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest

from modelyard import Workspace
from modelyard.core.errors import CursorAhead, InvalidFilter, InvalidInput, InvalidReference, LabelNotFound
from modelyard.core.names import ModelName


class SteppedClock:
    """Time passes only by sleeping; ``meanwhile`` is called at each sleep."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self.meanwhile = lambda: None
        self.slept = 0

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)
        self.slept += 1
        assert self.slept < 10_000, "it waits for ever"
        self.meanwhile()


def _some(ws: Workspace, folder: Path) -> None:
    (folder / "model.bin").write_bytes(b"weights")
    for name in ("fraud", "churn"):
        for label in ("1.0", "1.1"):
            ws.register(name, folder / "model.bin", label=label)
        ws.promote(f"{name}/1", to="production", reason="first")
    ws.promote("fraud/2", to="production", reason="better")


def test_watching_from_the_start_gives_the_whole_ledger_in_order(any_ws: Workspace, tmp_path: Path) -> None:
    _some(any_ws, tmp_path)
    rows = list(any_ws.watch(after="start", timeout=0))
    assert rows == any_ws.history()[::-1]
    assert [row.sequence for row in rows] == list(range(1, len(rows) + 1))


def test_a_cursor_goes_on_where_it_was_left_with_no_row_twice_and_none_left_out(
    any_ws: Workspace, tmp_path: Path
) -> None:
    _some(any_ws, tmp_path)
    seen: list[int] = []
    while found := next(any_ws.watch(after=seen[-1] if seen else 0, timeout=0), None):
        seen.append(found.sequence)
    assert seen == [row.sequence for row in any_ws.history()[::-1]]


@pytest.mark.parametrize(
    ("subject", "count"),
    [("fraud", 5), ("fraud/1", 1), ("fraud:1.1", 1), ("fraud@production", 2), ("fraud@staging", 0), ("nothing", 0)],
)
def test_a_subject_is_a_name_a_version_or_an_alias(ws: Workspace, tmp_path: Path, subject: str, count: int) -> None:
    _some(ws, tmp_path)
    rows = list(ws.watch(subject, after="start", timeout=0))
    assert len(rows) == count
    assert all(row.name == "fraud" for row in rows)


def test_a_filter_is_an_expression_or_a_function(any_ws: Workspace, tmp_path: Path) -> None:
    _some(any_ws, tmp_path)
    moves = "action like 'alias.%' and after.version = 1"
    by_words = list(any_ws.watch(after="start", filter=moves, timeout=0))
    by_function = any_ws.watch(
        after="start", filter=lambda row: row.action == "alias.move" and row.after["version"] == 1, timeout=0
    )
    assert [row.subject for row in by_words] == ["fraud@production", "churn@production"]
    assert list(by_function) == by_words
    assert [r.reason for r in any_ws.watch("fraud", after="start", filter="reason = 'better'", timeout=0)] == ["better"]
    assert len(list(any_ws.watch(after="start", filter="  ", timeout=0))) == len(any_ws.history())


def test_what_is_wrong_is_told_by_the_call_and_not_by_the_first_row(ws: Workspace) -> None:
    for error, options in (
        (InvalidFilter, {"filter": "actor ="}),
        (InvalidFilter, {"filter": "nonsense = 1"}),
        (InvalidInput, {"filter": 5}),
        (InvalidReference, {"subject": "fraud/x"}),
        (InvalidInput, {"after": -1}),
        (InvalidInput, {"after": True}),
        (InvalidInput, {"after": "yesterday"}),
        (InvalidInput, {"poll": 0}),
        (InvalidInput, {"poll": float("nan")}),
    ):
        with pytest.raises(error):
            ws.watch(**options)  # type: ignore[arg-type]
    with pytest.raises(LookupError):
        ws.watch("fraud:9.9")
    assert issubclass(LabelNotFound, LookupError)


def test_a_cursor_beyond_the_ledger_is_refused_instead_of_missing_rows(any_ws: Workspace) -> None:
    any_ws.registry.claim("model", ModelName("fraud"))
    with pytest.raises(CursorAhead, match="the ledger ends at row 1"):
        any_ws.watch(after=2)


def test_watching_begins_at_the_call(any_ws: Workspace) -> None:
    any_ws.registry.claim("model", ModelName("before"))
    rows = any_ws.watch(timeout=0)
    any_ws.registry.claim("model", ModelName("after"))
    assert [row.name for row in rows] == ["after"]


def test_rows_come_as_they_are_written_and_the_end_is_a_time_without_any(tmp_path: Path) -> None:
    clock = SteppedClock()
    ws = Workspace(tmp_path / "yard", actor="ana", clock=clock)
    names = iter(f"m{number}" for number in range(5))

    def write_now_and_then() -> None:
        if clock.slept % 8 == 0 and (name := next(names, None)):
            ws.registry.claim("model", ModelName(name))

    clock.meanwhile = write_now_and_then
    rows = list(ws.watch(poll=0.5, timeout=6))
    assert [row.name for row in rows] == ["m0", "m1", "m2", "m3", "m4"]
    assert (clock.now() - rows[-1].time).total_seconds() == 6


def test_a_reader_that_waits_reads_no_more_than_the_head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ws = Workspace(tmp_path / "yard", actor="ana", clock=SteppedClock())
    ws.registry.claim("model", ModelName("fraud"))
    watched = ws.watch(timeout=100, poll=1)
    asked: list[object] = []
    monkeypatch.setattr("modelyard.events.reading.select", lambda *_: asked.append(1))
    assert list(watched) == []
    assert asked == []


def test_no_connection_is_held_while_a_row_is_looked_at(any_ws: Workspace) -> None:
    for number in range(3):
        any_ws.registry.claim("model", ModelName(f"m{number}"))
    watched = any_ws.watch(after="start", timeout=0)
    next(watched)
    database = any_ws.registry.database
    pool = database._engine.pool
    assert pool.checkedout() == len(database._idle) <= 1  # type: ignore[attr-defined]


def test_stop_ends_a_watch_that_waits_and_one_that_hands_out_rows(any_ws: Workspace) -> None:
    stop = Event()
    threading.Timer(0.1, stop.set).start()
    assert list(any_ws.watch(stop=stop, poll=30)) == []
    stop.clear()
    for number in range(3):
        any_ws.registry.claim("model", ModelName(f"m{number}"))
    watched = any_ws.watch(after="start", stop=stop)
    assert next(watched).sequence == 1
    stop.set()
    assert list(watched) == []


def test_eight_writers_at_once_and_four_watchers_miss_nothing(any_ws: Workspace) -> None:
    """The proof that a cursor is enough: sequences become visible in their order."""
    writers, watchers, each = 8, 4, 25
    started, stop = threading.Barrier(writers + watchers), Event()

    def write(number: int) -> int:
        own = Workspace(any_ws.url, actor=f"writer{number}")
        started.wait()
        written = 0
        for count in range(each):
            with own.registry.begin(alone=False) as tx:
                for part in range(1 + (number + count) % 3):  # so that transactions differ in length
                    tx.record("test.write", kind="yard", name=f"w{number}", subject=f"w{number}-{count}-{part}")
                    written += 1
        own.close()
        return written

    def watch(_: int) -> list[int]:
        own = Workspace(any_ws.url)
        seen = []
        watched = own.watch(after="start", poll=0.001, stop=stop)
        started.wait()
        for row in watched:
            seen.append(row.sequence)
            if row.action == "test.end":
                break
        own.close()
        return seen

    with ThreadPoolExecutor(writers + watchers) as pool:
        try:
            watching = [pool.submit(watch, number) for number in range(watchers)]
            total = sum(pool.map(write, range(writers)))
            with any_ws.registry.begin() as tx:
                tx.record("test.end", kind="yard", name="y", subject="s")
            for seen in watching:
                assert seen.result(60) == list(range(1, total + 2))
        finally:
            stop.set()


def test_a_page_that_ends_between_two_rows_of_one_transaction_goes_on_with_the_second(any_ws: Workspace) -> None:
    with any_ws.registry.begin() as tx:
        for number in range(1203):
            tx.record("test.write", kind="yard", name="y", subject=f"s{number}")
    assert [row.subject for row in any_ws.watch(after="start", timeout=0)] == [f"s{number}" for number in range(1203)]
    few = any_ws.watch(after="start", filter="subject = 's3' or subject = 's1202'", timeout=0)
    assert [row.sequence for row in few] == [4, 1203]


def test_a_filter_that_matches_nothing_reads_past_many_rows(ws: Workspace) -> None:
    for _ in range(3):
        with ws.registry.begin() as tx:
            for _ in range(8000):
                tx.record("test.write", kind="yard", name="y", subject="s")
    with ws.registry.begin() as tx:
        tx.record("test.end", kind="yard", name="y", subject="s")
    assert [row.sequence for row in ws.watch(after="start", filter="action = 'test.end'", timeout=0)] == [24001]
    assert [
        row.sequence for row in ws.watch(after="start", filter=lambda row: row.action == "test.end", timeout=0)
    ] == [24001]


def test_rows_of_another_workspace_are_not_told(ws: Workspace) -> None:
    with ws.registry.begin() as tx:
        tx.workspace = "other"
        tx.record("test.write", kind="yard", name="y", subject="s")
    with ws.registry.begin() as tx:
        tx.record("test.write", kind="yard", name="y", subject="s")
    assert [(row.sequence, row.workspace) for row in ws.watch(after="start", timeout=0)] == [(2, "default")]

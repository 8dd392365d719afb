"""Records become windows of event time, whatever their order and portions; labels find them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.core.errors import InvalidInput
from modelyard.monitoring.accumulator import WindowAccumulator
from modelyard.monitoring.labels import LabelJoin
from modelyard.monitoring.windows import Cut, Tally
from modelyard.profiles.profile import Profile
from modelyard.serving.records import LabelRecord, PredictionRecord

_T0 = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
_HOUR = timedelta(hours=1)
REFERENCE = Profile.fit({"x": np.arange(100.0), "c": ["a", "b"] * 50, "probability": np.linspace(0, 1, 100)})


def prediction(i: int, event: datetime, **facts: Any) -> PredictionRecord:
    usual: dict[str, Any] = {
        "request": f"r{i}",
        "ids": (f"id{i}",),
        "time": event + timedelta(microseconds=i),
        "event_time": event,
        "deployment": "fraud",
        "replica": "one",
        "version": 1,
        "role": "stable",
        "inputs": {"x": [float(i)], "c": ["a"]},
        "outputs": {"label": [1], "probability": [0.5]},
        "latency_ms": 2.0,
        "status": 200,
    }
    return PredictionRecord(**usual | facts)


def _accumulator(cut: str = "hour", **options: Any) -> WindowAccumulator:
    return WindowAccumulator(Cut.parse(cut), lambda version: REFERENCE, **options)


WINDOWS = {
    "hour": ("2026-03-04T13:00+00:00", "2026-03-04T14:00+00:00"),
    "day": ("2026-03-04T00:00+00:00", "2026-03-05T00:00+00:00"),
    "week": ("2026-03-02T00:00+00:00", "2026-03-09T00:00+00:00"),
    "month": ("2026-03-01T00:00+00:00", "2026-04-01T00:00+00:00"),
}


@pytest.mark.parametrize(("unit", "bounds"), WINDOWS.items(), ids=WINDOWS.keys())
def test_a_window_of_time_holds_its_start_and_not_its_end(unit: str, bounds: tuple[str, str]) -> None:
    cut = Cut.parse(unit)
    start, end = map(datetime.fromisoformat, bounds)
    assert cut.start(datetime.fromisoformat("2026-03-04T13:59:59.999999+00:00")) == start
    assert (cut.start(start), cut.end(start), cut.start(end)) == (start, end, end)


@given(st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)), st.sampled_from([*WINDOWS]))  # noqa: DTZ001
def test_each_instant_is_in_exactly_one_window(when: datetime, unit: str) -> None:
    cut, instant = Cut.parse(unit), when.replace(tzinfo=UTC)
    start = cut.start(instant)
    assert start <= instant < cut.end(start)
    assert cut.start(cut.end(start)) == cut.end(start)


@pytest.mark.parametrize("text", ["", "days", "rows:", "rows:0", "rows:-1", "rows:1e3", 3, None])
def test_an_unknown_window_is_refused(text: Any) -> None:
    with pytest.raises(InvalidInput, match="use hour, day, week, month, or rows:1000"):
        Cut.parse(text)


@pytest.mark.parametrize("text", ["hour", "day", "week", "month", "rows:500"])
def test_a_cut_is_written_as_it_is_read(text: str) -> None:
    assert str(Cut.parse(text)) == text


def test_only_answered_rows_are_profiled_and_only_the_models_failures_are_errors() -> None:
    records = [
        prediction(1, _T0, ids=("a", "b"), inputs={"x": [1, 2], "c": ["a", "new"]}, outputs={"probability": [0.1, 0.2]}),
        prediction(2, _T0, status=500, outputs={}, error="boom"),
        prediction(3, _T0, status=422, outputs={}, inputs={"x": ["bad"]}),
        prediction(4, _T0, role="canary", outputs={"probability": [0.9]}),
    ]  # fmt: skip
    tally = Tally.of(records, REFERENCE)
    assert (tally.rows, tally.requests, tally.stable_requests, tally.errors, tally.refused) == (3, 3, 2, 1, 1)
    assert tally.profile is not None
    assert tally.profile == REFERENCE.count({"x": [1, 2, 4], "c": ["a", "new", "a"], "probability": [0.1, 0.2, 0.9]})


def test_a_column_that_a_record_lacks_or_holds_ragged_counts_as_missing() -> None:
    tally = Tally.of([prediction(1, _T0, inputs={"x": [1.0, 2.0]}, outputs={})], REFERENCE)
    assert tally.profile is not None
    assert [column.missing for column in tally.profile] == [1, 1, 1]


events = st.lists(st.tuples(st.integers(0, 300), st.sampled_from([1, 2]), st.booleans()), min_size=1, max_size=40)


def _comparable(accumulator: WindowAccumulator) -> Any:
    return {
        key: (t.rows, t.requests, t.errors, t.stable_requests, t.latencies.buckets,
              [c.tally for c in t.profile or ()], accumulator.labelled_outputs(key))
        for key, t in accumulator.windows.items()
    }  # fmt: skip


@given(events, st.data())
def test_windows_and_labels_are_the_same_in_any_order_and_any_portions(rows: list[Any], data: st.DataObject) -> None:
    records: list[Any] = [
        prediction(i, _T0 + timedelta(minutes=minute), version=version, status=200 if good else 500,
                   outputs={"probability": [i / 100]} if good else {})
        for i, (minute, version, good) in enumerate(rows)
    ]  # fmt: skip
    records += [LabelRecord(_T0 + timedelta(seconds=i), (f"id{i}",), (i % 2,)) for i in range(0, len(rows), 2)]
    records += [LabelRecord(_T0 + timedelta(hours=1, seconds=i), (f"id{i}",), (1,)) for i in range(0, len(rows), 3)]
    whole, parts = _accumulator(), _accumulator()
    whole.add(records)
    shuffled = data.draw(st.permutations(records))
    cut = data.draw(st.integers(0, len(records)))
    parts.add(shuffled[:cut])
    parts.add(shuffled[cut:])
    assert _comparable(parts) == _comparable(whole)
    assert parts.closed() == whole.closed()
    assert sum(t.rows for t in whole.windows.values()) == sum(good for _, _, good in rows)


def test_a_window_closes_when_a_later_event_is_seen_and_its_lateness_has_passed() -> None:
    accumulator = _accumulator(lateness=timedelta(minutes=10))
    key = (1, _T0)
    closed = []
    for i, minute in enumerate([0, 59, 60, 69, 70]):
        accumulator.add([prediction(i, _T0 + timedelta(minutes=minute))])
        closed.append(key in accumulator.closed())
    assert closed == [False, False, False, False, True]
    assert accumulator.closed() == [key]
    assert accumulator.closed(finish=True) == [key, (1, _T0 + _HOUR)]


def test_a_wrong_event_time_in_the_far_future_closes_nothing() -> None:
    accumulator = _accumulator()
    accumulator.add([prediction(1, _T0), prediction(2, _T0 + timedelta(days=9000), time=_T0)])
    assert accumulator.closed() == []


def test_windows_of_rows_close_when_they_are_full_and_never_share_a_start() -> None:
    accumulator = _accumulator("rows:3")
    accumulator.add([prediction(i, _T0) for i in range(7)] + [prediction(9, _T0, status=422, outputs={})])
    tick = timedelta(microseconds=1)
    assert accumulator.closed() == [(1, _T0), (1, _T0 + tick)]
    assert sorted(accumulator.windows) == [(1, _T0), (1, _T0 + tick), (1, _T0 + 2 * tick)]
    assert [accumulator.windows[key].rows for key in sorted(accumulator.windows)] == [3, 3, 1]


def test_a_record_of_a_dropped_window_is_late_and_changes_nothing() -> None:
    accumulator = _accumulator()
    accumulator.add([prediction(1, _T0), prediction(2, _T0 + 2 * _HOUR)])
    accumulator.drop((1, _T0))
    accumulator.add([prediction(3, _T0), LabelRecord(_T0, ("id1",), (1,))])
    assert accumulator.late == 1
    assert list(accumulator.windows) == [(1, _T0 + 2 * _HOUR)]


# --- the join alone ---


def test_a_label_finds_its_prediction_before_after_twice_and_never() -> None:
    join = LabelJoin()
    assert join.label("early", _T0, 1) == set()
    assert join.predict("early", 1, _T0, "w1", "a") == {"w1"}
    assert join.predict("late", 1, _T0, "w1", "b") == set()
    assert join.label("late", _T0, 0) == {"w1"}
    assert join.label("late", _T0 + _HOUR, 1) == {"w1"}
    assert join.label("late", _T0, 5) == set()  # older than what is known
    join.predict("never", 1, _T0, "w1", "c")
    assert join.pairs("w1") == [("a", 1), ("b", 1)]
    assert join.labelled("w1") == 2


def test_a_prediction_made_again_counts_where_it_was_made_last() -> None:
    join = LabelJoin()
    join.label("id", _T0, 1)
    join.predict("id", 1, _T0, "w1", "first")
    assert join.predict("id", 1, _T0 + _HOUR, "w2", "second") == {"w1", "w2"}
    assert join.predict("id", 1, _T0, "w1", "old") == set()
    assert (join.pairs("w1"), join.pairs("w2")) == ([], [("second", 1)])


def test_two_versions_that_answered_the_same_row_are_both_labelled() -> None:
    join = LabelJoin()
    join.predict("id", 1, _T0, "w1", "a")
    join.predict("id", 2, _T0, "w2", "b")
    assert join.label("id", _T0, 1) == {"w1", "w2"}


def test_a_label_for_a_forgotten_slot_finds_nothing_and_costs_nothing() -> None:
    join = LabelJoin()
    for version, slot in ((1, "old"), (2, "new")):
        join.predict("a", version, _T0, slot, 0.5)
    join.predict("b", 1, _T0, "old", 0.5)
    join.label("a", _T0, 1)
    join.forget("old")
    assert join.label("b", _T0, 1) == set()
    assert join.label("a", _T0 + timedelta(hours=1), 0) == {"new"}
    assert (join.pairs("old"), join.pairs("new")) == ([], [(0.5, 0)])
    join.forget("new")
    assert join.waiting == 0


def test_a_prediction_that_moved_or_was_let_go_is_forgotten_where_it_is() -> None:
    join = LabelJoin(limit=2)
    join.predict("a", 1, _T0, "old", 0.5)
    join.predict("a", 1, _T0 + timedelta(hours=1), "new", 0.7)
    join.forget("old")
    assert join.label("a", _T0, 1) == {"new"}
    for identity in ("b", "c"):  # the limit lets "a" go
        join.predict(identity, 1, _T0, "new", 0.5)
    join.forget("new")
    assert join.waiting == 0


def test_memory_is_bounded_and_what_was_let_go_is_counted() -> None:
    join = LabelJoin(limit=2)
    for i in range(4):
        join.predict(f"p{i}", 1, _T0, "w", i)
        join.label(f"l{i}", _T0, i)
    assert join.evicted == 4
    assert join.label("p0", _T0, 1) == set()
    assert join.label("p3", _T0, 1) == {"w"}

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.core.errors import InvalidName
from modelyard.serving.records import LabelRecord, PredictionRecord
from modelyard.serving.traffic_log import TrafficLog

NOON = datetime(2013, 7, 1, 12, tzinfo=UTC)


def prediction(i: int, **changes: Any) -> PredictionRecord:
    base = PredictionRecord(
        request=f"r{i}",
        ids=(f"r{i}-0",),
        time=NOON + timedelta(milliseconds=i),
        event_time=NOON,
        deployment="flights",
        replica="a",
        version=1,
        role="stable",
        inputs={"distance": [1.5 * i], "carrier": ["UA"]},
        outputs={"probability": [0.25]},
        latency_ms=1.25,
        status=200,
    )
    return replace(base, **changes)


def label(i: int) -> LabelRecord:
    return LabelRecord(NOON + timedelta(seconds=i), (f"r{i}-0",), (True,))


values = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
times = st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@settings(deadline=None)  # a busy machine is no failure
@given(
    st.text(),
    st.lists(st.text(), max_size=3),
    times,
    times,
    st.dictionaries(st.text(), st.lists(values, max_size=3), max_size=3),
)
def test_a_prediction_record_survives_its_json(
    request: str, ids: list[str], time: datetime, event: datetime, columns: Any
) -> None:
    record = prediction(
        1, request=request, ids=tuple(ids), time=time, event_time=event, inputs=columns, error="boom", role="canary"
    )
    assert PredictionRecord.from_json(json.loads(json.dumps(record.to_json()))) == record


@settings(deadline=None)  # a busy machine is no failure
@given(times, st.lists(st.tuples(st.text(), values.filter(lambda v: v is not None))))
def test_a_label_record_survives_its_json(time: datetime, pairs: list[tuple[str, Any]]) -> None:
    record = LabelRecord(time, tuple(key for key, _ in pairs), tuple(value for _, value in pairs))
    assert LabelRecord.from_json(json.loads(json.dumps(record.to_json()))) == record


def test_records_come_back_in_order_of_time_from_all_replicas(tmp_path: Path) -> None:
    log = TrafficLog(tmp_path / "traffic")
    one, two = log.open_writer("a"), log.open_writer("b")
    records = [prediction(i) for i in range(10)]
    for record in records:
        (one if record.request in ("r1", "r4", "r9") else two).prediction(record)
    one.labels(label(5))
    for writer in (one, two):
        writer.close()
    found, cursor = log.read()
    assert found == [*records, label(5)]
    assert set(cursor) == {"predictions-a-1.jsonl", "predictions-b-1.jsonl", "labels-a-1.jsonl"}
    json.dumps(cursor)
    assert log.read(cursor) == ([], cursor)


def test_a_reader_gets_each_record_once_while_it_is_being_written(tmp_path: Path) -> None:
    log = TrafficLog(tmp_path)
    writer = log.open_writer("a")
    found: list[Any] = []
    cursor = None
    for i in range(30):
        writer.prediction(prediction(i))
        if i % 7 == 3:
            assert writer.flush()
        new, cursor = TrafficLog(tmp_path).read(cursor)
        found += new
    writer.close()
    found += log.read(cursor)[0]
    assert found == [prediction(i) for i in range(30)]


@settings(deadline=None)  # a busy machine is no failure
@given(st.integers(1, 3000))
def test_reading_in_pieces_is_reading_whole(tmp_path_factory: pytest.TempPathFactory, limit: int) -> None:
    log = TrafficLog(tmp_path_factory.mktemp("log"), segment_bytes=2000)
    (log.folder / "predictions-a-1.jsonl").write_bytes(
        b"".join(json.dumps(prediction(i).to_json()).encode() + b"\n" for i in range(9))
    )
    found, cursor = log.read(None, limit)
    pieces = 1
    while True:
        new, after = log.read(cursor, limit)
        if after == cursor:
            break
        found, cursor, pieces = found + new, after, pieces + 1
    assert found == [prediction(i) for i in range(9)]
    assert pieces > 1 or limit > 300
    assert log.skipped == 0


def test_segments_are_rotated_by_size_and_read_as_one(tmp_path: Path) -> None:
    log = TrafficLog(tmp_path, segment_bytes=1000)
    writer = log.open_writer("a")
    for i in range(40):
        writer.prediction(prediction(i))
        writer.flush()
    writer.close()
    assert len(log.segments()) > 5
    assert log.read()[0] == [prediction(i) for i in range(40)]
    assert log.skipped == 0


def test_two_writers_of_one_replica_by_mistake_lose_nothing_of_each_other(tmp_path: Path) -> None:
    log = TrafficLog(tmp_path)
    writers = [log.open_writer("a"), log.open_writer("a")]  # neither has a file yet
    for i in range(10):
        writers[i % 2].prediction(prediction(i))
        writers[i % 2].flush()
    for writer in writers:
        writer.close()
    assert len(log.segments()) == 2
    assert log.read()[0] == [prediction(i) for i in range(10)]


def test_a_line_torn_by_a_crash_is_skipped_counted_and_not_built_upon(tmp_path: Path) -> None:
    log = TrafficLog(tmp_path)
    first = log.open_writer("a")
    first.prediction(prediction(0))
    first.close()
    with (tmp_path / "predictions-a-1.jsonl").open("ab") as file:
        file.write(json.dumps(prediction(1).to_json()).encode()[:50])
    found, cursor = log.read()
    assert found == [prediction(0)]
    assert log.skipped == 0  # it may still be being written
    second = log.open_writer("a")
    second.prediction(prediction(2))
    second.close()
    found, cursor = log.read(cursor)
    assert found == [prediction(2)]
    assert log.skipped == 1
    assert log.read(cursor) == ([], cursor)
    assert log.skipped == 1  # once is enough


@pytest.mark.parametrize("line", [b"not json", b"{}", b"[]", b'{"request": 1}', b"\xff\xfe", b""])
def test_a_line_that_is_no_record_is_skipped_and_counted(tmp_path: Path, line: bytes) -> None:
    log = TrafficLog(tmp_path)
    good = json.dumps(prediction(1).to_json()).encode()
    (tmp_path / "predictions-a-1.jsonl").write_bytes(line + b"\n" + good + b"\n")
    assert log.read()[0] == [prediction(1)]
    assert log.skipped == 1


KILLED = """
import sys, time
from pathlib import Path
from datetime import UTC, datetime
sys.path.insert(0, sys.argv[2])
from test_serving_traffic_log import prediction
from modelyard.serving.traffic_log import TrafficLog
writer = TrafficLog(Path(sys.argv[1])).open_writer("a", queue_limit=1000)
i = 0
while True:
    i += writer.prediction(prediction(i))
"""


def test_kill_9_of_a_writer_costs_at_most_its_last_line(tmp_path: Path) -> None:
    log = TrafficLog(tmp_path)
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path), str(Path(__file__).parent)])
    try:
        while not any(segment.path.stat().st_size > 100_000 for segment in log.segments()):
            assert process.poll() is None
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    survivors, cursor = log.read()
    assert len(survivors) > 100
    assert survivors == [prediction(i) for i in range(len(survivors))]
    size = (tmp_path / "predictions-a-1.jsonl").stat().st_size
    writer = log.open_writer("a")
    writer.prediction(prediction(-1))
    writer.close()
    assert log.read(cursor)[0] == [prediction(-1)]
    assert log.skipped == (0 if cursor["predictions-a-1.jsonl"] == size else 1)


class Stuck:
    """A place for lines that stands still."""

    def __init__(self) -> None:
        self.go = Event()

    def append(self, records: list[Any]) -> int:
        assert self.go.wait(5)
        return len(records)

    def close(self) -> None: ...


def test_a_disk_that_hangs_drops_records_and_never_blocks(tmp_path: Path) -> None:
    writer = TrafficLog(tmp_path).open_writer("a", queue_limit=5)
    stuck = Stuck()
    writer._files["predictions"] = stuck  # type: ignore[assignment]
    taken = [writer.prediction(prediction(i)) for i in range(50)]
    assert not writer.flush(0.01)
    stuck.go.set()
    writer.close()
    assert 5 <= sum(taken) <= 12
    assert writer.dropped == 50 - sum(taken)


def test_a_disk_that_fails_drops_records_and_the_writer_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = TrafficLog(tmp_path)
    writer = log.open_writer("a")
    writer.prediction(prediction(0))
    writer.flush()
    real = os.write

    def half(file: int, data: Any) -> int:
        real(file, bytes(data[: len(data) // 2]))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", half)
    writer.prediction(prediction(1))
    writer.flush()
    monkeypatch.undo()
    writer.prediction(prediction(2))
    writer.close()
    assert writer.dropped == 1
    assert log.read()[0] == [prediction(0), prediction(2)]
    assert log.skipped == 1


def test_a_record_that_json_cannot_say_is_dropped_alone(tmp_path: Path) -> None:
    log = TrafficLog(tmp_path)
    writer = log.open_writer("a")
    for inputs in ({"x": [1]}, {"x": [float("nan")]}, {"x": [object()]}, {"x": [2]}):
        writer.prediction(prediction(1, inputs=inputs))
    writer.close()
    assert [record.inputs["x"] for record in log.read()[0] if isinstance(record, PredictionRecord)] == [[1], [2]]
    assert writer.dropped == 2


def test_after_close_records_are_dropped_and_close_is_harmless_again(tmp_path: Path) -> None:
    writer = TrafficLog(tmp_path).open_writer("a")
    writer.close()
    writer.close()
    assert not writer.prediction(prediction(0))
    assert not writer.labels(label(0))
    assert writer.dropped == 2
    assert not writer.flush(0.01)


@pytest.mark.parametrize("replica", ["", "../a", "a/b", ".a", "a\n", "x" * 101])
def test_a_replica_that_is_no_file_name_is_refused(tmp_path: Path, replica: str) -> None:
    with pytest.raises(InvalidName):
        TrafficLog(tmp_path).open_writer(replica)


def test_a_folder_that_is_not_there_is_an_empty_log(tmp_path: Path) -> None:
    assert TrafficLog(tmp_path / "none").read({"x": 3}) == ([], {"x": 3})


def test_the_kept_sample_of_format_1_still_opens() -> None:
    log = TrafficLog(Path(__file__).parent / "samples" / "traffic-log-1")
    found, _ = log.read()
    assert log.skipped == 0
    assert [type(record).__name__ for record in found] == ["PredictionRecord", "PredictionRecord", "LabelRecord"]
    failure, answer = found[0], found[1]
    assert isinstance(failure, PredictionRecord)
    assert isinstance(answer, PredictionRecord)
    assert (failure.role, failure.status, failure.outputs) == ("canary", 500, {})
    assert (answer.role, answer.version, answer.outputs) == ("stable", 3, {"label": [False], "probability": [0.25]})
    assert answer.event_time == datetime(2013, 7, 1, 10, tzinfo=UTC)
    assert found[2] == LabelRecord(datetime(2026, 3, 1, 13, tzinfo=UTC), ("UA-1545",), (True,))

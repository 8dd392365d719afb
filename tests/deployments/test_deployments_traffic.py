"""Sorting a window of traffic into what each version did."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.deployments.analysis import AnalysisRule, Phase
from modelyard.deployments.measures import quality, shift
from modelyard.deployments.traffic import Window, WindowReader
from modelyard.serving.records import LabelRecord, PredictionRecord
from modelyard.serving.traffic_log import TrafficLog

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def asked(
    ids: list[str], version: int = 1, role: str = "stable", *, second: float = 1, status: int = 200
) -> PredictionRecord:
    when = NOON + timedelta(seconds=second)
    outputs = {"label": [1] * len(ids), "probability": [0.7] * len(ids)} if status == 200 else {}
    return PredictionRecord(
        f"q-{'-'.join(ids)}", tuple(ids), when, when, "fraud", "r1", version, role, {}, outputs, 3.0, status,  # type: ignore[arg-type]
    )  # fmt: skip


def told(ids: list[str], *values: int) -> LabelRecord:
    return LabelRecord(NOON + timedelta(seconds=9), tuple(ids), values)


def test_each_version_has_its_own_requests_errors_and_labels() -> None:
    window = Window(1, 2, NOON)
    window.feed([asked(["a", "b"]), asked(["c"], 2, "canary"), asked(["d"], 2, "canary", status=500)])
    window.feed([told(["a", "c", "d", "nobody"], 0, 1, 1, 1)])
    stable, candidate = window.stable, window.candidate
    assert (stable.requests, stable.errors, stable.rows, list(stable.truth)) == (1, 0, 2, [0])
    assert (candidate.requests, candidate.errors, candidate.rows, list(candidate.truth)) == (2, 1, 1, [1])
    assert stable.predictions == [0.7, 0.7]
    assert dict(candidate.outputs) == {"label": [1], "probability": [0.7]}


def test_what_is_not_of_this_window_is_passed_over() -> None:
    window = Window(1, 2, NOON)
    window.feed([
        asked(["early"], second=-1),
        asked(["other version"], 3),
        asked(["pinned candidate"], 2, "stable"),
        asked(["an older canary"], 1, "canary"),
    ])  # fmt: skip
    assert (window.stable.requests, window.candidate.requests) == (0, 0)


def test_the_last_label_of_an_id_counts() -> None:
    window = Window(1, 2, NOON)
    window.feed([asked(["a"]), told(["a"], 0), told(["a"], 1)])
    assert list(window.stable.truth) == [1]


@pytest.mark.parametrize("number", [10**400, float("inf"), [1]])
def test_a_number_that_nobody_can_calculate_with_costs_its_row_only(number: Any) -> None:
    window = Window(1, 2, NOON)
    strange = replace(asked(["a", "b"]), outputs={"label": [1, 1], "probability": [number]})
    window.feed([strange, asked(["c"]), told(["a"], number), told(["b", "c"], 1, 1)])
    assert list(window.stable.truth) == [1, 1]
    found = quality(window.stable, window.stable, AnalysisRule(metric="auc"))
    assert found.phase is not Phase.SUCCESSFUL
    assert shift(window.stable, window.stable, 0.5, AnalysisRule(min_requests=1)).candidate == 0


@given(st.permutations(range(6)), st.integers(0, 6))
def test_order_and_pieces_do_not_matter(order: list[int], cut: int) -> None:
    records = [
        asked(["a", "b"]),
        asked(["c"], 2, "canary"),
        asked(["d"]),
        told(["a", "c"], 1, 0),
        told(["d"], 1),
        asked(["e"], 2, "canary", status=503),
    ]
    window = Window(1, 2, NOON)
    mixed = [records[i] for i in order]
    window.feed(mixed[:cut])
    window.feed(mixed[cut:])
    assert (window.stable.requests, window.stable.rows, sorted(window.stable.truth)) == (2, 3, [1, 1])
    assert (window.candidate.requests, window.candidate.errors, list(window.candidate.truth)) == (2, 1, [0])


def test_a_reader_that_is_started_again_finds_the_whole_window(tmp_path: Path) -> None:
    log = TrafficLog(tmp_path)
    writer = log.open_writer("r1")
    writer.prediction(asked(["a"]))
    writer.prediction(asked(["b"], 2, "canary"))
    writer.flush()
    reader = WindowReader(log)
    assert reader.window(7, 1, 2, NOON).stable.requests == 1
    writer.labels(told(["b"], 1))
    writer.close()
    assert reader.window(7, 1, 2, NOON).candidate.labelled == 1
    again = WindowReader(TrafficLog(tmp_path)).window(7, 1, 2, NOON)
    assert (again.stable.requests, again.candidate.requests, again.candidate.labelled) == (1, 1, 1)


def test_the_next_step_begins_an_empty_window(tmp_path: Path) -> None:
    log = TrafficLog(tmp_path)
    writer = log.open_writer("r1")
    writer.prediction(asked(["a"]))
    writer.flush()
    reader = WindowReader(log)
    assert reader.window(7, 1, 2, NOON).stable.requests == 1
    writer.prediction(asked(["b"], second=60))
    writer.close()
    assert reader.window(7, 1, 2, NOON + timedelta(seconds=30)).stable.requests == 1


def test_files_from_long_before_the_window_are_not_read(tmp_path: Path) -> None:
    log = TrafficLog(tmp_path)
    for replica in ("old", "new"):
        writer = log.open_writer(replica)
        writer.prediction(asked([replica]))
        writer.close()
    old = (NOON - timedelta(hours=1)).timestamp()
    os.utime(tmp_path / "predictions-old-1.jsonl", (old, old))
    assert WindowReader(log).window(7, 1, 2, NOON).stable.requests == 1

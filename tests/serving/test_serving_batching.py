from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.serving.batching import Crash, Lane, QueueFull, run_batch


def doubles(columns: Any) -> dict[str, Any]:
    if np.any(columns["x"] < 0):
        raise ValueError("a negative x")
    return {"y": 2 * columns["x"]}


def column(*values: float) -> dict[str, Any]:
    return {"x": np.array(values, dtype=np.float64)}


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(st.lists(st.floats(-5, 100), min_size=1, max_size=5), min_size=1, max_size=8))
def test_a_batch_answers_each_request_as_if_it_were_alone(requests: list[list[float]]) -> None:
    outcomes = run_batch(doubles, [column(*values) for values in requests], [len(values) for values in requests])
    assert len(outcomes) == len(requests)
    for values, outcome in zip(requests, outcomes, strict=True):
        if min(values) < 0:
            assert isinstance(outcome, ValueError)
        else:
            assert isinstance(outcome, dict)
            assert outcome["y"].tolist() == [2 * value for value in values]


def test_requests_of_other_columns_do_not_share_a_call() -> None:
    def names(columns: Any) -> dict[str, Any]:
        return {"seen": np.array(["+".join(columns)] * len(next(iter(columns.values()))))}

    requests = [column(1), {"z": np.array([1.0])}, column(2, 3), {"x": np.array(["text"], dtype=object)}]
    outcomes = run_batch(names, requests, [1, 1, 2, 1])
    assert [outcome["seen"].tolist() for outcome in outcomes if isinstance(outcome, dict)] == [
        ["x"],
        ["z"],
        ["x", "x"],
        ["x"],
    ]


@pytest.mark.parametrize(
    ("predict", "problem"),
    [
        (lambda columns: np.array([1.0]), "instead of named columns"),
        (lambda columns: {"y": np.array([1.0, 2.0, 3.0])}, r"shape \(3,\) for 1 rows"),
        (lambda columns: {"y": np.float64(1)}, r"shape \(\) for 1 rows"),
    ],
    ids=["no mapping", "too many rows", "no rows at all"],
)
def test_nonsense_from_a_version_is_an_error_of_the_version(predict: Any, problem: str) -> None:
    (outcome,) = run_batch(predict, [column(1)], [1])
    assert isinstance(outcome, TypeError | ValueError)
    with pytest.raises(type(outcome), match=problem):
        raise outcome


class Gate:
    """A version that waits until it is let through, and remembers the size of each call."""

    def __init__(self) -> None:
        self.open = Event()
        self.entered = Event()
        self.calls: list[int] = []

    def __call__(self, columns: Any) -> dict[str, Any]:
        self.calls.append(len(columns["x"]))
        self.entered.set()
        assert self.open.wait(5)
        return doubles(columns)


def test_a_batch_is_whatever_queued_while_the_last_one_ran() -> None:
    gate = Gate()

    async def scenario() -> list[Any]:
        with ThreadPoolExecutor(1) as executor:
            lane = Lane(gate, executor, queue_limit=100, batch_rows=100)
            first = asyncio.create_task(lane.run(column(0), 1))
            while not gate.entered.is_set():
                await asyncio.sleep(0.001)
            rest = [asyncio.create_task(lane.run(column(i), 1)) for i in range(1, 8)]
            await asyncio.sleep(0.01)
            assert lane.busy
            gate.open.set()
            answers = [await task for task in (first, *rest)]
        assert not lane.busy
        return answers

    answers = asyncio.run(scenario())
    assert [answer["y"].tolist() for answer in answers] == [[2.0 * i] for i in range(8)]
    assert gate.calls == [1, 7]


def test_requests_that_arrive_together_share_the_first_batch() -> None:
    gate = Gate()
    gate.open.set()

    async def scenario() -> None:
        with ThreadPoolExecutor(1) as executor:
            lane = Lane(gate, executor, queue_limit=100, batch_rows=100)
            await asyncio.gather(*(lane.run(column(i), 1) for i in range(5)))

    asyncio.run(scenario())
    assert gate.calls == [5]


def test_a_batch_holds_no_more_rows_than_it_may_and_a_larger_request_runs_alone() -> None:
    gate = Gate()
    gate.open.set()

    async def scenario() -> None:
        with ThreadPoolExecutor(1) as executor:
            lane = Lane(gate, executor, queue_limit=100, batch_rows=4)
            await asyncio.gather(*(lane.run(column(*range(n)), n) for n in (2, 2, 3, 9, 1)))

    asyncio.run(scenario())
    assert gate.calls == [4, 3, 9, 1]


def test_a_full_queue_refuses_at_once_and_loses_nothing_that_it_took() -> None:
    gate = Gate()

    async def scenario() -> list[Any]:
        with ThreadPoolExecutor(1) as executor:
            lane = Lane(gate, executor, queue_limit=3, batch_rows=100)
            tasks = [asyncio.create_task(lane.run(column(0), 1))]
            while not gate.entered.is_set():
                await asyncio.sleep(0.001)
            tasks += [asyncio.create_task(lane.run(column(i), 1)) for i in range(1, 6)]
            await asyncio.sleep(0.01)
            gate.open.set()
            return await asyncio.gather(*tasks, return_exceptions=True)

    answers = asyncio.run(scenario())
    assert [isinstance(answer, QueueFull) for answer in answers] == [False] * 4 + [True] * 2


@pytest.mark.parametrize("raised", [SystemExit("bye"), StopIteration(), KeyboardInterrupt(), MemoryError("too big")])
def test_a_lane_survives_whatever_a_version_raises(raised: BaseException) -> None:
    def moody(columns: Any) -> dict[str, Any]:
        if columns["x"][0] < 0:
            raise raised
        return doubles(columns)

    async def scenario() -> Any:
        with ThreadPoolExecutor(1) as executor:
            lane = Lane(moody, executor, queue_limit=10, batch_rows=100)
            with pytest.raises(Crash, match=type(raised).__name__):
                await lane.run(column(-1), 1)
            return await lane.run(column(3), 1)

    assert asyncio.run(scenario())["y"].tolist() == [6.0]


def test_what_nobody_waits_for_any_more_is_not_run() -> None:
    gate = Gate()

    async def scenario() -> None:
        with ThreadPoolExecutor(1) as executor:
            lane = Lane(gate, executor, queue_limit=10, batch_rows=1)
            first = asyncio.create_task(lane.run(column(0), 1))
            while not gate.entered.is_set():
                await asyncio.sleep(0.001)
            gone, kept = (asyncio.create_task(lane.run(column(i), 1)) for i in (1, 2))
            await asyncio.sleep(0.01)
            gone.cancel()
            await asyncio.sleep(0)
            gate.open.set()
            await asyncio.gather(first, kept)

    asyncio.run(scenario())
    assert gate.calls == [1, 1]

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest
from serving_doubles import Memory, served

from modelyard.core.errors import InvalidRequest, NotReady, Overloaded, PredictionFailed, VersionNotServed
from modelyard.profiles.signature import Field, Signature
from modelyard.serving.engine import Engine, Routes
from modelyard.serving.requests import Prediction, PredictionRequest


def request(key: str = "r", distance: Any = 5, **more: Any) -> PredictionRequest:
    return PredictionRequest(key, {"distance": [distance], "carrier": ["UA"]}, **more)


def ask(engine: Engine, *requests: PredictionRequest) -> list[Any]:
    async def scenario() -> list[Any]:
        return await asyncio.gather(*(engine.predict(r) for r in requests), return_exceptions=True)

    return asyncio.run(scenario())


def raises(columns: Any) -> Any:
    raise RuntimeError("weights are broken")


def test_the_answer_names_the_version_that_gave_it(engine: Engine, memory: Memory) -> None:
    when = datetime(2013, 7, 1, tzinfo=UTC)
    (answer,) = ask(engine, request("a", ids=("UA-1",), event_time=when))
    assert isinstance(answer, Prediction)
    assert (answer.served.number, answer.role, answer.values) == (1, "stable", {"prediction": [1005.0]})
    (record,) = memory.predictions
    assert (record.request, record.ids, record.version, record.role, record.status) == (
        "a",
        ("UA-1",),
        1,
        "stable",
        200,
    )
    assert (record.inputs, record.outputs) == ({"distance": [5.0], "carrier": ["UA"]}, {"prediction": [1005.0]})
    assert (record.event_time, record.deployment, record.replica) == (when, "flights-live", "r1")
    assert record.time > when
    assert record.latency_ms > 0


def test_ids_and_event_time_have_defaults(engine: Engine, memory: Memory) -> None:
    ask(engine, PredictionRequest("a", {"distance": [1, 2], "carrier": ["x", None]}))
    (record,) = memory.predictions
    assert record.ids == ("a-0", "a-1")
    assert record.event_time == record.time


def test_nothing_loaded_is_not_ready() -> None:
    engine = Engine()
    (answer,) = ask(engine, request())
    assert isinstance(answer, NotReady)
    engine.close()


def test_a_candidate_that_raises_costs_the_user_nothing_and_both_records_tell(engine: Engine, memory: Memory) -> None:
    engine.set_routes(Routes(served(1), served(2, raises), 1.0))
    (answer,) = ask(engine, request("a"))
    assert (answer.served.number, answer.role) == (1, "stable")
    failure, success = memory.predictions
    assert (failure.role, failure.version, failure.status, failure.outputs) == ("canary", 2, 500, {})
    assert failure.error == "flights/2 could not answer this request: RuntimeError: weights are broken"
    assert (success.role, success.version, success.status, success.error) == ("stable", 1, 200, None)
    assert failure.request == success.request == "a"
    assert failure.ids == success.ids


def test_a_candidate_that_takes_too_long_is_answered_for(engine: Engine, memory: Memory) -> None:
    let_go = Event()

    def hangs(columns: Any) -> Any:
        let_go.wait(5)
        return {"prediction": columns["distance"]}

    engine.set_routes(Routes(served(1), served(2, hangs), 1.0))
    (answer,) = ask(engine, request("a"))
    assert answer.served.number == 1
    assert [record.status for record in memory.predictions] == [504, 200]
    engine.set_routes(Routes(served(1)))
    assert not engine.drain(served(2).digest, 0.05)  # its thread still holds the model
    let_go.set()
    assert engine.drain(served(2).digest, 5)


NARROW = Signature((Field("distance", "integer"), Field("carrier", "string"), Field("gate", "string")))


def test_a_candidate_that_asks_for_another_column_is_answered_for(engine: Engine, memory: Memory) -> None:
    engine.set_routes(Routes(served(1), served(2, signature=NARROW), 1.0))
    (answer,) = ask(engine, request("a"))
    assert answer.served.number == 1
    failure, _ = memory.predictions
    assert (failure.role, failure.status) == ("canary", 422)
    assert failure.error is not None
    assert "gate" in failure.error


@pytest.mark.parametrize(
    "bad",
    [
        PredictionRequest("a", {"distance": ["far"], "carrier": ["UA"]}),
        PredictionRequest("a", {"distance": [1], "carrier": ["UA"]}, ids=("1", "2")),
        PredictionRequest("a", {}),
    ],
    ids=["wrong type", "too many ids", "no column"],
)
def test_a_bad_request_is_never_held_against_the_candidate(
    engine: Engine, memory: Memory, bad: PredictionRequest
) -> None:
    engine.set_routes(Routes(served(1), served(2), 1.0))
    (answer,) = ask(engine, bad)
    assert isinstance(answer, InvalidRequest)
    assert memory.predictions == []


def test_a_stable_version_that_raises_fails_the_request_and_is_logged(engine: Engine, memory: Memory) -> None:
    engine.set_routes(Routes(served(1, raises), served(2, raises), 1.0))
    (answer,) = ask(engine, request("a"))
    assert isinstance(answer, PredictionFailed)
    assert answer.http_status == 500
    assert [(r.role, r.version, r.status) for r in memory.predictions] == [("canary", 2, 500), ("stable", 1, 500)]


def test_a_version_asked_for_by_number_answers_and_is_not_answered_for(engine: Engine, memory: Memory) -> None:
    engine.set_routes(Routes(served(1), served(2, raises), 0.0))
    first, second, third = ask(engine, request("a", number=1), request("b", number=2), request("c", number=3))
    assert first.served.number == 1
    assert isinstance(second, PredictionFailed)
    assert isinstance(third, VersionNotServed)
    assert [(r.request, r.role, r.status) for r in sorted(memory.predictions, key=lambda r: r.request)] == [
        ("a", "stable", 200),
        ("b", "canary", 500),
    ]


def test_one_bad_row_fails_its_own_request_only(engine: Engine) -> None:
    def picky(columns: Any) -> Any:
        if (columns["distance"] < 0).any():
            raise ValueError("a negative distance")
        return {"prediction": columns["distance"]}

    engine.set_routes(Routes(served(1, picky)))
    answers = ask(engine, *(request(str(i), -1 if i == 3 else i) for i in range(8)))
    assert [type(answer) for answer in answers] == [PredictionFailed if i == 3 else Prediction for i in range(8)]
    assert [answers[i].values["prediction"] for i in (2, 4)] == [[2.0], [4.0]]


def test_a_model_that_writes_into_its_inputs_does_not_change_the_log(engine: Engine, memory: Memory) -> None:
    def vandal(columns: Any) -> Any:
        columns["distance"][:] = -1
        return {"prediction": columns["distance"]}

    engine.set_routes(Routes(served(1, vandal)))
    ask(engine, request("a", 7))
    assert memory.predictions[0].inputs["distance"] == [7.0]


def test_a_version_without_signature_takes_whatever_comes(engine: Engine) -> None:
    engine.set_routes(Routes(served(1, lambda columns: {"n": np.arange(len(columns["q"]))}, signature=None)))
    (answer,) = ask(engine, PredictionRequest("a", {"q": [1, "b", None]}))
    assert answer.values == {"n": [0, 1, 2]}


class Held:
    """A version that answers only when let go."""

    def __init__(self) -> None:
        self.entered, self.go = Event(), Event()

    def __call__(self, columns: Any) -> Any:
        self.entered.set()
        assert self.go.wait(5)
        return {"prediction": columns["distance"]}


def in_background(work: Callable[[], Any]) -> tuple[Thread, list[Any]]:
    found: list[Any] = []
    thread = Thread(target=lambda: found.append(work()))
    thread.start()
    return thread, found


def test_a_request_in_flight_finishes_on_the_version_that_it_started_with(engine: Engine) -> None:
    held = Held()
    old, new = served(1, held), served(2)
    engine.set_routes(Routes(old))
    thread, found = in_background(lambda: ask(engine, request("a")))
    assert held.entered.wait(5)
    engine.set_routes(Routes(new))
    (fresh,) = ask(engine, request("b"))
    assert fresh.served.number == 2  # the swap does not wait
    assert not engine.drain(old.digest, 0.02)
    held.go.set()
    assert engine.drain(old.digest, 5)
    thread.join(5)
    assert found[0][0].served.number == 1


def test_a_drain_of_what_is_not_in_use_returns_at_once(engine: Engine) -> None:
    assert engine.drain("sha256:unknown", 0)


def test_a_version_that_is_swapped_out_is_let_go_from_memory(engine: Engine) -> None:
    class Weights:
        def __call__(self, columns: Any) -> Any:
            return {"prediction": columns["distance"]}

    weights = Weights()
    gone = weakref.ref(weights)
    engine.set_routes(Routes(served(1, weights)))
    del weights
    ask(engine, request("a"), request("b"))
    engine.set_routes(Routes(served(2)))
    assert engine.drain(served(1).digest, 5)
    gc.collect()
    assert gone() is None


def test_more_requests_than_may_wait_are_refused_with_a_time_to_retry(memory: Memory) -> None:
    engine = Engine(recorder=memory, queue_limit=2)
    held = Held()
    engine.set_routes(Routes(served(1, held)))

    async def scenario() -> list[Any]:
        first = asyncio.create_task(engine.predict(request("first")))
        while not held.entered.is_set():
            await asyncio.sleep(0.001)
        rest = [asyncio.create_task(engine.predict(request(str(i)))) for i in range(5)]
        await asyncio.sleep(0.01)
        held.go.set()
        return await asyncio.gather(first, *rest, return_exceptions=True)

    answers = asyncio.run(scenario())
    assert [type(answer) for answer in answers] == [Prediction] * 3 + [Overloaded] * 3
    assert answers[-1].retry_after >= 1
    assert engine.drain(served(1).digest, 1)
    engine.close()


def test_a_candidate_whose_queue_is_full_is_answered_for(memory: Memory) -> None:
    engine = Engine(recorder=memory, queue_limit=1)
    held = Held()
    engine.set_routes(Routes(served(1), served(2, held), 1.0))

    async def scenario() -> list[Any]:
        first = asyncio.create_task(engine.predict(request("first")))
        while not held.entered.is_set():
            await asyncio.sleep(0.001)
        rest = [asyncio.create_task(engine.predict(request(str(i)))) for i in range(3)]
        # the stable lane takes one waiting request at a time, and answers quickly
        while sum(task.done() for task in rest) < 1:
            await asyncio.sleep(0.001)
        held.go.set()
        return await asyncio.gather(first, *rest, return_exceptions=True)

    answers = asyncio.run(scenario())
    assert [a.served.number for a in answers if isinstance(a, Prediction)].count(2) == 2
    assert any(a.served.number == 1 for a in answers if isinstance(a, Prediction))
    assert any(r.role == "canary" and r.status == 503 for r in memory.predictions)
    engine.close()


def test_a_swap_is_counted_and_a_new_weight_is_not(engine: Engine) -> None:
    def swaps() -> float | None:
        return engine.metrics.registry.get_sample_value("modelyard_swaps_total")

    before = swaps()
    engine.set_routes(Routes(served(1), served(2), 0.1))
    engine.set_routes(Routes(served(1), served(2), 0.2))
    assert before is not None
    assert swaps() == before + 1


def test_close_closes_the_recorder(memory: Memory) -> None:
    engine = Engine(recorder=memory)
    engine.close()
    assert memory.closed == 1

"""What a worker of this benchmark does: runs an operation so many times, one after the other or in threads, and times each.

Standard library only, since the peers run it in environments of their own. See :mod:`benchmarks.store.worker` for how a worker is asked.
"""

from __future__ import annotations

import itertools
import json
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

Operation = Callable[[int], object]
"""Does one thing; its argument tells it from the others of its kind. What it returns is given back, when it is a number or a text."""


def serve(operations: Mapping[str, Operation], actions: Mapping[str, Callable[..., object]] | None = None) -> None:
    """Answers every question on standard input: an operation with ``first``, ``count`` and ``threads``, or an action with what it takes."""
    for line in sys.stdin:
        question = json.loads(line)
        do = question.pop("do")
        try:
            if do in operations:
                answer = _run(operations[do], **question)
            else:
                answer = {"answer": (actions or {})[do](**question)}
        except Exception as problem:  # noqa: BLE001 - whatever it is, the table says it
            answer = {"error": f"{type(problem).__name__}: {problem}"[:500]}
        print(json.dumps(answer), flush=True)


def _run(operation: Operation, first: int, count: int, threads: int = 1) -> dict[str, Any]:
    """Seconds of each, what each gave, and the seconds of all together."""
    seconds: list[float] = []
    given: list[object] = []
    problems: list[BaseException] = []
    turn = itertools.count(first)  # one step of a count is not interrupted by another thread

    def work() -> None:
        while not problems and (i := next(turn)) < first + count:
            began = time.perf_counter()
            try:
                answer = operation(i)
            except Exception as problem:  # noqa: BLE001 - reported below, from the thread that asked
                problems.append(problem)
                return
            seconds.append(time.perf_counter() - began)
            given.append(answer if isinstance(answer, int | str) else None)

    started = time.perf_counter()
    if threads == 1:
        work()
    else:
        workers = [threading.Thread(target=work) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    whole = time.perf_counter() - started
    if problems:
        raise problems[0]
    return {"seconds": seconds, "given": given, "whole": whole}

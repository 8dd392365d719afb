"""Times of one operation, and how contenders take turns, so that a busy machine slows all alike."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from benchmarks.store.worker import Worker


@dataclass
class Times:
    """Milliseconds of every call after the warm-up."""

    calls: list[float] = field(default_factory=list)

    @property
    def p50(self) -> float:
        """The median."""
        return statistics.median(self.calls)

    @property
    def p99(self) -> float:
        """One call in a hundred takes longer."""
        return sorted(self.calls)[int(len(self.calls) * 0.99)]

    def __str__(self) -> str:
        return f"{short(self.p50)} / {short(self.p99)}"


def turns(workers: Mapping[str, Worker], operation: str, *, calls: int, rounds: int = 10, first: int = 0) -> dict[str, Times]:  # fmt: skip
    """So many calls by each, in rounds in which each has its turn; one more round before them warms up and is not counted."""
    block = max(1, calls // rounds)
    found = {name: Times() for name in workers}
    for turn in range(rounds + 1):
        for name, worker in workers.items():
            answer = worker.ask(operation, first=first + turn * block, count=block)
            if turn:
                found[name].calls += [1000 * seconds for seconds in answer["seconds"]]
    return found


@dataclass
class Crowd:
    """What many writers at once did: operations a second, milliseconds of each call, and what the calls gave."""

    rates: list[float] = field(default_factory=list)
    times: Times = field(default_factory=Times)
    given: list[int] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.rates)


def at_once(workers: list[Worker], operation: str, *, calls: int, threads: int, first: int, into: Crowd) -> None:
    """One round: every worker makes so many calls in so many threads, all at the same time."""
    with ThreadPoolExecutor(len(workers)) as pool:
        asked = [
            pool.submit(worker.ask, operation, first=first + place * calls, count=calls, threads=threads)
            for place, worker in enumerate(workers)
        ]
        answers = [each.result() for each in asked]
    into.rates.append(calls * len(workers) / max(answer["whole"] for answer in answers))
    into.times.calls += [1000 * seconds for answer in answers for seconds in answer["seconds"]]
    into.given += [number for answer in answers for number in answer["given"]]


def short(milliseconds: float) -> str:
    """Two or three digits: ``0.42``, ``3.1``, ``112``."""
    return f"{milliseconds:.{0 if milliseconds >= 100 else 1 if milliseconds >= 10 else 2}f}"

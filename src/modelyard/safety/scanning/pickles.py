"""Pickles in a stretch of bytes: one, or several behind each other as torch wrote them; certain ones, and what may be one.

A pickle of protocol 0 or 1 has no mark at its beginning, so anything may be one. What is not certain to be a pickle counts as one only if
the unpickler would get somewhere with it: to an end with something imported, or to a call of what is not known to be safe.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from modelyard.safety.scanning.imports import judge, why
from modelyard.safety.scanning.limits import Budget, TooMuch, Unreadable
from modelyard.safety.scanning.machine import Machine
from modelyard.safety.scanning.reader import TWO_WAYS
from modelyard.safety.scanning.report import Severity
from modelyard.safety.scanning.source import Source
from modelyard.safety.scanning.values import GETATTR, NDARRAY_WRAPPER, Global, Walk

BY_CHANCE = 8
"""So many operations other bytes may look like, when their first two happen to be the mark of a pickle."""

NAMES = (".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle")


@dataclass(frozen=True)
class Seen:
    """Something to tell of the pickles: ``imported`` is the name that it is about."""

    severity: Severity
    problem: str
    imported: str | None = None


def begins_pickle(head: bytes) -> bool:
    """Protocols 2 to 5 begin with their number; 0 and 1 may say so too."""
    return len(head) > 1 and head[0] == 0x80 and head[1] <= 5


def look(source: Source, budget: Budget, *, certain: bool, raw_arrays: bool = True) -> tuple[list[Seen], set[Global]]:
    """What there is to tell, and all imports. ``certain``: it is to be a pickle, so that what cannot be read as one is told; so is
    what begins like one and goes on for a while. ``raw_arrays``:
    joblib may read it, whose arrays lie between the opcodes; else Python's own reader will."""
    told: list[Seen] = []
    imports: set[Global] = set()
    before: Machine | None = None
    count = 0
    marked = begins_pickle(source.peek(2))
    while True:
        walk = Walk()
        machine = Machine(source, budget, walk, raw_arrays=raw_arrays)
        if before is not None:
            machine.go_on_behind(before)
            if machine.at_end():
                break
        problem, left = None, budget.operations
        try:
            machine.run()
        except TooMuch:
            raise
        except Unreadable as error:
            problem = str(error)
        if TWO_WAYS in walk.odd and not certain and not marked:
            walk.odd[TWO_WAYS] = "unknown"  # other bytes look like that too, though few do
        surely = count == 0 and (certain or (marked and left - budget.operations > BY_CHANCE))
        if problem is not None and surely:
            told.append(Seen("failed", f"cannot be read as a pickle: {problem}"))
        elif not _counts(walk, ended=problem is None) and not surely:
            if problem is not None:
                break
            before, count = machine, count + 1
            continue
        imports |= walk.imports.keys()
        told += _told(walk)
        if problem is not None:
            break
        before, count = machine, count + 1
    return told, imports


def _counts(walk: Walk, *, ended: bool) -> bool:
    if ended and (walk.imports or walk.pushed):
        return True
    if TWO_WAYS in walk.odd:
        return True
    return any(judge(one.module, one.name) != "safe" for one in walk.called)


def _name(one: Global) -> str | None:
    return f"{one.module}.{one.name}" if one.name else None


def _told(walk: Walk) -> Iterator[Seen]:
    for one in walk.imports:
        judgement = judge(one.module, one.name)
        if judgement != "safe":
            yield Seen(judgement, why(one.module, one.name), _name(one))
    for problem, severity in walk.odd.items():
        yield Seen(severity, problem)
    if walk.pushed[GETATTR] != walk.used[GETATTR]:
        yield Seen("dangerous", "looks names up while it is loaded", "builtins.getattr")
    if walk.pushed[NDARRAY_WRAPPER] != walk.used[NDARRAY_WRAPPER]:
        yield Seen("unknown", "hides where an array of joblib begins", "joblib.numpy_pickle.NumpyArrayWrapper")

"""The arrays that joblib writes raw between the opcodes of a pickle: how long they are, so that the walk can go on behind them.

joblib's reader takes them out when a ``NumpyArrayWrapper`` has got its state; Python's own reader takes the same bytes for opcodes. Where it
is not known which of them will read the file, both are followed. Of an array of objects, which is a pickle within the pickle, the other
reader understands every word and gets every reference wrong: there it is held against the file only when it comes upon something dangerous.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from modelyard.safety.scanning.imports import judge
from modelyard.safety.scanning.limits import Unreadable
from modelyard.safety.scanning.source import BLOCK, Stream
from modelyard.safety.scanning.values import DTYPE, Fields, Made

if TYPE_CHECKING:
    from modelyard.safety.scanning.machine import Machine

UNCLEAR = "it holds an array of joblib whose length cannot be told"
_DESCRIPTION = re.compile(r"[<>|=]?([biufcSaUVOMm])(\d{1,9})(\[[\w/]+\])?")
_SIZED = "aSUV"
_OBJECTS = 0x01  # of a dtype's flags


def pass_over(machine: Machine, wrapper: Made) -> None:
    """Moves the walk behind the array of the wrapper; an array of objects is a pickle of its own, which is walked. Raises Unreadable."""
    if machine.in_frame():
        machine.two_ways()  # joblib has fetched the frame, and would take the array from behind it
    if not isinstance(wrapper.state, Fields) or wrapper.state.lost:
        raise Unreadable(UNCLEAR)
    fields = wrapper.state.items
    size, objects = _element(fields.get("dtype"))
    if not machine.seen.wrapped:
        machine.seen.wrapped = True
        _as_opcodes(machine, objects)
    if objects:
        machine.nested()
        return
    if fields.get("numpy_array_alignment_bytes") is not None:
        machine.skip(machine.number(1))
    machine.skip(size * _count(fields.get("shape")))


def _as_opcodes(machine: Machine, objects: bool) -> None:
    """What Python's own reader would do with the bytes that follow, as far as they can be seen ahead; it stops at the first that is no opcode."""
    ahead = machine.ahead(BLOCK)
    given = iter((ahead, b""))
    twin = machine.twin(Stream(lambda: next(given, b"")))
    ended = False
    try:
        twin.run()
        ended = True
    except Unreadable:
        ended = bool(twin.unread()) or len(ahead) < BLOCK  # at a byte that is no opcode, or where the file ends
    if objects:
        found = {one: None for one in twin.seen.imports if one.name and judge(one.module, one.name) == "dangerous"}
        machine.seen.imports.update(found)
        return
    machine.seen.add(twin.seen)
    if not ended:
        machine.seen.odd["reads in two ways, of which one cannot be followed"] = "unknown"


def _count(shape: Any) -> int:
    if not isinstance(shape, tuple) or not all(isinstance(n, int) and 0 <= n < 2**48 for n in shape):
        raise Unreadable(UNCLEAR)
    return math.prod(shape)


def _element(dtype: Any) -> tuple[int, bool]:
    """Bytes of one element, and whether elements are objects."""
    if not isinstance(dtype, Made) or dtype.function != DTYPE or not dtype.args or not isinstance(dtype.args[0], str):
        raise Unreadable(UNCLEAR)
    found = _DESCRIPTION.fullmatch(dtype.args[0])
    if found is None:
        raise Unreadable(UNCLEAR)
    kind, size = found[1], int(found[2])
    state = () if dtype.state is None else dtype.state
    if not isinstance(state, tuple):
        raise Unreadable(UNCLEAR)
    if len(state) > 5:
        if state[2] is not None:
            raise Unreadable(UNCLEAR)  # an array in each element
        objects = _has_objects(kind, state[3], state[4])
        if kind in _SIZED:  # there the state has the last word
            if not isinstance(state[5], int) or state[5] < 0:
                raise Unreadable(UNCLEAR)
            size = state[5]
    else:
        objects = kind == "O"
        size *= 4 if kind == "U" else 1
    flags = state[7] if len(state) > 7 else int(objects)
    if not isinstance(flags, int) or bool(flags & _OBJECTS) != objects:
        raise Unreadable(UNCLEAR)
    return size, objects


def _has_objects(kind: str, names: Any, fields: Any) -> bool:
    if names is None:
        return kind == "O"
    if kind != "V" or not isinstance(fields, Fields) or fields.lost:
        raise Unreadable(UNCLEAR)
    inner = [entry[0] for entry in fields.items.values() if isinstance(entry, tuple) and entry]
    if len(inner) != len(fields.items):
        raise Unreadable(UNCLEAR)
    return any([_element(one)[1] for one in inner])  # noqa: C419 - each of them is to be looked at

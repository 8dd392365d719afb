"""The walk held against Python's own unpicklers: what either of them would import, the walk has seen."""

from __future__ import annotations

import io
import pickle
import warnings
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from contextlib import suppress

import pytest
from hostile_pickles import text
from hypothesis import example, given, settings
from hypothesis import strategies as st

from modelyard.safety.scanning.limits import Budget, Unreadable
from modelyard.safety.scanning.machine import Machine
from modelyard.safety.scanning.source import Stream
from modelyard.safety.scanning.values import Walk


class Anything:
    """What every import gives: it can be called, filled and changed, and does nothing."""

    def __new__(cls, *_: object, **__: object) -> Anything:
        return object.__new__(cls)

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __call__(self, *_: object, **__: object) -> Anything:
        return Anything()

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass

    append = extend = add = __setstate__


def imported(kind: type, data: bytes) -> set[tuple[str, str]]:
    """What an unpickler imports before it ends or stops, by the names that it asks for."""
    seen = set()

    class Recording(kind):  # type: ignore[misc]
        def find_class(self, module: str, name: str) -> type:
            seen.add((module, name))
            return Anything

        def persistent_load(self, _: object) -> None:
            return None

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with suppress(Exception):  # whatever it is that stops it
            Recording(io.BytesIO(data)).load()
    return seen


def walked(data: bytes) -> set[tuple[str, str]]:
    given, walk = iter((data, b"")), Walk()
    with suppress(Unreadable):
        Machine(Stream(lambda: next(given, b"")), Budget(), walk, raw_arrays=False).run()
    return {(one.module, one.name) for one in (*walk.imports, *walk.pushed)}


def either(name: tuple[str, str]) -> set[tuple[str, str]]:
    """A name, and what it is called since Python 3, since a recording unpickler hears the old one."""
    module, last = name
    return {name, NAME_MAPPING.get(name, (IMPORT_MAPPING.get(module, module), last))}


WORDS = [
    text("os"),
    text("system"),
    text("a.b"),
    text("x", binary=True),
    b"U\x02os",
    b"Vsys\n",
    b"S'io'\n",
    b"S'\\x6fs'\n",
]
VALUES = [
    b"N",
    b"K\x01",
    b"M\x01\x02",
    b"\x88",
    b"I7\n",
    b"L7L\n",
    b"F1.5\n",
    b"]",
    b"}",
    b"\x8f",
    b")",
    b"C\x02ab",
    b"\x8a\x01\x05",
]
MOVES = [b"(", b"0", b"1", b"2", b"t", b"l", b"d", b"\x91", b"\x85", b"\x86", b"\x87", b"a", b"e", b"s", b"u", b"\x90"]
MEMO = [b"\x94", b"q\x00", b"q\x01", b"q\x05", b"h\x00", b"h\x01", b"h\x05", b"p1\n", b"p3\n", b"g1\n", b"g3\n"]
CALLS = [
    b"\x93",
    b"cos\nsystem\n",
    b"c__builtin__\neval\n",
    b"iposix\nsystem\n",
    b"R",
    b"o",
    b"\x81",
    b"\x92",
    b"b",
    b"Pq\n",
    b"Q",
]
FRAMES = [b"\x80\x00", b"\x80\x02", b"\x80\x04", b"\x80\x05", b"\x80\x06", b"\x95\x08\0\0\0\0\0\0\0", b"."]
LAST = [b"", b".", b"cos\nsystem", b"ios\nsystemX", b"X\x05\0\0\0os", b"S'os"]


@pytest.mark.parametrize("kind", [pickle.Unpickler, pickle._Unpickler], ids=["fast", "slow"])
@settings(max_examples=1500, deadline=None)
@example(parts=[b"(", text("touch MARKER"), b"ios\nsystemX"], last=b"")
@given(
    parts=st.lists(st.sampled_from(WORDS * 3 + VALUES + MOVES + MEMO * 2 + CALLS * 2 + FRAMES), max_size=25),
    last=st.sampled_from(LAST),
)
def test_what_an_unpickler_imports_the_walk_has_seen(kind, parts, last):
    data = b"".join(parts) + last
    seen, found = imported(kind, data), walked(data)
    missed = {name for name in seen if name[1] and not either(name) & found}
    assert not missed, data


PLAIN = st.recursive(
    st.integers() | st.text() | st.binary() | st.floats() | st.dates() | st.complex_numbers() | st.decimals(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.frozensets(st.integers()),
    max_leaves=10,
)


@settings(max_examples=300, deadline=None)
@given(PLAIN, st.integers(0, 5), st.data())
def test_nor_does_a_changed_pickle_import_what_the_walk_has_not_seen(value, protocol, data):
    stream = bytearray(pickle.dumps(value, protocol))
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(stream) - 1))
        stream[at:at] = data.draw(st.sampled_from(CALLS + MOVES + MEMO + WORDS))
    for kind in (pickle.Unpickler, pickle._Unpickler):
        missed = {
            name for name in imported(kind, bytes(stream)) if name[1] and not either(name) & walked(bytes(stream))
        }
        assert not missed, bytes(stream)


def test_the_slow_reader_takes_the_last_byte_for_the_end_of_a_line(tmp_path):
    """And joblib is built on it: a file that ends in the middle of a name still calls what it names."""
    from modelyard.safety.scanning import scan_files

    marker = tmp_path / "MARKER"
    data = b"(" + text(f"touch {marker}") + b"ios\nsystemX"
    with pytest.raises(EOFError):
        pickle._Unpickler(io.BytesIO(data)).load()
    assert marker.exists()
    (tmp_path / "model.joblib").write_bytes(data)
    assert scan_files({"model.joblib": tmp_path / "model.joblib"}).verdict == "dangerous"

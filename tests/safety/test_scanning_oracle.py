"""The walk held against Python's own unpicklers: what either of them would import, the walk has seen."""

from __future__ import annotations

import io
import pickle
import pickletools
import warnings
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from contextlib import suppress

import pytest
from hostile_pickles import text
from hypothesis import example, given, settings
from hypothesis import strategies as st

from modelyard.safety.scanning import scan_files
from modelyard.safety.scanning.limits import Budget, Unreadable
from modelyard.safety.scanning.machine import Machine
from modelyard.safety.scanning.reader import TWO_WAYS
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


def walked(data: bytes) -> set[tuple[str, str]] | None:
    """What the walk has seen; None when it has seen that readers differ, which is dangerous whatever they import."""
    given, walk = iter((data, b"")), Walk()
    with suppress(Unreadable):
        Machine(Stream(lambda: next(given, b"")), Budget(), walk, raw_arrays=False).run()
    if walk.odd.get(TWO_WAYS) == "dangerous":
        return None
    return {(one.module, one.name) for one in (*walk.imports, *walk.pushed)}


def missed(data: bytes, kind: type) -> set[tuple[str, str]]:
    """What an unpickler imports and the walk has not seen."""
    found = walked(data)
    return {name for name in imported(kind, data) if name[1] and found is not None and not either(name) & found}


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
    assert not missed(data, kind), data


PLAIN = st.recursive(
    st.integers() | st.text() | st.binary() | st.floats() | st.dates() | st.complex_numbers() | st.decimals(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.frozensets(st.integers()),
    max_leaves=10,
)


class Call:
    """A call among other values."""

    def __init__(self, *args: object) -> None:
        self.args = args

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return complex, ()


def test_no_pickler_writes_what_readers_read_in_different_ways():
    """Frames of all sizes, with large things between them, by both picklers, as they stand and optimized."""
    value = [[str(n) * (n % 300), b"x" * (n % 700), Call(n), 2**n, 1.5] for n in range(600)] + [
        "x" * 70_000,
        b"x" * 70_000,
    ]
    for protocol in (4, 5):
        slow = io.BytesIO()
        pickle._Pickler(slow, protocol).dump(value)
        for data in (pickle.dumps(value, protocol), slow.getvalue(), pickletools.optimize(slow.getvalue())):
            assert data.count(b"\x95") > 3
            assert walked(data) == {("builtins", "complex")}


def framed(inside: bytes, behind: bytes) -> bytes:
    return b"\x80\x04\x95" + len(inside).to_bytes(8, "little") + inside + behind


@pytest.mark.parametrize(
    ("inside", "behind"),
    [
        (b"cos\nxx", b"system\n."),
        (b"cnumpy\nxx", b"array\n."),
        (b"\x8c\x05nu", b"numpy\x8c\x05array\x93."),
        (b"M\x01", b"\x01."),
        (b"C\x04ab", b"cdef."),
        (b"\x95\x09\0\0\0\0\0\0\0N", b"N0123456789."),
    ],
)
@pytest.mark.parametrize("name", ["model.pkl", "weights.bin"])
@pytest.mark.parametrize("mark", [True, False], ids=["marked", "unmarked"])
def test_what_crosses_the_end_of_a_frame_is_dangerous_wherever_it_is_surely_a_pickle(
    tmp_path, inside, behind, name, mark
):
    data = framed(inside, behind)
    (tmp_path / name).write_bytes(data if mark else b"N0" + data[2:])
    report = scan_files({name: tmp_path / name})
    assert report.verdict == ("unknown" if name == "weights.bin" and not mark else "dangerous")
    assert TWO_WAYS in " ".join(one.problem for one in report.findings)


def test_what_ends_with_its_frame_or_begins_behind_it_does_not_cross(tmp_path):
    for inside, behind in (
        (b"N", b"."),
        (b"K\x01", b"."),
        (b"\x8c\x05", b"numpy."),
        (b"N.", b""),
        (b"cnumpy\n", b"ndarray\n."),
    ):
        (tmp_path / "model.pkl").write_bytes(framed(inside, behind))
        assert pickle.loads(framed(inside, behind)) in (None, 1, "numpy", __import__("numpy").ndarray)  # noqa: S301 - written above
        assert scan_files({"model.pkl": tmp_path / "model.pkl"}).verdict == "safe"


@settings(max_examples=300, deadline=None)
@given(PLAIN, st.integers(0, 5), st.data())
def test_nor_does_a_changed_pickle_import_what_the_walk_has_not_seen(value, protocol, data):
    stream = bytearray(pickle.dumps(value, protocol))
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(stream) - 1))
        stream[at:at] = data.draw(st.sampled_from(CALLS + MOVES + MEMO + WORDS))
    for kind in (pickle.Unpickler, pickle._Unpickler):
        assert not missed(bytes(stream), kind), bytes(stream)


def test_the_slow_reader_takes_the_last_byte_for_the_end_of_a_line(tmp_path):
    """And joblib is built on it: a file that ends in the middle of a name still calls what it names."""
    marker = tmp_path / "MARKER"
    data = b"(" + text(f"touch {marker}") + b"ios\nsystemX"
    with pytest.raises(EOFError):
        pickle._Unpickler(io.BytesIO(data)).load()
    assert marker.exists()
    (tmp_path / "model.joblib").write_bytes(data)
    assert scan_files({"model.joblib": tmp_path / "model.joblib"}).verdict == "dangerous"

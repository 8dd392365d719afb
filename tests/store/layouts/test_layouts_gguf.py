"""GGUF: the table of tensors is found behind metadata of every kind, and no count that lies costs time or memory."""

import struct
import time

import pytest
from layouts_samples import gguf, layout, parts, text

F32, F16, Q8_0, I8 = 0, 1, 8, 24

STRINGS = text("tokens") + struct.pack("<IIQ", 9, 8, 3) + text("a") + text("") + text("ccc")
NUMBERS = text("numbers") + struct.pack("<IIQ", 9, 12, 2) + bytes(16)
NESTED = (
    text("nested")
    + struct.pack("<IIQ", 9, 9, 2)
    + struct.pack("<IQ", 0, 3)
    + b"abc"
    + struct.pack("<IQ", 8, 1)
    + text("x")
)
SCALARS = tuple(text(f"scalar.{kind}") + struct.pack("<I", kind) + bytes(width) for kind, width in
                {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 8: 8, 10: 8, 11: 8, 12: 8}.items())  # fmt: skip


def aligned(value: int, kind: int = 4) -> bytes:
    return text("general.alignment") + struct.pack("<II", kind, value)


@pytest.mark.parametrize("version", [2, 3])
def test_tensors_are_found_behind_metadata_of_every_kind(version: int) -> None:
    payload = bytes(range(24)) + bytes(8) + b"h" * 4 + bytes(28) + b"q" * 68
    table = [("w", (3, 2), F32, 0), ("h", (2,), F16, 32), ("q", (32, 2), Q8_0, 64)]
    data = gguf(table, payload, metadata=(STRINGS, *SCALARS, NUMBERS, NESTED), version=version)
    assert parts(data) == {
        "w": ("F32", (2, 3), bytes(range(24))),  # row-major: the fastest axis last
        "h": ("F16", (2,), b"h" * 4),
        "q": ("GGUF_Q8_0", (2, 32), b"q" * 68),
    }


def test_the_alignment_of_the_metadata_counts() -> None:
    data = gguf([("w", (4,), I8, 0)], b"wxyz", metadata=(aligned(1024),), alignment=1024)
    assert parts(data) == {"w": ("I8", (4,), b"wxyz")}
    assert data.index(b"wxyz") == 1024


def test_a_tensor_of_a_type_of_tomorrow_is_left_out_and_the_others_stay() -> None:
    data = gguf([("new", (64,), 77, 0), ("w", (4,), I8, 32)], bytes(32) + b"wxyz")
    assert parts(data) == {"w": ("I8", (4,), b"wxyz")}


def test_a_header_longer_than_a_window_is_read_in_few_reads() -> None:
    words = text("tokens") + struct.pack("<IIQ", 9, 8, 50_000) + b"".join(text(f"word{i}") for i in range(50_000))
    assert parts(gguf([("w", (4,), I8, 0)], b"wxyz", metadata=(words,))) == {"w": ("I8", (4,), b"wxyz")}


MANY = 10**18
LIES = {
    "10**18 tensors": b"GGUF" + struct.pack("<IQQ", 3, MANY, 0) + bytes(1000),
    "10**18 keys": b"GGUF" + struct.pack("<IQQ", 3, 0, MANY) + bytes(1000),
    "a key of 10**18 bytes": gguf([], metadata=(struct.pack("<Q", MANY) + bytes(99),)),
    "a string of 10**18 bytes": gguf([], metadata=(text("k") + struct.pack("<IQ", 8, MANY),)),
    "10**18 numbers": gguf([], metadata=(text("k") + struct.pack("<IIQ", 9, 12, MANY),)),
    "10**18 strings": gguf([], metadata=(text("k") + struct.pack("<IIQ", 9, 8, MANY) + bytes(1000),)),
    "arrays without end in arrays": gguf(
        [], metadata=(text("k") + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 5000,)
    ),
    "a value of no kind": gguf([], metadata=(text("k") + struct.pack("<I", 99),)),
    "10**9 axes": b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + text("t") + struct.pack("<I", 10**9) + bytes(1000),
    "an axis of 10**18": gguf([("t", (MANY, MANY), F32, 0)], bytes(64)),
    "an axis that cuts a block": gguf([("t", (33,), Q8_0, 0)], bytes(64)),
    "no axis and blocks": gguf([("t", (), Q8_0, 0)], bytes(64)),
    "a tensor beyond the file": gguf([("t", (4,), F32, 64)], bytes(64)),
    "two tensors overlap": gguf([("t", (4,), F32, 0), ("u", (4,), F32, 8)], bytes(64)),
    "two tensors of one name": gguf([("t", (4,), F32, 0), ("t", (4,), F32, 32)], bytes(64)),
    "a name that is not UTF-8": gguf([("t", (4,), F32, 0)], bytes(64)).replace(text("t"), text(b"\xff")),
    "an alignment of 0": gguf([("t", (4,), F32, 0)], bytes(64), metadata=(aligned(0),)),
    "an alignment of 24": gguf([("t", (4,), F32, 0)], bytes(64), metadata=(aligned(24),)),
    "an alignment that is a float": gguf([("t", (4,), F32, 0)], bytes(64), metadata=(aligned(32, kind=6),)),
    "two alignments": gguf([("t", (4,), F32, 0)], bytes(64), metadata=(aligned(32), aligned(64))),
    "version 1": gguf([], version=1),
    "version 4": gguf([], version=4),
    "big-endian": b"GGUF" + struct.pack(">IQQ", 3, 0, 0),
    "the name alone": b"GGUF",
}


@pytest.mark.parametrize("data", LIES.values(), ids=LIES)
def test_a_header_that_lies_makes_the_file_plain_bytes_at_once(data: bytes) -> None:
    start = time.monotonic()
    assert layout(data) is None
    assert time.monotonic() - start < 5


def test_a_header_above_the_limit_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    data = gguf([("t", (4,), F32, 0)], bytes(64), metadata=(text("k") + struct.pack("<IIQ", 9, 0, 4096) + bytes(4096),))
    assert layout(data) is not None
    monkeypatch.setattr("modelyard.store.layouts.gguf.HEADER_LIMIT", 4096)
    assert layout(data) is None

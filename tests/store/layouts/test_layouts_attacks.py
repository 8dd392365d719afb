"""Whatever a file contains, it has a sound layout or none; and what the reader raises comes through."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts_samples import gguf, layout, npy, npz, safetensors_of, text, torch_file, view

from modelyard.store.layouts import layout_of

SAMPLES = {
    "safetensors": safetensors_of({"a": ("F32", np.ones((2, 2), "<f4")), "b": ("U8", np.ones(3, "u1"))}),
    "gguf": gguf(
        [("w", (4,), 24, 0), ("v", (2, 2), 0, 32)],
        bytes(48),
        metadata=(text("k") + b"\x09\0\0\0\x08\0\0\0\x02\0\0\0\0\0\0\0" + text("a") + text("b"),),
    ),
    "npy": npy(np.ones((2, 3), "<f4")),
    "npz": npz(a=np.ones(3, "<f4"), b=np.ones((2, 2))),
    "pytorch": torch_file(
        {"a": [view("0", (2,)), view("1", (1, 2), offset=1)], "n": {1: "x"}}, {"0": bytes(8), "1": bytes(12)}
    ),
}
by_format = pytest.mark.parametrize("format_", SAMPLES)


@by_format
def test_the_samples_are_what_they_are_called(format_: str) -> None:
    found = layout(SAMPLES[format_])
    assert found is not None
    assert found.format == format_
    assert found.tensors


@by_format
def test_a_file_cut_anywhere_has_a_sound_layout_or_none(format_: str) -> None:
    data = SAMPLES[format_]
    for length in range(len(data)):
        layout(data[:length])


@by_format
def test_a_file_whose_reads_come_short_has_a_sound_layout_or_none(format_: str) -> None:
    """As when it shrinks under us: the size says more than there is to read."""
    data = SAMPLES[format_]
    for length in range(0, len(data), 7):
        layout_of(lambda offset, wanted, end=length: data[offset : min(end, offset + wanted)], len(data))


@by_format
def test_each_byte_may_be_any_other(format_: str) -> None:
    data = SAMPLES[format_]
    choose = random.Random(1)
    for at in range(len(data)):
        layout(data[:at] + bytes([choose.randrange(256)]) + data[at + 1 :])


@by_format
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_file_changed_in_many_places_has_a_sound_layout_or_none(format_: str, data) -> None:
    changed = bytearray(SAMPLES[format_])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(changed) - 1))
        length = data.draw(st.integers(0, 9))
        changed[at : at + length] = data.draw(
            st.one_of(
                st.binary(max_size=12),
                st.sampled_from([b"\xff" * 8, b"\x7f" + b"\xff" * 7, bytes(8), b"999999999999", b"-1", b"[[[["]),
            )
        )
    layout(bytes(changed))


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([b"", b"GGUF\x03\0\0\0", b"\x93NUMPY\x01\0", b"PK\x03\x04", b"\x20\0\0\0\0\0\0\0{"]),
    st.binary(max_size=200),
)
def test_random_bytes_have_a_sound_layout_or_none(opening: bytes, rest: bytes) -> None:
    layout(opening + rest)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            list(b"()]}.0lt\x85\x86NKuseabRQ\x81\x94cio2q\x00h\x00"),
        ),
        max_size=40,
    ).map(bytes)
)
def test_any_pickle_is_read_or_left(script: bytes) -> None:
    layout(torch_file(b"\x80\x02cx\ny\n" + script + b".", {"0": bytes(8)}))


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 100])
def test_bytes_of_no_format_are_plain_bytes(size: int) -> None:
    assert layout(b"\x2a" * size) is None


@by_format
@pytest.mark.parametrize(
    "error", [OSError("the disk is gone"), ValueError("odd"), MemoryError(), KeyError("x")], ids=repr
)
def test_what_the_reader_raises_comes_through(format_: str, error: Exception) -> None:
    data = SAMPLES[format_]
    reads: list[int] = []

    def failing(at: int):
        def read_at(offset: int, length: int) -> bytes:
            if len(reads) == at:
                raise error
            reads.append(offset)
            return data[offset : offset + length]

        return read_at

    layout_of(failing(-1), len(data))
    for at in range(len(reads)):
        reads.clear()
        with pytest.raises(type(error)) as caught:
            layout_of(failing(at), len(data))
        assert caught.value is error

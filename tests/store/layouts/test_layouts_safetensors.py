"""safetensors: a true header is read to the byte, one that lies makes the file plain bytes."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts_samples import layout, parts, safetensors, safetensors_of

from modelyard.store.layouts import WIDTHS, Tensor

NUMPY = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I8": "i1", "U16": "<u2", "BOOL": "?"}


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=12).filter(lambda name: name != "__metadata__"),
        st.tuples(st.sampled_from(sorted(NUMPY)), st.lists(st.integers(0, 4), max_size=4)),
        max_size=6,
    ),
    st.randoms(use_true_random=False),
)
def test_each_tensor_is_exactly_its_bytes(shapes, random) -> None:
    arrays = {
        name: (dtype, np.frombuffer(random.randbytes(int(np.prod(shape)) * WIDTHS[dtype]), NUMPY[dtype]).reshape(shape))
        for name, (dtype, shape) in shapes.items()
    }
    assert parts(safetensors_of(arrays)) == {
        name: (dtype, array.shape, array.tobytes()) for name, (dtype, array) in arrays.items()
    }


def test_tensors_come_by_offset_whatever_the_order_of_the_header() -> None:
    header = {
        "b": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]},
        "a": {"dtype": "U8", "shape": [2, 2], "data_offsets": [0, 4]},
    }
    data = safetensors(header, bytes(8))
    start = len(data) - 8
    found = layout(data)
    assert found is not None
    assert found.format == "safetensors"
    assert found.tensors == (Tensor("a", "U8", (2, 2), start, 4), Tensor("b", "F32", (1,), start + 4, 4))


def test_holes_between_tensors_and_after_them_are_nobodys() -> None:
    data = safetensors({"a": {"dtype": "U8", "shape": [2], "data_offsets": [3, 5]}}, b"...ab...")
    assert parts(data) == {"a": ("U8", (2,), b"ab")}


def test_a_file_of_no_tensors_has_a_layout_without_tensors() -> None:
    found = layout(safetensors({"__metadata__": {}}))
    assert found is not None
    assert found.tensors == ()


@pytest.mark.parametrize(
    ("dtype", "count", "length"), [("F4", 6, 3), ("F6_E2M3", 4, 3), ("F6_E3M2", 8, 6), ("F8_E8M0", 3, 3)]
)
def test_types_narrower_than_a_byte_are_taken_when_they_fill_whole_bytes(dtype: str, count: int, length: int) -> None:
    entry = {"dtype": dtype, "shape": [count], "data_offsets": [0, length]}
    assert layout(safetensors({"t": entry}, bytes(length))) is not None
    assert layout(safetensors({"t": entry | {"shape": [count + 1]}}, bytes(length))) is None


def entry(**other: object) -> dict[str, object]:
    return {"t": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | other}


def both(first: list[int], second: list[int]) -> dict[str, object]:
    return {
        name: {"dtype": "U8", "shape": [end - begin], "data_offsets": [begin, end]}
        for name, (begin, end) in {"a": first, "b": second}.items()
    }


LIES = {
    "two tensors overlap": safetensors(both([0, 5], [4, 8]), bytes(8)),
    "two tensors are one": safetensors(both([0, 8], [0, 8]), bytes(8)),
    "an empty tensor within another": safetensors(both([0, 8], [4, 4]), bytes(8)),
    "a tensor ends beyond the file": safetensors(entry(), bytes(7)),
    "a tensor begins beyond the file": safetensors(entry(data_offsets=[800, 808]), bytes(8)),
    "an empty tensor beyond the file": safetensors(entry(shape=[0], data_offsets=[9, 9]), bytes(8)),
    "a tensor ends before it begins": safetensors(entry(data_offsets=[8, 0]), bytes(8)),
    "shape and length differ": safetensors(entry(shape=[3]), bytes(8)),
    "a negative size": safetensors(entry(shape=[-1, -2]), bytes(8)),
    "a negative offset": safetensors(entry(data_offsets=[-8, 0]), bytes(8)),
    "a size above all counts": safetensors(entry(shape=[2**64, 0], data_offsets=[0, 0]), bytes(8)),
    "true for a size": safetensors(entry(shape=[2, True]), bytes(8)),
    "a size with a point": safetensors(entry(shape=[2.0]), bytes(8)),
    "a shape that is a number": safetensors(entry(shape=2), bytes(8)),
    "a shape of many axes": safetensors(entry(shape=[2] + [1] * 64), bytes(8)),
    "three offsets": safetensors(entry(data_offsets=[0, 8, 8]), bytes(8)),
    "no offsets": safetensors({"t": {"dtype": "F32", "shape": [2]}}, bytes(8)),
    "an unknown type": safetensors(entry(dtype="F33"), bytes(8)),
    "a type that is a list": safetensors(entry(dtype=["F32"]), bytes(8)),
    "a tensor that is a list": safetensors({"t": [0, 8]}, bytes(8)),
    "a header that is a list": safetensors([entry()], bytes(8)),
    "a header that begins like one only": safetensors(b"{" + b" " * 30, bytes(8)),
    "two tensors of one name": safetensors(
        json.dumps(entry()).encode()[:-1] + b"," + json.dumps(entry()).encode()[1:], bytes(8)
    ),
    "two shapes of one tensor": safetensors(b'{"t":{"dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]}}', b"x"),
    "a name that is half a character": safetensors(
        b'{"\\ud800":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"x"
    ),
    "a key that is a number": safetensors(b'{1:{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"x"),
    "a number that is none": safetensors(b'{"t":{"dtype":"U8","shape":[NaN],"data_offsets":[0,1]}}', b"x"),
    "a number of ten thousand digits": safetensors(b'{"t":{"shape":[' + b"9" * 10_000 + b"]}}"),
    "a header that is not UTF-8": safetensors(b'{"\xff":1}'),
    "a header as deep as it is long": safetensors(b'{"t":' + b"[" * 200_000),
    "a header that ends beyond the file": safetensors(entry(), bytes(8), length=10_000),
    "a header of 100 MB in a small file": safetensors(entry(), bytes(8), length=100_000_000),
    "a header of all the bytes there are": safetensors(entry(), bytes(8), length=2**64 - 1),
    "a header of nothing": safetensors(b"", b"{}", length=0),
    "nothing": b"",
    "a length and no header": safetensors(b"", length=2),
}


@pytest.mark.parametrize("data", LIES.values(), ids=LIES)
def test_a_header_that_lies_makes_the_file_plain_bytes(data: bytes) -> None:
    assert layout(data) is None


@pytest.mark.parametrize(("limit", "value"), [("HEADER_LIMIT", 40), ("MARKS_LIMIT", 10), ("TENSORS_LIMIT", 0)])
def test_a_header_above_the_limits_is_not_read(limit: str, value: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data = safetensors(entry(), bytes(8))
    assert layout(data) is not None
    monkeypatch.setattr(f"modelyard.store.layouts.safetensors.{limit}", value)
    assert layout(data) is None

"""Codecs give back the very bytes, whatever they are; and where numbers are close, the difference is small."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.store.codecs import (
    Codec,
    Element,
    Link,
    decode,
    decode_one,
    element_of,
    encode,
    encode_against,
    encode_together,
)
from modelyard.store.codecs import zstandard as zs

ELEMENTS = [None, *Element]


def _bytes(length: int, seed: int, like: str) -> bytes:
    random = np.random.default_rng(seed)
    if like == "zeros":
        return bytes(length)
    if like == "text":
        return (b"the quick brown fox %d " % seed * (length // 20 + 1))[:length]
    if like == "floats":
        return random.standard_normal(length // 4 + 1).astype("<f4").tobytes()[:length]
    return random.bytes(length)


ANY_BYTES = st.builds(
    _bytes, st.integers(0, 70_000), st.integers(0, 1000), st.sampled_from(["zeros", "text", "floats", "noise"])
)


@settings(max_examples=150, deadline=None)
@given(ANY_BYTES, st.sampled_from(ELEMENTS))
def test_a_chunk_by_itself_comes_back_equal_and_takes_no_more_than_it_is(raw: bytes, element: Element | None) -> None:
    codec, stored = encode(raw, element)
    assert len(stored) <= len(raw)
    assert bytes(decode([Link(codec, stored, len(raw))])) == raw


@settings(max_examples=150, deadline=None)
@given(st.binary(min_size=1, max_size=300), st.integers(1, 200), st.data())
def test_a_chain_of_differences_comes_back_equal_at_every_step(seed: bytes, times: int, data: st.DataObject) -> None:
    element = data.draw(st.sampled_from(list(Element)))
    root = seed * times
    codec, stored = encode(root, element)
    chain = [Link(codec, stored, len(root))]
    previous = root
    for _ in range(data.draw(st.integers(1, 3))):
        flips = data.draw(st.binary(min_size=len(root), max_size=len(root)) if len(root) < 500 else st.just(root[::-1]))
        raw = bytes(a ^ b for a, b in zip(previous, flips, strict=True))
        made = encode_against(raw, previous, element)
        assert made is not None
        assert made[0] is Codec.DIFFERENCE
        chain.append(Link(made[0], made[1], len(raw)))
        assert bytes(decode(chain)) == raw
        assert bytes(decode_one(chain[-1], previous)) == raw
        previous = raw


@pytest.mark.parametrize("element", list(Element), ids=lambda element: element.name)
@pytest.mark.parametrize("length", [1, 7, 8, 9, 1000, 4096, 4099, 65_536 + 3])
def test_every_element_and_odd_length_comes_back_equal_with_extreme_bits(element: Element, length: int) -> None:
    extremes = np.array([0x00, 0xFF, 0x7F, 0x80, 0x01], np.uint8)
    root = np.random.default_rng(1).choice(extremes, length).tobytes()  # infinities, NaNs, subnormals, both zeros
    raw = np.random.default_rng(2).choice(extremes, length).tobytes()
    codec, stored = encode(root, element)
    assert bytes(decode([Link(codec, stored, length)])) == root
    made = encode_against(raw, root, element)
    assert made is not None
    assert bytes(decode([Link(codec, stored, length), Link(made[0], made[1], length)])) == raw


@settings(max_examples=60, deadline=None)
@given(st.integers(4096, 40_000), st.integers(0, 99), st.integers(0, 2000), st.integers(0, 40_000))
def test_a_patch_comes_back_equal_and_is_small_where_little_was_inserted(
    length: int, seed: int, inserted: int, at: int
) -> None:
    base = _bytes(length, seed, "noise")
    raw = base[:at] + _bytes(inserted, seed + 1, "noise") + base[at:]
    made = encode_against(raw, base, None)
    assert made is not None
    codec, stored = made
    assert codec is Codec.PATCH
    assert len(stored) < inserted + 200
    assert bytes(decode_one(Link(codec, stored, len(raw)), base)) == raw


def test_bytes_need_a_predecessor_worth_comparing_with() -> None:
    assert encode_against(b"x" * 5000, b"short", None) is None
    assert encode_against(b"x" * 5000, b"y" * 5004, Element.FLOAT32) is None


def _weights(kind: str, seed: int, step: float) -> bytes:
    base = np.random.default_rng(0).standard_normal(200_000).astype(np.float32) * np.float32(0.05)
    moved = base + np.random.default_rng(seed).standard_normal(base.size).astype(np.float32) * np.float32(step)
    if kind == "BFLOAT16":
        return (moved.view("<u4") >> 16).astype("<u2").tobytes()
    return moved.astype({"FLOAT32": "<f4", "FLOAT64": "<f8", "FLOAT16": "<f2"}[kind]).tobytes()


@pytest.mark.parametrize(
    ("kind", "alone", "difference"),
    [("FLOAT32", 0.85, 0.5), ("FLOAT64", 0.93, 0.72), ("FLOAT16", 0.9, 0.2), ("BFLOAT16", 0.72, 0.1)],
)
def test_weights_that_moved_a_little_take_little(kind: str, alone: float, difference: float) -> None:
    old, new = _weights(kind, 1, 1e-5), _weights(kind, 2, 1e-5)
    assert len(encode(old, Element[kind])[1]) < alone * len(old)
    made = encode_against(new, old, Element[kind])
    assert made is not None
    assert len(made[1]) < difference * len(new)


def test_floats_in_bytes_that_nobody_knows_are_found_by_their_planes() -> None:
    raw = _weights("FLOAT32", 1, 1e-3)
    codec, stored = encode(raw[:65_536], None)
    assert codec is Codec.PLANES
    assert len(stored) < 0.87 * 65_536


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([Codec.ZSTD, Codec.PLANES, Codec.DIFFERENCE, Codec.PATCH]))
def test_damaged_bytes_are_a_value_error_or_other_bytes_of_the_same_length_and_nothing_else(
    seed: int, codec: Codec
) -> None:
    random = np.random.default_rng(seed)
    old, new = _weights("FLOAT32", 1, 1e-4)[:20_000], _weights("FLOAT32", 2, 1e-4)[:20_000]
    root = Link(Codec.RAW, old, len(old))
    if codec.has_base:
        made = encode_against(new, old, Element.FLOAT32 if codec is Codec.DIFFERENCE else None)
        assert made is not None
        stored = bytearray(made[1])
    else:
        stored = bytearray(zs.compressed(new) if codec is Codec.ZSTD else encode(new, Element.FLOAT32)[1])
    for _ in range(int(random.integers(1, 4))):
        stored[int(random.integers(len(stored)))] ^= 1 << int(random.integers(8))
    if random.random() < 0.3:
        del stored[int(random.integers(len(stored))) :]
    link = Link(codec, bytes(stored), len(new))
    try:
        found = decode([root, link] if codec.has_base else [link])
    except ValueError:
        return
    assert len(found) == len(new)


def test_a_compressed_bomb_makes_no_more_than_was_announced() -> None:
    bomb = zs.compressed(bytes(50_000_000))
    with pytest.raises(ValueError, match="does not hold 1000 bytes"):
        zs.decompressed(bomb, 1000)


def test_the_type_of_a_tensor_says_what_its_numbers_are() -> None:
    told = {
        "F32": "FLOAT32",
        "BF16": "BFLOAT16",
        "U8": "BYTE",
        "GGUF_Q4_K": "BYTE",
        "NUMPY_F_<f8": "FLOAT64",
        "NUMPY_>f4": "BYTE",
    }
    assert {dtype: element_of(dtype).name for dtype in told} == told


@settings(max_examples=60, deadline=None)
@given(st.lists(ANY_BYTES, min_size=1, max_size=6), st.integers(0, 7))
def test_chunks_that_are_encoded_together_come_back_equal_each_by_itself(raws: list[bytes], shift: int) -> None:
    raws = [raw + bytes(4096 + shift) for raw in raws]
    for raw, (codec, stored) in zip(raws, encode_together(raws), strict=True):
        assert bytes(decode([Link(codec, stored, len(raw))])) == raw


def test_numbers_whose_cuts_fall_anywhere_take_as_little_together_as_one_by_one() -> None:
    weights = _weights("FLOAT32", 1, 1e-3)
    raws = [weights[at : at + 20_001] for at in range(0, 400_000, 20_001)]
    together = encode_together(raws)
    assert [
        bytes(decode([Link(codec, stored, len(raw))])) for raw, (codec, stored) in zip(raws, together, strict=True)
    ] == raws
    assert sum(len(stored) for _, stored in together) < 1.02 * sum(len(encode(raw, None)[1]) for raw in raws)
    assert sum(len(stored) for _, stored in together) < 0.88 * sum(len(raw) for raw in raws)

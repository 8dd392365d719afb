"""Where files are cut: along their tensors, or by their content; never by how they were fed."""

import hashlib
import io
import json
import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.store.layouts import Layout, Tensor, layout_of
from modelyard.store.reading.recipe import Recipe
from modelyard.store.writing.cuts import LONGEST, PIECE, SHORTEST, TOGETHER, by_content, pieces_of


def _noise(length: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).bytes(length)


class Dribble:
    """A stream that delivers as little as it likes."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self._source, self._sizes = io.BytesIO(data), sizes

    def read(self, size: int) -> bytes:
        return self._source.read(min(size, self._sizes.pop(0)) if self._sizes else size)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 3_000_000), st.lists(st.integers(1, 600_000), max_size=20))
def test_the_cuts_do_not_depend_on_how_the_stream_delivers(length: int, sizes: list[int]) -> None:
    data = _noise(length)
    whole = list(by_content(io.BytesIO(data).read))
    assert list(by_content(Dribble(data, list(sizes)).read)) == whole
    assert b"".join(whole) == data
    assert all(SHORTEST <= len(chunk) <= LONGEST for chunk in whole[:-1])


def test_a_file_longer_than_the_window_is_cut_as_if_there_were_none() -> None:
    data = _noise(20_000_000)
    chunks = list(by_content(io.BytesIO(data).read))
    assert b"".join(chunks) == data
    tail = b"".join(chunks[50:])
    assert list(by_content(io.BytesIO(tail).read)) == chunks[50:], (
        "a cut must depend only on what follows the cut before"
    )


def test_an_insertion_in_the_middle_costs_a_chunk_or_two() -> None:
    data = _noise(4_000_000)
    before = set(by_content(io.BytesIO(data).read))
    after = list(by_content(io.BytesIO(data[:2_000_000] + b"inserted" + data[2_000_000:]).read))
    assert sum(1 for chunk in after if chunk not in before) <= 2


def test_the_cuts_of_this_release_are_those_of_every_release() -> None:
    # another algorithm, or other parameters, would find none of the chunks that yards have
    lengths = [len(chunk) for chunk in by_content(io.BytesIO(random.Random(7).randbytes(5_000_000)).read)]
    assert hashlib.sha256(json.dumps(lengths).encode()).hexdigest() == (
        "394efba7b8e1ef90eeb32d8bc23a50e654f5672eb241870635df276ba5e355bc"
    ), lengths


def _layout(*lengths: tuple[str, str, int], start: int = 100) -> Layout:
    tensors, at = [], start
    for name, dtype, length in lengths:
        tensors.append(Tensor(name, dtype, (length,), at, length))
        at += length
    return Layout("test", tuple(tensors))


def test_a_large_tensor_is_cut_in_pieces_small_neighbours_are_put_together_and_the_header_is_apart() -> None:
    layout = _layout(
        ("a", "F32", 2 * PIECE + 12),
        ("b", "F32", 1000),
        ("c", "F32", 2000),
        ("d", "BF16", 3000),
        ("e", "F32", TOGETHER),
    )
    pieces = list(pieces_of(layout, 100 + 2 * PIECE + 12 + 6000 + TOGETHER + 50))
    told = [(p.name and "+".join(part[0] for part in p.name.parts), p.name and p.name.number, p.length) for p in pieces]
    assert told == [
        (None, None, 100),
        ("a", 0, PIECE),
        ("a", 1, PIECE),
        ("a", 2, 12),
        ("b+c", 0, 3000),
        ("d", 0, 3000),
        ("e", 0, TOGETHER),
        (None, None, 50),
    ]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 200_000), st.integers(0, 3 * TOGETHER), st.sampled_from(["F32", "BF16", "U8", "GGUF_Q4_K"])
        ),
        max_size=12,
    ),
    st.integers(0, 5000),
)
def test_pieces_cover_the_file_without_hole_or_overlap(spec: list[tuple[int, int, str]], after: int) -> None:
    tensors, at = [], 0
    for number, (gap, length, dtype) in enumerate(spec):
        tensors.append(Tensor(str(number), dtype, (), at + gap, length))
        at += gap + length
    size, reached = at + after, 0
    for piece in pieces_of(Layout("test", tuple(tensors)), size):
        assert piece.offset == reached
        assert piece.length > 0
        reached += piece.length
    assert reached == size


def test_a_name_with_lies_behind_it_is_bytes_like_any_other() -> None:
    data = (100).to_bytes(8, "little") + _noise(5000)
    assert layout_of(lambda offset, length: data[offset : offset + length], len(data)) is None
    assert [piece.length for piece in pieces_of(None, len(data))] == [len(data)]


@given(st.lists(st.tuples(st.binary(min_size=32, max_size=32), st.integers(0, 2**32 - 1)), max_size=50))
def test_a_recipe_comes_back_equal_and_finds_its_chunks(chunks: list[tuple[bytes, int]]) -> None:
    recipe = Recipe.from_bytes(Recipe(tuple(chunks)).to_bytes())
    assert recipe.chunks == tuple(chunks)
    for number, (_, length) in enumerate(chunks):
        if length:
            assert recipe.at(recipe.starts[number]) == recipe.at(recipe.starts[number + 1] - 1) == number


def test_a_recipe_that_was_edited_is_refused() -> None:
    good = Recipe(((b"a" * 32, 5), (b"b" * 32, 7))).to_bytes()
    for position in range(len(good)):
        for bad in (good[:position], good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :]):
            try:
                Recipe.from_bytes(bad)
            except ValueError:
                continue
            raise AssertionError(f"an edit at {position} was not seen")

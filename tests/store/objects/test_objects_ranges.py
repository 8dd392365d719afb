"""Joining ranges loses no byte and asks for no more than it may."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from modelyard.store.objects.ranges import joined

RANGES = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 60)), max_size=30)


@given(RANGES, st.integers(0, 40), st.integers(1, 200))
def test_every_range_lies_in_exactly_one_run_and_runs_lie_apart(
    ranges: list[tuple[int, int]], gap: int, longest: int
) -> None:
    runs = joined(ranges, gap, longest)
    members = [index for run in runs for index in run.members]
    assert sorted(members) == [index for index, (_, length) in enumerate(ranges) if length]
    for run in runs:
        inside = [ranges[index] for index in run.members]
        assert all(run.offset <= offset and offset + length <= run.offset + run.length for offset, length in inside)
        assert run.offset == min(offset for offset, _ in inside)
        assert run.offset + run.length == max(offset + length for offset, length in inside)
        assert run.length <= max(longest, *(length for _, length in inside))
        asked = {byte for offset, length in inside for byte in range(offset, offset + length)}
        unasked = [byte for byte in range(run.offset, run.offset + run.length) if byte not in asked]
        assert len(unasked) <= gap * (len(inside) - 1)
    assert [run.offset for run in runs] == sorted(run.offset for run in runs)


@given(RANGES)
def test_without_a_bound_runs_are_further_apart_than_the_gap(ranges: list[tuple[int, int]]) -> None:
    runs = joined(ranges, gap=10, longest=10**9)
    for one, other in pairwise(runs):
        assert other.offset > one.offset + one.length + 10

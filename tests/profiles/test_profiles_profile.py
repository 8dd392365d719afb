"""A profile counts exactly, whatever the split and the order, and survives JSON."""

from __future__ import annotations

import json
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.core.errors import InvalidInput
from modelyard.profiles.profile import CATEGORIES, CategoricalProfile, NumericProfile, Profile

numbers = st.one_of(st.none(), st.floats(), st.integers(-50, 50))
texts = st.one_of(st.none(), st.sampled_from(["AA", "UA", "ZZ"]), st.text(max_size=2))
rows = st.lists(st.tuples(numbers, texts, st.integers(0, 5)), min_size=1, max_size=60)


def _table(some: list[tuple[Any, Any, int]]) -> dict[str, list[Any]]:
    return {"x": [float("nan") if r[0] is None else float(r[0]) for r in some], "c": [r[1] for r in some],
            "k": [r[2] for r in some]}  # fmt: skip


def _numeric(profile: Profile, name: str) -> NumericProfile:
    column = profile[name]
    assert isinstance(column, NumericProfile)
    return column


def _categorical(profile: Profile, name: str) -> CategoricalProfile:
    column = profile[name]
    assert isinstance(column, CategoricalProfile)
    return column


def _counts(profile: Profile) -> Any:
    return [
        (c.name, c.counts, c.missing, c.moments.n, c.moments.minimum, c.moments.maximum)
        if isinstance(c, NumericProfile)
        else (c.name, c.counts, c.missing, c.other)
        for c in profile
    ]


@given(rows, rows, st.data())
def test_the_merged_counts_of_any_split_in_any_order_are_the_counts_of_the_whole(
    reference: list[Any], live: list[Any], data: st.DataObject
) -> None:
    profile = Profile.fit(_table(reference))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(live)), max_size=4)))
    parts = [live[a:b] for a, b in zip([0, *cuts], [*cuts, len(live)], strict=True) if b > a]
    merged = reduce(add, [profile.count(_table(part)) for part in data.draw(st.permutations(parts))])
    whole = profile.count(_table(live))
    assert _counts(merged) == _counts(whole)
    assert merged.rows == whole.rows == len(live)
    for name in ("x", "k"):
        one, other = _numeric(merged, name).moments, _numeric(whole, name).moments
        scale = max(1.0, abs(other.minimum or 0), abs(other.maximum or 0))
        assert one.mean == pytest.approx(other.mean, abs=1e-9 * scale)
        assert one.m2 == pytest.approx(other.m2, rel=1e-6, abs=1e-9 * scale * scale)


@given(rows)
def test_every_row_is_counted_once(table: list[Any]) -> None:
    profile = Profile.fit(_table(table))
    assert all(column.rows == profile.rows == len(table) for column in profile)


@given(rows, rows)
def test_a_profile_survives_json_exactly(reference: list[Any], live: list[Any]) -> None:
    profile = Profile.fit(_table(reference))
    for each in (profile, profile.count(_table(live))):
        assert Profile.from_json(json.loads(json.dumps(each.to_json(), allow_nan=False))) == each


def test_quantile_bins_hold_about_equal_counts() -> None:
    column = _numeric(Profile.fit({"x": np.random.default_rng(1).normal(size=3000)}, bins=30), "x")
    assert len(column.counts) == 32
    assert column.counts[0] == column.counts[-1] == 0
    assert set(column.counts[1:-1]) <= {99, 100, 101}


def test_ties_fall_whole_into_one_bin() -> None:
    values = np.concatenate([np.zeros(900), np.linspace(1, 2, 100)])
    column = _numeric(Profile.fit({"x": values}, bins=10), "x")
    assert 900 in column.counts
    assert sum(column.counts) == 1000


def test_few_whole_numbers_get_one_bin_each_and_new_ones_fall_outside() -> None:
    profile = Profile.fit({"hour": [5, 6, 6, 8, np.nan]})
    column = _numeric(profile, "hour")
    assert column.counts == (0, 1, 2, 1, 0)
    assert column.missing == 1
    assert _numeric(profile.count({"hour": [4, 5, 9, 9]}), "hour").counts == (1, 1, 0, 0, 2)


def test_a_constant_column_sees_a_change_to_either_side() -> None:
    profile = Profile.fit({"x": [1.5, 1.5]})
    assert _numeric(profile.count({"x": [1.4, 1.5, 1.6]}), "x").counts == (1, 1, 1)


def test_a_new_category_counts_as_other_and_never_as_missing() -> None:
    profile = Profile.fit({"c": ["a", "a", "b", None]})
    column = _categorical(profile.count({"c": ["a", "new", None, float("nan")]}), "c")
    assert (column.values, column.counts, column.other, column.missing) == (("a", "b"), (1, 0), 1, 2)


def test_only_the_most_frequent_categories_are_kept() -> None:
    values = [f"v{i}" for i in range(CATEGORIES + 50)] + ["v249"] * 3
    column = _categorical(Profile.fit({"c": values}), "c")
    assert len(column.values) == CATEGORIES
    assert column.values[0] == "v249"
    assert column.other == 50
    assert column.rows == len(values)


def test_infinite_and_huge_values_are_counted_and_kept_out_of_the_moments() -> None:
    column = _numeric(Profile.fit({"x": [1.0, 2.0, np.inf, -np.inf, 1.7e308]}), "x")
    assert column.counts == (1, 1, 1, 2)
    assert (column.moments.n, column.moments.mean, column.moments.sd) == (2, 1.5, pytest.approx(0.5**0.5))


def test_times_and_booleans_are_profiled_as_numbers() -> None:
    profile = Profile.fit({"t": pd.to_datetime(["1970-01-02", None]), "b": [True, False]})
    assert _numeric(profile, "t").moments.mean == 86400
    assert _numeric(profile, "t").missing == 1
    assert _numeric(profile, "b").moments.mean == 0.5


def test_a_column_that_live_data_lacks_counts_as_missing_and_an_unknown_one_is_left_out() -> None:
    profile = Profile.fit({"a": [1, 2], "c": ["x", "y"]})
    live = profile.count({"b": [1, 2, 3]})
    assert live.names == ("a", "c")
    assert [(c.rows, c.missing) for c in live] == [(3, 3), (3, 3)]


def test_text_in_a_numeric_column_counts_as_missing() -> None:
    profile = Profile.fit({"a": [1, 2]})
    assert profile.count({"a": [1, "two"]})["a"].missing == 1


def test_moments_are_those_of_numpy() -> None:
    values = np.random.default_rng(2).lognormal(size=500)
    m = _numeric(Profile.fit({"x": values}), "x").moments
    assert (m.mean, m.sd) == (pytest.approx(values.mean()), pytest.approx(values.std(ddof=1)))
    assert (m.minimum, m.maximum) == (values.min(), values.max())


def test_profiles_of_different_bins_are_not_merged() -> None:
    with pytest.raises(InvalidInput, match="different bins"):
        Profile.fit({"a": [1, 2]}) + Profile.fit({"a": [1, 3]})
    with pytest.raises(InvalidInput, match="different bins"):
        Profile.fit({"a": ["x"]}) + Profile.fit({"a": ["y"]})
    with pytest.raises(InvalidInput, match="different columns"):
        Profile.fit({"a": [1]}) + Profile.fit({"b": [1]})


@pytest.mark.parametrize("data", [{}, [], {"a": []}, np.zeros((0, 3))])
def test_a_profile_of_nothing_is_refused(data: Any) -> None:
    with pytest.raises(InvalidInput, match="at least one row"):
        Profile.fit(data)


@pytest.mark.parametrize("document", [[], {}, {"format": 99}, {"format": 1, "rows": 1, "columns": [{"kind": "odd"}]}])
def test_a_document_that_is_no_profile_is_refused(document: Any) -> None:
    with pytest.raises(InvalidInput):
        Profile.from_json(document)


def test_the_parts_of_a_reference_are_its_rows_in_order_and_add_up_to_it() -> None:
    profile = Profile.fit({"x": np.arange(9600.0), "c": ["a"] * 4800 + ["b"] * 4800})
    assert len(profile.parts) == 96
    for i, column in enumerate(profile):
        assert tuple(np.sum([part[i] for part in profile.parts], axis=0)) == column.tally
    assert [part[1][:2] for part in profile.parts] == [(100, 0)] * 48 + [(0, 100)] * 48
    assert Profile.fit({"x": np.arange(99.0)}).parts == ()
    assert profile.count({"x": [1.0], "c": ["a"]}).parts == ()
    assert Profile.from_json(json.loads(json.dumps(profile.to_json()))) == profile

"""Drift scores against scipy, the null distribution, and the three bars."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from modelyard.core.errors import InvalidInput
from modelyard.monitoring.drift import (
    EXPECTED,
    DriftRule,
    chi2_quantile,
    compare,
    critical_value,
    js_distance,
    ks,
    pooled,
    psi,
    run_length,
    variation,
)
from modelyard.profiles.profile import Profile

counts = st.lists(st.integers(0, 500), min_size=3, max_size=30)


@st.composite
def two_counts(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    a = draw(counts)
    b = draw(st.lists(st.integers(0, 500), min_size=len(a), max_size=len(a)))
    return [a[0] + 1, *a[1:]], [*b[:-1], b[-1] + 1]


@given(two_counts())
def test_js_is_scipys(pair: tuple[list[int], list[int]]) -> None:
    a, b = (np.array(c, dtype=float) for c in pair)
    assert js_distance(a, b) == pytest.approx(jensenshannon(a, b, base=2), abs=1e-7)


@given(two_counts())
def test_psi_is_the_sum_of_both_relative_entropies_of_scipy(pair: tuple[list[int], list[int]]) -> None:
    p, q = (np.array(c, dtype=float) + 0.5 for c in pair)
    assert psi(p - 0.5, q - 0.5) == pytest.approx(stats.entropy(p, q) + stats.entropy(q, p), abs=1e-9)


@given(two_counts())
def test_ks_on_bins_is_scipys_on_the_bin_numbers(pair: tuple[list[int], list[int]]) -> None:
    a, b = (np.repeat(np.arange(len(c)), c) for c in pair)
    with np.errstate(all="ignore"):  # its p-value, which is not asked for, divides by zero on tiny samples
        expected = stats.ks_2samp(a, b, method="asymp").statistic
    assert ks(*(np.array(c, dtype=float) for c in pair)) == pytest.approx(expected, abs=1e-12)


@given(two_counts())
def test_scores_are_symmetric_and_nothing_between_equals(pair: tuple[list[int], list[int]]) -> None:
    a, b = (np.array(c, dtype=float) for c in pair)
    for score in (psi, js_distance, ks):
        assert score(a, b) == pytest.approx(score(b, a), abs=1e-7)
        assert score(a, b) >= 0
        assert score(a, a) == 0


@pytest.mark.parametrize("degrees", [1, 2, 3, 5, 10, 30, 100, 200])
@pytest.mark.parametrize("upper", [0.05, 1e-3, 1e-4, 5e-5, 1e-6])
def test_the_chi_square_quantile_is_within_seven_percent_of_scipys(degrees: int, upper: float) -> None:
    assert chi2_quantile(1 - upper, degrees) == pytest.approx(stats.chi2.ppf(1 - upper, degrees), rel=0.07)


@pytest.mark.parametrize("metric", ["psi", "js"])
@pytest.mark.parametrize(("n", "m"), [(1000, 1000), (20_000, 500)])
def test_chance_exceeds_the_critical_value_as_often_as_alpha_says(metric: Any, n: int, m: int) -> None:
    rng = np.random.default_rng(7)
    shares = rng.dirichlet(np.full(10, 5.0))
    score = {"psi": psi, "js": js_distance}[metric]
    bar = critical_value(metric, 10, n, m, 0.05)
    over = [score(rng.multinomial(n, shares).astype(float), rng.multinomial(m, shares).astype(float)) > bar
            for _ in range(2000)]  # fmt: skip
    assert np.mean(over) == pytest.approx(0.05, abs=0.015)


def test_the_ks_bar_is_that_of_smirnov() -> None:
    assert critical_value("ks", 30, 1000, 1000, 0.05) == pytest.approx(1.358 * (2 / 1000) ** 0.5, rel=1e-3)


@example(([0, 2, 500], [0, 0, 300]), True)
@given(two_counts(), st.booleans())
def test_pooling_keeps_every_row_and_leaves_no_thin_bin(pair: tuple[list[int], list[int]], ordered: bool) -> None:
    a, b = pooled(*pair, ordered)
    assert (a.sum(), b.sum()) == (sum(pair[0]), sum(pair[1]))
    b = b * min(1.0, a.sum() / b.sum())  # a live sample counts for no more than the reference
    small = min(a.sum(), b.sum()) / (a.sum() + b.sum())
    assert len(a) == 1 or ((a + b) * small >= EXPECTED - 1e-9).all()


def test_what_is_missing_stands_alone_when_it_is_enough() -> None:
    a, b = pooled([50, 2, 30], [50, 1, 60], True)
    assert (a.tolist(), b.tolist()) == ([52, 30], [51, 60])


def _numbers(rng: np.random.Generator, rows: int, shift: float = 0.0) -> dict[str, Any]:
    words = np.array([f"v{i}" for i in range(50)], dtype=object)
    weights = 1 / np.arange(1, 51)
    table: dict[str, Any] = {f"normal{i}": rng.normal(shift, 1, rows) for i in range(8)}
    table |= {f"skewed{i}": rng.lognormal(shift, 1.5, rows) for i in range(3)}
    table |= {f"zeros{i}": np.where(rng.random(rows) < 0.7, 0, rng.gamma(2, 1, rows)) for i in range(2)}
    table |= {f"whole{i}": rng.poisson(4 + shift, rows) for i in range(2)}
    table |= {f"gaps{i}": np.where(rng.random(rows) < 0.1, np.nan, rng.normal(shift, 1, rows)) for i in range(2)}
    table |= {f"words{i}": rng.choice(words, rows, p=weights / weights.sum()) for i in range(3)}
    return table


def test_two_hundred_windows_of_twenty_undrifted_features_raise_no_false_alarm() -> None:
    rng = np.random.default_rng(20130101)
    reference = Profile.fit(_numbers(rng, 10_000))
    false = [
        (rows, score.feature)
        for rows in (100, 200, 500, 1000)
        for _ in range(50)
        for score in compare(reference, reference.count(_numbers(rng, rows)))
        if score.drifted or score.drifted is None
    ]
    assert len(reference.columns) == 20
    assert false == []


def test_a_shift_of_half_a_standard_deviation_is_caught_in_500_rows() -> None:
    rng = np.random.default_rng(3)
    reference = Profile.fit(_numbers(rng, 10_000))
    scores = [s for _ in range(25) for s in compare(reference, reference.count(_numbers(rng, 500, shift=0.5)))]
    caught = [s.drifted for s in scores if s.feature.startswith("normal")]
    assert np.mean(caught) >= 0.97
    assert not any(s.drifted for s in scores if s.feature.startswith(("words", "zeros")))


CHANGES = {
    "a new category": ({"c": ["a", "b"] * 200 + ["new"] * 150}, "c"),
    "a category that is gone": ({"c": ["a"] * 400}, "c"),
    "missing text": ({"c": ["a", "b"] * 200 + [None] * 150}, "c"),
    "missing numbers": ({"x": [*np.linspace(0, 1, 400), *[np.nan] * 150]}, "x"),
    "values below all of training": ({"x": [*np.linspace(0, 1, 400), *[-5.0] * 100]}, "x"),
    "values above all of training": ({"x": [*np.linspace(0, 1, 400), *[5.0] * 100]}, "x"),
    "a constant that changed": ({"k": [1] * 300}, "k"),
}


@pytest.mark.parametrize(("change", "feature"), CHANGES.values(), ids=CHANGES.keys())
@pytest.mark.parametrize("metric", ["psi", "js"])
def test_every_kind_of_change_counts(change: dict[str, Any], feature: str, metric: Any) -> None:
    reference = Profile.fit({"c": ["a", "b"] * 2000, "x": np.tile(np.linspace(0, 1, 400), 10), "k": [0] * 4000})
    rows = len(next(iter(change.values())))
    usual = {"c": ["a", "b"] * rows, "x": np.tile(np.linspace(0, 1, 200), rows), "k": [0] * rows}
    current = reference.count({**{name: values[:rows] for name, values in usual.items()}, **change})
    scores = {score.feature: score.drifted for score in compare(reference, current, DriftRule(metric))}
    assert scores.pop(feature) is True
    assert not any(scores.values())


def test_few_rows_are_unknown_and_never_good_or_bad() -> None:
    reference = Profile.fit({"x": np.arange(1000.0)})
    (few,) = compare(reference, reference.count({"x": [1e9] * 99}))
    (enough,) = compare(reference, reference.count({"x": [1e9] * 100}))
    assert (few.drifted, enough.drifted) == (None, True)
    assert few.value is not None
    (none,) = compare(reference, reference.count({"x": []}))
    assert (none.value, none.drifted, none.rows) == (None, None, 0)


def test_a_reference_that_wanders_by_itself_is_not_alarmed_by_its_own_parts() -> None:
    seasons = np.concatenate([np.random.default_rng(i).normal(i * 0.8, 1, 3000) for i in range(3)])
    reference = Profile.fit({"x": seasons})
    for start in (0, 3000, 6000):
        window = reference.count({"x": seasons[start : start + 3000]})
        (plain,) = compare(reference, window, DriftRule(margin=0))
        (score,) = compare(reference, window)
        assert score.drifted is False
        assert score.bar == "variation"
        if start != 3000:
            assert plain.drifted is True
    (far,) = compare(reference, reference.count({"x": np.random.default_rng(9).normal(6, 1, 3000)}))
    assert far.drifted is True


def test_a_run_of_parts_is_as_long_as_the_window_and_at_most_half_of_the_reference() -> None:
    parts = tuple((10, 0) for _ in range(24))
    assert [run_length(parts, rows) for rows in (1, 10, 44, 120, 10_000)] == [1, 1, 4, 12, 12]
    assert variation(parts, 1, "psi", True) == pytest.approx(0, abs=0.02)
    assert variation((), 1, "psi", True) == 0


def test_ks_scores_categories_by_psi() -> None:
    reference = Profile.fit({"x": np.arange(500.0), "c": ["a"] * 500})
    scores = compare(reference, reference, DriftRule("ks", floor=0.3))
    assert [(s.metric, s.threshold >= 0.3) for s in scores] == [("ks", True), ("psi", False)]


def test_profiles_of_different_bins_are_not_compared() -> None:
    with pytest.raises(InvalidInput, match="different bins"):
        compare(Profile.fit({"x": [1, 2]}), Profile.fit({"x": [1, 3]}))


@pytest.mark.parametrize("options", [{"metric": "wasserstein"}, {"alpha": 0}, {"alpha": 1}])
def test_a_rule_that_makes_no_sense_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        DriftRule(**options)


@pytest.mark.parametrize("rows", [100, 3_000, 300_000])
@pytest.mark.parametrize(
    "live",
    [{"x": [5.0], "c": ["a"]}, {"x": [None], "c": [None]}, {"x": [99.0], "c": ["new"]}],
    ids=["one value only", "all missing", "never seen"],
)
def test_an_extreme_change_shows_however_many_rows_it_has(live: dict[str, list[Any]], rows: int) -> None:
    reference = Profile.fit({"x": np.tile(np.arange(10.0), 30), "c": ["a", "b", "c"] * 100})
    scores = compare(reference, reference.count({name: values * rows for name, values in live.items()}))
    assert [score.drifted for score in scores] == [True, True], scores

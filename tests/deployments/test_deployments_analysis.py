"""What an analysis concludes from two samples, as a table; and how its statistics compare with scipy's."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.deployments.analysis import Analysis, AnalysisRule, Phase, Sample, analyse
from modelyard.deployments.config import DeploymentConfig
from modelyard.deployments.measures import errors, fisher, latency, look_z, quality, quantile, shift, wilson

ACCURACY = AnalysisRule(metric="accuracy", margin=0.05, min_rows=100)
BLIND = AnalysisRule(metric="none", min_rows=100)


def answered(requests: int = 200, failed: int = 0, ms: float = 5.0, **more: object) -> Sample:
    fine = requests - failed
    return Sample(requests, failed, fine, [ms] * fine, [0.1 * (i % 10) for i in range(fine)], **more)  # type: ignore[arg-type]


def labelled(rows: int, share_right: float, requests: int = 200) -> Sample:
    right = round(rows * share_right)
    truth = [1] * rows
    return replace(answered(requests), outputs={"label": [1] * right + [0] * (rows - right)}, truth=truth)


CASES: dict[str, tuple[Sample, Sample, AnalysisRule, Phase]] = {
    "nothing has come yet": (Sample(), Sample(), ACCURACY, Phase.PENDING),
    "traffic, but no labels yet": (answered(), answered(), ACCURACY, Phase.PENDING),
    "labels, but too few": (labelled(99, 0.9), labelled(99, 0.9), ACCURACY, Phase.PENDING),
    "as good, on many labels": (labelled(5000, 0.9), labelled(5000, 0.9), ACCURACY, Phase.SUCCESSFUL),
    "as good, but not yet certain": (labelled(120, 0.9), labelled(120, 0.9), ACCURACY, Phase.RUNNING),
    "certainly worse": (labelled(500, 0.9), labelled(500, 0.6), ACCURACY, Phase.FAILED),
    "worse, but within the margin": (labelled(20000, 0.90), labelled(20000, 0.88), ACCURACY, Phase.SUCCESSFUL),
    "much better": (labelled(200, 0.6), labelled(200, 0.95), ACCURACY, Phase.SUCCESSFUL),
    "a metric that the model cannot give": (
        labelled(500, 0.9),
        labelled(500, 0.9),
        replace(ACCURACY, metric="rmse"),
        Phase.ERROR,
    ),
    "good quality, but too few requests to judge errors": (
        labelled(5000, 0.9),
        labelled(5000, 0.9, requests=3),
        ACCURACY,
        Phase.RUNNING,
    ),
    "good quality, but every second request fails": (
        labelled(5000, 0.9),
        replace(labelled(5000, 0.9), errors=100),
        ACCURACY,
        Phase.FAILED,
    ),
    "without labels: as expected": (answered(), answered(), BLIND, Phase.SUCCESSFUL),
    "without labels: too few rows": (answered(), answered(50), BLIND, Phase.RUNNING),
    "without labels: very different predictions": (
        answered(),
        replace(answered(), predictions=[9.0] * 200),
        BLIND,
        Phase.FAILED,
    ),
    "without labels: predictions that are not numbers": (
        answered(),
        replace(answered(), predictions=[math.nan] * 200),
        BLIND,
        Phase.FAILED,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_an_analysis_concludes(case: str) -> None:
    stable, candidate, rule, phase = CASES[case]
    found = analyse(stable, candidate, rule)
    assert found.phase is phase, found.reasons
    assert found.reasons
    assert Analysis.from_json(found.to_json()) == found


ERRORS: dict[str, tuple[tuple[int, int], tuple[int, int], Phase]] = {
    "none failed": ((0, 200), (0, 200), Phase.SUCCESSFUL),
    "a few, as tolerated": ((0, 200), (4, 200), Phase.SUCCESSFUL),
    "more than tolerated, and certainly more than the stable version": ((0, 200), (30, 200), Phase.FAILED),
    "all of the first twelve": ((0, 100), (12, 12), Phase.FAILED),
    "the first one only": ((0, 100), (1, 1), Phase.RUNNING),
    "more than tolerated, but perhaps by chance": ((0, 200), (6, 200), Phase.RUNNING),
    "both fail alike: nobody's proof": ((60, 200), (60, 200), Phase.RUNNING),
    "all fail, and the stable version has hardly answered": ((0, 2), (30, 30), Phase.FAILED),
    "too few to say": ((0, 200), (0, 5), Phase.RUNNING),
    "none asked": ((0, 200), (0, 0), Phase.PENDING),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_are_judged(case: str) -> None:
    (bad, of), (worse, among), phase = ERRORS[case]
    found = errors(Sample(of, bad), Sample(among, worse), AnalysisRule())
    assert found.phase is phase, found.reason


LATENCIES: dict[str, tuple[float, float, int, Phase]] = {
    "as quick": (5, 5, 100, Phase.SUCCESSFUL),
    "ten times slower, but quick enough for anybody": (1, 10, 100, Phase.SUCCESSFUL),
    "slow, as the stable version is": (400, 500, 100, Phase.SUCCESSFUL),
    "ten times slower": (40, 400, 100, Phase.FAILED),
    "ten times slower, on too few answers": (40, 400, 10, Phase.RUNNING),
}


@pytest.mark.parametrize("case", LATENCIES)
def test_latency_is_judged(case: str) -> None:
    usual, slow, n, phase = LATENCIES[case]
    found = latency(Sample(n, latencies_ms=[usual] * n), Sample(n, latencies_ms=[slow] * n), AnalysisRule())
    assert found.phase is phase, found.reason


def test_one_slow_answer_in_twenty_fails_nobody() -> None:
    fine = [5.0] * 95 + [6.0] * 5
    some = [5.0] * 94 + [900.0] * 6  # above the percentile, but not certainly
    assert (
        latency(Sample(100, latencies_ms=fine), Sample(100, latencies_ms=some), AnalysisRule()).phase is Phase.RUNNING
    )


@settings(deadline=None)  # the first call imports scipy
@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_fishers_test_agrees_with_scipy(of: int, among: int, data: st.DataObject) -> None:
    stats = pytest.importorskip("scipy.stats")
    bad, worse = data.draw(st.integers(0, of)), data.draw(st.integers(0, among))
    table = [[worse, among - worse], [bad, of - bad]]
    assert fisher(worse, among, bad, of) == pytest.approx(stats.fisher_exact(table, "greater").pvalue, abs=1e-9)


@settings(deadline=None)  # the first call imports scipy
@given(st.integers(1, 500), st.data())
def test_wilsons_bounds_agree_with_scipy(of: int, data: st.DataObject) -> None:
    stats = pytest.importorskip("scipy.stats")
    bad = data.draw(st.integers(0, of))
    expected = stats.binomtest(bad, of).proportion_ci(0.95, "wilson")
    assert wilson(bad, of, 0.025) == pytest.approx((expected.low, expected.high), abs=1e-9)


@settings(deadline=None)  # the first call imports scipy
@given(st.lists(st.integers(0, 5), min_size=20, max_size=60), st.lists(st.integers(0, 5), min_size=20, max_size=60))
def test_the_shift_of_predictions_agrees_with_scipy(ours: list[int], theirs: list[int]) -> None:
    stats = pytest.importorskip("scipy.stats")
    found = shift(Sample(predictions=theirs), Sample(predictions=ours), 0.5, AnalysisRule())
    assert found.candidate == pytest.approx(stats.ks_2samp(ours, theirs, method="asymp").statistic)


@settings(deadline=None)  # the first call imports scipy
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=80))
def test_the_bounds_of_a_quantile_hold_its_estimate(values: list[float]) -> None:
    low, estimate, high = quantile(values, 0.95, 1e-4)
    assert min(values) <= low <= estimate <= high <= max(values)


def scored(positives: int, negatives: int, area: float = 1.0, words: tuple[Any, Any] = (0, 1)) -> Sample:
    scores = [area] * positives + [1 - area] * negatives
    labels = [words[score > 0.5] for score in scores]
    truth = [words[1]] * positives + [words[0]] * negatives
    return replace(answered(), outputs={"label": labels, "probability": scores}, truth=truth)


@pytest.mark.parametrize("few", [scored(0, 300), scored(9, 300), scored(300, 9), scored(300, 0)])
def test_an_area_of_a_few_rows_of_a_class_is_awaited_and_is_no_look(few: Sample) -> None:
    rule = AnalysisRule(metric="auc", margin=0.5, min_rows=100)
    for stable, candidate in ((few, scored(5000, 5000)), (scored(5000, 5000), few)):
        found = analyse(stable, candidate, rule)
        assert (found.phase, found.look) == (Phase.PENDING, 0)
        assert "of the 10 labelled rows of each class" in found.reason
    late = analyse(few, few, rule, seconds=rule.timeout_seconds)
    assert late.phase is Phase.INCONCLUSIVE
    enough = scored(5000, 5000)
    assert analyse(enough, enough, rule, before=found).phase is Phase.SUCCESSFUL


def test_ten_positives_in_perfect_order_prove_nothing_within_a_narrow_margin() -> None:
    rule = AnalysisRule(metric="auc", margin=0.02)
    assert quality(scored(10, 500), scored(10, 500), rule).phase is Phase.RUNNING


def test_the_positive_class_of_the_monitor_is_that_of_a_rollout() -> None:
    rule = AnalysisRule(metric="auc", margin=0.1, min_rows=100)
    good, poor = (scored(500, 500, area, ("on time", "late")) for area in (0.9, 0.1))
    assert analyse(poor, good, rule, positive="late").phase is Phase.SUCCESSFUL
    assert analyse(good, poor, rule, positive="late").phase is Phase.FAILED
    config = DeploymentConfig.parse({"monitor": {"positive": "late"}})
    assert config.positive == "late"
    assert DeploymentConfig.parse({}).positive is None


def test_lower_is_better_for_a_loss() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 4000).tolist()
    sharp = {"probability": [0.9 if t else 0.1 for t in truth]}
    blunt = {"probability": [0.6 if t else 0.4 for t in truth]}
    rule = AnalysisRule(metric="log_loss", margin=0.1)
    good, poor = Sample(outputs=sharp, truth=truth), Sample(outputs=blunt, truth=truth)
    assert quality(poor, good, rule).phase is Phase.SUCCESSFUL
    assert quality(good, poor, rule).phase is Phase.FAILED


def test_between_two_looks_the_last_one_stands() -> None:
    first = analyse(labelled(120, 0.9), labelled(120, 0.9), ACCURACY)
    assert (first.phase, first.look, first.look_rows) == (Phase.RUNNING, 1, 120)
    unlucky = analyse(labelled(179, 0.9), labelled(179, 0.0), ACCURACY, before=first)
    assert (unlucky.phase, unlucky.look) == (Phase.RUNNING, 1), "only 49 % more rows: nobody looks"
    assert "next look at 180 labelled rows" in unlucky.reason
    due = analyse(labelled(180, 0.9), labelled(180, 0.0), ACCURACY, before=unlucky)
    assert (due.phase, due.look, due.look_rows) == (Phase.FAILED, 2, 180)


def test_a_look_that_passed_stays_passed_while_errors_are_awaited() -> None:
    few = labelled(5000, 0.9, requests=3)
    first = analyse(few, few, ACCURACY)
    later = analyse(labelled(9000, 0.9), labelled(9000, 0.5), ACCURACY, before=first)
    assert (later.phase, later.look) == (Phase.SUCCESSFUL, 1)


def test_when_time_is_up_what_is_not_certain_is_inconclusive() -> None:
    rule = replace(ACCURACY, timeout_seconds=60)
    samples = labelled(120, 0.9), labelled(120, 0.9)
    assert analyse(*samples, rule, seconds=59).phase is Phase.RUNNING
    late = analyse(*samples, rule, seconds=60)
    assert late.phase is Phase.INCONCLUSIVE
    assert "not certain after 60 s" in late.reason


def test_time_that_is_up_makes_nothing_bad_good_and_nothing_good_bad() -> None:
    assert analyse(Sample(), Sample(), ACCURACY, seconds=1e9).phase is Phase.INCONCLUSIVE
    assert analyse(labelled(5000, 0.9), labelled(5000, 0.9), ACCURACY, seconds=1e9).phase is Phase.SUCCESSFUL
    assert analyse(labelled(500, 0.9), labelled(500, 0.6), ACCURACY, seconds=1e9).phase is Phase.FAILED


def test_when_the_looks_are_used_up_it_is_inconclusive() -> None:
    rule = replace(ACCURACY, max_looks=2)
    found = None
    for rows in (100, 150, 225):
        found = analyse(labelled(rows, 0.9), labelled(rows, 0.9), rule, before=found)
    assert found is not None
    assert (found.phase, found.look) == (Phase.INCONCLUSIVE, 2)
    assert "not certain after 2 looks" in found.reason


def test_more_looks_make_each_look_stricter() -> None:
    assert look_z(replace(ACCURACY, max_looks=1)) == pytest.approx(1.6449, abs=1e-4)
    assert look_z(replace(ACCURACY, max_looks=8)) == pytest.approx(2.4977, abs=1e-4)


@pytest.mark.parametrize(
    ("true_difference", "wrong", "most"),
    [
        pytest.param(-0.05, Phase.SUCCESSFUL, 0.05, id="a candidate that is worse by the margin rarely passes"),
        pytest.param(
            -0.05, Phase.FAILED, 0.05, id="a candidate that is worse by the margin, and no more, rarely fails"
        ),
        pytest.param(0.0, Phase.FAILED, 0.005, id="a candidate that is as good practically never fails"),
    ],
)
def test_looking_again_and_again_keeps_the_errors_at_their_level(
    true_difference: float, wrong: Phase, most: float
) -> None:
    """400 rollout steps of up to 8 looks each; the bound has three standard errors of the simulation on top."""
    rng = np.random.default_rng(11)
    runs = 400
    mistaken = sum(_step(rng, 0.8, 0.8 + true_difference) is wrong for _ in range(runs))
    assert mistaken / runs <= most + 3 * math.sqrt(most * (1 - most) / runs)


def _step(rng: np.random.Generator, stable: float, candidate: float) -> Phase:
    most = 2000
    sides = [(rng.random(most) < share).astype(int).tolist() for share in (stable, candidate)]
    found = None
    for rows in range(100, most, 60):  # ticks come as they come; looks are taken when they are due
        samples = [replace(answered(), outputs={"label": side[:rows]}, truth=[1] * rows) for side in sides]
        found = analyse(samples[0], samples[1], ACCURACY, before=found)
        if found.phase in (Phase.SUCCESSFUL, Phase.FAILED):
            return found.phase
    return Phase.INCONCLUSIVE

"""The statistics of each measurement of an analysis. Pure; needs numpy.

Looking often
    Errors and latency are looked at on every tick, so they fail only at a level of :data:`GUARD` for one look: a candidate that is
    really broken reaches it within a few requests, and the looks of a whole rollout together stay below a false alarm in a hundred.
    The quality is looked at only when the labelled sample has grown by half, at most ``max_looks`` times, each at the level
    ``(1 - confidence) / max_looks`` (Bonferroni). That holds whatever the dependence between looks and however traffic comes, makes early looks
    stricter than a single one would be, and costs little: on growing samples the joint level stays below the nominal one
    (``benchmarks/deployments/analysis_errors.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, exp, floor, lgamma, sqrt
from statistics import NormalDist
from typing import Any

from modelyard.deployments.analysis import AnalysisRule, Measurement, Phase, Sample

GUARD = 1e-4
"""The one-sided level of one look at errors, latency and the shift of predictions."""

FEWEST = 10
"""Labelled rows of each class that an area under the curve needs before it is compared."""

_NEEDS = {
    "auc": "a column 'probability' and labels of both classes",
    "accuracy": "a column 'label'",
    "rmse": "a column 'prediction' and labels that are numbers",
    "mae": "a column 'prediction' and labels that are numbers",
}


def errors(stable: Sample, candidate: Sample, rule: AnalysisRule) -> Measurement:
    """Does the candidate fail too many requests?

    Up to ``max_error_rate`` is tolerated. Above it the candidate fails when it is worse than the stable version on the same window (Fisher's exact
    test, one-sided: exact for the few errors there are) or, when the stable version answered too little to compare, when the lower Wilson bound
    of its own rate is above the limit (E. B. Wilson, JASA 22, 1927). When both versions fail alike it is nobody's proof: it stays
    running.
    """
    limit, rate = rule.max_error_rate, candidate.error_rate
    counts = {"stable_count": stable.requests, "candidate_count": candidate.requests}
    lower, upper = wilson(candidate.errors, candidate.requests, GUARD) if candidate.requests else (0.0, 1.0)
    told = (
        f"the candidate failed {candidate.errors} of {candidate.requests} requests ({rate:.1%}), the stable version "
        f"{stable.errors} of {stable.requests} ({stable.error_rate:.1%}); {limit:.1%} are tolerated"
    )
    if rate > limit:
        alone = stable.requests < rule.min_requests
        chance = fisher(candidate.errors, candidate.requests, stable.errors, stable.requests)
        phase = Phase.FAILED if (lower > limit if alone else chance < GUARD) else Phase.RUNNING
    elif candidate.requests < rule.min_requests:
        phase = Phase.RUNNING if candidate.requests else Phase.PENDING
        told = f"{candidate.requests} of the {rule.min_requests} requests needed to judge errors have come"
    else:
        phase = Phase.SUCCESSFUL
    return Measurement("errors", phase, told, stable.error_rate, rate, lower, upper, limit, **counts)


def latency(stable: Sample, candidate: Sample, rule: AnalysisRule) -> Measurement:
    """Is the candidate much slower, at the 95th percentile?

    It fails when its percentile is certainly above ``min_latency_ms`` and above ``max_latency_ratio`` times the stable one's; certainty by the bounds of
    order statistics (Conover, Practical Nonparametric Statistics, 3.2), which assume nothing of the distribution. Milliseconds.
    """
    slow, usual = len(candidate.latencies_ms), len(stable.latencies_ms)
    counts = {"stable_count": usual, "candidate_count": slow}
    if min(slow, usual) < rule.min_requests:
        words = (
            f"{min(slow, usual)} of the {rule.min_requests} answers of each version needed to judge latency have come"
        )
        return Measurement("latency", Phase.RUNNING if slow else Phase.PENDING, words, **counts)
    low, value, high = quantile(candidate.latencies_ms, 0.95, GUARD)
    _, usual_value, usual_high = quantile(stable.latencies_ms, 0.95, GUARD)
    limit = max(rule.min_latency_ms, rule.max_latency_ratio * usual_value)
    told = f"95 % of the candidate's answers take up to {value:.1f} ms, the stable version's {usual_value:.1f} ms; {limit:.1f} ms are tolerated"
    if value <= limit:
        phase = Phase.SUCCESSFUL
    elif low > max(rule.min_latency_ms, rule.max_latency_ratio * usual_high):
        phase = Phase.FAILED
    else:
        phase = Phase.RUNNING
    return Measurement("latency", phase, told, usual_value, value, low, high, limit, **counts)


def quality(stable: Sample, candidate: Sample, rule: AnalysisRule, positive: Any = None) -> Measurement:
    """Is the candidate not worse than the stable version by more than ``margin``? One look.

    A test of non-inferiority (FDA, Non-Inferiority Clinical Trials, 2016) on the difference *candidate minus stable*, turned so that higher is better. The
    versions answered different rows, so its standard error is the root of the sum of both squares. Passes when the lower bound is above
    ``-margin``; fails when the upper bound is below it; otherwise more labels are awaited. Pending while
    an area under the curve would rest on fewer than :data:`FEWEST` rows of a class: its distribution is not yet near normal then.
    """
    from modelyard.monitoring.quality import LOWER_IS_BETTER, classes, measure

    counts = {"stable_count": stable.labelled, "candidate_count": candidate.labelled}
    metric, margin = rule.metric, rule.margin
    if metric == "auc":
        found = [classes(sample.outputs, sample.truth, positive) for sample in (candidate, stable)]
        fewest = min((min(both) for both in found if both is not None), default=FEWEST)
        if fewest < FEWEST and all("probability" in sample.outputs for sample in (candidate, stable)):
            words = (
                f"{fewest} of the {FEWEST} labelled rows of each class needed to compare auc have come to each version"
            )
            return Measurement(metric, Phase.PENDING, words, limit=-margin, **counts)
    ours, theirs = (measure(sample.outputs, sample.truth, positive).get(metric) for sample in (candidate, stable))
    if ours is None or theirs is None or ours.standard_error is None or theirs.standard_error is None:
        which = "the candidate" if ours is None or ours.standard_error is None else "the stable version"
        words = f"{metric} could not be measured on the labelled rows of {which}: {_why_not(metric)}"
        return Measurement(metric, Phase.ERROR, words, limit=-margin, **counts)
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
    difference = sign * (ours.value - theirs.value)
    reach = look_z(rule) * sqrt(ours.standard_error**2 + theirs.standard_error**2)
    lower, upper = difference - reach, difference + reach
    told = (
        f"{metric} of the candidate is {ours.value:.4f} on {candidate.labelled} rows, of the stable version {theirs.value:.4f} on "
        f"{stable.labelled}: {_better(difference)} by {abs(difference):.4f} (between {_signed(lower)} and {_signed(upper)}, "
        f"tolerated {_signed(-margin)})"
    )
    phase = Phase.SUCCESSFUL if lower > -margin else Phase.FAILED if upper < -margin else Phase.RUNNING
    return Measurement(metric, phase, told, theirs.value, ours.value, lower, upper, -margin, **counts)


def rows(stable: Sample, candidate: Sample, rule: AnalysisRule) -> Measurement:
    """Without labels: have both versions answered enough rows to be judged by errors, latency and predictions?"""
    ours, theirs = candidate.rows, stable.rows
    fewest = min(ours, theirs)
    phase = Phase.SUCCESSFUL if fewest >= rule.min_rows else Phase.RUNNING if ours else Phase.PENDING
    words = f"the candidate answered {ours} rows and the stable version {theirs}; {rule.min_rows} of each are needed"
    return Measurement(
        "rows", phase, words, theirs, ours, limit=rule.min_rows, stable_count=theirs, candidate_count=ours
    )


def shift(stable: Sample, candidate: Sample, limit: float, rule: AnalysisRule) -> Measurement:
    """Do the two versions predict very different values on the same traffic?

    The two-sample Kolmogorov-Smirnov distance; it fails when it is above the limit by more than chance can do (Smirnov's asymptotic bound).
    A value that is not finite counts as the largest of all.
    """
    import numpy as np

    ours, theirs = np.asarray(candidate.predictions, float), np.asarray(stable.predictions, float)
    counts = {"stable_count": len(theirs), "candidate_count": len(ours)}
    if min(len(ours), len(theirs)) < rule.min_requests:
        words = f"{min(len(ours), len(theirs))} of the {rule.min_requests} rows of each version needed to compare predictions have come"
        return Measurement("predictions", Phase.PENDING, words, limit=limit, **counts)
    ours, theirs = (np.sort(np.where(np.isfinite(a), a, np.inf)) for a in (ours, theirs))
    at = np.concatenate([ours, theirs])
    places = [np.searchsorted(a, at, side="right") / len(a) for a in (ours, theirs)]
    distance = float(np.max(np.abs(places[0] - places[1])))
    reach = sqrt(-np.log(GUARD / 2) / 2) * sqrt((len(ours) + len(theirs)) / (len(ours) * len(theirs)))
    lower, upper = max(0.0, distance - reach), min(1.0, distance + reach)
    phase = Phase.SUCCESSFUL if distance <= limit else Phase.FAILED if lower > limit else Phase.RUNNING
    words = f"the predictions of the two versions are {distance:.3f} apart (Kolmogorov-Smirnov); {limit:g} is tolerated"
    return Measurement("predictions", phase, words, None, distance, lower, upper, limit, **counts)


def look_z(rule: AnalysisRule) -> float:
    """The normal quantile of one look: all looks together err with at most ``1 - confidence``."""
    return NormalDist().inv_cdf(1 - (1 - rule.confidence) / rule.max_looks)


def fisher(bad: int, of: int, other_bad: int, other_of: int) -> float:
    """The chance of ``bad`` or more of all the failures falling on ``of`` requests when both sides fail alike (one-sided).

    >>> round(fisher(3, 4, 1, 4), 4)  # the lady tasting tea (R. A. Fisher, 1935)
    0.2429
    """
    failures, total = bad + other_bad, of + other_of
    base = _log_choose(total, failures)
    most = min(failures, of)
    terms = (
        exp(_log_choose(of, k) + _log_choose(other_of, failures - k) - base)
        for k in range(bad, most + 1)
        if failures - k <= other_of
    )
    return min(1.0, sum(terms))


def wilson(bad: int, of: int, level: float) -> tuple[float, float]:
    """Wilson's bounds of a share, each missed with the chance ``level``."""
    z, share = NormalDist().inv_cdf(1 - level), bad / of
    centre = share + z * z / (2 * of)
    reach = z * sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    scale = 1 + z * z / of
    return max(0.0, (centre - reach) / scale), min(1.0, (centre + reach) / scale)


def quantile(values: Sequence[float], share: float, level: float) -> tuple[float, float, float]:
    """A lower bound, the estimate and an upper bound of a quantile, each bound missed with about the chance ``level``; the extremes stand in where
    the sample is too small for a bound."""
    ordered = sorted(values)
    n = len(ordered)
    z = NormalDist().inv_cdf(1 - level)
    reach = z * sqrt(n * share * (1 - share))
    low, high = floor(n * share - reach), ceil(n * share + reach) + 1

    def at(rank: int) -> float:
        return float(ordered[min(max(rank, 1), n) - 1])

    return at(low), at(ceil(n * share)), at(high)


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def _why_not(metric: str) -> str:
    return f"it needs {_NEEDS.get(metric, _NEEDS['auc'])}"


def _better(difference: float) -> str:
    return "better" if difference >= 0 else "worse"


def _signed(value: float) -> str:
    return f"{value:+.4f}"

"""Whether live data has moved away from the reference: pure functions of two rows of counts over the same bins.

A feature has drifted when its score reaches three bars at once; ``DriftScore.threshold`` is the highest of them:

1. ``floor``: the smallest change worth a look, whatever the number of rows (0.2 for PSI);
2. ``noise``: what two samples of one distribution reach by chance, with probability ``alpha`` over all features;
3. ``variation``: how far runs of the reference as long as the window strayed from the rest of it, times a margin. Weather
   in March is not weather in January, and a model trained on both is at home in both.

How the defaults were chosen is in docs/decisions/drift-thresholds.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from modelyard.core.errors import InvalidInput
from modelyard.profiles.profile import NumericProfile, Profile

Metric = Literal["psi", "js", "ks"]
FLOORS: dict[Metric, float] = {"psi": 0.2, "js": 0.19, "ks": 0.18}
"""About the same change in each: a normal distribution that moves by 0.45 of its standard deviation."""

EXPECTED = 5  # rows that a bin must expect in the smaller sample, or it is pooled (Cochran 1954)

Tallies = tuple[tuple[int, ...], ...]

_Counts = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DriftRule:
    """When a feature counts as drifted. ``floor`` of ``None`` is the metric's own; ``alpha`` is shared by all features
    of a window (Bonferroni); below ``min_rows`` the answer is unknown. ``ks`` needs an order: categorical columns
    are then scored by ``psi``."""

    metric: Metric = "psi"
    floor: float | None = None
    alpha: float = 0.001
    margin: float = 1.2
    min_rows: int = 100

    def __post_init__(self) -> None:
        if self.metric not in FLOORS:
            raise InvalidInput(message=f"drift metric {self.metric!r} is unknown; use one of {', '.join(FLOORS)}")
        if not 0 < self.alpha < 1:
            raise InvalidInput(message=f"alpha of a drift rule is a probability between 0 and 1, not {self.alpha!r}")


@dataclass(frozen=True, slots=True)
class DriftScore:
    """How far one feature is from its reference. ``drifted`` is ``None`` where that cannot be known; ``bar`` names what
    set the threshold: floor, noise or variation."""

    feature: str
    metric: Metric
    value: float | None
    threshold: float
    drifted: bool | None
    rows: int
    bar: str = "floor"

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def compare(
    reference: Profile, current: Profile, rule: DriftRule | None = None, *, seconds: float | None = None
) -> list[DriftScore]:
    """The drift of each column of ``reference``, in order. New categories, values outside of all training data and a
    changed share of missing values count. ``seconds`` is the duration of the window: it is held against runs of the
    reference of that duration where the reference knows its own, else against runs of as many rows. Raises
    :class:`InvalidInput` unless both have the same bins."""
    rule = rule or DriftRule()
    if not reference.same_bins(current):
        raise InvalidInput(message="these profiles have different bins; count live data with reference.count(data)")
    alpha = rule.alpha / max(1, len(reference.columns))
    scores = []
    for i, (old, new) in enumerate(zip(reference, current, strict=True)):
        ordered = isinstance(old, NumericProfile)
        metric: Metric = rule.metric if ordered or rule.metric != "ks" else "psi"
        own = metric == rule.metric and rule.floor is not None
        bars = {"floor": rule.floor if own and rule.floor is not None else FLOORS[metric]}
        value: float | None = None
        if old.rows and new.rows:
            a, b = pooled(old.tally, new.tally, ordered)
            value = _SCORES[metric](a, b)
            bars["noise"] = critical_value(metric, len(a), old.rows, new.rows, alpha)
            tallies = tuple(part[i] for part in reference.parts)
            bars["variation"] = rule.margin * variation(
                tallies, run_length(tallies, _rows_like(reference, new.rows, seconds)), metric, ordered
            )
        bar = max(bars, key=lambda name: bars[name])
        known = value is not None and min(old.rows, new.rows) >= rule.min_rows
        drifted = value >= bars[bar] if known and value is not None else None
        scores.append(DriftScore(old.name, metric, value, bars[bar], drifted, new.rows, bar))
    return scores


def psi(a: _Counts, b: _Counts) -> float:
    """Population stability index of two rows of counts: the sum of ``(p - q) ln(p / q)``, the symmetric Kullback-Leibler
    divergence in nats. Half a row is added to each bin (Jeffreys), so that an empty one is finite."""
    p, q = _shares(a), _shares(b)
    return float(((p - q) * np.log(p / q)).sum())


def js_distance(a: _Counts, b: _Counts) -> float:
    """Jensen-Shannon distance, base 2: the root of the divergence; from 0 (same) to 1 (nothing in common)."""
    p, q = a / a.sum(), b / b.sum()
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0, p * np.log2(p / middle), 0.0) + np.where(q > 0, q * np.log2(q / middle), 0.0)
    return math.sqrt(max(0.0, float(terms.sum()) / 2))


def ks(a: _Counts, b: _Counts) -> float:
    """The largest difference between the two cumulative shares over ordered bins (Kolmogorov-Smirnov, on bins)."""
    return float(np.abs(np.cumsum(a / a.sum()) - np.cumsum(b / b.sum())).max())


_SCORES = {"psi": psi, "js": js_distance, "ks": ks}


def critical_value(metric: Metric, bins: int, n: int, m: int, alpha: float) -> float:
    """What the score of two samples (``n`` and ``m`` rows) of one distribution over ``bins`` bins exceeds with
    probability about ``alpha``.

    PSI over ``1/n + 1/m`` is asymptotically chi-square with ``bins - 1`` degrees of freedom (Yurdakul, *Statistical
    Properties of Population Stability Index*, 2018). The Jensen-Shannon divergence has the same leading term with a
    factor 1/8. For KS the bound of Smirnov (1948), conservative on bins.
    """
    scale = 1 / n + 1 / m
    if metric == "ks":
        return math.sqrt(-math.log(alpha / 2) / 2 * scale)
    quantile = chi2_quantile(1 - alpha, bins - 1) * scale if bins > 1 else 0.0
    return quantile if metric == "psi" else math.sqrt(quantile / 8 / math.log(2))


def chi2_quantile(probability: float, degrees: int) -> float:
    """The quantile of the chi-square distribution: exact for one and two degrees of freedom, from three on by the cube
    root of Wilson and Hilferty (1931), for upper tails down to 1e-6 within 7 %, and there too high rather than too low."""
    if degrees == 1:
        return NormalDist().inv_cdf((1 + probability) / 2) ** 2
    if degrees == 2:
        return -2 * math.log1p(-probability)
    h = 2 / (9 * degrees)
    return degrees * max(0.0, 1 - h + NormalDist().inv_cdf(probability) * math.sqrt(h)) ** 3


def pooled(a: Sequence[int] | _Counts, b: Sequence[int] | _Counts, ordered: bool) -> tuple[_Counts, _Counts]:
    """The two rows with bins joined until each expects :data:`EXPECTED` rows in the smaller sample.

    Neighbours are joined where the bins have an order, else the rarest ones; the last count (missing) joins others only
    when it is too small to stand alone. The sums stay.
    """
    x, y = np.array(a, dtype=np.float64), np.array(b, dtype=np.float64)
    # A live sample larger than the reference counts as if it were as large: else it alone would decide which bins there are,
    # and a million equal rows would leave a single one, in which nothing differs.
    scaled = y * min(1.0, x.sum() / y.sum())
    expected = (x + scaled) * min(x.sum(), scaled.sum()) / (x.sum() + scaled.sum())
    order = range(len(x)) if ordered else np.argsort(expected, kind="stable").tolist()
    last = len(x) - 1
    group = np.zeros(len(x), dtype=np.intp)
    current, held = 0, 0.0
    for i in order:
        if i == last and expected[i] >= EXPECTED:
            continue
        if held >= EXPECTED:
            current, held = current + 1, 0.0
        group[i] = current
        held += expected[i]
    thin = held < EXPECTED and not current  # nearly all is missing
    if held < EXPECTED and current:  # what is left over joins the group before it
        group[group == current] = current - 1
        current -= 1
    if expected[last] >= EXPECTED and not thin:
        current += 1
        group[last] = current
    joined = np.zeros((2, current + 1))
    np.add.at(joined[0], group, x)
    np.add.at(joined[1], group, y)
    return joined[0], joined[1]


def _rows_like(reference: Profile, rows: int, seconds: float | None) -> int:
    """How many rows the reference has in the time of the window."""
    if seconds is None or not reference.seconds:
        return rows
    return max(1, round(reference.rows * seconds / reference.seconds))


def run_length(parts: Tallies, rows: int) -> int:
    """How many consecutive parts hold about ``rows`` rows: from 1 to half of them."""
    total = sum(map(sum, parts))
    return min(max(1, round(rows * len(parts) / total)), max(1, len(parts) // 2)) if total else 1


@lru_cache(maxsize=1024)  # the same for each window of a version
def variation(parts: Tallies, length: int, metric: Metric, ordered: bool) -> float:
    """The largest score of any run of ``length`` parts against all other parts; 0 where there are none.

    A window longer than half of the reference is judged by runs of half of it; one shorter than a part by single parts,
    which wander less than the window does.
    """
    if len(parts) < 2:
        return 0.0
    table = np.array(parts, dtype=np.float64)
    total = table.sum(axis=0)
    sums = np.cumsum(np.vstack([np.zeros_like(total), table]), axis=0)
    runs = sums[length:] - sums[:-length]
    return max(_SCORES[metric](*pooled(total - run, run, ordered)) for run in runs)


def _shares(counts: _Counts) -> _Counts:
    smoothed = counts + 0.5
    shares: _Counts = smoothed / smoothed.sum()
    return shares

"""How good predictions were, once the truth is known. Pure; each measure comes with its standard error, or not at all.

``None`` means *could not be measured* (no labels, one class only), which is never the same as *measured and bad*.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modelyard.profiles.columns import fits_float

LOWER_IS_BETTER = frozenset({"log_loss", "brier", "rmse", "mae"})
METRICS = frozenset({"auc", "accuracy"}) | LOWER_IS_BETTER

_EPS = float(np.finfo(np.float64).eps)

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Measured:
    """A value, its standard error (``None`` with a single row), and the rows that it rests on."""

    value: float
    standard_error: float | None
    rows: int

    def to_json(self) -> dict[str, Any]:
        return {"value": self.value, "standard_error": self.standard_error, "rows": self.rows}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Measured:
        return cls(document["value"], document["standard_error"], document["rows"])


def auc(truth: ArrayLike, score: ArrayLike) -> Measured | None:
    """Area under the ROC curve: the probability that a positive outranks a negative, ties counting half.

    ``truth`` is boolean, ``score`` any number that rises with the chance of true. By ranks (Mann-Whitney); standard
    error of Hanley and McNeil (1982), taken at an area that is drawn towards 1/2 by one success and one failure for the
    smaller class, so that a few rows in perfect order are not taken for certainty. ``None`` unless both classes are there.
    """
    positive, scores = np.asarray(truth, dtype=bool), np.asarray(score, dtype=np.float64)
    n, m = int(positive.sum()), int((~positive).sum())
    if not n or not m:
        return None
    _, group, size = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(size) - (size - 1) / 2)[group]  # the mean rank of each tie
    area = float((rank[positive].sum() - n * (n + 1) / 2) / (n * m))
    few = min(n, m)
    a = (max(area, 1 - area) * few + 1) / (few + 2)  # turning all scores around changes no uncertainty
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    variance = (a * (1 - a) + (n - 1) * (q1 - a * a) + (m - 1) * (q2 - a * a)) / (n * m)
    return Measured(area, math.sqrt(max(0.0, variance)), n + m)


def accuracy(truth: Sequence[Any], predicted: Sequence[Any]) -> Measured | None:
    """The share of predictions that are equal to the truth; its standard error with one success and one failure added
    (after Agresti and Coull 1998), so that a few rows without a mistake are not taken for certainty."""
    n = len(truth)
    if not n:
        return None
    hits = sum(1 for a, b in zip(truth, predicted, strict=True) if a == b)
    share = (hits + 1) / (n + 2)
    return Measured(hits / n, math.sqrt(share * (1 - share) / (n + 2)), n)


def log_loss(truth: ArrayLike, probability: ArrayLike) -> Measured | None:
    """The mean of minus the log of the probability given to what happened, in nats; probabilities are kept a
    rounding error away from 0 and 1, as scikit-learn does."""
    positive = np.asarray(truth, dtype=bool)
    p = np.clip(np.asarray(probability, dtype=np.float64), _EPS, 1 - _EPS)
    return _mean(-np.log(np.where(positive, p, 1 - p)))


def brier(truth: ArrayLike, probability: ArrayLike) -> Measured | None:
    """The mean squared difference of the probability from 1 or 0 (Brier 1950)."""
    return _mean((np.asarray(probability, dtype=np.float64) - np.asarray(truth, dtype=bool)) ** 2)


def mae(truth: ArrayLike, predicted: ArrayLike) -> Measured | None:
    """The mean absolute error, in the unit of the truth."""
    return _mean(np.abs(np.asarray(predicted, dtype=np.float64) - np.asarray(truth, dtype=np.float64)))


def rmse(truth: ArrayLike, predicted: ArrayLike) -> Measured | None:
    """The root of the mean squared error, in the unit of the truth; standard error by the delta method."""
    squared = _mean((np.asarray(predicted, dtype=np.float64) - np.asarray(truth, dtype=np.float64)) ** 2)
    if squared is None:
        return None
    root = math.sqrt(squared.value)
    error = squared.standard_error
    return Measured(root, error / (2 * root) if error and root else error, squared.rows)


def measure(outputs: Mapping[str, Sequence[Any]], truth: Sequence[Any], positive: Any = None) -> dict[str, Measured]:
    """Every metric that these outputs and labels allow, by name; what could not be measured, or is beyond ``float64``, is
    not there.

    ``outputs`` are the columns of a model: ``label`` and ``probability`` (of the positive class) of a classifier,
    ``prediction`` of a regressor. ``positive`` is the label of the positive class; without it true, 1, or the greater
    of two labels, which is the class whose probability scikit-learn gives second.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        found = _measure(outputs, truth, positive)
    return {
        name: m
        for name, m in found.items()
        if m is not None and all(map(math.isfinite, (m.value, m.standard_error or 0)))
    }


def classes(outputs: Mapping[str, Sequence[Any]], truth: Sequence[Any], positive: Any = None) -> tuple[int, int] | None:
    """How many rows with a probability are of the positive class and how many are not; ``None`` where no class is."""
    labels = [t for t, p in zip(truth, outputs.get("probability", ()), strict=False) if _is_number(p)]
    chosen = positive if positive is not None else _positive([*truth, *outputs.get("label", ())])
    if chosen is None:
        return (len(labels), 0) if len(set(map(repr, truth))) < 2 else None
    hits = sum(1 for label in labels if label == chosen)
    return hits, len(labels) - hits


def _measure(outputs: Mapping[str, Sequence[Any]], truth: Sequence[Any], positive: Any) -> dict[str, Measured | None]:
    found: dict[str, Measured | None] = {}
    if "label" in outputs:
        found["accuracy"] = accuracy(truth, outputs["label"])
    if "probability" in outputs:
        chosen = positive if positive is not None else _positive([*truth, *outputs.get("label", ())])
        pairs = [(t == chosen, p) for t, p in zip(truth, outputs["probability"], strict=True) if _is_number(p)]
        if chosen is not None and pairs:
            happened, p = zip(*pairs, strict=True)
            found |= {"auc": auc(happened, p), "log_loss": log_loss(happened, p), "brier": brier(happened, p)}
    if "prediction" in outputs:
        pairs = [(t, p) for t, p in zip(truth, outputs["prediction"], strict=True) if _is_number(t) and _is_number(p)]
        if pairs:
            true, predicted = zip(*pairs, strict=True)
            found |= {"rmse": rmse(true, predicted), "mae": mae(true, predicted)}
    return found


def _mean(values: _Floats) -> Measured | None:
    n = int(values.size)
    if not n:
        return None
    return Measured(float(values.mean()), float(values.std(ddof=1) / math.sqrt(n)) if n > 1 else None, n)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and fits_float(value) and math.isfinite(value)


def _positive(values: Sequence[Any]) -> Any:
    try:
        labels = set(values)
    except TypeError:  # lists: no classes
        return None
    if labels <= {0, 1}:
        return 1  # True == 1
    order: Callable[[set[Any]], list[Any]] = sorted
    try:
        return order(labels)[1] if len(labels) == 2 else None
    except TypeError:  # text beside numbers
        return None

"""Live quality against scikit-learn, with errors that hold, and nothing where nothing can be known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from modelyard.monitoring.latency import Latencies
from modelyard.monitoring.quality import Measured, accuracy, auc, brier, log_loss, mae, measure, rmse

pairs = st.lists(
    st.tuples(st.booleans(), st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.25, 0.5]))), min_size=2, max_size=60
)


@given(pairs)
def test_binary_metrics_are_those_of_sklearn(rows: list[tuple[bool, float]]) -> None:
    truth, p = zip(*rows, strict=True)
    found = auc(truth, p)
    if len(set(truth)) == 2:
        assert found is not None
        assert found.value == pytest.approx(metrics.roc_auc_score(truth, p))
    else:
        assert found is None
    loss, score = log_loss(truth, p), brier(truth, p)
    assert loss is not None
    assert score is not None
    assert loss.value == pytest.approx(metrics.log_loss(truth, p, labels=[False, True]), rel=1e-6, abs=1e-9)
    assert score.value == pytest.approx(np.mean((np.array(truth) - np.array(p)) ** 2))


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1, max_size=50))
def test_regression_metrics_are_those_of_sklearn(rows: list[tuple[float, float]]) -> None:
    truth, predicted = zip(*rows, strict=True)
    absolute, root = mae(truth, predicted), rmse(truth, predicted)
    assert absolute is not None
    assert root is not None
    assert absolute.value == pytest.approx(metrics.mean_absolute_error(truth, predicted))
    assert root.value == pytest.approx(metrics.root_mean_squared_error(truth, predicted))


def _table(rng: np.random.Generator, rows: int) -> tuple[Any, Any]:
    truth = rng.random(rows) < 0.3
    return truth, 1 / (1 + np.exp(-rng.normal(np.where(truth, 0.5, -0.5), 1.0)))


MEASURES = {
    "auc": lambda t, p: auc(t, p),
    "accuracy": lambda t, p: accuracy(t.tolist(), (p > 0.5).tolist()),
    "log loss": lambda t, p: log_loss(t, p),
    "brier": lambda t, p: brier(t, p),
    "mae": lambda t, p: mae(t, p),
    "rmse": lambda t, p: rmse(t, p),
}


@pytest.mark.parametrize("measured", MEASURES.values(), ids=MEASURES.keys())
def test_the_standard_error_is_the_spread_over_repeated_samples(measured: Any) -> None:
    rng = np.random.default_rng(11)
    found = [measured(*_table(rng, 300)) for _ in range(600)]
    spread = np.std([m.value for m in found])
    assert np.mean([m.standard_error for m in found]) == pytest.approx(spread, rel=0.12)


def test_nothing_is_measured_without_labels_or_with_one_class() -> None:
    assert measure({"label": [], "probability": []}, []) == {}
    one_class = measure({"label": [1, 1], "probability": [0.9, 0.8]}, [1, 1])
    assert "auc" not in one_class
    assert one_class["accuracy"].value == 1.0


def test_a_few_rows_without_a_mistake_are_not_certain() -> None:
    found = accuracy([1] * 5, [1] * 5)
    assert found is not None
    assert found.standard_error is not None
    assert found.standard_error > 0.1


@pytest.mark.parametrize("area", [0.0, 1.0])
@pytest.mark.parametrize(("positives", "negatives"), [(1, 1), (3, 300), (300, 3), (20, 200)])
def test_a_few_rows_in_perfect_order_are_not_certain(area: float, positives: int, negatives: int) -> None:
    found = auc([True] * positives + [False] * negatives, [area] * positives + [1 - area] * negatives)
    assert found is not None
    assert found.value == area
    assert found.standard_error is not None
    share = accuracy([1] * min(positives, negatives), [1] * min(positives, negatives))
    assert share is not None
    assert share.standard_error is not None
    assert found.standard_error > share.standard_error / 2, "about as sure as a share of so few rows"


def test_one_row_has_no_standard_error() -> None:
    assert brier([True], [0.5]) == Measured(0.25, None, 1)


POSITIVE = {
    "zero and one": ([0, 1, 1], [0, 1, 1], None),
    "false and true": ([False, True, True], [False, True, True], None),
    "two words": (["late", "on time", "on time"], ["late", "on time", "on time"], None),
    "a named class": (["late", "early", "early"], ["late", "early", "early"], "early"),
}


@pytest.mark.parametrize(("labels", "truth", "positive"), POSITIVE.values(), ids=POSITIVE.keys())
def test_the_positive_class_is_found_or_told(labels: list[Any], truth: list[Any], positive: Any) -> None:
    found = measure({"label": labels, "probability": [0.1, 0.8, 0.9]}, truth, positive)
    assert found["auc"].value == 1.0
    assert found["accuracy"].value == 1.0


@pytest.mark.parametrize("truth", [["a", "b", "c"], ["a", 1, "b"], ["a", "a", "a"]])
def test_without_a_positive_class_only_accuracy_is_measured(truth: list[Any]) -> None:
    assert set(measure({"label": truth, "probability": [0.1, 0.2, 0.3]}, truth)) == {"accuracy"}


def test_what_is_beyond_floats_is_not_measured_and_raises_nothing() -> None:
    found = measure({"prediction": [1e300, 10**400, 2.0]}, [-1e300, 1, 10**400])
    assert set(found) == {"mae"}
    assert measure({"label": [[1], [2]], "probability": [0.1, 10**400]}, [1, 2]).keys() == {"accuracy"}


def test_rows_whose_prediction_is_no_number_are_left_out() -> None:
    found = measure({"prediction": [1.0, None, math.nan, 3.0]}, [1.0, 2.0, 3.0, 5.0])
    assert (found["mae"].value, found["mae"].rows) == (1.0, 2)


@given(st.lists(st.floats(0.01, 1e5), min_size=1), st.sampled_from([0.5, 0.95, 0.99]), st.integers(0, 50))
def test_merged_latency_quantiles_are_within_their_bucket(values: list[float], share: float, cut: int) -> None:
    merged = Latencies(values[:cut]) + Latencies(values[cut:])
    found = merged.quantile(share)
    exact = float(np.quantile(values, share, method="inverted_cdf"))
    assert found == pytest.approx(exact, rel=0.026)
    assert Latencies().quantile(share) is None

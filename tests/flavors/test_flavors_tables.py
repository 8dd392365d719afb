"""What goes into a model, what comes out, and what of an estimator JSON can hold."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.core.errors import InvalidRequest
from modelyard.flavors import outputs, tables
from modelyard.flavors.wrapper import NotPlain, plain, plain_part, restored

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers(), inner)
        | st.dictionaries(st.tuples(st.integers()), inner)
    ),
    max_leaves=20,
)


@given(PLAIN)
def test_plain_values_come_back_as_they_were(value):
    text = json.dumps(plain(value), allow_nan=False)
    found = restored(json.loads(text))
    assert found == value
    assert repr(found) == repr(value)  # 1, 1.0 and True are equal and not the same


@pytest.mark.parametrize(
    "array",
    [
        np.array([1, 2], dtype=np.int8),
        np.array([0.1, np.inf, -0.0], dtype=np.float32),
        np.array([True, False]),
        np.array(["late", "ü"]),
        np.array(["late", 3, None], dtype=object),
        np.array([]),
    ],
    ids=lambda array: str(array.dtype),
)
def test_arrays_come_back_with_their_type(array):
    found = restored(json.loads(json.dumps(plain(array), allow_nan=False)))
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("value", [print, object(), {1, 2}, b"raw", np.zeros((2, 2)), [print], {"a": print}, 1j])
def test_what_json_cannot_hold_is_left_out_by_name(value):
    with pytest.raises(NotPlain):
        plain(value)
    assert plain_part({"kept": 1, "lost": value}) == ({"kept": 1}, ["lost"])


@pytest.mark.parametrize("kind", ["code", "", "__import__"])
def test_no_other_kind_of_value_is_restored(kind):
    with pytest.raises((ValueError, KeyError)):
        restored({"kind": kind, "items": []})


def test_a_frame_has_the_columns_of_training_in_their_order_and_no_other():
    columns = {"b": np.array([1]), "a": np.array(["x"], object), "more": np.array([0])}
    assert list(tables.frame("any", columns, ["a", "b"]).columns) == ["a", "b"]


def test_mixed_columns_get_the_dtype_that_reading_a_file_gives():
    columns = {
        "n": np.array([1, None, 2.5], object),
        "t": np.array(["a", None, "b"], object),
        "w": np.array([1, 2, 3], object),
    }
    expected = pd.DataFrame({"n": [1, None, 2.5], "t": ["a", None, "b"], "w": [1, 2, 3]})
    pd.testing.assert_frame_equal(tables.frame("any", columns, None), expected)


def test_a_matrix_puts_numbered_columns_where_their_number_says():
    columns = {f"x{i}": np.array([float(i)]) for i in (10, 2, 0, 1, 3, 4, 5, 6, 7, 8, 9)}
    assert tables.matrix(columns).tolist() == [[float(i) for i in range(11)]]


def test_a_matrix_takes_missing_values_as_numbers_and_keeps_text():
    numbers = tables.matrix({"a": np.array([1, None, True], object)})
    assert numbers.dtype == np.float64
    np.testing.assert_array_equal(numbers, [[1], [np.nan], [1]])
    mixed = tables.matrix({"a": np.array(["x"], object), "b": np.array([2])})
    assert mixed.dtype == object
    assert mixed.tolist() == [["x", 2]]
    with pytest.raises(InvalidRequest, match="no column"):
        tables.matrix({})


def test_answers_have_the_names_that_every_predictor_uses():
    classes = np.array(["no", "so", "yes"])
    table = np.array([[0.2, 0.5, 0.3], [0.4, 0.2, 0.4]])
    found = outputs.classified(None, table, classes)
    assert list(found) == ["label", "probability_no", "probability_so", "probability_yes"]
    assert found["label"].tolist() == ["so", "no"]  # the first of equals
    two = outputs.classified(None, table[:, :2], classes[:2])
    assert list(two) == ["label", "probability"]
    assert two["probability"].tolist() == [0.5, 0.2]
    assert list(outputs.classified(np.array(["no"]), np.array([[1.0]]), classes[:1])) == ["label"]
    assert list(outputs.values(np.zeros((2, 1)))) == list(outputs.values(np.zeros(2))) == ["prediction"]
    assert list(outputs.values(np.zeros((2, 3, 1)))) == ["output_0", "output_1", "output_2"]


@pytest.mark.parametrize("classes", [None, [0, 1], ["a", "b", "c"], [True], [0.5, 1.5]])
@pytest.mark.parametrize("probabilities", [True, False])
def test_the_output_fields_are_those_that_a_prediction_has(classes, probabilities):
    if classes is None:
        found = outputs.values(np.zeros(1))
    else:
        table = np.zeros((1, len(classes))) if probabilities else None
        found = outputs.classified(np.array(classes[:1]), table, np.array(classes))
    assert [field.name for field in outputs.fields(classes, probabilities=probabilities)] == list(found)

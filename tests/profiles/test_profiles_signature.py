"""A signature says what a model takes, and refuses the rest with the column, the row and the value."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.core.errors import InvalidInput, InvalidRequest
from modelyard.profiles.signature import FIELD_TYPES, Field, Signature

SIGNATURE = Signature(
    (
        Field("temp", "number"),
        Field("hour", "integer"),
        Field("carrier", "string"),
        Field("holiday", "boolean"),
        Field("day", "datetime"),
        Field("note", "any"),
        Field("wind", "number", required=False),
    )
)
GOOD: dict[str, Any] = {
    "temp": [1, None],
    "hour": [3, 4.0],
    "carrier": ["AA", None],
    "holiday": [True, False],
    "day": ["2026-03-01T01:00:00+01:00", None],
    "note": [1, "x"],
}


def test_a_request_that_fits_becomes_typed_arrays_in_the_order_of_the_signature() -> None:
    columns = SIGNATURE.conform(dict(reversed(GOOD.items())))
    assert list(columns) == [field.name for field in SIGNATURE.inputs]
    assert [str(c.dtype) for c in columns.values()] == [
        "float64", "int64", "object", "bool", "datetime64[us]", "object", "float64",
    ]  # fmt: skip
    np.testing.assert_array_equal(columns["temp"], [1, np.nan])
    assert columns["hour"].tolist() == [3, 4]
    assert columns["carrier"].tolist() == ["AA", None]
    assert columns["day"][0] == np.datetime64("2026-03-01T00:00")
    assert np.isnat(columns["day"][1])
    assert np.isnan(columns["wind"]).all()


MISFITS = {
    "text for a number": ({"temp": [1, "x"]}, r"column 'temp', row 1: expected a finite number, found 'x' \(str\)"),
    "true for a number": ({"temp": [True, 1]}, "'temp', row 0.*found True"),
    "infinity": ({"temp": [1, float("inf")]}, "'temp', row 1.*found inf"),
    "a number beyond floats": ({"temp": [1, 10**400]}, "'temp', row 1.*found 1000"),
    "a list for a number": ({"temp": [[1], 2]}, r"'temp', row 0.*found \[1\]"),
    "a fraction for an integer": ({"hour": [1, 1.5]}, r"'hour', row 1: expected an integer, found 1.5 \(float\)"),
    "missing for an integer": ({"hour": [None, 1]}, "'hour', row 0.*found None"),
    "beyond 64 bits": ({"hour": [1, 2**70]}, "'hour', row 1.*found 1180591620717411303424"),
    "a number for text": ({"carrier": ["AA", 1]}, "'carrier', row 1: expected text.*found 1"),
    "bytes for text": ({"carrier": [b"AA", "x"]}, "'carrier', row 0.*found b'AA'"),
    "one for true": ({"holiday": [True, 1]}, "'holiday', row 1: expected true or false.*found 1"),
    "no date": ({"day": ["2026-03-01", "soon"]}, "'day', row 1: expected a time.*found 'soon'"),
    "a number for a time": ({"day": [None, 5]}, "'day', row 1.*found 5"),
    "a numpy column of another type": ({"hour": np.array(["a", "b"])}, "'hour', row 0.*found 'a'"),
    "a single value": ({"hour": 3}, "column 'hour' is a single int; give a list"),
    "a single text": ({"carrier": "AA"}, "column 'carrier' is a single str"),
    "ragged": ({"hour": [1]}, "'temp' has 2 rows and 'hour' has 1"),
    "unknown column": ({"tmp": [1, 2]}, "unknown column 'tmp'; the model takes 'temp', 'hour'"),
}


@pytest.mark.parametrize(("change", "sentence"), MISFITS.values(), ids=MISFITS.keys())
def test_what_does_not_fit_is_refused_with_column_row_and_value(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence) as refused:
        SIGNATURE.conform(GOOD | change)
    assert "\n" not in str(refused.value)


def test_a_missing_column_is_named_with_what_was_given() -> None:
    request = {name: values for name, values in GOOD.items() if name != "temp"}
    with pytest.raises(InvalidRequest, match="missing column 'temp'; the request has 'hour'"):
        SIGNATURE.conform(request)
    with pytest.raises(InvalidRequest, match=r"missing column 'temp', .* the request has no column"):
        SIGNATURE.conform({})


def test_a_request_without_rows_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="holds no rows"):
        SIGNATURE.conform({name: [] for name in GOOD})


def test_a_request_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="not a list"):
        SIGNATURE.conform([1, 2])  # type: ignore[arg-type]


def test_the_signature_of_training_data_takes_the_training_data() -> None:
    frame = pd.DataFrame(
        {
            "a": [1, 2],
            "b": [0.5, np.nan],
            "c": pd.Categorical(["x", None]),
            "d": [True, False],
            "e": pd.to_datetime(["2026-01-01", None]),
            "f": [None, None],
        }
    )
    signature = Signature.infer(frame, {"label": ["late", "on time"]})
    assert [f.type for f in signature.inputs] == ["integer", "number", "string", "boolean", "datetime", "any"]
    assert signature.outputs == (Field("label", "string"),)
    assert list(signature.conform(dict(frame.items()))) == list(frame)


fields = st.builds(Field, st.text(min_size=1), st.sampled_from(FIELD_TYPES), st.booleans())
field_lists = st.lists(fields, unique_by=lambda f: f.name, max_size=4).map(tuple)


@given(st.builds(Signature, field_lists, field_lists))
def test_a_signature_survives_json(signature: Signature) -> None:
    assert Signature.from_json(json.loads(json.dumps(signature.to_json()))) == signature


@given(st.lists(st.one_of(st.none(), st.integers(-(2**60), 2**60), st.floats(allow_infinity=False)), min_size=1))
def test_numbers_come_out_as_they_went_in(values: list[Any]) -> None:
    column = Signature((Field("x", "number"),)).conform({"x": values})["x"]
    np.testing.assert_array_equal(column, [np.nan if v is None else float(v) for v in values])


@pytest.mark.parametrize(
    "document",
    [{"inputs": [{"name": "a"}]}, {"inputs": [{"name": "a", "type": "float"}]}, {"inputs": [3]}, {"inputs": 3}, [],
     {"inputs": [{"name": "", "type": "any"}]}, {"inputs": [{"name": "a", "type": "any"}] * 2}],
)  # fmt: skip
def test_a_document_that_is_no_signature_is_refused(document: Any) -> None:
    with pytest.raises(InvalidInput):
        Signature.from_json(document)

"""Every table that users hold becomes the same columns."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from modelyard.core.errors import InvalidInput
from modelyard.profiles.columns import columns_of, row_count
from modelyard.profiles.profile import Profile

_FRAME = pd.DataFrame({"hour": [6, 7], "temp": [1.5, np.nan], "carrier": ["AA", None]})

SAME_TABLES = {
    "a pandas frame": _FRAME,
    "a dict of lists": {"hour": [6, 7], "temp": [1.5, None], "carrier": ["AA", None]},
    "a dict of arrays": {name: _FRAME[name].to_numpy() for name in _FRAME},
    "a dict of series": dict(_FRAME.items()),
    "a list of rows": [{"hour": 6, "temp": 1.5, "carrier": "AA"}, {"hour": 7, "temp": None, "carrier": None}],
    "a frame with a categorical": _FRAME.astype({"carrier": "category"}),
    "a frame with pandas' own strings": _FRAME.astype({"carrier": "string"}),
    "a structured array": np.array(
        [(6, 1.5, "AA"), (7, np.nan, None)], dtype=[("hour", "i4"), ("temp", "f4"), ("carrier", "O")]
    ),
}


@pytest.mark.parametrize("data", SAME_TABLES.values(), ids=SAME_TABLES.keys())
def test_the_same_table_in_any_form_gives_the_same_columns(data: Any) -> None:
    columns = columns_of(data)
    assert list(columns) == ["hour", "temp", "carrier"]
    assert [str(c.dtype) for c in columns.values()] == ["int64", "float64", "object"]
    assert columns["hour"].tolist() == [6, 7]
    np.testing.assert_array_equal(columns["temp"], [1.5, np.nan])
    assert columns["carrier"].tolist() == ["AA", None]
    assert row_count(columns) == 2


def test_a_pyarrow_table_gives_its_columns() -> None:
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"n": [1, None], "s": pa.array(["a", None]).dictionary_encode()})
    columns = columns_of(table)
    np.testing.assert_array_equal(columns["n"], [1, np.nan])
    assert columns["s"].tolist() == ["a", None]


POSITIONAL = {
    "a matrix": (np.arange(4).reshape(2, 2), {"x0": [0, 2], "x1": [1, 3]}),
    "a vector": (np.array([1.0, 2.0]), {"x0": [1.0, 2.0]}),
    "a list of lists": ([[0, "a"], [2, "b"]], {"x0": [0, 2], "x1": ["a", "b"]}),
    "a list of values": ([True, False], {"x0": [True, False]}),
    "a named series": (pd.Series([1, 2], name="y"), {"y": [1, 2]}),
    "a series without a name": (pd.Series([1, 2]), {"x0": [1, 2]}),
    "nothing": ([], {}),
}


@pytest.mark.parametrize(("data", "expected"), POSITIONAL.values(), ids=POSITIONAL.keys())
def test_columns_without_names_are_numbered(data: Any, expected: dict[str, list[Any]]) -> None:
    assert {name: values.tolist() for name, values in columns_of(data).items()} == expected


COLUMNS = {
    "nullable integers": (pd.array([1, None], dtype="Int64"), "float64", [1.0, None]),
    "true, false and missing": (pd.array([True, None], dtype="boolean"), "object", [True, None]),
    "numpy scalars": ([np.float32(0.5), np.int64(2)], "float64", [0.5, 2.0]),
    "numpy texts": (np.array(["a", "b"]), "object", ["a", "b"]),
    "text with NaN for missing": (["a", float("nan")], "object", ["a", None]),
    "decimals": ([Decimal("1.5"), Decimal(2)], "float64", [1.5, 2.0]),
    "integers beyond 64 bits": ([2**80, 1], "float64", [2.0**80, 1.0]),
    "unsigned beyond 63 bits": (np.array([2**63, 1], dtype="u8"), "float64", [2.0**63, 1.0]),
    "small unsigned": (np.array([255], dtype="u1"), "int64", [255]),
    "lists inside": ([[1, 2], [3]], "object", [[1, 2], [3]]),
    "text and numbers": (["a", 1], "object", ["a", 1]),
}


@pytest.mark.parametrize(("values", "dtype", "expected"), COLUMNS.values(), ids=COLUMNS.keys())
def test_a_column_gets_one_of_few_kinds_of_array(values: Any, dtype: str, expected: list[Any]) -> None:
    column = columns_of({"c": values})["c"]
    assert str(column.dtype) == dtype
    assert [None if v != v else v for v in column.tolist()] == expected


def test_times_come_out_in_utc_whatever_their_zone() -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    east = noon.astimezone(timezone(timedelta(hours=5)))
    series = pd.Series(pd.to_datetime([noon, noon, None], utc=True)).dt.tz_convert("America/New_York")
    for values in ([noon, east, None], series, [pd.Timestamp(east), noon, pd.NaT]):
        column = columns_of({"t": values})["t"]
        assert column.dtype == "datetime64[us]"
        assert column[0] == column[1] == np.datetime64("2026-03-01T12:00")
        assert np.isnat(column[2])
    assert columns_of({"d": [date(2026, 3, 1)]})["d"][0] == np.datetime64("2026-03-01")


REFUSED = {
    "an int": (3, "type int is not a table"),
    "text": ("abc", "type str is not a table"),
    "three dimensions": (np.zeros((1, 1, 1)), r"shape \(1, 1, 1\)"),
    "no dimension": (np.array(3), r"shape \(\)"),
    "ragged columns": ({"a": [1, 2], "b": [1]}, "'a' has 2 rows and 'b' has 1"),
    "ragged rows": ([[1, 2], [1]], "row 1 has 1 values and row 0 has 2"),
    "rows of different columns": ([{"a": 1}, {"b": 1}], "row 1 and row 0 do not have the same columns"),
    "rows and values mixed": ([{"a": 1}, 3], "mixes rows and single values"),
    "a column that is text": ({"a": "xyz"}, "column 'a' is a single str"),
    "a column that is a number": ({"a": 3}, "column 'a' is a single int"),
    "a column of two dimensions": ({"a": np.zeros((2, 2))}, r"column 'a' has the shape \(2, 2\)"),
    "two columns of one name": (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns are named 'a'"),
    "two names that read alike": ({1: [1], "1": [2]}, "two columns are named '1'"),
}


@pytest.mark.parametrize(("data", "sentence"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_table_is_refused_in_one_sentence(data: Any, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        columns_of(data)


def test_columns_load_no_table_library_and_a_signature_not_even_numpy() -> None:
    code = (
        "import json, sys\n"
        "from modelyard.profiles.signature import Signature\n"
        "Signature.from_json({'inputs': [{'name': 'a', 'type': 'number'}]})\n"
        "before = 'numpy' in sys.modules\n"
        "from modelyard.profiles.columns import columns_of\n"
        "columns_of({'a': [1]})\n"
        "print(json.dumps([before, 'pandas' in sys.modules, 'pyarrow' in sys.modules]))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout) == [False, False, False]


@pytest.mark.parametrize("others", [[1], [1.5, None], ["text"], [True]], ids=str)
def test_a_whole_number_beyond_floats_is_refused_or_missing(others: list[Any]) -> None:
    data = {"fine": [0] * (len(others) + 1), "x": [*others, 10**400]}
    with pytest.raises(InvalidInput, match=f"column 'x', row {len(others)}"):
        columns_of(data)
    assert Profile.fit({"x": [1, 2, 3]}).count(data)["x"].missing >= 1
    kept = columns_of(data, strict=False)["x"]
    assert kept[-1] is None or np.isnan(kept[-1])

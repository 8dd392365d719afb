"""Whether the columns of a prediction request fit the fields of a signature: pure, and quick for 1 row and for 10,000."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.core.errors import InvalidInput, InvalidRequest
from modelyard.profiles.columns import Columns, array_of, fits_float, instant
from modelyard.profiles.signature import Field

_NOTHING = type(None)
_NOUNS = {
    "boolean": "true or false",
    "integer": "an integer",
    "number": "a finite number",
    "string": "text",
    "datetime": "a time such as 2026-03-01T12:00:00Z",
    "any": "a value whose numbers are finite",
}


class _Misfit(Exception):
    """The first value that does not fit, by row."""

    def __init__(self, row: int) -> None:
        self.row = row


def conform(fields: tuple[Field, ...], columns: Mapping[str, Any]) -> Columns:
    """See :meth:`modelyard.profiles.signature.Signature.conform`."""
    if not isinstance(columns, Mapping):
        raise InvalidRequest(
            problem=f"a request is a mapping of column names to values, not a {type(columns).__name__}"
        )
    known = {field.name for field in fields}
    if columns.keys() - known:
        unknown = sorted(map(str, columns.keys() - known))
        raise InvalidRequest(
            problem=f"unknown column {_names(unknown)}; the model takes {_names(f.name for f in fields)}"
        )
    missing = [f.name for f in fields if f.required and f.name not in columns]
    if missing:
        given = f"the request has {_names(columns)}" if columns else "the request has no column"
        raise InvalidRequest(problem=f"missing column {_names(missing)}; {given}")
    lengths = {name: _length(name, values) for name, values in columns.items()}
    rows = next(iter(lengths.values()), 0)
    for name, length in lengths.items():
        if length != rows:
            first = next(iter(lengths))
            raise InvalidRequest(
                problem=f"columns differ in length: {first!r} has {rows} rows and {name!r} has {length}"
            )
    if fields and not rows:
        raise InvalidRequest(problem="the request holds no rows; give at least one value for each column")
    return {f.name: _column(f, columns[f.name]) if f.name in columns else _absent(f, rows) for f in fields}


def _names(names: Iterable[str]) -> str:
    """The names quoted, at most a dozen of them."""
    quoted = [repr(name) for name in names]
    return ", ".join(quoted[:12]) + (f" and {len(quoted) - 12} more" if len(quoted) > 12 else "")


def _length(name: str, values: Any) -> int:
    if isinstance(values, str | bytes | Mapping) or not hasattr(values, "__len__"):
        raise InvalidRequest(
            problem=f"column {name!r} is a single {type(values).__name__}; give a list with one value for each row"
        )
    return len(values)


def _column(field: Field, values: Any) -> NDArray[Any]:
    try:
        if not isinstance(values, list) or (values and not set(map(type, values)) <= _PLAIN):
            values = array_of(values, field.name)
        return _CONVERSIONS[field.type](values)
    except _Misfit as misfit:
        value = values[misfit.row]
        value = value.item() if isinstance(value, np.generic) else value
        try:
            shown = repr(value)
        except ValueError:  # Python writes no more than 4300 digits
            shown = "one of thousands of digits"
        shown = shown if len(shown) <= 60 else shown[:57] + "…"
        raise InvalidRequest(
            problem=f"column {field.name!r}, row {misfit.row}: expected {_NOUNS[field.type]}, "
            f"found {shown} ({type(value).__name__})"
        ) from None
    except InvalidInput as problem:
        raise InvalidRequest(problem=str(problem)) from None


def _absent(field: Field, rows: int) -> NDArray[Any]:
    if field.type == "datetime":
        return np.full(rows, np.datetime64("NaT"), dtype="datetime64[us]")
    if field.type in ("number", "integer"):
        return np.full(rows, np.nan)
    return np.full(rows, None, dtype=object)


# Each conversion takes a list of plain values, or an array of a kind that `array_of` gives.

_PLAIN = {str, bool, int, float, _NOTHING}


def _first(values: Any, fits: Callable[[Any], bool]) -> int:
    return next(i for i, value in enumerate(values) if not fits(value))


def _numbers(values: Any) -> NDArray[Any]:
    if isinstance(values, list):
        if not set(map(type, values)) <= {int, float, _NOTHING}:
            raise _Misfit(_first(values, lambda v: type(v) in (int, float, _NOTHING)))
        try:
            column = np.array(values, dtype=np.float64)  # None becomes NaN
        except OverflowError:
            raise _Misfit(_first(values, fits_float)) from None
    elif values.dtype.kind in "if":
        column = values.astype(np.float64)
    elif values.dtype.kind == "O":
        return _numbers([v.item() if isinstance(v, np.generic) else v for v in values.tolist()])
    else:
        raise _Misfit(0)
    infinite = np.isinf(column)
    if infinite.any():
        raise _Misfit(int(infinite.argmax()))
    return column


def _integers(values: Any) -> NDArray[Any]:
    if isinstance(values, list) and set(map(type, values)) == {int}:
        try:
            return np.array(values, dtype=np.int64)
        except OverflowError:
            raise _Misfit(_first(values, lambda v: -(2**63) <= v < 2**63)) from None
    if isinstance(values, np.ndarray) and values.dtype.kind == "i":
        return values
    column = _numbers(values)
    whole = np.isfinite(column) & (column == np.trunc(column)) & (np.abs(column) < 2.0**63)
    if not whole.all():
        raise _Misfit(int((~whole).argmax()))
    return column.astype(np.int64)


def _booleans(values: Any) -> NDArray[Any]:
    if isinstance(values, np.ndarray):
        if values.dtype.kind != "b":
            raise _Misfit(_first(values.tolist(), lambda v: type(v) is bool) if values.dtype.kind == "O" else 0)
        return values
    if set(map(type, values)) != {bool}:
        raise _Misfit(_first(values, lambda v: type(v) is bool))
    return np.array(values, dtype=np.bool_)


def _strings(values: Any) -> NDArray[Any]:
    if isinstance(values, np.ndarray) and values.dtype.kind != "O":
        if values.dtype.kind == "f" and np.isnan(values).all():
            return np.full(len(values), None, dtype=object)
        raise _Misfit(int((~np.isnan(values)).argmax()) if values.dtype.kind == "f" else 0)
    kinds = set(map(type, values))
    if not kinds <= {str, _NOTHING}:
        if any(not isinstance(v, str | _NOTHING) and v == v for v in values):
            raise _Misfit(_first(values, lambda v: isinstance(v, str | _NOTHING) or v != v))
        values = [None if v != v else v for v in values]  # NaN is how tables write a missing text
    return np.fromiter(values, dtype=object, count=len(values))


def _times(values: Any) -> NDArray[Any]:
    if isinstance(values, np.ndarray) and values.dtype.kind == "M":
        return values
    column = np.full(len(values), np.datetime64("NaT"), dtype="datetime64[us]")
    for row, value in enumerate(values):
        if value is None:
            continue
        try:
            when = datetime.fromisoformat(value) if isinstance(value, str) else value
            column[row] = np.datetime64(instant(when), "us")
        except (ValueError, TypeError, AttributeError, OverflowError):
            raise _Misfit(row) from None
    return column


def _anything(values: Any) -> NDArray[Any]:
    if isinstance(values, np.ndarray) and values.dtype.kind != "O":
        values = values.tolist()
    for row, value in enumerate(values):
        if not fits_float(value) or (type(value) is float and math.isinf(value)):
            raise _Misfit(row)
    return np.fromiter(values, dtype=object, count=len(values))


_CONVERSIONS: dict[str, Callable[[Any], NDArray[Any]]] = {
    "boolean": _booleans,
    "integer": _integers,
    "number": _numbers,
    "string": _strings,
    "datetime": _times,
    "any": _anything,
}

"""Arrays as what JSON can say. NaN, NaT and infinities have no word there: they become ``null``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.profiles.columns import fits_float


def json_columns(columns: Mapping[str, NDArray[Any]]) -> dict[str, list[Any]]:
    """Each column as a list of JSON values, one a row; rows of a two-dimensional output become lists."""
    return {name: json_values(column) for name, column in columns.items()}


def json_values(column: NDArray[Any]) -> list[Any]:
    """The values of one array, in its own nesting."""
    kind = column.dtype.kind
    if kind == "f":
        values: list[Any] = column.tolist()
        # numpy needs microseconds to begin: for the few values of a small request Python is quicker
        few = column.size <= 32 and column.ndim == 1
        finite = all(map(math.isfinite, values)) if few else np.isfinite(column).all()
        return values if finite else _each(values)
    if kind in "biuU":
        return column.tolist()  # type: ignore[no-any-return]
    if kind == "M":
        texts = np.datetime_as_string(column, timezone="UTC").tolist()
        return [None if missing else text for text, missing in zip(texts, np.isnat(column).tolist(), strict=True)]
    return _each(column.tolist())


def _each(values: list[Any]) -> list[Any]:
    return [_value(value) for value in values]


def _value(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if not fits_float(value):  # JSON has a word for it, but hardly a reader of JSON has
        return None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, list | tuple):
        return _each(list(value))
    if isinstance(value, np.ndarray):
        return json_values(value)
    if isinstance(value, Mapping):
        return {str(key): _value(inner) for key, inner in value.items()}
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)

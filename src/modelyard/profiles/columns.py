"""One form for every table that users hold: a dict of named one-dimensional numpy arrays of equal length.

Nothing but numpy is imported: pandas, polars and pyarrow objects are known by their shape.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.core.errors import InvalidInput

_TABLES = "pandas DataFrame, dict of columns, list of dicts, numpy array or pyarrow Table"

Columns = dict[str, NDArray[Any]]

_NOTHING = type(None)
_PLAIN = {str, bool, int, float, _NOTHING}


def columns_of(data: Any, *, strict: bool = True) -> Columns:
    """The columns of ``data``, by name, in order.

    ``data`` is a pandas or polars DataFrame or Series, a pyarrow Table, a dict of sequences, a list of dict rows, a
    structured numpy array, or an array of one or two dimensions (whose columns are named ``x0``, ``x1`` …).

    Arrays that come out: ``bool``, ``int64``, ``float64`` (missing is NaN), ``datetime64[us]`` in UTC (missing is NaT),
    and ``object`` for all else, where missing is ``None``. Raises :class:`InvalidInput` when the data is not a table,
    its columns differ in length, or two of them share a name; and for a whole number that no ``float64`` can hold, with
    its column and row, unless ``strict`` is false: then it is missing.
    """
    if isinstance(data, Mapping):
        pairs = [(name, values) for name, values in data.items()]
    elif hasattr(data, "column_names") and hasattr(data, "column"):  # pyarrow
        pairs = [(name, data.column(i).to_pylist()) for i, name in enumerate(data.column_names)]
    elif hasattr(data, "columns") and hasattr(data, "dtypes"):  # pandas, polars
        names = list(data.columns)
        _refuse_twice(names)
        pairs = [(name, data[name]) for name in names]
    elif isinstance(data, np.ndarray):
        pairs = _pairs_of_array(data)
    elif hasattr(data, "dtype") and hasattr(data, "to_numpy"):  # a Series
        pairs = [("x0" if getattr(data, "name", None) in (None, "") else data.name, data)]
    elif isinstance(data, Sequence) and not isinstance(data, str | bytes):
        pairs = _pairs_of_rows(data)
    else:
        raise InvalidInput(message=f"an object of type {type(data).__name__} is not a table; give a {_TABLES}")
    names = [str(name) for name, _ in pairs]
    _refuse_twice(names)
    columns = {name: array_of(values, name, strict=strict) for name, (_, values) in zip(names, pairs, strict=True)}
    _refuse_ragged(columns)
    return columns


def row_count(columns: Mapping[str, Any]) -> int:
    """How many rows the columns have; 0 where there is no column."""
    return next((len(values) for values in columns.values()), 0)


def array_of(values: Any, name: str = "x0", *, strict: bool = True) -> NDArray[Any]:
    """One column as a one-dimensional array of the kinds that :func:`columns_of` promises."""
    if isinstance(values, str | bytes) or not hasattr(values, "__len__") or isinstance(values, Mapping):
        raise InvalidInput(
            message=f"column {name!r} is a single {type(values).__name__}; give a list with one value for each row"
        )
    if hasattr(values, "to_numpy"):
        values = values.to_numpy()
    if isinstance(values, np.ndarray):
        if values.ndim != 1:
            raise InvalidInput(message=f"column {name!r} has the shape {values.shape}; a column has one dimension")
        kind = values.dtype.kind
        if kind == "b":
            return values
        if kind in "iu":
            # uint64 beyond int64 would turn negative in silence
            fits = kind == "i" or values.dtype.itemsize < 8 or not values.size or int(values.max()) < 2**63
            return values.astype(np.int64 if fits else np.float64)
        if kind == "f":
            return values.astype(np.float64)
        if kind == "M":
            return values.astype("datetime64[us]")
        values = values.tolist()
    values = [_plain(value) for value in values] if not set(map(type, values)) <= _PLAIN else list(values)
    try:
        return _array_of_objects(values)
    except OverflowError:
        if strict:
            row = next(row for row, value in enumerate(values) if not fits_float(value))
            problem = "a whole number that is too large for any calculation"
            raise InvalidInput(message=f"column {name!r}, row {row}: {problem}") from None
        return _array_of_objects([value if fits_float(value) else None for value in values])


def fits_float(value: Any) -> bool:
    """Whether the value is no number, or one that ``float64`` can hold; JSON may hold whole numbers of any size."""
    try:
        return type(value) is not int or math.isfinite(value)
    except OverflowError:
        return False


def _array_of_objects(values: list[Any]) -> NDArray[Any]:
    """Raises OverflowError for a whole number that no ``float64`` can hold."""
    kinds = set(map(type, values))
    present = kinds - {_NOTHING}
    if present == {str, float} and all(v != v for v in values if type(v) is float):
        values = [None if type(v) is float else v for v in values]  # NaN is how pandas writes a missing text
    elif present == {bool} and present == kinds:
        return np.array(values, dtype=np.bool_)
    elif present == {int} and present == kinds:
        try:
            return np.array(values, dtype=np.int64)
        except OverflowError:
            return np.array(values, dtype=np.float64)
    elif present and present <= {int, float}:
        return np.array(values, dtype=np.float64)  # None becomes NaN
    elif present == {datetime}:
        return np.array(values, dtype="datetime64[us]")
    if int in present and not all(map(fits_float, values)):
        raise OverflowError
    return np.fromiter(values, dtype=object, count=len(values))


def _plain(value: Any) -> Any:
    """A value of a library as the plain Python value it stands for; anything unknown stays as it is."""
    if isinstance(value, np.generic):
        value = value.item()
    if type(value) in (str, bool, int, float) or value is None:
        return value
    if type(value).__name__ in ("NAType", "NaTType"):  # pandas' own words for missing
        return None
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, date):
        return datetime.combine(value, time.min)  # naive is UTC inside an array
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, str):
        return str(value)
    return value


def instant(value: datetime) -> datetime:
    """The form in which a time goes into ``datetime64``: UTC without a zone; a time without a zone counts as UTC."""
    utc = value if value.tzinfo is None else value.astimezone(UTC)
    # Built anew, since a pandas Timestamp is a datetime that numpy does not take for one.
    return datetime.combine(date(utc.year, utc.month, utc.day), time(utc.hour, utc.minute, utc.second, utc.microsecond))


def _pairs_of_array(data: NDArray[Any]) -> list[tuple[Any, Any]]:
    if data.dtype.names:
        return [(name, data[name]) for name in data.dtype.names]
    if data.ndim == 1:
        return [("x0", data)]
    if data.ndim == 2:
        return [(f"x{i}", data[:, i]) for i in range(data.shape[1])]
    raise InvalidInput(message=f"an array of the shape {data.shape} is not a table; give one or two dimensions")


def _pairs_of_rows(rows: Sequence[Any]) -> list[tuple[Any, Any]]:
    if not rows:
        return []
    if all(isinstance(row, Mapping) for row in rows):
        names = list(rows[0])
        for i, row in enumerate(rows):
            if row.keys() != rows[0].keys():
                odd = sorted(map(str, row.keys() ^ rows[0].keys()))[0]
                raise InvalidInput(message=f"row {i} and row 0 do not have the same columns: {odd!r} is in one of them")
        return [(name, [row[name] for row in rows]) for name in names]
    if all(isinstance(row, Sequence | np.ndarray) and not isinstance(row, str | bytes) for row in rows):
        width = len(rows[0])
        for i, row in enumerate(rows):
            if len(row) != width:
                raise InvalidInput(message=f"row {i} has {len(row)} values and row 0 has {width}")
        return [(f"x{j}", [row[j] for row in rows]) for j in range(width)]
    if any(isinstance(row, Mapping | Sequence | np.ndarray) and not isinstance(row, str | bytes) for row in rows):
        raise InvalidInput(message="the list mixes rows and single values; give one dict for each row")
    return [("x0", rows)]


def _refuse_twice(names: Sequence[Any]) -> None:
    seen = set()
    for name in names:
        if name in seen:
            raise InvalidInput(message=f"two columns are named {name!r}; give each a name of its own")
        seen.add(name)


def _refuse_ragged(columns: Columns) -> None:
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        (first, n), *rest = lengths.items()
        name, m = next((name, m) for name, m in rest if m != n)
        raise InvalidInput(message=f"columns differ in length: {first!r} has {n} rows and {name!r} has {m}")

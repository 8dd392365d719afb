"""Columns as the models take them: a pandas DataFrame with the names of training, or a plain matrix. Needs numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.core.errors import InvalidRequest
from modelyard.flavors.library import library

Columns = Mapping[str, NDArray[Any]]
Categories = Mapping[str, Sequence[Any]]


def frame(flavor: str, columns: Columns, names: Sequence[str] | None, categories: Categories | None = None) -> Any:
    """A DataFrame with just ``names``, in that order; all columns as they come for ``None``.

    Text and mixed columns go through the inference of pandas, so that they have the dtype that reading a file would have
    given them in training. A column in ``categories`` becomes categorical with just these; another value is missing.
    """
    pandas = library(flavor, "pandas")
    chosen = list(columns) if names is None else list(names)
    require(columns, chosen)
    made = {name: _series(pandas, columns[name]) for name in chosen}
    for name, known in (categories or {}).items():
        if name in made:
            made[name] = _categorical(pandas, columns[name], known)
    return pandas.DataFrame(made)


def matrix(columns: Columns, width: int | None = None) -> NDArray[Any]:
    """The columns side by side, shape (rows, width): ``float64`` when all are numbers, else ``object``.

    Columns named ``x0``, ``x1`` … go where their number says, as :func:`modelyard.profiles.columns.columns_of` names the
    columns of an array; else the order is the one given. Raises :class:`InvalidRequest` for another count than ``width``.
    """
    numbered = [f"x{i}" for i in range(len(columns))]
    names = numbered if columns.keys() == set(numbered) else list(columns)
    if width is not None and len(names) != width:
        raise InvalidRequest(problem=f"the model takes {width} columns and the request has {len(names)}")
    arrays = [_plain(columns[name]) for name in names]
    if not arrays:
        raise InvalidRequest(problem="the request has no column")
    if all(array.dtype.kind in "biuf" for array in arrays):
        return np.column_stack([array.astype(np.float64) for array in arrays])
    table = np.empty((len(arrays[0]), len(arrays)), dtype=object)
    for i, array in enumerate(arrays):
        table[:, i] = array
    return table


def numbers(columns: Columns, width: int | None = None, dtype: str = "float32") -> NDArray[Any]:
    """As :func:`matrix`, in one numeric type; raises :class:`InvalidRequest` for a column that holds other than numbers."""
    found = matrix(columns, width)
    if found.dtype == object:
        odd = next(name for name, column in columns.items() if _plain(column).dtype.kind not in "biuf")
        raise InvalidRequest(problem=f"column {odd!r} holds other than numbers, and the model takes numbers only")
    return found.astype(dtype)


def require(columns: Columns, names: Sequence[str]) -> None:
    """Raises :class:`InvalidRequest` unless all the names are there."""
    missing = [name for name in names if name not in columns]
    if missing:
        listed = ", ".join(map(repr, missing[:12]))
        raise InvalidRequest(
            problem=f"missing column {listed}; the request has {', '.join(map(repr, columns)) or 'none'}"
        )


def _series(pandas: Any, column: NDArray[Any]) -> Any:
    return pandas.Series(column.tolist()) if column.dtype.kind == "O" and len(column) else column


def _categorical(pandas: Any, column: NDArray[Any], known: Sequence[Any]) -> Any:
    index = pandas.Index(list(known))
    return pandas.Categorical.from_codes(index.get_indexer(column), categories=index)


def _plain(column: NDArray[Any]) -> NDArray[Any]:
    """An object column of numbers and missing values as ``float64``; anything else as it is."""
    if column.dtype.kind == "O" and all(v is None or isinstance(v, bool | int | float) for v in column.tolist()):
        return column.astype(np.float64)
    return column

"""A prediction request and its answer, as values that every protocol decodes to and encodes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.core.errors import InvalidInput, InvalidRequest
from modelyard.profiles.columns import columns_of, row_count
from modelyard.serving.routes import Role, Served


@dataclass(frozen=True, slots=True)
class PredictionRequest:
    """A decoded request: columns as they came, and what the client said about them.

    ``ids`` default to ``<id>-<row>``, ``event_time`` to the arrival, ``routing_key`` to the id. With a ``number``, that
    version answers and no other, whatever the weight is.
    """

    id: str
    columns: Mapping[str, Any]
    ids: tuple[str, ...] | None = None
    event_time: datetime | None = None
    routing_key: str | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer, and who gave it: ``outputs`` as arrays, ``values`` the same as JSON, one entry a row."""

    request: str
    served: Served
    role: Role
    outputs: dict[str, NDArray[Any]]
    values: dict[str, list[Any]]


@dataclass(frozen=True, slots=True)
class Fitted:
    """The rows of a request as one version takes them."""

    columns: dict[str, NDArray[Any]]
    rows: int
    ids: tuple[str, ...]


def fit(served: Served, request: PredictionRequest) -> Fitted:
    """The request in the form that fits the version; raises :class:`InvalidRequest` with the column at fault.

    A version without a signature takes whatever columns come.
    """
    if served.signature is not None:
        columns = served.signature.conform(request.columns)
    else:
        try:
            columns = columns_of(request.columns)
        except InvalidInput as problem:
            raise InvalidRequest(problem=str(problem)) from None
        _refuse_infinite(columns)
    rows = row_count(columns)
    if not rows:
        raise InvalidRequest(problem="the request holds no rows; give at least one value for each column")
    return Fitted(columns, rows, _ids(request, rows))


def _refuse_infinite(columns: Mapping[str, NDArray[Any]]) -> None:
    """JSON has no word for infinity, so it is a number that overflowed on its way."""
    for name, column in columns.items():
        if column.dtype.kind == "f" and np.isinf(column).any():
            row = int(np.isinf(column).argmax())
            raise InvalidRequest(problem=f"column {name!r}, row {row}: expected a finite number, found {column[row]}")


def _ids(request: PredictionRequest, rows: int) -> tuple[str, ...]:
    if request.ids is None:
        return tuple(f"{request.id}-{row}" for row in range(rows))
    if len(request.ids) != rows:
        raise InvalidRequest(problem=f"'ids' has {len(request.ids)} values for {rows} rows; give one for each row")
    return request.ids

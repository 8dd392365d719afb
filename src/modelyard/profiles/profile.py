"""The mergeable profile of a table: for each column the counts of its values in fixed bins, missing, and moments.

The profile of the training data is kept with a version; live windows are counted into the same bins, on any number of
replicas, and added. Counts, missing, minimum and maximum of a sum are exact, whatever the order; mean and spread are
exact up to the rounding of floats (Chan, Golub, LeVeque 1979).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.core.errors import InvalidInput
from modelyard.profiles.columns import Columns, array_of, columns_of, instant, row_count

FORMAT = 1
CATEGORIES = 200  # of a categorical column; all further ones are counted together
SINGLE_VALUES = 30  # a numeric column of whole numbers with at most so many gets one bin for each

PARTS = 96  # more than the days of a quarter, and it divides by 2, 3, 4, 6, 8, 12
PART_ROWS = 50  # a part has at least so many rows

_HUGE = 1e140  # beyond it a square overflows; such values are counted in the outer bins, and kept out of the moments

_Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Moments:
    """Number of values (infinite and huge ones aside), their mean, the sum of squared distances from it, minimum and maximum."""

    n: int = 0
    mean: float = 0.0
    m2: float = 0.0
    minimum: float | None = None
    maximum: float | None = None

    @classmethod
    def of(cls, values: _Numbers) -> Moments:
        finite = values[np.abs(values) <= _HUGE]
        if not finite.size:
            return cls()
        mean = float(finite.mean())
        return cls(
            int(finite.size), mean, float(np.square(finite - mean).sum()), float(finite.min()), float(finite.max())
        )

    @property
    def sd(self) -> float | None:
        """The sample standard deviation; ``None`` below two values."""
        return math.sqrt(self.m2 / (self.n - 1)) if self.n > 1 else None

    def __add__(self, other: Moments) -> Moments:
        if not self.n or not other.n:
            return other if other.n else self
        n = self.n + other.n
        step = other.mean - self.mean
        lows = [m.minimum for m in (self, other) if m.minimum is not None]
        highs = [m.maximum for m in (self, other) if m.maximum is not None]
        return Moments(
            n,
            (self.mean * self.n + other.mean * other.n) / n,
            self.m2 + other.m2 + step * step * self.n * other.n / n,
            min(lows),
            max(highs),
        )


@dataclass(frozen=True, slots=True)
class NumericProfile:
    """Counts between edges: bin ``i`` holds the values ``edges[i-1] < v <= edges[i]``, the first and the last are open.

    The outermost edges enclose the values that the profile was fitted on, so that what lies outside of all training
    data has two bins of its own. Times count as seconds since 1970, true and false as 1 and 0.
    """

    name: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    missing: int
    moments: Moments

    @property
    def rows(self) -> int:
        return sum(self.counts) + self.missing

    @property
    def bins(self) -> tuple[float, ...]:
        return self.edges

    @property
    def tally(self) -> tuple[int, ...]:
        """All counts in one row, of fixed length: the bins in order, then missing. Sums to :attr:`rows`."""
        return (*self.counts, self.missing)

    @classmethod
    def fit(cls, name: str, column: NDArray[Any], bins: int) -> NumericProfile:
        values = numbers_of(column)
        finite = values[np.abs(values) <= _HUGE]
        edges: NDArray[Any] = np.empty(0)
        if finite.size:
            distinct = np.unique(finite)
            if len(distinct) <= SINGLE_VALUES and np.all(distinct == np.trunc(distinct)):
                edges = distinct
            else:
                # Quantiles that are values of the data, so that ties fall whole into one bin.
                inner = np.quantile(finite, np.linspace(0, 1, bins + 1)[1:-1], method="inverted_cdf")
                edges = np.unique(np.append(inner, distinct[-1]))
            edges = np.append(np.nextafter(distinct[0], -np.inf), edges)
        empty = cls(name, tuple(map(float, edges)), (0,) * (len(edges) + 1), 0, Moments())
        return empty.count(column)

    def count(self, column: NDArray[Any]) -> NumericProfile:
        values = numbers_of(column)
        present = values[~np.isnan(values)]
        index = np.searchsorted(np.array(self.edges), present, side="left")
        counts = np.bincount(index, minlength=len(self.edges) + 1)
        return replace(
            self,
            counts=tuple(counts.tolist()),
            missing=int(values.size - present.size),
            moments=Moments.of(values),
        )

    def absent(self, rows: int) -> NumericProfile:
        return replace(self, counts=(0,) * len(self.counts), missing=rows, moments=Moments())

    def __add__(self, other: ColumnProfile) -> NumericProfile:
        if not isinstance(other, NumericProfile) or (self.name, self.edges) != (other.name, other.edges):
            raise _different(self.name)
        counts = tuple(a + b for a, b in zip(self.counts, other.counts, strict=True))
        return replace(self, counts=counts, missing=self.missing + other.missing, moments=self.moments + other.moments)

    def to_json(self) -> dict[str, Any]:
        m = self.moments
        return {
            "name": self.name,
            "kind": "numeric",
            "edges": list(self.edges),
            "counts": list(self.counts),
            "missing": self.missing,
            "n": m.n,
            "mean": m.mean,
            "m2": m.m2,
            "minimum": m.minimum,
            "maximum": m.maximum,
        }

    @classmethod
    def from_json(cls, d: Mapping[str, Any]) -> NumericProfile:
        moments = Moments(d["n"], float(d["mean"]), float(d["m2"]), d["minimum"], d["maximum"])
        return cls(d["name"], tuple(map(float, d["edges"])), tuple(d["counts"]), d["missing"], moments)


@dataclass(frozen=True, slots=True)
class CategoricalProfile:
    """Counts of the known values, in order; ``other`` counts every value that is none of them."""

    name: str
    values: tuple[str, ...]
    counts: tuple[int, ...]
    other: int
    missing: int

    @property
    def rows(self) -> int:
        return sum(self.counts) + self.other + self.missing

    @property
    def bins(self) -> tuple[str, ...]:
        return self.values

    @property
    def tally(self) -> tuple[int, ...]:
        """All counts in one row, of fixed length: the values in order, other, missing. Sums to :attr:`rows`."""
        return (*self.counts, self.other, self.missing)

    @classmethod
    def fit(cls, name: str, column: NDArray[Any]) -> CategoricalProfile:
        found = Counter(_texts(column))
        found.pop(None, None)
        common = sorted(found, key=lambda value: (-found[value], value))[:CATEGORIES]
        return cls(name, tuple(v for v in common if v is not None), (0,) * len(common), 0, 0).count(column)

    def count(self, column: NDArray[Any]) -> CategoricalProfile:
        found = Counter(_texts(column))
        missing = found.pop(None, 0)
        counts = tuple(found.pop(value, 0) for value in self.values)
        return replace(self, counts=counts, other=found.total(), missing=missing)

    def absent(self, rows: int) -> CategoricalProfile:
        return replace(self, counts=(0,) * len(self.counts), other=0, missing=rows)

    def __add__(self, other: ColumnProfile) -> CategoricalProfile:
        if not isinstance(other, CategoricalProfile) or (self.name, self.values) != (other.name, other.values):
            raise _different(self.name)
        counts = tuple(a + b for a, b in zip(self.counts, other.counts, strict=True))
        return replace(self, counts=counts, other=self.other + other.other, missing=self.missing + other.missing)

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kind": "categorical",
            "values": list(self.values),
            "counts": list(self.counts),
            "other": self.other,
            "missing": self.missing,
        }

    @classmethod
    def from_json(cls, d: Mapping[str, Any]) -> CategoricalProfile:
        return cls(d["name"], tuple(d["values"]), tuple(d["counts"]), d["other"], d["missing"])


ColumnProfile = NumericProfile | CategoricalProfile


@dataclass(frozen=True, slots=True)
class Profile:
    """The profiles of the columns of a table. ``Profile.from_json(p.to_json()) == p``, through JSON text too.

    >>> reference = Profile.fit({"hour": [6, 6, 7], "carrier": ["AA", "UA", None]})
    >>> reference.rows, reference["carrier"].missing
    (3, 1)
    >>> live = reference.count({"hour": [23], "carrier": ["ZZ"]})
    >>> live["carrier"].other, (live + live).rows
    (1, 2)
    """

    rows: int
    columns: tuple[ColumnProfile, ...]
    parts: tuple[tuple[tuple[int, ...], ...], ...] = ()
    """For each run of consecutive rows of the fitted data (at most :data:`PARTS`, of equal length) the tally of each
    column: how far the reference itself wanders. Empty where there are too few rows, and after counting or adding."""
    seconds: float | None = None
    """The time that the fitted rows span, where it is known: then a window is held against runs of its own duration, however
    densely it was sampled. ``None`` after counting or adding."""

    @classmethod
    def fit(cls, data: Any, bins: int = 30, time_column: str | None = None) -> Profile:
        """Chooses the bins from ``data`` (see :func:`columns_of`) and counts it into them.

        Numeric columns (numbers, times, booleans) get up to ``bins`` bins of about equal counts, with ties kept
        together, or one bin a value where there are few whole numbers; all else is categorical. For :attr:`parts` the rows
        are taken in the order of ``time_column`` (times, ISO texts, or seconds), else in the order that they have. Raises
        :class:`InvalidInput` when there is no row, and for a time that cannot be read.
        """
        if bins < 2:
            raise InvalidInput(message=f"a profile needs at least 2 bins, not {bins}")
        columns = columns_of(data)
        if not row_count(columns):
            raise InvalidInput(message="a profile needs reference data with at least one row and one column")
        seconds = None
        if time_column is not None:
            times = _times(columns, time_column)
            order = np.argsort(times, kind="stable")
            columns = {name: column[order] for name, column in columns.items()}
            seconds = float(times.max() - times.min())
        fitted = tuple(
            NumericProfile.fit(name, column, bins) if _is_numeric(column) else CategoricalProfile.fit(name, column)
            for name, column in columns.items()
        )
        return cls(row_count(columns), fitted, _parts(fitted, columns), seconds)

    def count(self, data: Any) -> Profile:
        """New data counted into the same bins. Columns that this profile does not know are left out; a column that is
        not in ``data`` counts as missing in every row, and so does what is not a number in a numeric column,
        or is one that is too large for any calculation."""
        columns = columns_of(data, strict=False)
        rows = row_count(columns)
        return Profile(
            rows, tuple(c.count(columns[c.name]) if c.name in columns else c.absent(rows) for c in self.columns)
        )

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def __getitem__(self, name: str) -> ColumnProfile:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __iter__(self) -> Iterator[ColumnProfile]:
        return iter(self.columns)

    def same_bins(self, other: Profile) -> bool:
        """Whether the two may be added and compared."""
        return [(c.name, c.bins) for c in self] == [(c.name, c.bins) for c in other]

    def __add__(self, other: Profile) -> Profile:
        """The profile of both data sets together; raises :class:`InvalidInput` unless they have the same bins."""
        if self.names != other.names:
            raise InvalidInput(
                message=f"profiles of different columns cannot be merged: {list(self.names)} and {list(other.names)}"
            )
        merged: Sequence[ColumnProfile] = [a + b for a, b in zip(self.columns, other.columns, strict=True)]
        return Profile(self.rows + other.rows, tuple(merged))

    def to_json(self) -> dict[str, Any]:
        """A document without NaN or infinity: ``{"format", "rows", "seconds", "columns": […], "parts": […]}``."""
        return {
            "format": FORMAT,
            "rows": self.rows,
            "seconds": self.seconds,
            "columns": [column.to_json() for column in self.columns],
            "parts": [[list(tally) for tally in part] for part in self.parts],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Profile:
        """The inverse of :meth:`to_json`; raises :class:`InvalidInput` on anything else."""
        try:
            if document["format"] != FORMAT:
                raise InvalidInput(
                    message=f"this profile has format {document['format']!r}, and this modelyard reads {FORMAT}"
                )
            read: dict[str, Callable[[Mapping[str, Any]], ColumnProfile]] = {
                "numeric": NumericProfile.from_json,
                "categorical": CategoricalProfile.from_json,
            }
            columns = tuple(read[column["kind"]](column) for column in document["columns"])
            parts = tuple(tuple(tuple(tally) for tally in part) for part in document["parts"])
            return cls(document["rows"], columns, parts, document["seconds"])
        except (KeyError, TypeError, AttributeError) as problem:
            raise InvalidInput(message=f"this is not a profile document: {problem!r}") from None


def _times(columns: Columns, name: str) -> _Numbers:
    """The column as seconds since 1970. Raises InvalidInput when it is not there or a value of it is no time."""
    if name not in columns:
        raise InvalidInput(message=f"time_column {name!r} is not a column of the reference data: {', '.join(columns)}")
    column = columns[name]
    seconds = np.array([_seconds(v) for v in column.tolist()]) if column.dtype.kind == "O" else numbers_of(column)
    if not np.isfinite(seconds).all():
        raise InvalidInput(message=f"time_column {name!r} has values that are not times, such as 2026-03-01T12:00:00Z")
    return seconds


def _seconds(value: Any) -> float:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return instant(moment).replace(tzinfo=UTC).timestamp() if isinstance(moment, datetime) else float(moment)
    except (TypeError, ValueError):
        return math.nan


def _parts(fitted: Sequence[ColumnProfile], columns: Columns) -> tuple[tuple[tuple[int, ...], ...], ...]:
    rows = row_count(columns)
    number = min(PARTS, rows // PART_ROWS)
    if number < 2:
        return ()
    cuts = [rows * i // number for i in range(number + 1)]
    return tuple(
        tuple(column.count(columns[column.name][start:end]).tally for column in fitted) for start, end in pairwise(cuts)
    )


def numbers_of(column: NDArray[Any]) -> _Numbers:
    """A column as ``float64``: times in seconds since 1970, booleans as 0 and 1, whatever is no number as NaN."""
    if column.dtype.kind == "M":
        seconds = column.astype("datetime64[us]").astype(np.int64) / 1e6
        return np.where(np.isnat(column), np.nan, seconds)
    if column.dtype.kind == "O":
        return np.array([float(v) if isinstance(v, int | float) else np.nan for v in column], dtype=np.float64)
    return column.astype(np.float64)


def _is_numeric(column: NDArray[Any]) -> bool:
    if column.dtype.kind != "O":
        return True
    kinds = {type(value) for value in column} - {type(None)}
    return kinds == {bool}


def _texts(column: NDArray[Any]) -> list[str | None]:
    """The values of a categorical column as text; missing is ``None``."""
    if column.dtype.kind != "O":
        column = array_of(column.astype(object))
    return [
        value if type(value) is str else None if value is None or value != value else str(value)
        for value in column.tolist()
    ]


def _different(name: str) -> InvalidInput:
    return InvalidInput(message=f"profiles of {name!r} with different bins cannot be merged; fit once, then count")

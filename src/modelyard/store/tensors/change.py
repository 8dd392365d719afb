"""How far the values of a tensor have moved: streamed through in float64, piece by piece, in memory that does not depend on the tensor."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from modelyard.store.codecs.codec import Bytes
from modelyard.store.tensors.arrays import elements_of, is_numeric, values_of, width_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = 8192
"""Elements that are worked on at once: they stay in the cache, and are too few for the BLAS to start threads, which the decoding needs."""
TINY = 1e-280
"""A sum of squares below this may have lost some to underflow."""


@dataclass(frozen=True)
class Change:
    """From tensor a to tensor b.

    ``changed`` of ``elements`` are stored as other bytes (or, where the types differ, have another value); of a type that is no number the elements
    are counted, of one that NumPy lacks the bytes. ``norm`` is ‖b−a‖ (L2), ``before`` ‖a‖, ``largest`` the greatest absolute change of an element:
    over the elements that are finite in both a and b (‖a‖: in a), None where there are no numbers. ``not_finite`` counts those of a and of b that
    are infinite or NaN and so left out.
    """

    elements: int
    changed: int
    norm: float | None = None
    before: float | None = None
    largest: float | None = None
    not_finite: tuple[int, int] = (0, 0)

    @property
    def fraction(self) -> float:
        """Of the elements, from 0 to 1, those that changed."""
        return self.changed / self.elements if self.elements else 0.0

    @property
    def relative(self) -> float | None:
        """‖b−a‖/‖a‖; infinite for a change from zero; None where there are no numbers."""
        return relative(self.norm, self.before)


def relative(norm: float | None, before: float | None) -> float | None:
    """``norm`` as a share of ``before``."""
    if norm is None or before is None or math.isinf(before):
        return None
    if before:
        return norm / before
    return math.inf if norm else 0.0


class Meter:
    """Adds up the change of one tensor over its pieces, of which each holds whole elements: b's type may be another where both are numbers."""

    def __init__(self, before: str, after: str) -> None:
        self._before, self._after = before, after
        self._numeric = is_numeric(before) and is_numeric(after)
        self._width = width_of(before) or 1
        self._elements = self._changed = self._bad_before = self._bad_after = 0
        self._norm = self._length = self._largest = 0.0

    def unread(self, length: int) -> None:
        """So many bytes that both have, of what is no numbers."""
        self._elements += length // self._width

    @np.errstate(all="ignore")
    def same(self, data: Bytes) -> None:
        """A piece that is in both, and of one type."""
        self._elements += len(data) // self._width
        if self._numeric:
            stored = elements_of(data, self._before)
            for start in range(0, len(stored), BLOCK):
                length, bad = _length_of_finite(_wide(values_of(stored[start : start + BLOCK], self._before)))
                self._length = math.hypot(self._length, length)
                self._bad_before += bad
                self._bad_after += bad

    @np.errstate(all="ignore")  # of what overflows or is no number, the result is looked at
    def differing(self, before: Bytes, after: Bytes) -> None:
        """A piece of each side, of as many elements."""
        self._elements += len(before) // self._width
        if self._before == self._after:
            self._changed += _unequal(before, after, self._width)
        if self._numeric:
            self._measure(elements_of(before, self._before), elements_of(after, self._after))

    def change(self) -> Change:
        """What the pieces so far add up to."""
        if not self._numeric:
            return Change(self._elements, self._changed)
        bad = (self._bad_before, self._bad_after)
        return Change(self._elements, self._changed, self._norm, self._length, self._largest, bad)

    def _measure(self, before: NDArray[Any], after: NDArray[Any]) -> None:
        for start in range(0, len(before), BLOCK):
            self._measure_block(before[start : start + BLOCK], after[start : start + BLOCK])

    def _measure_block(self, before: NDArray[Any], after: NDArray[Any]) -> None:
        old, new = values_of(before, self._before), values_of(after, self._after)
        a, b = _wide(old), _wide(new)
        if self._before != self._after:
            self._changed += int(np.count_nonzero((a != b) & ~(np.isnan(a) & np.isnan(b))))
        length, bad = _length_of_finite(a)
        self._length = math.hypot(self._length, length)
        self._bad_before += bad
        step = _exact(old, new) if old.dtype == new.dtype and old.dtype.kind in "iu" else b - a
        squares = _squares(step)
        if bad or not math.isfinite(squares):  # else every element is finite
            finite = np.isfinite(a) & np.isfinite(b)
            self._bad_after += int(np.count_nonzero(~np.isfinite(b)))
            step = step[finite]
            squares = _squares(step)
        self._norm = math.hypot(self._norm, _length(step, squares))
        if step.size:
            real = step.dtype.kind == "f"
            largest = max(float(step.max()), -float(step.min())) if real else float(np.abs(step).max())
            self._largest = max(self._largest, largest)


def _wide(values: NDArray[Any]) -> NDArray[Any]:
    return values.astype(np.complex128 if values.dtype.kind == "c" else np.float64)


def _exact(old: NDArray[Any], new: NDArray[Any]) -> NDArray[np.float64]:
    """How far integers are apart, without the error that float64 has from 2⁵³ on."""
    unsigned = f"u{old.dtype.itemsize}"
    a, b = (side.astype(side.dtype.newbyteorder("=")) for side in (old, new))
    forward = b.view(unsigned) - a.view(unsigned)
    return np.asarray(np.where(b >= a, forward, np.negative(forward)), np.float64)


def _length_of_finite(wide: NDArray[Any]) -> tuple[float, int]:
    """The L2 norm of the finite elements, and how many are not."""
    squares = _squares(wide)
    if math.isfinite(squares):
        return _length(wide, squares), 0
    finite = wide[np.isfinite(wide)]
    return _length(finite, _squares(finite)), wide.size - finite.size


def _length(finite: NDArray[Any], squares: float) -> float:
    """The L2 norm, without overflow or underflow on the way; ``squares`` is what :func:`_squares` gives."""
    if TINY < squares < math.inf or not finite.size:
        return math.sqrt(squares)
    largest = float(np.abs(finite).max())
    if not largest or math.isinf(largest):
        return largest
    return largest * math.sqrt(_squares(finite / largest))


def _squares(wide: NDArray[Any]) -> float:
    flat = wide.view(np.float64)
    return float(np.dot(flat, flat))


def _unequal(before: Bytes, after: Bytes, width: int) -> int:
    """How many elements of ``width`` bytes differ in their bytes."""
    kind = f"u{width}" if width in (1, 2, 4, 8) else "u1"
    differ = np.frombuffer(before, kind) != np.frombuffer(after, kind)
    if kind == "u1" and width > 1:
        differ = differ.reshape(-1, width).any(axis=1)
    return int(np.count_nonzero(differ))

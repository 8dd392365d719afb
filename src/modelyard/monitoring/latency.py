"""Latencies in buckets that grow by 5 %: quantiles to within 2.5 %, merged by addition (as DDSketch, Masson et al. 2019)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

_GROWTH = math.log(1.05)
_FLOOR = 0.001  # milliseconds; anything quicker counts as this


class Latencies:
    """A count for each bucket; values are milliseconds."""

    def __init__(self, values: Iterable[float] = ()) -> None:
        self.buckets: Counter[int] = Counter()
        for value in values:
            self.add(value)

    def add(self, value: float) -> None:
        if math.isfinite(value):
            self.buckets[math.ceil(math.log(max(value, _FLOOR)) / _GROWTH)] += 1

    def __add__(self, other: Latencies) -> Latencies:
        merged = Latencies()
        merged.buckets = self.buckets + other.buckets
        return merged

    def quantile(self, share: float) -> float | None:
        """The latency that ``share`` of the requests did not exceed, in milliseconds; ``None`` without requests."""
        rank, seen = share * self.buckets.total(), 0
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            if seen >= rank:
                return math.exp((bucket - 0.5) * _GROWTH)
        return None

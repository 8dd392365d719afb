"""Objects that ask again when the place did not answer."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TypeVar

from modelyard.core.errors import StoreUnreachable
from modelyard.store.objects.objects import ObjectInfo, Objects, Part
from modelyard.store.objects.patience import PATIENT, Patience

Answer = TypeVar("Answer")


class Retrying:
    """Every operation of ``objects``, again after StoreUnreachable, as often and as long as ``patience`` allows; then the last error stands.

    All operations may be repeated safely: a put replaces, a delete of what is gone does nothing. A range that comes back shorter than it lies in
    the object is an answer that did not come in full, and is asked for again; of :meth:`get` only the caller knows the length. A listing is
    taken whole before its first entry is returned. ``sleep``, ``clock`` (seconds) and ``chance`` (0…1) are for tests.
    """

    def __init__(
        self,
        objects: Objects,
        patience: Patience = PATIENT,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.objects = objects
        self.patience = patience
        self._sleep, self._clock, self._chance = sleep, clock, chance

    @property
    def url(self) -> str:
        return self.objects.url

    def put(self, key: str, parts: Sequence[Part]) -> None:
        self._asked(lambda: self.objects.put(key, parts))

    def get(self, key: str) -> bytes:
        return self._asked(lambda: self.objects.get(key))

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[Part]:
        return self._asked(lambda: _whole_ranges(self.objects, key, ranges))

    def size(self, key: str) -> int | None:
        return self._asked(lambda: self.objects.size(key))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        return iter(self._asked(lambda: tuple(self.objects.list(prefix))))

    def delete(self, key: str) -> None:
        self._asked(lambda: self.objects.delete(key))

    def leftovers(self, older_than: datetime) -> Sequence[ObjectInfo]:
        return self._asked(lambda: self.objects.leftovers(older_than))

    def sweep(self, leftover: ObjectInfo) -> None:
        self._asked(lambda: self.objects.sweep(leftover))

    def _asked(self, ask: Callable[[], Answer]) -> Answer:
        begun, failed = self._clock(), 0
        while True:
            try:
                return ask()
            except StoreUnreachable:
                failed += 1
                pause = self.patience.pause(failed, self._chance())
                if failed >= self.patience.attempts or self._clock() - begun + pause > self.patience.total:
                    raise
            self._sleep(pause)


def _whole_ranges(objects: Objects, key: str, ranges: Sequence[tuple[int, int]]) -> list[Part]:
    parts = objects.get_ranges(key, ranges)
    if any(len(part) != length for part, (_, length) in zip(parts, ranges, strict=True)):
        size = objects.size(key) or 0
        for part, (offset, length) in zip(parts, ranges, strict=True):
            if len(part) != (due := max(0, min(length, size - offset))):
                problem = f"{key} came back with {len(part)} of {due} bytes at {offset}"
                raise StoreUnreachable(url=objects.url, problem=problem)
    return parts

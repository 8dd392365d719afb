"""Objects that fail on purpose, the same way for the same seed: a place that errors, reads short, flips bits, or whose writer dies."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from datetime import datetime

from modelyard.core.errors import StoreUnreachable
from modelyard.store.objects.objects import ObjectInfo, Objects, Part


class Died(BaseException):  # nobody catches it by `except Exception`, as nobody catches a kill -9
    """The process of the writer is gone."""


class FaultyObjects:
    """Passes everything on to ``objects``, and spoils a share (0…1) of it.

    ``errors`` of all calls raise StoreUnreachable; half of those of a put or delete after it was done, as when only the answer is lost.
    ``short`` of the :meth:`get_ranges` bring one range with bytes missing at its end; ``cut`` of the :meth:`get` likewise.
    ``flips`` of the :meth:`get` and :meth:`get_ranges` have one bit turned. After ``writes`` puts and deletes the next of them, and every call
    after it, raises :class:`Died` and does nothing; ``None`` never dies. ``faults`` counts what was spoiled.
    """

    def __init__(
        self,
        objects: Objects,
        *,
        seed: int = 0,
        errors: float = 0.0,
        short: float = 0.0,
        cut: float = 0.0,
        flips: float = 0.0,
        writes: int | None = None,
    ) -> None:
        self.objects = objects
        self.errors, self.short, self.cut, self.flips = errors, short, cut, flips
        self.writes = writes
        self.faults = 0
        self._dead = False
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return self.objects.url

    def put(self, key: str, parts: Sequence[Part]) -> None:
        late = self._write()
        self.objects.put(key, parts)
        self._lose(late)

    def get(self, key: str) -> bytes:
        self._fail()
        data = self.objects.get(key)
        if data and self._chance(self.cut):
            data = data[: self._below(len(data))]
        return self._turned(data) if data and self._chance(self.flips) else data

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[Part]:
        self._fail()
        parts = self.objects.get_ranges(key, ranges)
        full = [index for index, part in enumerate(parts) if len(part)]
        if full and self._chance(self.short):
            index = full[self._below(len(full))]
            parts[index] = parts[index][: self._below(len(parts[index]))]
            full = [index for index in full if len(parts[index])]
        if full and self._chance(self.flips):
            index = full[self._below(len(full))]
            parts[index] = self._turned(bytes(parts[index]))
        return parts

    def size(self, key: str) -> int | None:
        self._fail()
        return self.objects.size(key)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        self._fail()
        return self.objects.list(prefix)

    def delete(self, key: str) -> None:
        late = self._write()
        self.objects.delete(key)
        self._lose(late)

    def leftovers(self, older_than: datetime) -> Sequence[ObjectInfo]:
        self._fail()
        return self.objects.leftovers(older_than)

    def sweep(self, leftover: ObjectInfo) -> None:
        self._fail()
        self.objects.sweep(leftover)

    def _write(self) -> bool:
        """Fails before the write, or says that its answer shall be lost."""
        with self._lock:
            if self.writes is not None:
                self._dead = self._dead or self.writes == 0
                self.writes -= not self._dead
        late = self._chance(0.5)
        if not late:
            self._fail()
        elif self._dead:
            raise Died
        return late

    def _lose(self, late: bool) -> None:
        if late:
            self._fail()

    def _fail(self) -> None:
        if self._dead:
            raise Died
        if self._chance(self.errors):
            raise StoreUnreachable(url=self.url, problem="a fault was planted")

    def _chance(self, share: float) -> bool:
        with self._lock:
            hit = self._random.random() < share
            self.faults += hit
            return hit

    def _below(self, stop: int) -> int:
        with self._lock:
            return self._random.randrange(stop)

    def _turned(self, data: bytes) -> bytes:
        where = self._below(len(data) * 8)
        turned = bytearray(data)
        turned[where // 8] ^= 1 << where % 8
        return bytes(turned)

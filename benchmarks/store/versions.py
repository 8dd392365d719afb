"""Successive versions of one file through several stores, which take turns, so that a busy machine slows all alike."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.store import corpus
from benchmarks.store.places import Missing, remove, run_folder
from benchmarks.store.stores import Failed, Store, digests, lay, sha256

Maker = Callable[[Path], Store]


@dataclass
class Passage:
    """What one store did with one set. Versions count from one; seconds; bytes."""

    store: str
    sizes: list[int]
    puts: list[float] = field(default_factory=list)
    hashes: list[float] = field(default_factory=list)
    steps: list[dict[str, float]] = field(default_factory=list)
    gets: dict[int, float] = field(default_factory=dict)
    kept: int | None = None
    problem: str = ""

    @property
    def percent(self) -> float | None:
        """Kept bytes in % of raw."""
        return None if self.kept is None else 100 * self.kept / sum(self.sizes)

    @property
    def of_last(self) -> float | None:
        """Kept bytes as a multiple of the last version."""
        return None if self.kept is None else self.kept / self.sizes[-1]

    @property
    def further(self) -> float | None:
        """MB/s of raw bytes in, median of all versions after the first."""
        rates = [size / seconds / 1e6 for size, seconds in zip(self.sizes[1:], self.puts[1:], strict=False)]
        return statistics.median(rates) if rates else None

    @property
    def first(self) -> float | None:
        """MB/s of raw bytes in, of the first version."""
        return self.sizes[0] / self.puts[0] / 1e6 if self.puts else None

    @property
    def rates_out(self) -> list[float]:
        """MB/s of each version that was got, oldest first."""
        return [self.sizes[number - 1] / self.gets[number] / 1e6 for number in sorted(self.gets)]

    @property
    def read_back(self) -> str:
        """How many of the versions came back byte-equal; one that did not is the ``problem``."""
        return f"{len(self.gets)}/{len(self.sizes)}"


def run(
    set_name: str,
    makers: Mapping[str, Maker],
    *,
    reading: Mapping[str, Collection[int]] | None = None,
    rounds: int = 1,
    hashing: bool = False,
) -> dict[str, Passage]:
    """Puts every version of a set into each store, then gets the versions named in ``reading`` (all, if not said) and compares them.

    With more ``rounds`` each version is got more often, back and forth, and its fastest time counts. With ``hashing`` a
    plain sha256 of the same file is timed after each put. Raises Missing.
    """
    paths = corpus.versions(set_name)
    sizes, expected = [path.stat().st_size for path in paths], [sha256(path) for path in paths]
    name = f"model{paths[0].suffix}"
    passages = {store: Passage(store, sizes) for store in makers}
    with run_folder() as folder:
        stores = _opened(makers, passages, folder)
        try:
            for number, path in enumerate(paths, 1):
                for store in list(stores.values()):
                    with _noted(passages, stores, store):
                        lay(store, path, name)
                        steps = store.put(number)
                        passages[store.name].steps.append(steps)
                        passages[store.name].puts.append(sum(steps.values()))
                        if hashing:  # next to what it is to be taken from, so that both had the same machine
                            started = time.perf_counter()
                            sha256(store.work / "data" / name)
                            passages[store.name].hashes.append(time.perf_counter() - started)
            for store in stores.values():
                passages[store.name].kept = store.kept()
            for store in list(stores.values()):  # what only the first read of a process pays for is nobody's figure
                with _noted(passages, stores, store):
                    store.get(len(paths) // 2, store.work / "back")
                remove(store.work / "back")
            forth = list(range(1, len(paths) + 1))
            for number in (forth + forth[::-1]) * (rounds // 2) + forth * (rounds % 2):
                for store in list(stores.values()):
                    if number in (reading or {}).get(store.name, range(1, len(paths) + 1)):
                        with _noted(passages, stores, store):
                            target = store.work / "back"
                            os.sync()
                            seconds = store.get(number, target)
                            if digests(store.restored(target)).get(name) != expected[number - 1]:
                                raise Failed(f"{store.name}: version {number} came back different")
                            gets = passages[store.name].gets
                            gets[number] = min(seconds, gets.get(number, seconds))
                        remove(store.work / "back")
        finally:
            for store in stores.values():
                store.close()
    return passages


def _opened(makers: Mapping[str, Maker], passages: dict[str, Passage], folder: Path) -> dict[str, Store]:
    stores = {}
    for name, make in makers.items():
        work = folder / name.replace(" ", "-").replace(",", "-")
        work.mkdir()
        try:
            stores[name] = make(work)
        except (Missing, Failed) as problem:
            passages[name].problem = str(problem)
    return stores


@contextmanager
def _noted(passages: dict[str, Passage], stores: dict[str, Store], store: Store) -> Iterator[None]:
    """Notes what a store failed in, and lets it take no further part."""
    try:
        yield
    except Failed as problem:
        passages[store.name].problem = str(problem)
        stores.pop(store.name).close()

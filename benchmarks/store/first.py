"""A first version of 1 GiB, in, out, and out again."""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.store import bars as bar
from benchmarks.store import corpus, peers, tables
from benchmarks.store.bars import Bars
from benchmarks.store.places import Missing, remove, run_folder
from benchmarks.store.stores import Failed, lay, sha256
from benchmarks.store.versions import Maker
from benchmarks.store.yard import NAME, Yard

IN = ("dvc", "restic", "borg lz4")
AGAIN = ("path, cold cache", "path, warm cache", "get --link, warm cache", "get (a copy), warm cache")
COSTS = ("path, cold cache", "get (a copy), warm cache")
"""Those that write every byte, and so have no bar."""


@dataclass
class Times:
    """Seconds of one store, an entry a round."""

    steps: list[dict[str, float]] = field(default_factory=list)
    gets: list[float] = field(default_factory=list)
    again: list[dict[str, float]] = field(default_factory=list)
    problem: str = ""

    @property
    def put(self) -> float | None:
        """The median of the sums of the steps."""
        return statistics.median(sum(steps.values()) for steps in self.steps) if self.steps else None

    @property
    def get(self) -> float | None:
        """The median."""
        return statistics.median(self.gets) if self.gets else None


def measure(names: Sequence[str], *, rounds: int) -> dict[str, Times]:
    """Every store in turn, in as many rounds; what comes out is compared each time. Raises Missing."""
    source = corpus.versions("big")[0]
    expected = sha256(source)
    makers: dict[str, Maker] = {NAME: Yard} | {name: peers.MAKERS[name] for name in names}
    found = {name: Times() for name in makers}
    for _ in range(rounds):
        for name, make in makers.items():
            try:
                _once(make, source, expected, found[name])
            except (Missing, Failed) as problem:
                found[name].problem = str(problem)
    return found


def _once(make: Maker, source: Path, expected: str, times: Times) -> None:
    with run_folder() as folder:
        store = make(folder)
        try:
            lay(store, source, "model.bin")
            times.steps.append(store.put(1))
            os.sync()
            seconds = store.get(1, folder / "back")
            if sha256(store.restored(folder / "back") / "model.bin") != expected:
                raise Failed(f"{store.name}: it came back different")
            times.gets.append(seconds)
            remove(folder / "back")
            if isinstance(store, Yard):
                spent = (
                    store.path(1),
                    store.path(1),
                    store.get_again(1, folder / "linked", link=True),
                    store.get_again(1, folder / "again"),
                )
                times.again.append(dict(zip(AGAIN, spent, strict=True)))
        finally:
            store.close()


def show(found: dict[str, Times], bars: Bars, load: str) -> None:
    """In and out beside the peers; then what is there already."""
    size, plain = corpus.versions("big")[0].stat().st_size, found.get("plain copy", Times())
    rows = []
    for name, times in found.items():
        steps = {step: statistics.median(each[step] for each in times.steps) for step in (times.steps or [{}])[0]}
        split = " + ".join(f"{step} {seconds:.1f}" for step, seconds in steps.items())
        rows.append(
            (
                name,
                split or "failed",
                *(tables.number(size / seconds / 1e6 if seconds else None) for seconds in (times.put, times.get)),
                *(
                    tables.number(ours / theirs if ours and theirs else None)
                    for ours, theirs in ((times.put, plain.put), (times.get, plain.get))
                ),
            )
        )
    ours = found[NAME]
    bars.hold("register of a first 1 GiB, beside the fastest peer", ours.put, bar.at_most, _best(found, "put"), " s")
    bars.hold("get of 1 GiB, beside the fastest peer", ours.get, bar.at_most, _best(found, "get"), " s")
    bars.hold("get of 1 GiB", size / ours.get / 1e6 if ours.get else None, bar.at_least, bar.GET, " MB/s")
    tables.show(
        "A first version of 1 GiB",
        load,
        ("store", "in, s", "in, MB/s", "out, MB/s", "in, × the time of a copy", "out, × the time of cp"),
        rows,
        [times.problem for times in found.values() if times.problem],
    )
    if ours.again:
        again = {what: statistics.median(times[what] for times in ours.again) * 1e3 for what in AGAIN}
        words = ["" if w in COSTS else bars.hold(w, again[w], bar.at_most, bar.GET_AGAIN, " ms") for w in AGAIN]
        cells = [(what, tables.number(again[what], " ms"), word) for what, word in zip(AGAIN, words, strict=True)]
        tables.show("1 GiB again, from the cache that processes share", load, ("", "median", "bar: under 50 ms"), cells)


def _best(found: dict[str, Times], figure: str) -> float | None:
    values = [getattr(found[name], figure) for name in IN if name in found]
    return min((value for value in values if value), default=None)

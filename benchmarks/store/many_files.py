"""100,000 files of 10 kB as one version."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from pathlib import Path

from benchmarks.store import bars as bar
from benchmarks.store import peers, tables
from benchmarks.store.bars import Bars
from benchmarks.store.peers import Dvc
from benchmarks.store.places import Missing, remove, run_folder
from benchmarks.store.stores import Failed, Store, digests
from benchmarks.store.versions import Maker
from benchmarks.store.yard import NAME, Yard

COUNT, BYTES, PER_FOLDER = 100_000, 10_000, 1000


def write(folder: Path, count: int) -> None:
    """Seeded noise, a thousand files a folder."""
    noise = random.Random(5)
    for number in range(count):
        if number % PER_FOLDER == 0:
            part = folder / f"part-{number // PER_FOLDER:03d}"
            part.mkdir(parents=True)
        (part / f"{number:06d}.bin").write_bytes(noise.randbytes(BYTES))
    os.sync()


def measure(make: Maker, count: int) -> dict[str, float]:
    """Seconds of each step of one store. Raises Missing, Failed."""
    with run_folder() as folder:
        store = make(folder)
        try:
            write(folder / "data", count)
            expected = digests(folder / "data")
            spent = store.put(1)
            os.sync()
            spent["get"] = store.get(1, folder / "back")
            if digests(store.restored(folder / "back")) != expected:
                raise Failed(f"{store.name}: they came back different")
            remove(folder / "back")
            spent |= _again(store, folder)
            return spent
        finally:
            store.close()


def _again(store: Store, folder: Path) -> dict[str, float]:
    if isinstance(store, Dvc):
        (folder / "data").rename(folder / "project" / "data")
        return {"from the cache": store.check_out(1)}
    if isinstance(store, Yard):
        store.path(1)
        return {"from the cache": store.get_again(1, folder / "again"), "path": store.path(1)}
    return {}


def show(names: Sequence[str], bars: Bars, *, count: int = COUNT) -> None:
    """The table, and the bars."""
    makers: dict[str, Maker] = {NAME: Yard} | {
        name: peers.MAKERS[name] for name in names if name in ("dvc", "restic", "borg lz4")
    }
    load, found, problems = tables.load(), {}, []
    for name, make in makers.items():
        try:
            found[name] = measure(make, count)
        except (Missing, Failed) as problem:
            problems.append(str(problem))
    ours, dvc = found.get(NAME, {}), found.get("dvc", {})
    if dvc:
        title = f"{count:,} files"
        bars.hold(f"register of {title}, beside dvc add", ours.get("register"), bar.at_most, dvc["add"], " s")
        bars.hold(f"get of {title}, beside dvc pull", ours.get("get"), bar.at_most, dvc["get"], " s")
        measure_name = f"get of {title} again, beside dvc checkout"
        bars.hold(measure_name, ours.get("from the cache"), bar.at_most, dvc["from the cache"], " s")
    rows = [
        (
            name,
            " + ".join(f"{step} {s:.1f}" for step, s in spent.items() if step not in ("get", "from the cache", "path")),
            *(tables.number(spent.get(step)) for step in ("get", "from the cache", "path")),
        )
        for name, spent in found.items()
    ]
    tables.show(
        f"{count:,} files of {BYTES // 1000} kB in one version, seconds",
        load,
        ("store", "in", "out", "out, from the cache", "path in the warm cache"),
        rows,
        problems,
    )

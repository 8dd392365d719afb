"""Getting one version of ten thousand to a million, beside MLflow embedded."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.registry import bars as bar
from benchmarks.registry.bars import Bars
from benchmarks.registry.timings import Times, turns
from benchmarks.store import tables
from benchmarks.store.worker import Worker

SEARCHES = (
    "one of ten values",
    "one of ten values, in the big name",
    "a rare value",
    "a value that one has",
    "two tags",
    "a tag and a metric",
)
PAGED = SEARCHES[:2]
"""Those that find enough to go far on."""
WITH_BAR = SEARCHES[:4]
"""By one tag value."""
WAYS = ("number", "alias", "label", "latest")
PEER = "MLflow"


def show_gets(ours: Mapping[int, Worker], peer: Worker | None, bars: Bars, *, calls: int, where: str) -> None:
    """Every way to get one, of the big name and of any model; sizes take turns. The bars are for the embedded yard."""
    load, rows = tables.load(), []
    found: dict[str, dict[str, Times]] = {}
    for way in WAYS:
        operation = "get latest" if way == "latest" else f"get by {way}"
        for what in (operation, f"{operation}, any model"):
            workers = {f"{size:,}": worker for size, worker in ours.items()}
            if peer is not None and what in ("get by number", "get by alias"):
                workers[PEER] = peer
            found[what] = turns(workers, what, calls=calls)
            rows.append((what, *(str(found[what].get(name, "–")) for name in (*map("{:,}".format, ours), PEER))))
    header = ("p50 / p99, ms", *(f"{size:,} versions" for size in ours), "MLflow, 10,000")
    tables.show(
        f"One version, {where}", load, header, rows, ["Half of the rows ask the name that has a fifth of all versions."]
    )
    if where != "embedded":
        return
    small, large = (f"{size:,}" for size in (min(ours), max(ours)))
    for what, times in found.items():
        peers = times[PEER].p50 if PEER in times else None
        bars.under(f"{what}, {large} versions, p50", times[large].p50, bar.GET, " ms", peers)
        if small != large:
            bars.no_growth(f"{what}, {small} to {large} versions", times[small].p50, times[large].p50)


def show_searches(ours: Mapping[int, Worker], peer: Worker | None, bars: Bars, *, calls: int, where: str) -> None:
    """Pages of a hundred, the first and one after nine tenths of all that is found; sizes take turns. The bars are for the embedded yard."""
    load, rows = tables.load(), []
    large = max(ours)
    for what in SEARCHES:
        places = (f"search, {what}", f"search, {what}, far on") if what in PAGED else (f"search, {what}",)
        for worker in ours.values() if what in PAGED else ():
            worker.ask("walk", what=what)
        medians = {}
        for operation in places:
            found = turns({f"{size:,}": worker for size, worker in ours.items()}, operation, calls=calls)
            if peer is not None and operation in ("search, one of ten values", "search, a value that one has"):
                found |= turns({PEER: peer}, operation, calls=max(10, calls // 10))
            rows.append((operation, *(str(found.get(name, "–")) for name in (*map("{:,}".format, ours), PEER))))
            medians[operation] = found[f"{large:,}"].p50
            if where == "embedded" and what in WITH_BAR:
                peers = found[PEER].p50 if PEER in found else None
                bars.under(f"{operation}, {large:,} versions, p50", medians[operation], bar.SEARCH, " ms", peers)
        if where == "embedded" and what in PAGED:
            bars.no_growth(f"search, {what}, from the first page to one far on", *(medians[name] for name in places))
    tables.show(f"A page of a hundred, {where}", load, _header(ours), rows)


def _header(ours: Mapping[int, Worker]) -> tuple[str, ...]:
    return ("p50 / p99, ms", *(f"{size:,} versions" for size in ours), "MLflow, 10,000")

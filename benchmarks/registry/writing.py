"""Registrations and alias moves, one writer, beside MLflow embedded and MLflow's server."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.registry import bars as bar
from benchmarks.registry.bars import Bars
from benchmarks.registry.timings import Times, turns
from benchmarks.store import tables
from benchmarks.store.worker import Worker

WRITES = {"register": bar.REGISTER, "alias move": bar.MOVE}
READS = ("get by number", "get by alias")


def show(workers: Mapping[str, Worker], bars: Bars, *, calls: int, peer_calls: int) -> None:
    """``workers`` by what the table calls them; ours are ``embedded``, the peer of the bars is ``MLflow embedded``."""
    for worker in workers.values():
        worker.ask("prepare", names=["own"])
        worker.ask("register", first=0, count=2)  # the alias has two to go between
    load, rows = tables.load(), []
    quick = {name: worker for name, worker in workers.items() if "server" not in name}
    slow = {name: worker for name, worker in workers.items() if name not in quick}
    for what in (*WRITES, *READS):
        found: dict[str, Times] = turns(quick, what, calls=calls) | turns(slow, what, calls=peer_calls, first=calls * 2)
        rows.append((what, *(str(found[name]) for name in workers)))
        if what in WRITES:
            peer = found.get("MLflow embedded")
            bars.faster(f"{what}, embedded, p50", found["embedded"].p50, peer and peer.p50, WRITES[what])
    tables.show("One writer, 10,000 versions before", load, ("p50 / p99, ms", *workers), rows)

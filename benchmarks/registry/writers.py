"""Many writers at once on one PostgreSQL, beside MLflow's server on the same; and whether numbers have gaps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from benchmarks.registry import bars as bar
from benchmarks.registry.bars import Bars
from benchmarks.registry.timings import Crowd, at_once
from benchmarks.store import tables
from benchmarks.store.worker import Worker

WRITERS = 8
NAMES = ["race", *(f"own-{i}" for i in range(WRITERS))]
KINDS = {"register own names": "eight names", "register one name": "one name"}
OURS, PEER = "modelyard", "MLflow server"


def show_contest(start: Mapping[str, Callable[[], Worker]], bars: Bars, *, calls: int, rounds: int, where: str) -> None:
    """Eight threads of one process, then eight processes, each making so many registrations a round; contenders take turns.

    The bar is for eight names, as eight jobs have them; with one name every writer waits for the one before.
    """
    load, rows = tables.load(), []
    crowds = {name: [make() for _ in range(WRITERS)] for name, make in start.items()}
    for workers in crowds.values():
        workers[0].ask("prepare", names=NAMES)
    first = 0
    for kind, said in KINDS.items():
        for shape, threads in (("threads", WRITERS), ("processes", 1)):
            found = {name: Crowd() for name in crowds}
            for turn in range(rounds + 1):
                for name, workers in crowds.items():
                    who = workers[:1] if shape == "threads" else workers
                    each = calls * WRITERS // len(who)
                    into = found[name] if turn else Crowd()  # the first round warms up
                    at_once(who, kind, calls=each, threads=threads, first=first, into=into)
                    first += each * len(who)
            cells = [f"{crowd.rate:.0f} /s, {crowd.times}" for crowd in found.values()]
            rows.append((f"{WRITERS} {shape}, {said}", *cells))
            peer = found[PEER].rate if PEER in found else None
            if kind == "register own names":
                measure = f"{WRITERS} writers, {where}, {shape}, {said}"
                bars.more(measure, found[OURS].rate, peer, bar.WRITERS)
    header = ("registrations a second; p50 / p99, ms", *crowds)
    tables.show(f"Eight writers at once, {where}", load, header, rows)


def show_gapless(crowds: Mapping[str, Sequence[Worker]], bars: Bars, *, calls: int, threads: int) -> None:
    """Very many writers of one name: every number once, none left out."""
    load, rows = tables.load(), []
    for where, workers in crowds.items():
        workers[0].ask("prepare", names=["race"])
        before = workers[0].ask("register one name", first=0, count=1)["given"][0]
        crowd = Crowd()
        at_once(list(workers), "register one name", calls=calls, threads=threads, first=1, into=crowd)
        numbers, writers = sorted(crowd.given), len(workers) * threads
        gapless = numbers == list(range(before + 1, before + 1 + calls * len(workers)))
        said = "gapless" if gapless else "WITH GAPS"
        bars.holds(f"{writers} writers of one name, {where}: {len(numbers)} numbers", gapless, said)
        rows.append((where, f"{len(workers)} × {threads}", f"{crowd.rate:.0f} /s", str(crowd.times), said))
    header = ("", "processes × threads", "registrations", "p50 / p99, ms", "numbers")
    tables.show("Thirty-two writers of one name", load, header, rows)

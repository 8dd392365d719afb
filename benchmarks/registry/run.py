"""Which measurements run, from the command line."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.registry import bars as bar
from benchmarks.registry import reading, starting, writers, writing
from benchmarks.registry.bars import Bars
from benchmarks.registry.running import Site, for_mlflow
from benchmarks.store import tables
from benchmarks.store.places import Missing, home, run_folder
from benchmarks.store.worker import Worker

SIZES = (10_000, 100_000, 1_000_000)
BASE = SIZES[0]
"""With so many versions the contenders meet."""
PARTS = ("start", "embedded", "postgresql", "writers")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m benchmarks registry", description=__doc__)
    made.add_argument("--quick", action="store_true", help="ten thousand versions only, fewer calls; two minutes")
    made.add_argument("--versions", type=_sizes, metavar="N,N", help="sizes of the yards (10000,100000,1000000)")
    made.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=f"only these parts: {', '.join(PARTS)}")
    made.add_argument("--no-peers", action="store_true", help="without MLflow")
    return made


def _sizes(text: str) -> tuple[int, ...]:
    sizes = tuple(sorted({int(word) for word in text.split(",")}))
    if min(sizes) < 1000:
        raise argparse.ArgumentTypeError("a yard of this benchmark has at least a thousand versions")
    return sizes


def main() -> int:
    """Runs the parts that were asked for and prints a table after each; the bars come last."""
    asked = parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that all that was started ends then too
    started, bars = time.perf_counter(), Bars()
    with run_folder() as folder:
        os.environ["XDG_STATE_HOME"] = str(folder / "state")  # where yards in databases have their folder
        print(f"# The registry beside MLflow, {time.strftime('%Y-%m-%d %H:%M')}; in {home()}")
        for part in asked.only or PARTS:
            (folder / part).mkdir()
            with ExitStack() as stack:  # what a part has started does not run beside the next one
                getattr(Run(Site(folder / part, stack), bars, asked), part)()
    bars.show()
    print(f"{time.perf_counter() - started:.0f} s in all")
    return 0


class Run:
    """The parts of a run."""

    def __init__(self, site: Site, bars: Bars, asked: argparse.Namespace) -> None:
        self.site, self.bars, self.quick = site, bars, asked.quick
        self.sizes: tuple[int, ...] = asked.versions or ((BASE,) if asked.quick else SIZES)
        self.peers = not asked.no_peers
        if self.peers:
            try:
                _ = site.mlflow
            except Missing as problem:
                print(f"without MLflow: {problem}")
                self.peers = False

    def start(self) -> None:
        """Import and help."""
        starting.show(self.site.mlflow if self.peers else None, self.bars, rounds=5 if self.quick else 9)

    def embedded(self) -> None:
        """A yard in SQLite, of every size."""
        yards = {size: self.site.yard("sqlite", size) for size in self.sizes}
        workers = {size: self.site.yard_worker(place, versions=size) for size, place in yards.items()}
        peer = self._mlflow_embedded() if self.peers else None
        reading.show_gets(workers, peer, self.bars, calls=500 if self.quick else 3000, where="embedded")
        reading.show_searches(workers, peer, self.bars, calls=100 if self.quick else 500, where="embedded")
        contenders: dict[str, Worker] = {"embedded": workers[min(workers)]}
        if len(workers) > 1:
            contenders[f"embedded, {max(workers):,}"] = workers[max(workers)]
        if peer is not None:
            contenders["MLflow embedded"] = peer
            contenders |= {"MLflow server": self._mlflow_server(f"sqlite:///{self.site.place('mlflow')}/mlflow.db")}
        calls = 200 if self.quick else 1000
        writing.show(contenders, self.bars, calls=calls, peer_calls=calls // 5)
        self._check(yards[max(yards)])
        self._sizes({size: _bytes(Path(place)) for size, place in yards.items()}, "SQLite")

    def postgresql(self) -> None:
        """The same in PostgreSQL, with our embedded client and MLflow's server."""
        sizes = sorted({min(self.sizes), max(self.sizes)})
        yards = {size: self.site.yard("postgresql", size) for size in sizes}
        workers = {size: self.site.yard_worker(place, versions=size) for size, place in yards.items()}
        peer = None
        if self.peers:
            peer = self._mlflow_server(for_mlflow(self.site.new_database()))
        reading.show_gets(workers, None, self.bars, calls=300 if self.quick else 2000, where="PostgreSQL")
        reading.show_searches(workers, peer, self.bars, calls=100 if self.quick else 500, where="PostgreSQL")
        contenders: dict[str, Worker] = {"embedded": workers[min(workers)]}
        if peer is not None:
            contenders["MLflow server"] = peer
        writing.show(contenders, Bars(), calls=200 if self.quick else 1000, peer_calls=40 if self.quick else 200)
        self._sizes({size: self._database_bytes(place) for size, place in yards.items()}, "PostgreSQL")

    def writers(self) -> None:
        """Many at once."""
        yard = self.site.yard("postgresql", BASE)
        start = {writers.OURS: lambda: self.site.yard_worker(yard, versions=BASE)}
        if self.peers:
            database = for_mlflow(self.site.new_database())
            url = self.site.mlflow_server(database)
            self._fill(self.site.mlflow_worker(url), database)
            start[writers.PEER] = lambda: self.site.mlflow_worker(url)
        writers.show_contest(start, self.bars, calls=20, rounds=2 if self.quick else 5, where="PostgreSQL")
        crowds = {
            name: [self.site.yard_worker(place, versions=BASE) for _ in range(4)]
            for name, place in (("PostgreSQL", yard), ("SQLite", self.site.yard("sqlite", BASE)))
        }
        writers.show_gapless(crowds, self.bars, calls=80 if self.quick else 400, threads=8)

    def _mlflow_embedded(self) -> Worker:
        database = f"sqlite:///{self.site.place('mlflow')}/mlflow.db"
        worker = self.site.mlflow_worker(database)
        self._fill(worker, database)
        return worker

    def _mlflow_server(self, database: str) -> Worker:
        worker = self.site.mlflow_worker(self.site.mlflow_server(database))
        self._fill(worker, database)
        return worker

    def _fill(self, worker: Worker, database: str) -> None:
        worker.ask("prepare", names=["first"])  # which makes the tables
        worker.ask("fill", versions=BASE, database=database)

    def _check(self, yard: str) -> None:
        command = [Path(sys.executable).with_name("modelyard"), "check", "--ledger", "--json"]
        started = time.perf_counter()
        done = subprocess.run(
            command, env=os.environ | {"MODELYARD_URL": yard}, capture_output=True, text=True, check=False
        )
        seconds = time.perf_counter() - started
        said = json.loads(done.stdout) if done.stdout else {"ledger_rows": 0, "problems": [done.stderr.strip()]}
        self.bars.under(f"check --ledger of {said['ledger_rows']:,} rows", seconds, bar.CHECK, " s")
        self.bars.holds("that ledger is whole", not said["problems"], "; ".join(said["problems"][:3]) or "whole")

    def _sizes(self, found: dict[int, int], where: str) -> None:
        rows = [(f"{size:,}", f"{count / 1e6:,.0f} MB", f"{count / size:,.0f}") for size, count in found.items()]
        tables.show(f"Size of the database, {where}", tables.load(), ("versions", "in all", "bytes a version"), rows)

    def _database_bytes(self, url: str) -> int:
        name = url.partition("?")[0].rpartition("/")[2]
        return int(self.site.postgres.sql(f"SELECT pg_database_size('{name}')"))


def _bytes(yard: Path) -> int:
    return sum(path.stat().st_size for path in yard.glob("registry.db*"))

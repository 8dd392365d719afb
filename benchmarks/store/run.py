"""Which measurements run, from the command line."""

from __future__ import annotations

import argparse
import signal
import sys
import time

from benchmarks.store import first, further, kept_bytes, many_files, memory, peers, tables, tensors
from benchmarks.store.bars import Bars
from benchmarks.store.places import Missing, home

LARGE_GIB = 10
PARTS = ("kept", "first", "tensors", "appends", "many", "large")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.store", description=__doc__)
    made.add_argument(
        "--all", action="store_true", help="every peer on every set, three rounds, 100,000 files; an hour"
    )
    made.add_argument("--many", action="store_true", help="100,000 files in one version too; minutes")
    made.add_argument(
        "--large",
        type=int,
        nargs="?",
        const=LARGE_GIB,
        metavar="GIB",
        help=f"peak memory with files of {LARGE_GIB} GiB too; needs 35 GB of disk",
    )
    made.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=f"only these parts: {', '.join(PARTS)}")
    made.add_argument("--sets", nargs="+", choices=kept_bytes.SETS, default=kept_bytes.SETS, metavar="SET")
    made.add_argument(
        "--peers", nargs="*", choices=list(peers.MAKERS), default=list(peers.MAKERS), metavar="PEER", help="only these"
    )
    return made


def main() -> int:
    """Runs the parts that were asked for and prints a table after each; the bars come last."""
    asked = parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the folder of the run is removed then too
    bars, started = Bars(), time.perf_counter()
    print(f"# The store beside its peers, {time.strftime('%Y-%m-%d %H:%M')}; in {home()}")
    wanted = set(asked.only or ("kept", "first", "tensors", "appends"))
    wanted |= {"many"} if asked.many or (asked.all and not asked.only) else set()
    wanted |= {"large"} if asked.large else set()
    if "kept" in wanted:
        load, chosen = tables.load(), [name for name in kept_bytes.PEERS if name in asked.peers]
        found = kept_bytes.measure(asked.sets, chosen, everything=asked.all)
        kept_bytes.show(found, bars, load)
        further.show(found, bars, load)
        further.show_again(found, bars, load)
        further.show_command_line(rounds=5 if asked.all else 3)
    if "first" in wanted:
        load, chosen = tables.load(), [name for name in asked.peers if asked.all or name != "borg zstd,3"]
        try:
            first.show(first.measure(chosen, rounds=3 if asked.all else 1), bars, load)
        except Missing as problem:
            print(f"first version: skipped: {problem}")
    if "tensors" in wanted:
        tensors.show(bars)
    if "appends" in wanted:
        load, chosen = tables.load(), [name for name in kept_bytes.PEERS if name in asked.peers]
        kept_bytes.show_appends(kept_bytes.measure_appends(chosen, everything=asked.all), bars, load)
    if "many" in wanted:
        many_files.show(asked.peers, bars)
    if "large" in wanted:
        memory.show(bars, asked.large or LARGE_GIB)
    bars.show()
    print(f"{time.perf_counter() - started:.0f} s in all")
    return 0

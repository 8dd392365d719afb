"""Speed of a further fine-tune, in and out: from the same passages that the kept bytes come from."""

from __future__ import annotations

import statistics

from benchmarks.store import bars as bar
from benchmarks.store import corpus, tables, yard
from benchmarks.store.bars import Bars
from benchmarks.store.kept_bytes import TIMED, Passages
from benchmarks.store.places import Missing, run_folder
from benchmarks.store.stores import Failed
from benchmarks.store.versions import Passage
from benchmarks.store.yard import NAME

OUT = {"restic", "borg zstd,3", "dvc"}


def show(found: Passages, bars: Bars, load: str) -> None:
    """MB/s of versions 2 to 10 in, and of all versions out, of every store that has been through a set."""
    for set_name in TIMED:
        if set_name not in found:
            continue
        passages = found[set_name]
        rows = [_row(passage, passages.get("plain copy")) for passage in passages.values()]
        ours = passages[NAME]
        bars.hold(
            f"register of a further fine-tune, {set_name}", ours.further, bar.at_least, bar.REGISTER_DELTA, " MB/s"
        )
        if ours.rates_out:
            slowest = min(ours.rates_out)
            bars.hold(f"get, slowest of ten, {set_name}", slowest, bar.at_least, bar.GET, " MB/s")
            bars.hold(f"get, oldest : newest, {set_name}", _skew(ours), bar.at_most, bar.OLDEST_TO_NEWEST, " ×")
            others = [min(p.rates_out) for name, p in passages.items() if name in OUT and p.rates_out]
            if others:
                bars.hold(f"get beside the fastest peer, {set_name}", slowest, bar.at_least, max(others), " MB/s")
        tables.show(
            f"Versions of {set_name}, {ours.sizes[0] / 1e6:.1f} MB each; MB/s of raw bytes, of two gets the faster",
            load,
            ("store", "register 1", "register 2–10, median", "get, median", "slowest", "oldest", "newest", "× cp"),
            rows,
        )


def show_again(found: Passages, bars: Bars, load: str) -> None:
    """What it costs to register a file that is there already, beside hashing it."""
    if "same_fp32" not in found:
        return
    rows = []
    for name, passage in found["same_fp32"].items():
        if len(passage.hashes) > 1:
            spent, hashing = (statistics.median(times[1:]) * 1e3 for times in (passage.puts, passage.hashes))
            pairs = zip(passage.puts[1:], passage.hashes[1:], strict=False)
            beside = statistics.median(put - hashed for put, hashed in pairs) * 1e3
            rows.append((name, *(tables.number(value, " ms") for value in (spent, hashing, beside))))
            if name == NAME:
                measure = "identical registration, beside hashing"
                bars.hold(measure, beside, bar.at_most, bar.REGISTER_AGAIN, " ms")
    title = f"The same file again, {found['same_fp32'][NAME].sizes[0] / 1e6:.1f} MB, medians of registrations 2–10"
    tables.show(title, load, ("store", "register", "sha256 right after", "register less sha256"), rows)


def show_command_line(*, rounds: int) -> None:
    """The same through ``modelyard register`` and ``modelyard get``, wall time with the start of Python."""
    load = tables.load()
    try:
        paths = corpus.versions("ft_bf16")[:rounds]
        with run_folder() as folder:
            start = yard.command(folder, "--help")
            puts = [yard.command(folder, "register", "bench", path) for path in paths]
            gets = [yard.command(folder, "get", f"bench/{i + 1}", f"out{i}") for i in range(len(paths))]
    except (Missing, Failed) as problem:
        print(f"command line: {problem}")
        return
    size = paths[0].stat().st_size / 1e6
    rows = [("modelyard --help", tables.number(start, " s"), "–")]
    for what, seconds in (("register, first", puts[:1]), ("register, further", puts[1:]), ("get", gets)):
        median = statistics.median(seconds)
        rows.append((f"modelyard {what}", tables.number(median, " s"), tables.number(size / median, " MB/s")))
    tables.show(f"Command line, {size:.1f} MB of ft_bf16, wall time", load, ("command", "median", "of raw"), rows)


def _row(passage: Passage, copy: Passage | None) -> tuple[str, ...]:
    rates = passage.rates_out
    out = statistics.median(rates) if rates else None
    plain = statistics.median(copy.rates_out) if copy and copy.rates_out else None
    ratio = out / plain if out and plain else None
    figures = (
        passage.first,
        passage.further,
        out,
        *((min(rates), rates[0], rates[-1]) if rates else (None,) * 3),
        ratio,
    )
    return (passage.store, *map(tables.number, figures))


def _skew(passage: Passage) -> float:
    oldest, newest = passage.rates_out[0], passage.rates_out[-1]
    return max(oldest / newest, newest / oldest)

"""Kept bytes after ten versions of each set, and after fifty appends to growing tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from benchmarks.store import bars as bar
from benchmarks.store import corpus, peers, tables, versions
from benchmarks.store.bars import Bars
from benchmarks.store.places import Missing
from benchmarks.store.remembered import MARK, Remembered
from benchmarks.store.versions import Passage
from benchmarks.store.yard import NAME, Yard

SETS = ("ft_fp32", "ft_bf16", "ft_wd0_fp32", "last_fp32", "same_fp32", "v1pct")
PEERS = ("hf_xet", "restic", "borg zstd,3", "dvc", "plain copy")
SHORT = "ft_bf16"
"""The set that a short run puts through every peer, for the times; the largest saving, and the smallest files."""
TIMED = ("ft_fp32", "ft_bf16")
"""The sets whose times count: each version is got twice."""
Passages = dict[str, dict[str, Passage]]


def measure(sets: Collection[str], names: Sequence[str], *, everything: bool) -> Passages:
    """Every set through our store and the peers. A short run has hf_xet, the best of them, on each set, and the others on one."""
    found = {}
    for set_name in sets:
        chosen = [name for name in names if everything or name == "hf_xet" or set_name == SHORT]
        reading = {} if everything else dict.fromkeys(chosen, (1, 10))
        makers: dict[str, versions.Maker] = {NAME: Yard} | {name: peers.MAKERS[name] for name in chosen}
        try:
            found[set_name] = versions.run(
                set_name, makers, reading=reading, rounds=2 if set_name in TIMED else 1, hashing=set_name == "same_fp32"
            )
        except Missing as problem:
            print(f"{set_name}: skipped: {problem}")
    return found


def show(found: Passages, bars: Bars, load: str) -> None:
    """The table of kept bytes."""
    remembered, rows = Remembered(), []
    for set_name, passages in found.items():
        ours, limit = passages[NAME], bar.KEPT.get(set_name)
        word = bars.hold(f"kept bytes, {set_name}", ours.percent, bar.at_most, limit, " %") if limit else "no bar"
        cells = [_cell(set_name, name, passages, remembered, "percent") for name in PEERS]
        rows.append((set_name, _own(ours.percent), *cells, tables.number(limit), word, _read_back(passages)))
    earlier = f"{MARK} measured in an earlier run on this machine ({remembered.days}); --all measures all."
    tables.show(
        "Kept bytes after ten versions, % of raw",
        load,
        ("set", NAME, *PEERS, "bar, at most", "", "read back byte-equal"),
        rows,
        (*_problems(found), *([earlier] if MARK in str(rows) else [])),
    )


def measure_appends(names: Sequence[str], *, everything: bool) -> Passages:
    """Both growing tables through our store and the peers; the first, the last and every tenth version are read back."""
    found = {}
    reading = (1, 10, 20, 30, 40, 50)
    chosen = [name for name in names if everything or name == "hf_xet"]
    for set_name in corpus.APPENDS:
        makers: dict[str, versions.Maker] = {NAME: _data_yard} | {name: peers.MAKERS[name] for name in chosen}
        try:
            found[set_name] = versions.run(set_name, makers, reading=dict.fromkeys(makers, reading))
        except Missing as problem:
            print(f"{set_name}: skipped: {problem}")
    return found


def show_appends(found: Passages, bars: Bars, load: str) -> None:
    """The table of kept bytes of growing tables."""
    remembered, rows = Remembered(), []
    for set_name, passages in found.items():
        ours, limit = passages[NAME], bar.APPENDS.get(set_name)
        word = "no bar"
        if limit:
            word = bars.hold("kept bytes, 50 appends to a CSV", ours.of_last, bar.at_most, limit, " × last")
        cells = [_cell(set_name, name, passages, remembered, "of_last") for name in PEERS]
        last = tables.number(ours.sizes[-1] / 1e6, " MB")
        rows.append((set_name, last, _own(ours.of_last), *cells, tables.number(limit), word, _read_back(passages)))
    tables.show(
        "Kept bytes after 50 monthly appends, × the last snapshot",
        load,
        ("set", "last snapshot", NAME, *PEERS, "bar, at most", "", "read back byte-equal"),
        rows,
        _problems(found),
    )


def _data_yard(work: Path) -> Yard:
    return Yard(work, dataset=True)


def _own(figure: float | None) -> str:
    return "failed" if figure is None else tables.number(figure)


def _cell(set_name: str, name: str, passages: Mapping[str, Passage], remembered: Remembered, figure: str) -> str:
    if name in passages:
        value = getattr(passages[name], figure)
        if value is None:
            return "failed"
        remembered.note(set_name, name, value)
        return tables.number(value)
    value = remembered.figure(set_name, name)
    return "–" if value is None else tables.number(value) + MARK


def _read_back(passages: Mapping[str, Passage]) -> str:
    ours = passages[NAME].read_back
    others = [passage for name, passage in passages.items() if name != NAME]
    got, wanted = (
        sum(len(passage.gets) for passage in others),
        sum(len(passage.gets) + bool(passage.problem) for passage in others),
    )
    return f"{ours}, peers {got}/{wanted}"


def _problems(found: Passages) -> list[str]:
    return [
        f"{set_name}: {passage.problem}"
        for set_name, passages in found.items()
        for passage in passages.values()
        if passage.problem
    ]

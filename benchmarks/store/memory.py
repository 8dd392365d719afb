"""The peak resident set of a process that registers a large file, and of one that gets it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.store import bars as bar
from benchmarks.store import tables
from benchmarks.store.bars import Bars
from benchmarks.store.places import remove, run_folder
from benchmarks.store.stores import Failed, sha256
from benchmarks.store.yard import Yard

BLOCK = 64 << 20
MIB = 1 << 20


def noise(size: int, change: float) -> Iterator[bytes]:
    """That many bytes of seeded fp32 weights; with a ``change``, the same with each weight off by about that part of it."""
    for number in range(-(-size // BLOCK)):
        count = min(BLOCK, size - number * BLOCK) // 4
        weights = np.random.default_rng(number).standard_normal(count, dtype=np.float32) * np.float32(0.05)
        if change:
            weights *= 1 + np.float32(change) * np.random.default_rng(1000 + number).standard_normal(
                count, dtype=np.float32
            )
        yield weights.tobytes()


def write(path: Path, size: int, change: float) -> None:
    """An opaque file, or a safetensors file of equal tensors of one block each; no two blocks are alike."""
    with path.open("wb") as file:
        if path.suffix == ".safetensors":
            entries = {
                f"layer.{i}.weight": {
                    "dtype": "F32",
                    "shape": [4096, 4096],
                    "data_offsets": [i * BLOCK, (i + 1) * BLOCK],
                }
                for i in range(size // BLOCK)
            }
            text = json.dumps(entries).encode()
            text += b" " * (-len(text) % 8)
            file.write(len(text).to_bytes(8, "little") + text)
        file.writelines(noise(size, change))


def measure(gib: int) -> Iterator[tuple[str, float, float | None]]:
    """What was done, the peak in MiB, MB/s. Each in a process of its own, so that a peak is of one thing. Raises Failed."""
    with run_folder() as folder:
        yield "open the yard", _apart(folder, "nothing")[1], None
    for name, changes in (("opaque.bin", (0.0,)), ("model.safetensors", (0.0, 1e-3))):
        with run_folder() as folder:
            path = folder / "data" / name
            path.parent.mkdir()
            for number, change in enumerate(changes, 1):
                write(path, gib << 30, change)
                expected, size = sha256(path), path.stat().st_size
                seconds, peak = _apart(folder, "put", path=str(path), name="bench", dataset=False)
                yield f"register {name}" + (", a further fine-tune" if change else ""), peak, size / seconds / 1e6
                path.unlink()
                target = folder / "back"
                reference = f"bench/{number}"
                seconds, peak = _apart(
                    folder, "get", reference=reference, target=str(target), warm=False, link=False, dataset=False
                )
                if sha256(target / name) != expected:
                    raise Failed(f"{name} came back different")
                remove(target)
                yield f"get {name}" + (", a further fine-tune" if change else ""), peak, size / seconds / 1e6


def _apart(folder: Path, do: str, **facts: object) -> tuple[float, float]:
    store = Yard(folder)
    try:
        answer = store.worker.ask(do, **facts)
    finally:
        store.close()
    return float(answer["seconds"]), float(answer["peak_rss"]) / MIB


def show(bars: Bars, gib: int) -> None:
    """The table, and the bars."""
    load, rows, problem = tables.load(), [], []
    try:
        for what, peak, rate in measure(gib):
            word = "no bar"
            if rate is not None:
                word = bars.hold(f"peak memory, {what}, {gib} GiB", peak, bar.at_most, bar.MEMORY, " MiB")
            rows.append((what, tables.number(peak, " MiB"), tables.number(rate, " MB/s"), word))
    except Failed as failure:
        problem = [str(failure)]
    title = f"Peak resident set of one process, {gib} GiB"
    tables.show(title, load, ("", "peak", "speed", "bar: under 512 MiB"), rows, problem)

"""One tensor out of a version of 1 GiB, without reading the rest."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from pathlib import Path

from benchmarks.store import bars as bar
from benchmarks.store import corpus, tables
from benchmarks.store.bars import Bars
from benchmarks.store.places import Missing, run_folder
from benchmarks.store.stores import Failed, lay
from benchmarks.store.yard import Yard

COUNT, SHAPE = 64, (2048, 2048)
BYTES = SHAPE[0] * SHAPE[1] * 4
READ = (31, 0, 63, 17, 42)
WORDS = "embeddings.word_embeddings.weight"


def header() -> bytes:
    """The header of a safetensors file with 64 fp32 tensors of 16 MiB."""
    entries = {
        f"layer.{i}.weight": {"dtype": "F32", "shape": SHAPE, "data_offsets": [i * BYTES, (i + 1) * BYTES]}
        for i in range(COUNT)
    }
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def measure() -> Iterator[tuple[str, float]]:
    """What was read, and the seconds of each read. Raises Missing, Failed."""
    source, checkpoints = corpus.versions("big")[0], corpus.versions("ft_fp32")
    with run_folder() as folder:
        wide = folder / "wide.safetensors"
        with source.open("rb") as weights, wide.open("wb") as file:
            file.write(header())
            while block := weights.read(1 << 22):
                file.write(block)
        (folder / "wide").mkdir()
        yield from _reads(folder / "wide", [wide], [f"layer.{i}.weight" for i in READ], "16 MiB of 1 GiB")
        (folder / "tuned").mkdir()
        what = "47 MB of 91 MB, fine-tune 10"
        yield from _reads(folder / "tuned", checkpoints, [WORDS] * 3, what)
        what = "1.5 kB of 91 MB, fine-tune 10"
        yield from _reads(folder / "tuned", checkpoints, ["encoder.layer.3.output.dense.bias"] * 3, what)


def _reads(work: Path, paths: list[Path], names: list[str], what: str) -> Iterator[tuple[str, float]]:
    store = Yard(work)
    try:
        if not (work / "data").is_dir():
            for number, path in enumerate(paths, 1):
                lay(store, path, "model.safetensors")
                store.put(number)
        for name in names:
            seconds = store.tensor(len(paths), name, work / "tensor")
            if (work / "tensor").read_bytes() != tensor(paths[-1], name):
                raise Failed(f"{name} came back different")
            yield what, seconds
    finally:
        store.close()


def tensor(path: Path, name: str) -> bytes:
    """The bytes of a tensor, straight from a safetensors file."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        start, end = json.loads(file.read(length))[name]["data_offsets"]
        file.seek(8 + length + start)
        return file.read(end - start)


def show(bars: Bars) -> None:
    """The table, and the bar."""
    load, spent = tables.load(), dict[str, list[float]]()
    problem = []
    try:
        for what, seconds in measure():
            spent.setdefault(what, []).append(seconds * 1e3)
    except (Missing, Failed) as failure:
        problem = [str(failure)]
    medians = {what: statistics.median(times) for what, times in spent.items()}
    bars.hold("one tensor out of 1 GiB", medians.get("16 MiB of 1 GiB"), bar.at_most, bar.ONE_TENSOR, " ms")
    rows = [(what, tables.number(value, " ms")) for what, value in medians.items()]
    tables.show("One tensor, cold cache, verified", load, ("tensor", "median"), rows, problem)

"""Versions that are differences of each other: every one comes back equal, from a store opened afresh too, and costs what has changed."""

import io
import json
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelyard.store import Manifest, Store
from modelyard.store.writing.cuts import PIECE

Array = np.ndarray[Any, Any]
Tensors = dict[str, tuple[str, tuple[int, ...], bytes]]
"""By name: type, shape, bytes."""


class Line:
    """A line of versions in one store, with what each of them is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store(folder / "store")
        self.versions: list[tuple[Manifest, dict[str, bytes]]] = []

    def add(self, files: dict[str, bytes], *earlier: int) -> int:
        """Registers the next version, which may resemble the ``earlier`` ones (the last, if not said); the bytes by which the store grew."""
        source = self.folder / f"source{len(self.versions)}"
        for path, data in files.items():
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            (source / path).write_bytes(data)
        before = self._size()
        likely = earlier or ((-1,) if self.versions else ())
        with self.store.intake() as intake:
            kept = intake.put_tree(source, [self.versions[number][0] for number in likely])
            self.versions.append((intake.put_manifest("model", kept, {}), dict(files)))
            intake.commit()
        return self._size() - before

    def check(self) -> None:
        """Every version comes back equal, by file and as a tree."""
        for reader in (self.store, Store(self.folder / "store")):
            for manifest, files in self.versions:
                assert reader.manifest(manifest.digest) == manifest
                assert {file.path: reader.read(file.digest) for file in manifest.files} == files
        for number in {0, len(self.versions) // 2, len(self.versions) - 1}:
            out = self.folder / f"out{number}"
            manifest, files = self.versions[number]
            Store(self.folder / "store").materialize(manifest, out)
            assert {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*") if p.is_file()} == files

    def _size(self) -> int:
        return sum(info.size for info in self.store.objects.list(""))


@pytest.fixture
def line(tmp_path: Path) -> Line:
    return Line(tmp_path)


def safetensors(tensors: Tensors, **metadata: str) -> bytes:
    header: dict[str, object] = {"__metadata__": metadata} if metadata else {}
    payload = b""
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(payload), len(payload) + len(data)]}
        payload += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + payload


def npy(array: Array) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array)
    return file.getvalue()


def npz(arrays: dict[str, Array]) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def floats(count: int, seed: int, moved: int = 0, step: float = 2e-5) -> Array:
    """Weights after ``moved`` small steps of training."""
    values = np.random.default_rng(seed).standard_normal(count).astype("<f4") * np.float32(0.05)
    for number in range(moved):
        values += np.random.default_rng([seed, number]).standard_normal(count).astype("<f4") * np.float32(step)
    return values


TYPES: dict[str, Callable[[Array], bytes]] = {
    "F64": lambda values: values.astype("<f8").tobytes(),
    "F32": lambda values: values.tobytes(),
    "F16": lambda values: values.astype("<f2").tobytes(),
    "BF16": lambda values: (values.view("<u4") >> 16).astype("<u2").tobytes(),
    "F8_E5M2": lambda values: (values.astype("<f2").view("<u2") >> 8).astype("u1").tobytes(),
    "F8_E4M3": lambda values: (values.astype("<f2").view("<u2") >> 7).astype("u1").tobytes(),
    "I64": lambda values: (values * 1e6).astype("<i8").tobytes(),
    "U64": lambda values: (np.abs(values) * 1e6).astype("<u8").tobytes(),
    "I32": lambda values: (values * 1e6).astype("<i4").tobytes(),
    "U32": lambda values: (np.abs(values) * 1e6).astype("<u4").tobytes(),
    "I16": lambda values: (values * 1e4).astype("<i2").tobytes(),
    "U16": lambda values: (np.abs(values) * 1e4).astype("<u2").tobytes(),
    "I8": lambda values: (values * 500).clip(-128, 127).astype("i1").tobytes(),
    "U8": lambda values: (np.abs(values) * 500).clip(0, 255).astype("u1").tobytes(),
    "BOOL": lambda values: (values > 0).tobytes(),
    "C64": lambda values: values.tobytes(),
}


def model(dtype: str, moved: int = 0, layers: int = 3, count: int = 40_000) -> Tensors:
    return {
        f"layer.{number}.weight": (
            dtype,
            (count // 200 // (2 if dtype == "C64" else 1), 200),
            TYPES[dtype](floats(count, number, moved)),
        )
        for number in range(layers)
    } | {
        f"layer.{number}.bias": (dtype, (count // 1000,), TYPES[dtype](floats(count // 1000, 99 + number, moved)))
        for number in range(layers)
        if dtype != "C64"
    }


@pytest.mark.parametrize("dtype", TYPES)
def test_tensors_of_every_type_that_are_trained_on_come_back_equal(line: Line, dtype: str) -> None:
    costs = [line.add({"model.safetensors": safetensors(model(dtype, moved))}) for moved in range(5)]
    line.check()
    assert max(costs[1:]) < 0.85 * costs[0], "a step of training cost as much as the model"


@pytest.mark.parametrize(("dtype", "share"), [("F32", 0.65), ("BF16", 0.2), ("F16", 0.35), ("F64", 0.8)])
def test_a_step_of_training_costs_a_part_of_the_model_whatever_the_number_of_the_version(
    line: Line, dtype: str, share: float
) -> None:
    for moved in range(10):
        data = safetensors(model(dtype, moved))
        cost = line.add({"model.safetensors": data})
        assert moved == 0 or cost < share * len(data)
    line.check()


def test_a_version_that_is_the_one_before_or_any_earlier_one_costs_nothing_but_its_name(line: Line) -> None:
    for moved in (0, 1, 2):
        line.add({"a/model.safetensors": safetensors(model("F32", moved)), "config.json": b"{}" * 1000})
    for moved in (2, 0, 1, 2):
        again = {"a/model.safetensors": safetensors(model("F32", moved)), "config.json": b"{}" * 1000}
        assert line.add(again) == 0
    renamed = {"b/other.safetensors": safetensors(model("F32", 1)), "settings.json": b"{}" * 1000}
    assert line.add(renamed) < 2000
    line.check()


def test_a_tensor_renamed_removed_reshaped_or_moved_costs_no_weights(line: Line) -> None:
    first = model("F32")
    renamed = {name.replace("layer", "block"): tensor for name, tensor in first.items()}
    turned = {
        name: (dtype, shape[::-1] if len(shape) == 2 else (1, *shape, 1), data)
        for name, (dtype, shape, data) in first.items()
    }
    fewer = dict(list(first.items())[1:])
    other_order = dict(reversed(first.items()))
    line.add({"m.safetensors": safetensors(first)})
    for changed in (renamed, turned, fewer, other_order, first):
        assert line.add({"m.safetensors": safetensors(changed)}) < 3000
    assert line.add({"m.safetensors": safetensors(first, epoch="7")}) < 3000
    line.check()


def test_a_tensor_that_is_added_costs_itself(line: Line) -> None:
    line.add({"m.safetensors": safetensors(model("F32"))})
    more = model("F32") | {"head.weight": ("F32", (100, 100), TYPES["F32"](floats(10_000, 50)))}
    assert line.add({"m.safetensors": safetensors(more)}) < 40_000 + 3000
    line.check()


@pytest.mark.parametrize(("old", "new"), [("F32", "BF16"), ("BF16", "F32"), ("F32", "F64"), ("F32", "I32")])
def test_a_model_of_another_type_comes_back_equal_and_so_does_its_return(line: Line, old: str, new: str) -> None:
    for dtype, moved in ((old, 0), (new, 0), (new, 1), (old, 1), (new, 2), (old, 2)):
        line.add({"m.safetensors": safetensors(model(dtype, moved))})
    line.check()


def test_tensors_that_swap_their_values_or_grow_come_back_equal(line: Line) -> None:
    first = model("F32")
    names = [name for name in first if name.endswith("weight")]
    swapped = first | {names[0]: first[names[1]], names[1]: first[names[0]]}
    grown = first | {names[0]: ("F32", (400, 200), first[names[0]][2] + TYPES["F32"](floats(40_000, 60)))}
    cut = first | {names[0]: ("F32", (100, 200), first[names[0]][2][:80_000])}
    line.add({"m.safetensors": safetensors(first)})
    assert line.add({"m.safetensors": safetensors(swapped)}) < 3000
    for changed in (grown, cut, first, grown):
        line.add({"m.safetensors": safetensors(changed)})
    line.check()


def test_extreme_bits_come_back_equal(line: Line) -> None:
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, 3.4e38, 1.0], "<f4")
    for seed in range(5):
        picked = np.random.default_rng(seed).choice(special, 50_000)
        picked.view("<u4")[seed::97] ^= np.uint32(seed)  # NaNs with a message
        line.add({"m.safetensors": safetensors({"w": ("F32", (50_000,), picked.tobytes())})})
    line.check()


def test_one_huge_tensor_in_which_a_number_changes_costs_a_few_bytes(line: Line) -> None:
    values = floats(12 * PIECE // 4 + 3, 1)
    for number in range(5):
        values[number * 600_003] += np.float32(1e-3)
        cost = line.add({"m.safetensors": safetensors({"w": ("F32", values.shape, values.tobytes())})})
        assert number == 0 or cost < 20_000
    line.check()


def test_thousands_of_tiny_tensors_come_back_equal_and_cost_little_more_than_their_bytes(line: Line) -> None:
    values = floats(4000 * 8, 2)
    for number in range(4):
        values[number * 4001 : number * 4001 + 5] += np.float32(1e-3)
        tensors = {f"t{at}": ("F32", (8,), row.tobytes()) for at, row in enumerate(np.reshape(values, (4000, 8)))}
        data = safetensors(tensors)
        cost = line.add({"m.safetensors": data})
        assert cost < (len(data) if number == 0 else 5000)
    line.check()


@pytest.mark.parametrize("dtype", ["<f4", "<f8", "<f2", "<i8", "<u2", ">f4", "|i1", "|b1", "<c8", "<U7", "<M8[s]"])
@pytest.mark.parametrize("write", ["npy", "npz"])
def test_arrays_of_numpy_come_back_equal(line: Line, dtype: str, write: str) -> None:
    def array(seed: int, moved: int) -> Array:
        values = floats(30_000, seed, moved)
        if dtype == "<c8":
            return values.view(dtype)
        if dtype in {"<U7", "<M8[s]"}:
            return (values * 1e5).astype("<i8").astype(dtype)
        return (values if "f" in dtype else values * 300).astype(dtype)

    for moved in range(4):
        if write == "npy":
            data = npy(array(0, moved).reshape(-1, 10)[: 1000 + 500 * moved])
        else:
            names = ["a", "b", "c"][: 2 + moved % 2]
            data = npz({name: array(seed, moved) for seed, name in enumerate(names)})
        line.add({f"m.{write}": data})
    line.check()


def test_an_array_that_grows_by_rows_costs_the_rows(line: Line) -> None:
    values = floats(400_000, 3).reshape(-1, 100)
    for rows in (3000, 3050, 3100, 3150):
        cost = line.add({"features.npy": npy(values[:rows])})
        assert rows == 3000 or cost < PIECE + 10_000
    line.check()


NOISE = random.Random(8).randbytes(5_000_000)


@pytest.mark.parametrize("at", [0, 1, 63, 2_500_000, 4_999_999, 5_000_000])
def test_ten_bytes_inserted_or_taken_out_of_five_megabytes_cost_less_than_a_percent(line: Line, at: int) -> None:
    line.add({"m.bin": NOISE})
    assert line.add({"m.bin": NOISE[:at] + b"0123456789" + NOISE[at:]}) < 0.01 * len(NOISE)
    assert line.add({"m.bin": NOISE[:at] + NOISE[at + 10 :]}) < 0.01 * len(NOISE)
    line.check()


def test_a_chain_of_insertions_costs_little_at_every_step_and_every_version_comes_back_equal(line: Line) -> None:
    seeded = random.Random(3)
    data = NOISE[:1_000_000]
    line.add({"m.bin": data})
    for _ in range(10):
        for _ in range(2):
            at = seeded.randrange(len(data))
            data = data[:at] + seeded.randbytes(100) + data[at + seeded.choice([0, 0, 50]) :]
        assert line.add({"m.bin": data}) < 0.02 * len(data)
    line.check()


def test_appends_cost_what_is_appended_and_truncation_nothing(line: Line) -> None:
    rows = [b"%d,%f,%s\n" % (n, n * 1.7, b"abc"[: n % 4]) for n in range(60_000)]
    first = line.add({"rows.csv": b"".join(rows[:50_000])})
    for end in range(51_000, 60_001, 1000):
        assert line.add({"rows.csv": b"".join(rows[:end])}) < 0.2 * first
    assert line.add({"rows.csv": b"".join(rows[:50_000])}) == 0
    assert line.add({"rows.csv": b"".join(rows[:25_000])}) < 0.2 * first
    line.check()


def test_a_mixed_tree_costs_what_has_changed_in_it(line: Line) -> None:
    files = {
        "model.safetensors": safetensors(model("F32")),
        "deep/optimizer.npz": npz({"m": floats(50_000, 70), "v": floats(50_000, 71)}),
        "vocabulary.txt": b"\n".join(b"word%d" % n for n in range(30_000)),
        "tokenizer.bin": NOISE[:500_000],
        "empty": b"",
    }
    line.add(files)
    files["tokenizer.bin"] = files["tokenizer.bin"][:77] + b"!" + files["tokenizer.bin"][77:]
    assert line.add(files) < 10_000
    files["deep/optimizer.npz"] = npz({"m": floats(50_000, 70, 1), "v": floats(50_000, 71)})
    assert line.add(files) < 150_000
    files["empty"] = b"no more"
    files["model-2.safetensors"] = files.pop("model.safetensors")
    assert line.add(files) < 10_000
    del files["vocabulary.txt"]
    assert line.add(files) < 3000
    line.check()


def test_a_declared_earlier_version_that_has_another_name_is_what_a_single_file_is_compared_with(line: Line) -> None:
    line.add({"base.safetensors": safetensors(model("BF16"))})
    line.add({"unrelated.bin": NOISE[:300_000]})
    tuned = safetensors(model("BF16", 1))
    assert line.add({"tuned.safetensors": tuned}, 0) < 0.2 * len(tuned)
    again = safetensors(model("BF16", 2))
    assert line.add({"tuned.safetensors": again}, 1, 2) < 0.2 * len(again), "the second that was declared was not tried"
    line.check()


def test_what_is_declared_earlier_and_has_nothing_in_common_does_no_harm(line: Line) -> None:
    pieces = [
        safetensors(model("F32")),
        NOISE[:200_000],
        npz({"a": floats(20_000, 5)}),
        b"",
        b"{}",
        safetensors(model("F32", 1)) + b"trailing bytes",
        safetensors(model("F32"))[:-1],
    ]
    for number, data in enumerate(pieces + pieces[::-1]):
        line.add({"m": data}, *range(number))
    line.check()


def test_a_file_that_loses_its_form_and_finds_it_again_comes_back_equal(line: Line) -> None:
    good = safetensors(model("F32"))
    broken = good[:8] + b"!" + good[9:]
    for data in (good, broken, good[1:], good, b"\0" + good, safetensors(model("F32", 1)), broken):
        line.add({"m.safetensors": data})
    line.check()

"""What differs between two trees: held against NumPy on the whole arrays, and read no more than must be."""

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts_samples import gguf, npy, npz, safetensors_of, torch_file, view

from modelyard.core.errors import CorruptBlob, NotAnArray, TensorNotFound
from modelyard.store import Manifest, Store
from modelyard.store.packs import Kind
from modelyard.store.reading.reader import Wanted
from modelyard.store.reading.recipe import Recipe
from modelyard.store.tensors import comparison as comparisons
from modelyard.store.tensors.arrays import array_of
from modelyard.store.tensors.change import Meter
from modelyard.store.tensors.comparison import Comparison, Side, compare, same_chunks
from modelyard.store.writing.cuts import PIECE

Array = np.ndarray[Any, Any]

DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "F8_E4M3": "u1", "F8_E5M2": "u1", "I64": "<i8", "I32": "<i4", "I16": "<i2",
    "I8": "i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?", "C64": "<c8",
}  # fmt: skip


class Yard:
    """A store whose reads of chunks are counted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store(folder / "store")
        self.read: list[Wanted] = []
        self._count = 0
        self._listen()

    def _listen(self) -> None:
        real = self.store.reader.read

        def read(batch: Sequence[Wanted]) -> Any:
            self.read += batch
            return real(batch)

        self.store.reader.read = read  # type: ignore[method-assign]

    def keep(self, files: dict[str, bytes], *earlier: Manifest) -> Manifest:
        self._count += 1
        source = self.folder / str(self._count)
        for path, data in files.items():
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            (source / path).write_bytes(data)
        with self.store.intake() as intake:
            manifest = intake.put_manifest("model", intake.put_tree(source, earlier), {})
            intake.commit()
        return manifest

    def reopen(self) -> None:
        """Forgets what is remembered, and counts from here."""
        self.store = Store(self.folder / "store")
        self._listen()
        self.read.clear()

    def side(self, manifest: Manifest) -> Side:
        return Side(self.store.files, self.store.contents, manifest)

    def compare(self, a: Manifest, b: Manifest, **options: Any) -> Comparison:
        return compare(self.side(a), self.side(b), **options)


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


def _random(dtype: str, shape: tuple[int, ...], seed: int) -> Array:
    random = np.random.default_rng(seed)
    kind = np.dtype(DTYPES[dtype])
    if kind.kind == "f":
        return random.standard_normal(shape).astype(kind)
    if kind.kind == "c":
        return (random.standard_normal(shape) + 1j * random.standard_normal(shape)).astype(kind)
    if kind.kind == "b":
        return random.random(shape) < 0.5
    return np.frombuffer(random.bytes(math.prod(shape) * kind.itemsize), kind).reshape(shape)


def _values(dtype: str, array: Array) -> Array:
    found = array_of(array.tobytes(), dtype, array.shape)
    with np.errstate(invalid="ignore"):  # a signalling NaN
        return found.astype(np.complex128 if found.dtype.kind == "c" else np.longdouble)


def _model(arrays: dict[str, tuple[str, Array]]) -> dict[str, bytes]:
    return {"model.safetensors": safetensors_of(arrays)}


# --- tensors of a tree ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_tensor_of_each_type_comes_back_as_it_was(yard: Yard, dtype: str) -> None:
    array = _random(dtype, (300, 7), 1)
    tensors = yard.store.tensors(yard.keep(_model({"w": (dtype, array), "other": ("F32", np.ones(5, "f4"))})))
    assert tensors.raw("w") == array.tobytes()
    assert np.array_equal(tensors["w"], array_of(array.tobytes(), dtype, array.shape), equal_nan=True)
    info = tensors.info("w")
    assert (info.dtype, info.shape, info.size, info.file) == (dtype, (300, 7), array.nbytes, "model.safetensors")
    with pytest.raises(ValueError, match="read-only"):
        tensors["w"][0] = 0


def test_one_tensor_is_read_without_the_others(yard: Yard) -> None:
    arrays = {f"w{n}": ("F32", _random("F32", (PIECE // 4 + 1000,), n)) for n in range(6)}
    manifest = yard.keep(_model(arrays))
    yard.reopen()
    tensors = yard.store.tensors(manifest)
    assert not yard.read, "nothing is opened before it is asked for"
    assert list(tensors) == list(arrays)
    assert np.array_equal(tensors["w3"], arrays["w3"][1])
    info = tensors.info("w3")
    head = [one for one in yard.read if one.offset < 1000]
    rest = [one for one in yard.read if one.offset >= 1000]
    assert len(head) == 1
    assert sorted((one.offset, one.length) for one in rest) == [(info.offset, PIECE), (info.offset + PIECE, 4000)]


def test_what_is_known_of_a_file_is_found_out_once(yard: Yard) -> None:
    manifest = yard.keep({"a.npz": npz(x=np.arange(5)), "b.npz": npz(y=np.arange(6))})
    yard.reopen()
    assert len(yard.store.tensors(manifest)) == 2
    count = len(yard.read)
    assert len(yard.store.tensors(manifest)) == 2
    assert len(yard.read) == count


@pytest.mark.parametrize("form", ["npz", "pytorch"])
def test_no_chunk_is_read_twice_for_the_layout_of_an_archive(yard: Yard, form: str) -> None:
    arrays = {f"layer{n}": _random("F32", (200 * n + 20_000 * (n % 2),), n) for n in range(1, 60)}
    if form == "npz":
        data = npz(**arrays)
    else:
        spelled = {name: view(name, array.shape, count=array.size) for name, array in arrays.items()}
        data = torch_file(spelled, {name: array.tobytes() for name, array in arrays.items()})
    manifest = yard.keep({"m": data})
    requests: list[int] = []
    yard.reopen()
    real = yard.store.reader.stream
    yard.store.reader.stream = lambda wanted: (requests.append(1), real(wanted))[1]  # type: ignore[method-assign,assignment]
    tensors = yard.store.tensors(manifest)
    assert set(tensors) == set(arrays)
    keys = [one.key for one in yard.read]
    assert len(keys) == len(set(keys))
    assert len(requests) < 12, "heads that stand apart come together"
    assert all(np.array_equal(tensors[name], array) for name, array in arrays.items())


def test_two_tensors_of_one_name_are_told_apart_by_their_files(yard: Yard) -> None:
    same = {"w": ("F32", np.zeros(3, "f4")), "only": ("F32", np.ones(3, "f4"))}
    other = {"w": ("F32", np.full(3, 2, "f4")), "state": ("F32", np.ones(3, "f4"))}
    manifest = yard.keep({"model.safetensors": safetensors_of(same), "optimizer/o.safetensors": safetensors_of(other)})
    tensors = yard.store.tensors(manifest)
    assert list(tensors) == ["model.safetensors:w", "only", "optimizer/o.safetensors:w", "state"]
    assert tensors["optimizer/o.safetensors:w"].tolist() == [2, 2, 2]
    assert tensors["model.safetensors:only"].tolist() == [1, 1, 1], "the path may always be said"
    assert "w" not in tensors
    assert tensors.get("w") is None
    with pytest.raises(TensorNotFound, match=r"no tensor 'stat' here; did you mean 'state'\?"):
        tensors["stat"]
    with pytest.raises(KeyError):
        tensors["w"]


def test_a_name_that_looks_like_a_path_and_a_name_hides_nothing(yard: Yard) -> None:
    files = {
        "a": safetensors_of({"w": ("U8", np.array([1], "u1")), "b:w": ("U8", np.array([2], "u1"))}),
        "b": safetensors_of({"w": ("U8", np.array([3], "u1"))}),
    }
    tensors = yard.store.tensors(yard.keep(files))
    assert sorted(int(tensors[name][0]) for name in tensors) == [1, 2, 3]


def test_quantized_blocks_are_given_as_bytes_only(yard: Yard) -> None:
    payload = bytes(range(144))
    tensors = yard.store.tensors(yard.keep({"m.gguf": gguf([("q", (256,), 12, 0)], payload)}))
    with pytest.raises(NotAnArray, match=r"'q' of type GGUF_Q4_K cannot be an array.*tensors\(\).raw\('q'\)"):
        tensors["q"]
    assert tensors.raw("q") == payload


def test_damage_elsewhere_does_not_matter_and_damage_there_is_refused(yard: Yard) -> None:
    arrays = {f"w{n}": ("F32", _random("F32", (PIECE // 4,), n)) for n in range(3)}
    manifest = yard.keep(_model(arrays))
    content = yard.store.contents.of(manifest.files[0])
    assert content.layout is not None
    harmed = content.recipe.chunks[content.recipe.at(content.layout.tensors[1].offset)][0]
    (entry,) = yard.store.index.find(Kind.CHUNK, harmed)
    (pack,) = [p for p in (yard.folder / "store").rglob(entry.pack + "*") if p.is_file()]
    data = bytearray(pack.read_bytes())
    data[entry.offset + entry.stored // 2] ^= 8
    pack.chmod(0o600)
    pack.write_bytes(data)
    yard.reopen()
    tensors = yard.store.tensors(manifest)
    assert np.array_equal(tensors["w0"], arrays["w0"][1])
    assert np.array_equal(tensors["w2"], arrays["w2"][1])
    with pytest.raises(CorruptBlob, match=r"model.safetensors are damaged at offset"):
        tensors["w1"]


# --- the change of one tensor ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_change_of_a_tensor_is_what_numpy_computes_on_the_whole(yard: Yard, dtype: str) -> None:
    shape = (700_001,)
    old = _random(dtype, shape, 1)
    new = old.copy()
    places = np.random.default_rng(3).integers(0, shape[0], 5000)
    new[places] = _random(dtype, shape, 2)[places]
    a = yard.keep(_model({"w": (dtype, old)}))
    found = yard.compare(a, yard.keep(_model({"w": (dtype, new)}), a)).tensors
    (one,) = found.changed
    assert one.change is not None
    before, after = _values(dtype, old), _values(dtype, new)
    finite = np.isfinite(before) & np.isfinite(after)
    step = after[finite] - before[finite]
    assert one.change.elements == shape[0]
    bits = f"V{old.dtype.itemsize}"
    assert one.change.changed == np.count_nonzero(old.view(bits) != new.view(bits))
    assert one.change.norm == pytest.approx(float(np.sqrt(np.sum(np.abs(step) ** 2))), rel=1e-9)
    assert one.change.before == pytest.approx(
        float(np.sqrt(np.sum(np.abs(before[np.isfinite(before)]) ** 2))), rel=1e-9
    )
    assert one.change.largest == pytest.approx(float(np.abs(step).max()), rel=1e-9)
    assert one.change.not_finite == (np.count_nonzero(~np.isfinite(before)), np.count_nonzero(~np.isfinite(after)))
    assert found.relative_norm == one.change.relative


def test_what_is_not_finite_is_counted_and_left_out_of_the_norm() -> None:
    old = np.array([1, np.nan, 3, np.inf, 2], "f4")
    new = np.array([1, np.nan, 7, 4, np.inf], "f4")
    meter = Meter("F32", "F32")
    meter.differing(old.tobytes(), new.tobytes())
    change = meter.change()
    assert (change.changed, change.norm, change.largest, change.not_finite) == (3, 4.0, 4.0, (2, 2))
    assert change.before == pytest.approx(math.sqrt(1 + 9 + 4))


def test_a_nan_that_only_appears_poisons_nothing() -> None:
    old, new = np.arange(4, dtype="f8"), np.array([0, 1, np.nan, 4])
    meter = Meter("F64", "F64")
    meter.differing(old.tobytes(), new.tobytes())
    assert (meter.change().norm, meter.change().not_finite) == (1.0, (0, 1))


@pytest.mark.parametrize("scale", [1e-200, 1e-310, 1e200, 1e307])
def test_norms_survive_where_their_squares_would_not(scale: float) -> None:
    meter = Meter("F64", "F64")
    meter.differing(np.array([3 * scale, 0]).tobytes(), np.array([0, 4 * scale]).tobytes())
    change = meter.change()
    assert change.norm == pytest.approx(5 * scale, rel=1e-6)
    assert change.before == pytest.approx(3 * scale, rel=1e-6)
    assert change.relative == pytest.approx(5 / 3, rel=1e-6)


def test_integers_beyond_what_float64_holds_are_told_apart() -> None:
    for dtype, kind in (("I64", "i8"), ("U64", "u8")):
        meter = Meter(dtype, dtype)
        meter.differing(np.array([2**62, 5], kind).tobytes(), np.array([2**62 + 1, 5], kind).tobytes())
        assert (meter.change().norm, meter.change().largest, meter.change().changed) == (1.0, 1.0, 1)
    meter = Meter("I64", "I64")
    meter.differing(np.array([-(2**63)], "i8").tobytes(), np.array([2**63 - 1], "i8").tobytes())
    assert meter.change().largest == 2.0**64


def test_a_change_from_zero_is_infinitely_large_and_null_in_json(yard: Yard) -> None:
    a = yard.keep(_model({"w": ("F32", np.zeros(4, "f4"))}))
    b = yard.keep(_model({"w": ("F32", np.ones(4, "f4"))}))
    (one,) = yard.compare(a, b).tensors.changed
    assert one.change is not None
    assert one.change.relative == math.inf
    assert (one.to_json()["relative_norm"], one.to_json()["norm"]) == (None, 2.0)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_change_does_not_depend_on_how_the_pieces_come(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 60))
    old, new = (np.array(data.draw(st.lists(st.floats(width=32), min_size=count, max_size=count)), "f4") for _ in "ab")
    whole, split = Meter("F32", "F32"), Meter("F32", "F32")
    whole.differing(old.tobytes(), new.tobytes())
    for start, end in zip(
        [0, *(cuts := sorted(data.draw(st.sets(st.integers(0, count)))))], [*cuts, count], strict=True
    ):
        if old[start:end].tobytes() == new[start:end].tobytes():
            split.same(old[start:end].tobytes())
        else:
            split.differing(old[start:end].tobytes(), new[start:end].tobytes())
    a, b = whole.change(), split.change()
    assert (a.elements, a.changed, a.largest, a.not_finite) == (b.elements, b.changed, b.largest, b.not_finite)
    assert a.norm == pytest.approx(b.norm, rel=1e-9)
    assert a.before == pytest.approx(b.before, rel=1e-9)


# --- two trees -------------------------------------------------------------------------------------------------------


def test_unchanged_tensors_are_never_read(yard: Yard) -> None:
    arrays = {f"w{n}": ("F32", _random("F32", (PIECE // 2,), n)) for n in range(5)}
    a = yard.keep(_model(arrays))
    changed = arrays["w2"][1].copy()
    changed[-1] += 1
    b = yard.keep(_model({**arrays, "w2": ("F32", changed)}), a)
    yard.reopen()
    found = yard.compare(a, b).tensors
    assert ([one.name for one in found.changed], found.unchanged) == (["w2"], 4)
    info = yard.store.tensors(a).info("w2")
    read = [one.offset for one in yard.read if one.offset > 1000]
    # the first piece is equal: of one side it is read, for the norm of the whole; the second of both
    assert sorted(read) == [info.offset, info.offset + PIECE, info.offset + PIECE]
    assert found.changed[0].change is not None
    assert found.changed[0].change.before == pytest.approx(np.linalg.norm(arrays["w2"][1].astype("f8")))


def test_of_blocks_that_are_no_numbers_equal_pieces_are_not_read_at_all(yard: Yard) -> None:
    count = 3 * PIECE // 144
    payload = np.random.default_rng(1).bytes(count * 144)
    a = yard.keep({"m.gguf": gguf([("q", (256 * count,), 12, 0)], payload)})
    b = yard.keep({"m.gguf": gguf([("q", (256 * count,), 12, 0)], payload[:-1] + bytes([payload[-1] ^ 1]))})
    yard.reopen()
    (one,) = yard.compare(a, b).tensors.changed
    assert one.change is not None
    assert (one.change.changed, one.change.norm, one.change.relative) == (1, None, None)
    assert len([one for one in yard.read if one.offset > PIECE]) == 2, "the last piece of each"


def test_neighbours_in_one_chunk_are_read_once(yard: Yard) -> None:
    arrays = {f"b{n:03}": ("F32", _random("F32", (100,), n)) for n in range(200)}
    a = yard.keep(_model(arrays))
    b = yard.keep(_model({name: ("F32", array + 1) for name, (_, array) in arrays.items()}))
    yard.reopen()
    assert len(yard.compare(a, b).tensors.changed) == 200
    heads = {content.recipe.chunks[0][0] for content in yard.store.contents.of_all([*a.files, *b.files])}
    keys = [one.key for one in yard.read if one.key not in heads]
    assert len(keys) == len(set(keys))


def test_equal_tensors_in_other_chunks_are_equal(yard: Yard) -> None:
    arrays = {f"b{n}": ("F32", _random("F32", (3000,), n)) for n in range(12)}
    a = yard.keep(_model(arrays))
    b = yard.keep(_model({"first": ("F32", _random("F32", (700,), 99)), **arrays}))
    found = yard.compare(a, b).tensors
    assert (found.changed, found.unchanged, [one.name for one in found.added]) == ((), 12, ["first"])


def test_a_tree_against_itself_shows_nothing_and_reads_no_tensor(yard: Yard) -> None:
    a = yard.keep(_model({"w": ("F32", _random("F32", (PIECE,), 1))}) | {"notes.txt": b"text"})
    yard.reopen()
    found = yard.compare(a, a)
    assert not found.files
    assert not found.tensors
    assert (found.files.unchanged, found.tensors.unchanged, found.files.new_chunks) == (2, 1, 0)
    assert {one.offset for one in yard.read} == {0}


def test_another_type_or_shape_is_told_and_the_loss_of_a_conversion_measured(yard: Yard) -> None:
    array = _random("F32", (64, 64), 1)
    rounded = (array.view("<u4") >> 16).astype("<u2")
    a = yard.keep(_model({"w": ("F32", array), "s": ("F32", array)}))
    b = yard.keep(_model({"w": ("BF16", rounded), "s": ("F32", array[:32])}))
    found = {one.name: one for one in yard.compare(a, b).tensors.changed}
    assert found["s"].change is None
    assert (found["s"].before.shape, found["s"].after.shape) == ((64, 64), (32, 64))
    loss = _values("BF16", rounded) - array
    change = found["w"].change
    assert change is not None
    assert change.norm == pytest.approx(float(np.sqrt((loss**2).sum())), rel=1e-9)
    assert change.changed == np.count_nonzero(loss)


def test_a_model_cut_into_other_shards_has_the_same_tensors(yard: Yard) -> None:
    one, two = {"a": ("F32", np.ones(9, "f4"))}, {"b": ("F32", np.zeros(9, "f4"))}
    a = yard.keep({"model.safetensors": safetensors_of(one | two)})
    b = yard.keep({"1.safetensors": safetensors_of(one), "2.safetensors": safetensors_of(two)})
    found = yard.compare(a, b)
    assert not found.tensors
    assert found.tensors.unchanged == 2
    assert [file.path for file in found.files.added] == ["1.safetensors", "2.safetensors"]


def test_weights_are_not_taken_for_the_state_of_an_optimizer_that_comes_later(yard: Yard) -> None:
    weights = safetensors_of({"w": ("F32", np.ones(9, "f4"))})
    a = yard.keep({"model.safetensors": weights})
    b = yard.keep({"model.safetensors": weights, "o.safetensors": safetensors_of({"w": ("F32", np.zeros(9, "f4"))})})
    found = yard.compare(a, b).tensors
    assert (found.changed, found.removed, found.unchanged) == ((), (), 1)
    assert [one.name for one in found.added] == ["o.safetensors:w"]


def test_files_are_added_removed_changed_renamed_and_unchanged(yard: Yard) -> None:
    opaque = np.random.default_rng(1).bytes(2_000_000)
    a = yard.keep({"same": b"s", "old": b"o", "was/here": b"moved", "blob": opaque})
    b = yard.keep(
        {"same": b"s", "new": b"n", "is/here": b"moved", "blob": opaque[:1_000_000] + b"!" + opaque[1_000_000:]}
    )
    found = yard.compare(a, b).files
    assert [file.path for file in found.added] == ["new"]
    assert [file.path for file in found.removed] == ["old"]
    assert [(one.was, one.path) for one in found.renamed] == [("was/here", "is/here")]
    assert found.unchanged == 1
    (blob,) = found.changed
    assert (blob.path, blob.before, blob.after) == ("blob", 2_000_000, 2_000_001)
    assert 0.8 < blob.common / blob.after < 1, "an insertion costs a chunk"
    assert found.new_bytes == blob.after - blob.common + 1


def test_single_files_correspond_whatever_they_are_called(yard: Yard) -> None:
    a = yard.keep({"ckpt-1.npy": npy(np.zeros(3))})
    b = yard.keep({"ckpt-2.npy": npy(np.ones(3))})
    found = yard.compare(a, b)
    assert [(one.was, one.path) for one in found.files.changed] == [("ckpt-1.npy", "ckpt-2.npy")]
    assert [one.name for one in found.tensors.changed] == ["array"]


def test_one_tensor_may_be_asked_for(yard: Yard) -> None:
    a = yard.keep(_model({"w": ("F32", np.zeros(3, "f4")), "v": ("F32", np.zeros(3, "f4"))}))
    b = yard.keep(
        _model({"w": ("F32", np.ones(3, "f4")), "v": ("F32", np.ones(3, "f4")), "x": ("F32", np.ones(3, "f4"))})
    )
    assert [one.name for one in yard.compare(a, b, only=["v"]).tensors.changed] == ["v"]
    assert [one.name for one in yard.compare(a, b, only=["x"]).tensors.added] == ["x"]
    with pytest.raises(TensorNotFound, match="'nothing'"):
        yard.compare(a, b, only=["nothing"])


def test_of_very_many_unchanged_files_none_is_opened(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparisons, "OPENED", 10)
    files = {f"{n}.npy": npy(np.arange(n)) for n in range(20)}
    a = yard.keep(files)
    b = yard.keep({**files, "3.npy": npy(np.arange(3) + 1)})
    yard.reopen()
    found = yard.compare(a, b)
    assert (found.files.unchanged, len(found.tensors.changed)) == (19, 1)
    assert {one.file for one in yard.read} == {"3.npy"}


def test_the_lines_of_small_texts_are_shown_where_asked_for(yard: Yard) -> None:
    a = yard.keep({"config.json": b'{\n "a": 1,\n "b": 2\n}\n', "big.txt": b"x\n" * 40_000, "binary": b"\0a"})
    b = yard.keep({"config.json": b'{\n "a": 1,\n "b": 3\n}\n', "big.txt": b"y\n" * 40_000, "binary": b"\0b"})
    assert yard.compare(a, b).texts == {}
    texts = yard.compare(a, b, text=True).texts
    assert list(texts) == ["config.json"]
    assert [line for line in texts["config.json"] if line[0] in "+-"][2:] == ['- "b": 2', '+ "b": 3']


def test_chunks_are_the_same_only_at_the_same_place() -> None:
    a = Recipe(((b"a" * 32, 10), (b"b" * 32, 10), (b"c" * 32, 10)))
    b = Recipe(((b"x" * 32, 10), (b"b" * 32, 10), (b"d" * 32, 10)))
    assert same_chunks(a, 12, b, 12, 8)
    assert not same_chunks(a, 12, b, 12, 9), "it reaches into the next chunk"
    assert not same_chunks(a, 12, b, 13, 5), "another place of the same chunk"
    assert not same_chunks(a, 9, b, 9, 5)


NAMES = st.sampled_from(["a", "b", "layer.0.weight", "é"])
TREES = st.dictionaries(
    st.sampled_from(["m.safetensors", "n.safetensors", "x/m.safetensors"]),
    st.dictionaries(NAMES, st.tuples(st.sampled_from(["F32", "I16", "BF16"]), st.integers(0, 3), st.integers(0, 2)), max_size=4),
    min_size=1,
    max_size=3,
)  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(TREES, TREES)
def test_a_difference_read_backwards_has_added_and_removed_exchanged(one: Any, other: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        yard = Yard(Path(folder))
        a, b = (
            yard.keep(
                {
                    path: safetensors_of(
                        {name: (dtype, _random(dtype, (size,), seed)) for name, (dtype, size, seed) in tree.items()}
                    )
                    for path, tree in trees.items()
                }
            )
            for trees in (one, other)
        )
        there, back = yard.compare(a, b), yard.compare(b, a)
        assert [file.path for file in there.files.added] == [file.path for file in back.files.removed]
        assert {(x.was, x.path) for x in there.files.changed} == {(x.path, x.was) for x in back.files.changed}
        assert len(there.files.renamed) == len(back.files.renamed)
        assert there.files.unchanged == back.files.unchanged
        assert set(there.tensors.added) == set(back.tensors.removed)
        assert set(there.tensors.removed) == set(back.tensors.added)
        assert there.tensors.unchanged == back.tensors.unchanged
        steps = [
            {(x.before, x.after): x.change and (x.change.norm, x.change.changed) for x in y.tensors.changed}
            for y in (there, back)
        ]
        assert steps[0] == {(new, old): step for (old, new), step in steps[1].items()}
        every = len(yard.store.tensors(b))
        assert len(there.tensors.added) + len(there.tensors.changed) + there.tensors.unchanged == every
        for manifest in (a, b):
            found = yard.compare(manifest, manifest)
            assert not found.files
            assert not found.tensors

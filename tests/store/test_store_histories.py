"""Any history of a store: whatever was registered, in whatever order and from whatever it was made, comes back equal, and is the same thing everywhere."""

import json
import random
import struct
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from faulty_objects import Died, FaultyObjects
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from modelyard.store import Manifest, Store
from modelyard.store.codecs import Element, Link, decode, encode, encode_against
from modelyard.store.objects import open_objects

Content = dict[str, bytes]
"""A version: its files by path."""


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files that have as many pieces, stretches and packs as large ones have."""
    for name, value in {"PIECE": 4096, "TOGETHER": 1024, "AVERAGE": 1024, "SHORTEST": 256, "LONGEST": 4096}.items():
        monkeypatch.setattr(f"modelyard.store.writing.cuts.{name}", value)
    monkeypatch.setattr("modelyard.store.writing.cuts._WINDOW", 16_384)
    monkeypatch.setattr("modelyard.store.codecs.codec.SMALL", 256)
    monkeypatch.setattr("modelyard.store.writing.encoding.SMALLEST", 128)
    monkeypatch.setattr("modelyard.store.writing.writer.TARGET", 8192)
    monkeypatch.setattr("modelyard.store.reading.reader.BATCH", 8192)


def _model(dtype: str, count: int, first: int, moved: int) -> bytes:
    """Tensors as a safetensors file; models of equal ``dtype`` have equal tensors, but for ``moved`` small steps."""
    header: dict[str, object] = {}
    payload = b""
    for number in range(first, first + count):
        values = np.random.default_rng(number).standard_normal(60 + 1500 * (number % 3)).astype("<f4")
        for step in range(moved):
            values += np.random.default_rng([number, step]).standard_normal(values.size).astype("<f4") * np.float32(
                1e-4
            )
        data = {
            "F32": lambda values=values: values.tobytes(),
            "F16": lambda values=values: values.astype("<f2").tobytes(),
            "BF16": lambda values=values: (values.view("<u4") >> 16).astype("<u2").tobytes(),
            "I32": lambda values=values: (values * 1e4).astype("<i4").tobytes(),
            "F64": lambda values=values: values.astype("<f8").tobytes(),
        }[dtype]()
        place = [len(payload), len(payload) + len(data)]
        header[f"t{number}"] = {"dtype": dtype, "shape": [values.size], "data_offsets": place}
        payload += data
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + payload


def _noise(seed: int, length: int) -> bytes:
    return random.Random(seed).randbytes(length)


PLANS = st.tuples(
    st.sampled_from(["F32", "F16", "BF16", "I32", "F64"]), st.integers(0, 6), st.integers(0, 3), st.integers(0, 4)
)
MODELS = PLANS.map(lambda plan: _model(*plan))
BYTES = st.one_of(
    st.binary(max_size=40),
    st.builds(_noise, st.integers(0, 3), st.sampled_from([600, 5000, 30_000])),
    st.builds(lambda number: b"row %d\n" % number * 900, st.integers(0, 3)),
)


def _nudge(data: bytes, at: int, other: bytes) -> bytes:
    """A few floats move by a little."""
    changed = np.frombuffer(data[: len(data) // 4 * 4], "<u4").copy()
    changed[at % max(1, changed.size) :: 7] ^= np.uint32(1)
    return changed.tobytes() + data[len(data) // 4 * 4 :]


MUTATIONS: dict[str, Callable[[bytes, int, bytes], bytes]] = {
    "nothing": lambda data, at, other: data,
    "nudge": _nudge,
    "insert": lambda data, at, other: data[:at] + other + data[at:],
    "delete": lambda data, at, other: data[:at] + data[at + len(other) :],
    "append": lambda data, at, other: data + other,
    "truncate": lambda data, at, other: data[:at],
    "swap": lambda data, at, other: data[at:] + data[:at],
    "double": lambda data, at, other: data + data,
    "overwrite": lambda data, at, other: (data[:at] + other + data[at + len(other) :])[: len(data)],
    "replace": lambda data, at, other: other,
}


def _edited(data: bytes, how: str, at: int, other: bytes) -> bytes:
    return MUTATIONS[how](data, at % (len(data) + 1), other)[:120_000]


def _register(store: Store, content: Content, earlier: list[Manifest]) -> Manifest:
    with tempfile.TemporaryDirectory() as folder:
        for path, data in content.items():
            (Path(folder) / path).write_bytes(data)
        with store.intake() as intake:
            manifest = intake.put_manifest("model", intake.put_tree(Path(folder), earlier), {})
            intake.commit()
            return manifest


def _content(store: Store, manifest: Manifest) -> Content:
    return {file.path: store.read(file.digest) for file in store.manifest(manifest.digest).files}


def _recipes(store: Store, manifest: Manifest) -> list[bytes]:
    return [store.files.recipe(file.digest, file.path).to_bytes() for file in manifest.files]


PATHS = st.sampled_from(["model.safetensors", "weights.bin", "notes.txt"])
PICKS = st.lists(st.integers(0, 99), max_size=3)


class Histories(RuleBasedStateMachine):
    """Registrations, some of which die, and reads, by stores that are opened now and then, against a plain list."""

    @initialize(first=BYTES)
    def begin(self, first: bytes) -> None:
        self.objects = open_objects("memory:")
        self.store = Store(self.objects)
        self.contents: list[Content] = [{"weights.bin": first}]
        self.manifests = [_register(self.store, self.contents[0], [])]

    def _earlier(self, picks: list[int]) -> list[Manifest]:
        return [self.manifests[pick % len(self.manifests)] for pick in picks]

    def _add(self, content: Content, picks: list[int]) -> None:
        self.manifests.append(_register(self.store, content, self._earlier(picks)))
        self.contents.append(content)

    @rule(of=st.integers(0, 99), path=PATHS, model=MODELS, picks=PICKS)
    def register_a_model(self, of: int, path: str, model: bytes, picks: list[int]) -> None:
        self._add(self.contents[of % len(self.contents)] | {path: model}, picks)

    @rule(plan=PLANS, path=PATHS, steps=st.integers(1, 6), picks=PICKS)
    def train_a_model(self, plan: tuple[str, int, int, int], path: str, steps: int, picks: list[int]) -> None:
        for moved in range(steps):
            self._add({path: _model(*plan[:3], plan[3] + moved)}, [-1, *picks])

    @rule(
        of=st.integers(0, 99),
        how=st.sampled_from(sorted(MUTATIONS)),
        at=st.integers(0, 99_999),
        other=BYTES,
        picks=PICKS,
    )
    def register_a_change(self, of: int, how: str, at: int, other: bytes, picks: list[int]) -> None:
        before = self.contents[of % len(self.contents)]
        self._add({path: _edited(data, how, at, other) for path, data in before.items()}, [of, *picks])

    @rule(
        of=st.integers(0, 99),
        path=PATHS,
        how=st.sampled_from(sorted(MUTATIONS)),
        at=st.integers(0, 99_999),
        picks=PICKS,
    )
    def register_a_change_of_one_file(self, of: int, path: str, how: str, at: int, picks: list[int]) -> None:
        before = self.contents[of % len(self.contents)]
        self._add(before | {path: _edited(before.get(path, b""), how, at, b"0123456789")}, [*picks, of])

    @rule(of=st.integers(0, 99), model=MODELS, writes=st.integers(0, 12), picks=PICKS)
    def begin_and_die(self, of: int, model: bytes, writes: int, picks: list[int]) -> None:
        content = self.contents[of % len(self.contents)] | {"model.safetensors": model}
        dying = Store(FaultyObjects(self.objects, writes=writes))
        with suppress(Died):
            manifest = _register(dying, content, self._earlier(picks))
            self.manifests.append(manifest)
            self.contents.append(content)

    @rule(model=MODELS)
    def begin_and_give_up(self, model: bytes) -> None:
        with suppress(InterruptedError), self.store.intake() as intake:
            intake.put_bytes(model)
            raise InterruptedError

    @rule()
    def open_afresh(self) -> None:
        self.store = Store(self.objects)

    @invariant()
    def the_last_version_comes_back_equal(self) -> None:
        assert _content(self.store, self.manifests[-1]) == self.contents[-1]

    def teardown(self) -> None:
        if not hasattr(self, "contents"):
            return
        afresh = Store(self.objects)
        for manifest, content in zip(self.manifests, self.contents, strict=True):
            assert _content(afresh, manifest) == content
        for manifest, content in zip(self.manifests[-3:], self.contents[-3:], strict=True):
            alone = Store(open_objects("memory:"))
            assert _register(alone, content, []) == manifest, "what a version is depends on what was there before"
            assert _recipes(alone, manifest) == _recipes(afresh, manifest)


def test_any_history_comes_back_equal_and_each_version_is_what_it_would_be_alone() -> None:
    run_state_machine_as_test(
        Histories, settings=settings(max_examples=25, stateful_step_count=12, deadline=None, print_blob=True)
    )


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_line_of_changes_comes_back_equal_at_every_step(data: st.DataObject) -> None:
    """Each version made from the one before, so that the chains of differences grow as long as they may."""
    store = Store(open_objects("memory:"))
    now = data.draw(st.one_of(MODELS, BYTES))
    contents: list[bytes] = []
    manifests: list[Manifest] = []
    for _ in range(data.draw(st.integers(4, 14))):
        contents.append(now)
        manifests.append(_register(store, {"weights.bin": now}, manifests[-1:]))
        how = data.draw(st.sampled_from(["nudge"] * 6 + sorted(MUTATIONS)))
        now = _edited(now, how, data.draw(st.integers(0, 99_999)), data.draw(BYTES))
    afresh = Store(store.objects)
    assert [_content(afresh, manifest)["weights.bin"] for manifest in manifests] == contents
    assert max((entry.depth for entry in afresh.index.entries()), default=0) <= 2


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(PATHS, st.one_of(MODELS, BYTES)), min_size=2, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_registrations_matters_to_nobody(files: list[tuple[str, bytes]], order: random.Random) -> None:
    contents = [{path: data} for path, data in files]
    one, other = Store(open_objects("memory:")), Store(open_objects("memory:"))
    straight = [_register(one, content, []) for content in contents]
    shuffled = list(range(len(contents)))
    order.shuffle(shuffled)
    made: dict[int, Manifest] = {}
    for number in shuffled:
        made[number] = _register(other, contents[number], list(made.values()))
    for number, manifest in enumerate(straight):
        assert made[number] == manifest
        assert _recipes(one, manifest) == _recipes(other, manifest)
        assert _content(Store(other.objects), manifest) == contents[number]


@settings(max_examples=100, deadline=None)
@given(
    st.integers(1, 40),
    st.lists(st.sampled_from(list(Element)), min_size=2, max_size=5),
    st.randoms(use_true_random=False),
)
def test_a_chain_of_differences_between_numbers_of_any_widths_comes_back_equal(
    length: int, elements: list[Element], chance: random.Random
) -> None:
    """A chunk may be floats in one version and bytes in the next, and its length need not be a multiple of either."""
    raw = chance.randbytes(length)
    codec, stored = encode(raw, elements[0])
    chain = [Link(codec, stored, length)]
    for element in elements:
        previous, raw = raw, bytes(byte ^ chance.choice([0, 0, 1, 255]) for byte in raw)
        made = encode_against(raw, previous, element)
        assert made is not None
        chain.append(Link(*made, length))
        assert bytes(decode(chain)) == raw


@settings(max_examples=25, deadline=None)
@given(st.one_of(MODELS, BYTES), st.integers(0, 99_999), st.integers(0, 40_000))
def test_any_range_of_a_version_is_what_a_slice_of_it_would_be(content: bytes, offset: int, length: int) -> None:
    store = Store(open_objects("memory:"))
    first = _register(store, {"weights.bin": content}, [])
    (file,) = _register(store, {"weights.bin": _nudge(content, 3, b"")}, [first]).files
    recipe = store.files.recipe(file.digest, file.path)
    expected = _nudge(content, 3, b"")[offset : offset + length]
    assert store.files.read_range(recipe, file.path, offset, length) == expected

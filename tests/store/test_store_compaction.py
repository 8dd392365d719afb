"""`compact`: fewer and fuller packs, and every version reads back equal, also by who has not heard of it yet."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from faulty_objects import Died, FaultyObjects
from hypothesis import given, settings
from hypothesis import strategies as st
from store_steps import House, altered, noise

from modelyard.store import Store
from modelyard.store.objects import FolderObjects, open_objects
from modelyard.store.objects.objects import Objects
from modelyard.store.packs import pack as packs
from modelyard.store.packs.pack import is_whole, key_of
from modelyard.store.upkeep import removal
from modelyard.store.upkeep.compaction import Thresholds


@pytest.fixture(params=["folder", "memory"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    return FolderObjects(tmp_path / "store") if request.param == "folder" else open_objects("memory:")


@pytest.fixture
def house(objects: Objects, tmp_path: Path) -> House:
    return House(objects, tmp_path)


def _half_used(house: House) -> str:
    """A pack of which about a third is needed; its name."""
    before = set(house.keys("packs/"))
    with house.store.intake() as intake:
        house.put(intake, noise(11, 400_000))
        kept = house.put(intake, noise(12, 200_000))
        intake.commit()
        house.contents[kept.digest] = noise(12, 200_000)
    (name,) = set(house.keys("packs/")) - before
    return name.removeprefix("packs/")


def test_a_pack_that_is_mostly_unused_is_written_anew_without_what_nobody_needs(house: House) -> None:
    name = _half_used(house)
    plan = house.plan_compact()
    (verdict,) = plan.verdicts
    assert verdict.action == "rewrite"
    assert verdict.reason == "33% of its bytes are needed"
    done = house.compact()
    assert done.removed == (name,)
    assert 200_000 < done.carried < 210_000
    assert house.keys("packs/") == [key_of(pack) for pack in done.written]
    house.require_whole()
    assert house.plan_compact().empty


def test_many_small_packs_become_one_and_so_do_the_segments(house: House) -> None:
    last = None
    for seed in range(6):
        last = house.register(altered(noise(1, 30_000), seed), last)
    assert len(house.keys("packs/")) == 6
    done = house.compact()
    assert len(done.written) == len(house.keys("packs/")) == len(house.keys("index/")) == 1
    house.require_whole()
    assert house.plan_compact().empty
    assert all(is_whole(house.objects, name) for name in done.written)


def test_packs_are_closed_when_they_are_full(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelyard.store.upkeep.transfer.TARGET", 200_000)
    for seed in range(8):
        house.register(noise(seed, 60_000))
    house.compact()
    assert 3 <= len(house.keys("packs/")) <= 4
    house.require_whole()


def test_pieces_are_carried_over_as_they_are(house: House) -> None:
    first = house.register(noise(1))
    house.register(altered(noise(1), 2), first)
    _half_used(house)
    before = _stored(house)
    house.compact()
    after = _stored(house)
    assert after.items() <= before.items()
    house.require_whole()


def test_of_two_copies_of_a_piece_one_is_left(house: House) -> None:
    house.abandon(noise(1))
    with house.registering(
        noise(1)
    ):  # began before the second one below marks its packs, so its chunks are those of the first
        pass
    with house.store.intake() as one, Store(house.objects).intake() as two:
        made = house.put(one, noise(2))
        again = house.put(two, noise(2))
        one.commit()
        two.commit()
        assert made.digest == again.digest
        house.contents[made.digest] = noise(2)
    total = sum(info.size for info in house.objects.list("packs/"))
    house.compact(thresholds=Thresholds(small=0))
    assert total - sum(info.size for info in house.objects.list("packs/")) > 140_000
    house.require_whole()
    assert house.plan_compact(Thresholds(small=0)).empty


def test_of_two_copies_the_sound_one_is_left(house: House) -> None:
    with house.store.intake() as one, Store(house.objects).intake() as two:
        made = house.put(one, noise(2))
        house.put(two, noise(2))
        one.commit()
        two.commit()
        house.contents[made.digest] = noise(2)
    plan = house.plan_compact(Thresholds(small=0))
    (leaves,) = plan.packs("remove")
    (stays,) = plan.packs("keep")
    data = bytearray(house.objects.get(key_of(stays)))
    for at in range(100, len(data) - 600, 5000):
        data[at] ^= 4
    house.objects.put(key_of(stays), [data])
    done = removal.carry_out(house.store, plan, house.roots)
    assert done.removed == (leaves,)
    assert done.carried > 100_000
    house.require_whole()


def test_a_pack_with_a_piece_that_cannot_be_read_stays_and_is_named(house: House) -> None:
    name = _half_used(house)
    (file,) = house.store.manifest(next(iter(house.contents))).files
    chunk, length = house.store.files.recipe(file.digest, "").chunks[-1]
    (entry,) = house.store.index.find(packs.Kind.CHUNK, chunk)
    data = bytearray(house.objects.get(key_of(name)))
    data[entry.offset + length // 2] ^= 1
    house.objects.put(key_of(name), [data])
    done = house.compact()
    assert not done.removed
    assert house.objects.get(key_of(name)) == bytes(data)
    assert key_of(name) in house.keys("packs/")
    data[entry.offset + length // 2] ^= 1
    house.objects.put(key_of(name), [data])  # as repair would
    house.reopen().compact()
    house.require_whole()


def test_who_has_read_the_index_before_still_reads_everything(house: House) -> None:
    first = house.register(noise(1))
    house.register(altered(noise(1), 2), first)
    _half_used(house)
    reader = Store(house.objects)
    reader.index.refresh()
    house.compact()
    for digest, data in house.contents.items():
        (file,) = reader.manifest(digest).files
        assert reader.read(file.digest) == data


def test_a_reader_in_the_middle_of_a_file_reads_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    _half_used(house)
    monkeypatch.setattr("modelyard.store.reading.reader.BATCH", 10_000)
    reader = Store(house.objects)
    for digest, data in house.contents.items():
        (file,) = reader.manifest(digest).files
        parts = reader.files.iterate(file.digest, "weights.bin")
        read = [bytes(next(parts))]
        assert house.compact().removed
        assert b"".join([*read, *(bytes(part) for part in parts)]) == data


def test_a_registration_under_way_keeps_what_it_has_found_in_a_pack_that_is_written_anew(house: House) -> None:
    name = _half_used(house)
    with house.registering(noise(11, 400_000)):  # the part that nobody referred to
        done = house.reopen().compact()
        assert done.waiting == (name,)
        house.require_whole()
    house.gc()
    assert key_of(name) not in house.keys("packs/")
    house.require_whole()


def test_compact_that_is_killed_at_any_write_loses_nothing_and_is_finished_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelyard.store.upkeep.transfer.TARGET", 100_000)
    narrow = Thresholds(small=90_000, many=3)
    for writes in range(60):
        objects = open_objects("memory:")
        house = House(objects, tmp_path)
        _half_used(house)
        house.abandon(noise(3, 60_000))
        first = house.register(noise(1, 60_000))
        house.register(altered(noise(1, 60_000), 1), first)
        dying = House(FaultyObjects(objects, writes=writes), tmp_path, house.contents)
        try:
            dying.compact(thresholds=narrow)
            survived = True
        except Died:
            survived = False
        after = house.reopen()
        after.require_whole()
        for key in house.keys("leases/"):  # that of the copying; the process is still there
            objects.delete(key)
        if writes % 2:
            after.gc()
            after.require_whole()
        after.compact(thresholds=narrow)
        after.compact(thresholds=narrow)  # what the first has finished may leave small packs of its own
        after.require_whole()
        assert house.keys("condemned/") == []
        assert house.reopen().plan_compact(narrow).empty
        assert sum(info.size for info in objects.list("packs/")) < 290_000
        if survived:
            return
    pytest.fail("it writes without end")


STEP = st.one_of(
    st.tuples(st.sampled_from(["register", "abandon", "die"]), st.integers(0, 5), st.integers(0, 12)),
    st.tuples(
        st.sampled_from(["gc", "compact", "reopen", "begin", "end", "forget", "late gc"]),
        st.integers(0, 5),
        st.integers(0, 30),
    ),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(STEP, min_size=4, max_size=25))
def test_no_order_of_operations_loses_a_byte(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, int]]
) -> None:
    """Against a plain dict: whatever is still referred to reads back equal, after registrations that end, die or take long, and collectors that die."""
    objects = open_objects("memory:")
    house = House(objects, tmp_path_factory.mktemp("house"))
    under_way = None
    for what, which, number in steps:
        data = altered(noise(which, 40_000), number % 3) if number % 3 else noise(which, 40_000)
        known = list(house.contents)
        earlier = known[number % len(known)] if known else None
        if what == "register":
            house.register(data, earlier)
        elif what == "abandon":
            house.abandon(data, earlier)
        elif what == "die":
            dying = House(FaultyObjects(objects, writes=number), house.folder, house.contents)
            _until_dead(lambda: dying.register(data, earlier))  # noqa: B023 - called at once
        elif what in ("gc", "compact"):
            collector = House(FaultyObjects(objects, writes=number), house.folder, house.contents)
            _until_dead(collector.gc if what == "gc" else collector.compact)
        elif what == "late gc":
            house.reopen().gc()
        elif what == "reopen":
            house = house.reopen()
        elif what == "begin" and under_way is None:
            under_way = house.reopen().registering(data)
            under_way.__enter__()
        elif what == "end" and under_way is not None:
            under_way.__exit__(None, None, None)
            under_way = None
        elif what == "forget" and known:
            del house.contents[known[number % len(known)]]
        if under_way is None:
            for key in house.keys("leases/"):  # of those that died in this process, which itself lives on
                objects.delete(key)
        house.require_whole()
    if under_way is not None:
        under_way.__exit__(None, None, None)
    for key in house.keys("leases/"):
        objects.delete(key)
    house.reopen().gc()
    house.reopen().compact()
    house.reopen().compact()
    house.require_whole()
    assert house.keys("condemned/") == []
    assert house.reopen().plan_compact().empty


@pytest.mark.slow
def test_kill_9_of_collectors_and_writers_again_and_again_loses_nothing(tmp_path: Path) -> None:
    """Real processes on a folder: some register, and say in a file what is registered; others collect and compact; all are killed at any time."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    done = subprocess.run(
        [sys.executable, str(program), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    house = _on_disk(tmp_path)
    assert len(house.contents) > 12
    house.require_whole()
    house.gc()
    house.compact()
    house.compact()
    house.require_whole()
    assert house.keys("condemned/") == house.keys("leases/") == []
    assert house.plan_compact().empty
    for name in Store(house.objects).index.packs:
        assert is_whole(house.objects, name)


PROGRAM = textwrap.dedent(
    """
    import os, pathlib, random, signal, sys, time, traceback
    from modelyard.store.upkeep import removal
    from store_steps import altered, noise
    from test_store_compaction import _on_disk

    place = pathlib.Path(sys.argv[1])

    def write():
        house = _on_disk(place)
        known = list(house.contents)
        house.folder = place / f"work{random.randrange(10**9)}"
        house.folder.mkdir()
        which, change = random.randrange(4), random.randrange(1000)
        with house.store.intake() as intake:
            data = altered(noise(which, 60_000), change)
            manifest = house.put(intake, data, random.choice(known) if known else None)
            intake.commit()
            (house.folder / "half").write_text(f"{which} {change}")
            (house.folder / "half").rename(place / "registered" / manifest.digest.hex)

    def collect():
        house = _on_disk(place)
        removal.carry_out(house.store, house.plan_gc(), lambda: _on_disk(place).roots(), wait=0.1)

    def compact():
        house = _on_disk(place)
        removal.carry_out(house.store, house.plan_compact(), lambda: _on_disk(place).roots(), wait=0.1)

    def forget():
        names = sorted((place / "registered").iterdir())
        if len(names) > 20:
            random.choice(names).unlink()
        time.sleep(0.05)

    for turn in range(30):
        children = []
        for work in (write, write, collect, compact, forget):
            child = os.fork()
            if not child:
                random.seed()
                try:
                    while True:
                        work()
                except BaseException:
                    traceback.print_exc()
                    os._exit(1)
            children.append(child)
        time.sleep(random.uniform(0.05, 0.5))
        random.shuffle(children)
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    """
)


def _on_disk(place: Path) -> House:
    """A house whose versions are those that files say were registered."""
    from modelyard.core.digests import Digest

    registered = place / "registered"
    registered.mkdir(exist_ok=True)
    house = House(FolderObjects(place / "store"), place)
    for name in registered.iterdir():
        try:
            which, change = map(int, name.read_text().split())
        except FileNotFoundError:
            continue
        house.contents[Digest("sha256:" + name.name)] = altered(noise(which, 60_000), change)
    return house


def _until_dead(work: Callable[[], object]) -> None:
    with suppress(Died):
        work()


def _stored(house: House) -> dict[bytes, bytes]:
    index = Store(house.objects).index
    return {
        entry.key: bytes(house.objects.get_ranges(key_of(entry.pack), [(entry.offset, entry.stored)])[0])
        for entry in index.entries()
    }

"""`gc`: what nobody refers to goes, and nothing else, whatever happens meanwhile."""

import json
import os
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from faulty_objects import Died, FaultyObjects
from store_steps import House, altered, noise

from modelyard.core.errors import CollectionRefused, RegistrationOvertaken, StoreShared
from modelyard.store import Store
from modelyard.store.codecs import Codec
from modelyard.store.objects import FolderObjects, open_objects
from modelyard.store.objects.objects import Objects
from modelyard.store.packs import Entry, Kind
from modelyard.store.packs.entry import NO_BASE
from modelyard.store.packs.pack import key_of
from modelyard.store.upkeep.demand import demand
from modelyard.store.upkeep.inventory import Inventory, Shelf, below, founded, take_inventory
from modelyard.store.upkeep.owners import announce, require_sole
from modelyard.store.upkeep.removal import carry_out
from modelyard.store.upkeep.survey import Plan, Verdict
from modelyard.store.writing import leases


@pytest.fixture(params=["folder", "memory"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    return FolderObjects(tmp_path / "store") if request.param == "folder" else open_objects("memory:")


@pytest.fixture
def house(objects: Objects, tmp_path: Path) -> House:
    return House(objects, tmp_path)


def test_the_garbage_of_a_writer_that_died_goes_and_nothing_else(house: House) -> None:
    first = house.register(noise(1))
    house.register(altered(noise(1), 2), first)
    before = house.keys("packs/")
    house.abandon(noise(3))
    (garbage,) = set(house.keys("packs/")) - set(before)
    done = house.gc()
    assert [key_of(name) for name in done.removed] == [garbage]
    assert done.freed > 140_000
    assert house.keys("packs/") == before
    assert house.keys("condemned/") == house.keys("leases/") == []
    assert {pack for segment in Store(house.objects).index.segments for pack in segment.packs} == {
        key.removeprefix("packs/") for key in before
    }
    assert house.plan_gc().empty
    house.require_whole()


def test_what_the_garbage_of_one_writer_is_a_difference_from_is_no_reason_to_keep_it(house: House) -> None:
    house.abandon(noise(1))
    data = noise(1)
    with house.store.intake() as intake:
        base = house.put(intake, data)
        intake.commit()
        house.put(intake, altered(data, 5), base.digest)
        intake.commit()
    assert len(house.gc().removed) == 2
    assert house.keys("packs/") == []


def test_a_pack_of_which_one_piece_is_needed_stays_with_what_its_other_pieces_stand_on(house: House) -> None:
    """A dead piece in a pack that stays may be found by the next writer, so what it is a difference from must stay too."""
    data, news = noise(1), altered(noise(1), 2)
    with house.store.intake() as intake:  # dies: a base in a pack of its own
        base = house.put(intake, data)
        intake.commit()
    with (
        house.store.intake() as intake
    ):  # of these two files one is referred to; the other is differences from the base
        house.put(intake, news, base.digest)
        kept = house.put(intake, noise(3))
        intake.commit()
        house.contents[kept.digest] = noise(3)
    before = house.keys("packs/")
    assert not house.gc().removed
    assert house.keys("packs/") == before
    house.register(news)
    house.gc()
    house.require_whole()


def test_a_plan_changes_nothing(house: House) -> None:
    house.register(noise(1))
    house.abandon(noise(2))
    before = list(house.objects.list(""))
    plan = house.plan_gc()
    assert plan.packs("remove")
    house.plan_compact()
    assert list(house.objects.list("")) == before


def test_every_pack_has_a_reason(house: House) -> None:
    house.register(noise(1))
    house.abandon(noise(2))
    assert sorted((verdict.action, verdict.reason) for verdict in house.plan_gc().verdicts) == [
        ("keep", "4 of 4 pieces are needed"),
        ("remove", "nothing in it is referred to (pieces: 4)"),
    ]


def test_a_pack_that_a_registration_under_way_has_found_stays_until_it_is_done_and_then_too(house: House) -> None:
    data = noise(1)
    house.abandon(data)
    (garbage,) = house.keys("packs/")
    with house.registering(data):
        collector = house.reopen()
        done = collector.gc()
        assert not done.removed
        assert [key_of(name) for name in done.waiting] == [garbage]
        assert done.writers
        assert garbage in house.keys("packs/")
    house.require_whole()
    collector.gc()
    house.require_whole()
    assert garbage not in house.keys("packs/")
    assert house.keys("condemned/") == []


def test_gc_waits_for_the_registrations_that_began_before(house: House) -> None:
    data = noise(1)
    house.abandon(data)
    begun, go_on = threading.Event(), threading.Event()

    def register() -> None:
        with house.registering(data):
            begun.set()
            go_on.wait(10)

    writer = threading.Thread(target=register)
    writer.start()
    assert begun.wait(10)
    threading.Timer(0.3, go_on.set).start()
    done = house.reopen().gc(wait=20)
    writer.join()
    assert len(done.removed) == 1
    assert not done.waiting
    house.require_whole()


def test_a_registration_that_begins_after_the_marks_stores_everything_again_under_new_names(house: House) -> None:
    data = noise(1)
    house.abandon(data)
    (garbage,) = house.keys("packs/")
    with leases.held(house.objects):
        assert house.gc().waiting
        house.reopen().register(data)  # the very same pieces in the same order
        assert len(house.keys("packs/")) == 2
    done = house.gc()
    assert [key_of(name) for name in done.removed] == [garbage]
    assert not done.written, "nothing of it was needed"
    house.require_whole()


def test_a_pack_as_young_as_a_writer_at_work_is_left_alone(house: House) -> None:
    with house.store.intake() as intake:
        house.put(intake, noise(1))
        intake.commit()
        assert house.reopen().plan_gc().packs("remove", "index") == frozenset()
    assert house.plan_gc().packs("remove")


def test_a_pack_that_the_index_does_not_know_goes_when_nobody_needs_it(house: House) -> None:
    house.register(noise(1))
    house.abandon(noise(2))
    _forget_newest(house)
    done = house.reopen().gc()
    assert len(done.removed) == 1
    house.require_whole()


def test_a_pack_that_the_index_does_not_know_is_indexed_when_it_has_the_only_copy(house: House) -> None:
    house.register(noise(1))
    house.register(noise(2))
    _forget_newest(house)
    done = house.reopen().gc()
    assert not done.removed
    assert len(done.indexed) == 1
    assert not Store(house.objects).index.strays
    house.require_whole()


def test_a_pack_whose_table_cannot_be_read_is_kept(house: House) -> None:
    house.register(noise(1))
    name = "0" * 64
    house.objects.put(
        key_of(name), [b"not a pack, as far as anybody can tell, and long enough to have had a foot, perhaps"]
    )
    plan = house.plan_gc()
    assert plan.unreadable == (name,)
    house.gc()
    assert key_of(name) in house.keys("packs/")


@pytest.mark.parametrize("part", ["manifest", "recipe", "pack"])
def test_gc_refuses_where_something_that_is_referred_to_cannot_be_followed(
    house: House, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "modelyard.store.writing.writer.TARGET", 50_000
    )  # so that the first chunk has a pack of its own
    digest = house.register(noise(1))
    house.abandon(noise(2))
    (file,) = house.store.manifest(digest).files
    wanted = {"manifest": (Kind.RECIPE, digest.hex), "recipe": (Kind.RECIPE, file.digest.hex)}
    inventory = take_inventory(house.objects, house.store.index)
    if part == "pack":
        chunk, _ = house.store.files.recipe(file.digest, "").chunks[0]
        (entry,) = inventory.copies((Kind.CHUNK, chunk))
        house.objects.delete(key_of(entry.pack))
    else:
        kind, key = wanted[part]
        (entry,) = inventory.copies((kind, bytes.fromhex(key)))
        _flip(house.objects, entry)
    before = house.keys()
    fresh = house.reopen()
    with pytest.raises(CollectionRefused, match="nothing was removed"):
        fresh.gc()
    assert house.keys() == before


def test_gc_that_is_killed_at_any_write_loses_nothing_and_is_finished_by_the_next(tmp_path: Path) -> None:
    for writes in range(40):
        objects = open_objects("memory:")
        house = House(objects, tmp_path)
        first = house.register(noise(1))
        house.register(altered(noise(1), 1), first)
        house.abandon(noise(2))
        with house.store.intake() as intake:
            house.put(intake, altered(noise(2), 2))
            intake.commit()
        objects.put("leases/dead", [b'{"host": "elsewhere"}'])
        dying = House(FaultyObjects(objects, writes=writes), tmp_path, house.contents)
        try:
            dying.gc()
            survived = True
        except Died:
            survived = False
        after = house.reopen()
        after.require_whole()
        objects.delete("leases/dead")
        after.gc()
        after.require_whole()
        assert house.keys("condemned/") == []
        assert len(house.keys("packs/")) == 2
        after.register(noise(2))
        after.require_whole()
        if survived:
            return
    pytest.fail("it writes without end")


def test_two_at_once_do_no_harm(house: House) -> None:
    for seed in range(4):
        house.register(noise(seed, 60_000))
        house.abandon(noise(100 + seed, 60_000))
    for digest in list(house.contents)[:2]:
        del house.contents[digest]
    failures: list[BaseException] = []
    barrier = threading.Barrier(3)

    def collect(number: int) -> None:
        mine = house.reopen()
        try:
            for turn in range(3):
                barrier.wait()
                (mine.compact if (turn + number) % 2 else mine.gc)()
        except BaseException as error:  # noqa: BLE001 - a thread hands on what it met
            failures.append(error)
            barrier.abort()

    threads = [threading.Thread(target=collect, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    house.require_whole()
    house.gc()
    house.require_whole()
    assert house.keys("condemned/") == []


def test_a_registration_at_any_instant_of_a_gc_loses_nothing(tmp_path: Path) -> None:
    """Of just the bytes that are being removed: before every single write of the `gc`, once."""
    for writes in range(40):
        house = House(open_objects("memory:"), tmp_path)
        house.register(noise(1))
        house.abandon(noise(2))
        interrupted = Interrupted(house.objects, writes, lambda house=house: house.reopen().register(noise(2)))
        House(interrupted, tmp_path, house.contents).gc()
        house.require_whole()
        house.gc()
        house.require_whole()
        if not interrupted.done:
            return
    pytest.fail("it writes without end")


def test_two_that_remove_one_copy_each_leave_a_third(tmp_path: Path) -> None:
    """One decides while both copies are there; the other begins and ends before it acts."""
    for writes in range(40):
        house = House(open_objects("memory:"), tmp_path)
        with house.store.intake() as one, Store(house.objects).intake() as two:
            digest = house.put(one, noise(2)).digest
            house.put(two, noise(2))
            one.commit()
            two.commit()
            house.contents[digest] = noise(2)
        plans = [
            Plan((Verdict(key.removeprefix("packs/"), 1, "remove", "for the test"),)) for key in house.keys("packs/")
        ]
        interrupted = Interrupted(
            house.objects, writes, lambda house=house, plans=plans: carry_out(house.store, plans[1], house.roots)
        )
        carry_out(Store(interrupted), plans[0], house.roots)
        house.require_whole()
        if not interrupted.done:
            return
    pytest.fail("it writes without end")


# --- leases ---------------------------------------------------------------------------------------------------------


def test_a_lease_keeps_the_instant_when_it_began_however_often_it_is_renewed(
    objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "RENEW", -1.0)
    with leases.held(objects) as holding:
        (first,) = leases.leases(objects, datetime.now(UTC))
        holding.renew()
        holding.renew()
        (last,) = leases.leases(objects, datetime.now(UTC))
    assert last.began == first.began == first.modified
    assert last.modified > first.modified


def test_a_writer_that_was_silent_too_long_is_told_so_before_anything_refers_to_what_it_wrote(house: House) -> None:
    with house.store.intake() as intake:
        house.put(intake, noise(1))
        house.objects.delete(house.keys("leases/")[0])
        with pytest.raises(RegistrationOvertaken, match="register again"):
            intake.commit()


def test_a_writer_that_was_silent_too_long_does_not_come_back_to_life_by_renewing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "RENEW", -1.0)
    with leases.held(house.objects) as holding:
        house.objects.delete(house.keys("leases/")[0])
        with pytest.raises(RegistrationOvertaken):
            holding.renew()
        assert house.keys("leases/") == []


def test_a_lease_of_a_process_that_is_gone_does_not_hold_gc_up(house: House) -> None:
    house.abandon(noise(1))
    house.objects.put("leases/dead", [_body(2**22 + 12345)])
    done = house.gc()
    assert done.leases == 1
    assert len(done.removed) == 1
    assert house.keys("leases/") == []


def test_a_lease_from_another_machine_counts_until_it_is_stale_by_the_clock_of_the_store(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.abandon(noise(1))
    house.objects.put("leases/far", [b'{"host": "far", "pid": 1, "boot": "x"}'])
    assert house.gc().waiting
    monkeypatch.setattr(leases, "STALE", timedelta(seconds=-1))
    assert len(house.gc().removed) == 1


def test_an_unreadable_lease_may_have_been_there_for_ever(house: House) -> None:
    house.abandon(noise(1))
    house.objects.put("leases/odd", [b"["])
    assert not house.gc().removed
    (lease,) = leases.leases(house.objects, datetime.now(UTC))
    assert lease.began < datetime(1970, 1, 1, tzinfo=UTC)


def test_a_mark_that_was_only_begun_waits_for_everybody(objects: Objects) -> None:
    objects.put("condemned/x", [b""])
    (mark,) = leases.marks(objects)
    assert mark.since is None
    with leases.held(objects):
        (lease,) = leases.leases(objects, datetime.now(UTC))
        assert mark.waits_for(lease)
    leases.condemn(objects, [])
    (mark,) = leases.marks(objects)
    assert mark.since is not None
    late = leases.Lease("", mark.since + 2 * leases.SKEW, mark.since + 2 * leases.SKEW, "", dead=False)
    assert not mark.waits_for(late)


def test_half_written_files_go_when_they_are_old(tmp_path: Path) -> None:
    house = House(FolderObjects(tmp_path / "store"), tmp_path)
    house.register(noise(1))
    old, new = tmp_path / "store/tmp/old", tmp_path / "store/tmp/new"
    old.write_text("half")
    new.write_text("half")
    os.utime(old, (1, 1))
    done = house.gc()
    assert done.leftovers == 1
    assert not old.exists()
    assert new.exists()


def test_in_a_store_of_two_yards_neither_removes_anything(objects: Objects) -> None:
    announce(objects, "one", "/a/yard")
    require_sole(objects, "one")
    announce(objects, "two", "/b/yard")
    with pytest.raises(StoreShared, match="/b/yard"):
        require_sole(objects, "one")


# --- the rule -------------------------------------------------------------------------------------------------------


def _entry(key: str, pack: str, base: str = "", depth: int = 0) -> Entry:
    codec = Codec.PATCH if base else Codec.RAW
    return Entry(
        key.encode() * 32, base.encode() * 32 if base else NO_BASE, 0, 10, 10, Kind.CHUNK, codec, depth, 0, pack
    )


def _inventory(*entries: Entry) -> Inventory:
    packs = {entry.pack for entry in entries}
    now = datetime.now(UTC)
    return Inventory({p: Shelf(p, 100, now, tuple(e for e in entries if e.pack == p)) for p in packs})


def test_chunks_that_are_differences_from_each_other_keep_one_that_stands_by_itself() -> None:
    a, b = _entry("a", "p"), _entry("b", "q")
    a_of_b, b_of_a = _entry("a", "r", "b", 1), _entry("b", "s", "a", 1)
    inventory = _inventory(a, b, a_of_b, b_of_a)
    live = {(Kind.CHUNK, b"a" * 32), (Kind.CHUNK, b"b" * 32)}

    def is_readable(key: bytes, among: list[Entry], above: frozenset[bytes] = frozenset()) -> bool:
        return any(
            entry.base == NO_BASE or (entry.base not in above and is_readable(entry.base, among, above | {key}))
            for entry in among
            if entry.key == key
        )

    for leaving in ({"p", "q"}, {"p", "q", "r"}, {"p", "q", "s"}, {"p", "q", "r", "s"}):
        needed = demand(inventory, live, frozenset(leaving))
        staying = [entry for entry in (a, b, a_of_b, b_of_a) if entry.pack not in leaving]
        left = [*staying, *needed.carried]
        assert all(is_readable(key, left) for _, key in live), leaving
        assert founded(left).keys() >= live, leaving
    assert not founded([a_of_b, b_of_a])


def test_a_pack_that_another_will_remove_is_not_counted_on_and_what_it_stands_on_stays() -> None:
    base, copy, other = _entry("b", "p"), _entry("a", "q", "b", 1), _entry("a", "r")
    inventory = _inventory(base, copy, other)
    live = {(Kind.CHUNK, b"a" * 32)}
    needed = demand(inventory, live, frozenset({"p", "r"}), going=frozenset({"q"}))
    assert set(needed.carried) == {base, other}
    assert list(below(copy)) == [(Kind.CHUNK, b"b" * 32)]


def test_a_copy_that_is_hurt_is_as_good_as_none() -> None:
    good, hurt = _entry("a", "p"), _entry("a", "q")
    live = {(Kind.CHUNK, b"a" * 32)}
    assert demand(_inventory(good, hurt), live, frozenset({"p"})).carried == ()
    needed = demand(_inventory(good, hurt), live, frozenset({"p"}), sound=lambda entry: entry.pack != "q")
    assert needed.carried == (good,)
    needed = demand(_inventory(good, hurt), live, frozenset({"p"}), sound=lambda entry: False)
    assert needed.lost == (good,)


class Interrupted(FaultyObjects):
    """Objects where something happens just before one of the writes."""

    def __init__(self, objects: Objects, after: int, what: Callable[[], object]) -> None:
        super().__init__(objects)
        self.after, self.what, self.done = after, what, False

    def _write(self) -> bool:
        if self.after == 0:
            self.done = True
            self.what()
        self.after -= 1
        return False


def _forget_newest(house: House) -> None:
    """The index loses the segment of the pack that was written last, as if the writer had died between the two."""
    newest = max(house.objects.list("packs/"), key=lambda info: info.modified).key.removeprefix("packs/")
    index = Store(house.objects).index
    for segment in index.segments:
        if newest in segment.packs:
            index.replace([segment], lambda entry: entry.pack != newest)


def _flip(objects: Objects, entry: Entry) -> None:
    data = bytearray(objects.get(key_of(entry.pack)))
    data[entry.offset] ^= 1
    objects.put(key_of(entry.pack), [data])


def _body(pid: int) -> bytes:
    return json.dumps({"host": socket.gethostname(), "pid": pid, "boot": leases.boot()}).encode()

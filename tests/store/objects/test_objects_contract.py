"""What every place owes to the store, as ``objects.py`` writes it."""

import os
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from modelyard.store.objects import ObjectInfo, Objects, Part

LARGE = random.Random(1).randbytes((20 << 20) + 1)

NO_KEYS = ["", "/", "/a", "a/", "a//b", "..", "a/../b", "./a", ".a", "a/.b", "tmp", "tmp/a", "a b", "ä", "a\n", "a\\b", "a:b", "a\0b", "-a"]  # fmt: skip


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([], id="no parts"),
        pytest.param([b""], id="an empty part"),
        pytest.param([b"whole"], id="one part"),
        pytest.param([b"in ", bytearray(b"several "), b"", memoryview(b"xpartsx")[1:-1]], id="parts of each kind"),
        pytest.param([bytes([i % 256]) for i in range(5000)], id="more parts than one system call takes"),
        pytest.param([LARGE], id="one large part"),
        pytest.param([LARGE[:9], memoryview(LARGE)[9 : 9 << 20], LARGE[9 << 20 :]], id="large parts"),
    ],
)
def test_what_was_put_comes_back(objects: Objects, parts: list[Part]) -> None:
    whole = b"".join(parts)
    objects.put("packs/one", parts)
    got = objects.get("packs/one")
    assert type(got) is bytes
    assert got == whole
    assert objects.size("packs/one") == len(whole)
    assert b"".join(objects.get_ranges("packs/one", [(0, len(whole))])) == whole


def test_a_put_replaces_what_is_there(objects: Objects) -> None:
    objects.put("leases/a", [b"the first, and longer"])
    objects.put("leases/a", [b"the second"])
    assert objects.get("leases/a") == b"the second"
    assert [info.size for info in objects.list("leases/")] == [10]


def test_a_missing_object_is_file_not_found_none_or_nothing(objects: Objects) -> None:
    objects.put("packs/there", [b"x"])
    for key in ("packs/missing", "none/missing", "packs/there/below"):
        for ask in (
            objects.get,
            lambda key: objects.get_ranges(key, [(0, 1)]),
            lambda key: objects.get_ranges(key, []),
        ):
            with pytest.raises(FileNotFoundError, match="there is no object"):
                ask(key)
        assert objects.size(key) is None
        objects.delete(key)
    assert list(objects.list("none/")) == []
    assert objects.get("packs/there") == b"x"


def test_a_deleted_object_is_gone_and_can_be_put_again(objects: Objects) -> None:
    objects.put("packs/a", [b"a"])
    objects.put("packs/b", [b"b"])
    objects.delete("packs/a")
    objects.delete("packs/a")
    assert objects.size("packs/a") is None
    assert [info.key for info in objects.list("packs/")] == ["packs/b"]
    objects.put("packs/a", [b"again"])
    assert objects.get("packs/a") == b"again"


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        ([(0, 4)], [b"0123"]),
        ([(8, 2), (0, 2), (4, 2)], [b"89", b"01", b"45"]),
        ([(2, 6), (3, 2), (2, 6)], [b"234567", b"34", b"234567"]),
        ([(3, 0), (0, 1)], [b"", b"0"]),
        ([(3, 0)], [b""]),
        ([], []),
        ([(8, 5)], [b"89"]),
        ([(10, 1)], [b""]),
        ([(0, 2), (10, 1)], [b"01", b""]),
        ([(0, 2), (30, 5), (9, 30)], [b"01", b"", b"9"]),
        ([(50_000_000, 5), (0, 1)], [b"", b"0"]),
        ([(5, 1 << 60)], [b"56789"]),
    ],
)  # fmt: skip
def test_ranges_come_in_the_order_asked_and_shorter_past_the_end(
    objects: Objects, ranges: list[tuple[int, int]], expected: list[bytes]
) -> None:
    objects.put("packs/digits", [b"0123456789"])
    assert [bytes(part) for part in objects.get_ranges("packs/digits", ranges)] == expected


def test_any_ranges_of_a_large_object_are_its_slices(objects: Objects) -> None:
    objects.put("packs/large", [LARGE])
    seeded = random.Random(2)
    for _ in range(6):
        ranges = [(seeded.randrange(len(LARGE) + 1000), seeded.choice([1, 999, 70_000, 3 << 20])) for _ in range(12)]
        for (offset, length), part in zip(ranges, objects.get_ranges("packs/large", ranges), strict=True):
            assert bytes(part) == LARGE[offset : offset + length]


@pytest.mark.parametrize("ranges", [[(-1, 5)], [(0, 5), (3, -1)]])
def test_a_negative_range_is_refused(objects: Objects, ranges: list[tuple[int, int]]) -> None:
    objects.put("packs/a", [b"0123456789"])
    with pytest.raises(ValueError, match="at least 0"):
        objects.get_ranges("packs/a", ranges)


def test_a_listing_is_sorted_by_key_and_keeps_to_its_prefix(objects: Objects) -> None:
    before = datetime.now(UTC)
    keys = [
        "packs/b",
        "packs/ab/2",
        "packs/ab/10",
        "packs/ab.c",
        "packs/ab0",
        "packs.d/x",
        "packs2/y",
        "other/z",
        "top",
    ]
    for number, key in enumerate(keys):
        objects.put(key, [b"x" * number])
    found = list(objects.list("packs/"))
    assert [info.key for info in found] == ["packs/ab.c", "packs/ab/10", "packs/ab/2", "packs/ab0", "packs/b"]
    assert [info.size for info in found] == [3, 2, 1, 4, 0]
    assert [info.key for info in objects.list("packs/ab/")] == ["packs/ab/10", "packs/ab/2"]
    assert [info.key for info in objects.list("")] == sorted(keys)
    assert [info.key for info in objects.list("pack/")] == []
    assert [info.key for info in objects.list("packs/b/")] == []
    for info in found:  # S3 tells whole seconds
        assert before - timedelta(seconds=2) <= info.modified <= datetime.now(UTC) + timedelta(seconds=2)


@pytest.mark.parametrize("key", NO_KEYS)
def test_what_is_no_key_is_refused_by_every_method(objects: Objects, key: str) -> None:
    asked: list[Callable[[], object]] = [
        lambda: objects.put(key, [b"x"]),
        lambda: objects.get(key),
        lambda: objects.get_ranges(key, [(0, 1)]),
        lambda: objects.size(key),
        lambda: objects.delete(key),
    ]
    for ask in asked:
        with pytest.raises(ValueError, match="is not the key of an object"):
            ask()


@pytest.mark.parametrize("prefix", ["packs", "/", "../", "packs/../", "tmp/", "packs//", "/packs/"])
def test_what_is_no_prefix_is_refused(objects: Objects, prefix: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        objects.list(prefix)


def test_nothing_is_half_written_where_no_writer_died(objects: Objects) -> None:
    objects.put("packs/a", [b"a"])
    assert list(objects.leftovers(datetime.now(UTC) + timedelta(days=1))) == []
    objects.sweep(ObjectInfo("tmp/gone", 1, datetime.now(UTC)))
    assert objects.get("packs/a") == b"a"


def test_eight_threads_put_the_same_key_and_keys_of_their_own(objects: Objects) -> None:
    bodies = [bytes([number]) * 50_000 for number in range(8)]
    start = threading.Barrier(8)

    def work(number: int) -> None:
        start.wait()
        for turn in range(4):
            objects.put("shared/same", [bodies[number]])
            objects.put(f"own/{number}/{turn}", [bodies[number]])
            assert objects.get("shared/same") in bodies
            assert objects.get(f"own/{number}/{turn}") == bodies[number]

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
    assert objects.get("shared/same") in bodies
    assert len(list(objects.list("own/"))) == 32
    assert len(list(objects.list("shared/"))) == 1


def test_whoever_reads_while_it_is_replaced_sees_one_of_the_two_whole(objects: Objects) -> None:
    old, new = b"o" * 300_000, b"n" * 200_000
    objects.put("leases/a", [old])
    done = threading.Event()

    def replace() -> None:
        for turn in range(12):
            objects.put("leases/a", [new, b""] if turn % 2 else [old])
        done.set()

    with ThreadPoolExecutor(1) as threads:
        writing = threads.submit(replace)
        while not done.is_set() and not writing.done():
            assert objects.get("leases/a") in (old, new)
            (part,) = objects.get_ranges("leases/a", [(0, 1000)])
            assert bytes(part) in (old[:1000], new[:1000])
        writing.result()


def test_the_url_says_where_it_is_without_secrets(objects: Objects) -> None:
    assert objects.url.startswith((os.sep, "memory:", "s3://models/"))
    assert "do-not-show-this" not in objects.url

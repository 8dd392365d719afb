"""Asking again: how often, how long, and what comes of it."""

import random
from collections.abc import Iterator, Sequence

import pytest
from faulty_objects import Died, FaultyObjects

from modelyard.core.errors import StoreForbidden, StoreUnreachable
from modelyard.store.objects import ObjectInfo, Objects, Part, Patience, Retrying, open_objects


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Failing(FaultyObjects):
    """Raises ``error`` for the first ``times`` calls of ``get``."""

    def __init__(self, objects: Objects, times: int, error: Exception) -> None:
        super().__init__(objects)
        self.times, self.error, self.asked = times, error, 0

    def get(self, key: str) -> bytes:
        self.asked += 1
        if self.asked <= self.times:
            raise self.error
        return super().get(key)


UNREACHABLE = StoreUnreachable(url="memory:", problem="planted")


def place(body: bytes = b"0123456789") -> Objects:
    objects = open_objects("memory:")
    objects.put("packs/a", [body])
    return objects


def test_the_pauses_double_up_to_the_longest() -> None:
    clock = Clock()
    objects = Failing(place(), 5, UNREACHABLE)
    patience = Patience(attempts=6, total=100, first=1, longest=5)
    retrying = Retrying(objects, patience, sleep=clock.sleep, clock=lambda: clock.now, chance=lambda: 0.0)
    assert retrying.get("packs/a") == b"0123456789"
    assert clock.slept == [1, 2, 4, 5, 5]


def test_chance_takes_up_to_half_of_a_pause_away() -> None:
    pauses = {Patience(first=1).pause(1, chance / 100) for chance in range(101)}
    assert (min(pauses), max(pauses), len(pauses)) == (0.5, 1.0, 101)


def test_after_the_last_attempt_the_error_of_the_place_stands() -> None:
    clock = Clock()
    objects = Failing(place(), 99, UNREACHABLE)
    retrying = Retrying(objects, Patience(attempts=3), sleep=clock.sleep, clock=lambda: clock.now)
    with pytest.raises(StoreUnreachable, match="planted"):
        retrying.get("packs/a")
    assert (objects.asked, len(clock.slept)) == (3, 2)


def test_no_attempt_starts_after_the_total_time() -> None:
    clock = Clock()
    objects = Failing(place(), 99, UNREACHABLE)
    patience = Patience(attempts=1000, total=10, first=1, longest=4)
    retrying = Retrying(objects, patience, sleep=clock.sleep, clock=lambda: clock.now, chance=lambda: 0.0)
    with pytest.raises(StoreUnreachable):
        retrying.get("packs/a")
    assert clock.slept == [1, 2, 4]


@pytest.mark.parametrize(
    "error",
    [StoreForbidden(url="memory:", problem="no"), FileNotFoundError("packs/a"), ValueError("key"), RuntimeError()],
)
def test_what_asking_again_does_not_help_is_raised_at_once(error: Exception) -> None:
    objects = Failing(place(), 1, error)
    with pytest.raises(type(error)):
        Retrying(objects, sleep=lambda _: None).get("packs/a")
    assert objects.asked == 1


def test_a_listing_that_breaks_in_the_middle_is_taken_again_from_the_start() -> None:
    class Breaking(FaultyObjects):
        broken = False

        def list(self, prefix: str) -> Iterator[ObjectInfo]:
            for number, info in enumerate(super().list(prefix)):
                if number == 2 and not self.broken:
                    self.broken = True
                    raise UNREACHABLE
                yield info

    objects = open_objects("memory:")
    for number in range(5):
        objects.put(f"packs/{number}", [b"x"])
    found = Retrying(Breaking(objects), sleep=lambda _: None).list("packs/")
    assert [info.key for info in found] == [f"packs/{number}" for number in range(5)]


def test_a_range_that_always_comes_short_is_an_error_and_one_past_the_end_is_none() -> None:
    class Short(FaultyObjects):
        def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[Part]:
            return [part[:3] for part in super().get_ranges(key, ranges)]

    retrying = Retrying(Short(place()), Patience(attempts=3), sleep=lambda _: None)
    with pytest.raises(StoreUnreachable, match="packs/a came back with 3 of 4 bytes at 2"):
        retrying.get_ranges("packs/a", [(0, 3), (2, 4)])
    assert retrying.get_ranges("packs/a", [(7, 30), (50, 5)]) == [b"789", b""]


def test_the_double_is_seeded_and_does_what_it_says() -> None:
    def run(seed: int) -> tuple[int, list[bytes]]:
        faulty = FaultyObjects(place(b"0" * 100), seed=seed, flips=0.5, cut=0.5)
        return faulty.faults, [faulty.get("packs/a") for _ in range(20)]

    assert run(1) == run(1)
    assert run(1) != run(2)
    found = run(1)[1]
    assert {len(body) == 100 for body in found} == {True, False}
    assert any(sum(byte != ord("0") for byte in body) == 1 for body in found)


def test_a_dead_writer_does_nothing_more() -> None:
    inner = open_objects("memory:")
    faulty = FaultyObjects(inner, writes=3)
    retrying = Retrying(faulty, sleep=lambda _: None)
    for number in range(3):
        retrying.put(f"packs/{number}", [b"x"])
    with pytest.raises(Died):
        retrying.put("packs/3", [b"x"])
    assert len(list(inner.list("packs/"))) == 3
    for ask in (lambda: faulty.get("packs/0"), lambda: faulty.list("packs/"), lambda: faulty.delete("packs/0")):
        with pytest.raises(Died):
            ask()
    assert len(list(inner.list("packs/"))) == 3


def test_faults_at_random_leave_what_a_plain_dict_would_hold() -> None:
    seeded = random.Random(4)
    faulty = FaultyObjects(open_objects("memory:"), seed=4, errors=0.4, short=0.4)
    retrying = Retrying(faulty, Patience(attempts=200, total=1e9), sleep=lambda _: None)
    model: dict[str, bytes] = {}
    for _ in range(400):
        key = f"packs/{seeded.randrange(8)}"
        match seeded.choice(["put", "delete", "get", "ranges", "size", "list"]):
            case "put":
                model[key] = seeded.randbytes(seeded.randrange(50))
                retrying.put(key, [model[key]])
            case "delete":
                model.pop(key, None)
                retrying.delete(key)
            case "get" if key in model:
                assert retrying.get(key) == model[key]
            case "ranges" if key in model:
                assert [bytes(part) for part in retrying.get_ranges(key, [(5, 20), (0, 9)])] == [
                    model[key][5:25],
                    model[key][:9],
                ]
            case "size":
                assert retrying.size(key) == (len(model[key]) if key in model else None)
            case "list":
                assert [info.key for info in retrying.list("packs/")] == sorted(model)
    assert faulty.faults > 100

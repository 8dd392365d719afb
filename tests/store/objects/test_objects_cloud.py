"""A bucket behind a line that fails: what it still brings is whole, and what it does not bring is one error in bounded time."""

import random
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from moto.s3.models import s3_backends
from unreliable_proxy import QUICK, UnreliableProxy

from modelyard.core.errors import ModelyardError, StoreForbidden, StoreMissing, StoreUnreachable
from modelyard.store.objects import CloudObjects, Objects, Patience, Retrying, open_objects

BODY = random.Random(1).randbytes(300_000)
LARGE = random.Random(2).randbytes((8 << 20) + 1)  # two pieces
ONCE = Patience(attempts=1, total=3, first=0.005, longest=0.01, connect=1, silence=0.3)


def put(objects: Objects) -> None:
    objects.put("packs/new", [BODY[:1000], BODY[1000:]])


def put_large(objects: Objects) -> None:
    objects.put("packs/large", [LARGE[:5], memoryview(LARGE)[5:]])


def get(objects: Objects) -> None:
    assert objects.get("packs/a") == BODY


def get_ranges(objects: Objects) -> None:
    ranges = [(250_000, 50_000), (0, 5), (299_990, 1000), (100, 100)]
    assert [bytes(part) for part in objects.get_ranges("packs/a", ranges)] == [BODY[o : o + n] for o, n in ranges]


def list_(objects: Objects) -> None:
    assert [(info.key, info.size) for info in objects.list("packs/")] == [("packs/a", len(BODY))]


def size(objects: Objects) -> None:
    assert objects.size("packs/a") == len(BODY)


def delete(objects: Objects) -> None:
    objects.delete("packs/a")


READS: list[Callable[[Objects], None]] = [get, get_ranges, list_, size]
WRITES: list[Callable[[Objects], None]] = [put, put_large, delete]


@pytest.fixture
def objects(proxy: UnreliableProxy, s3: str) -> Objects:
    """A bucket behind the proxy, with one object."""
    made = open_objects(s3, QUICK)
    made.put("packs/a", [BODY])
    proxy.seen.clear()
    return made


@pytest.mark.parametrize("operation", [*READS, *WRITES], ids=lambda operation: operation.__name__)
@pytest.mark.parametrize("fault", ["500", "503", "reset", "lost", "cut", "stall", "hang"])
def test_an_operation_outlives_faults_of_the_line(
    proxy: UnreliableProxy, objects: Objects, fault: str, operation: Callable[[Objects], None]
) -> None:
    proxy.plan.extend([fault] if fault in {"stall", "hang"} else [fault, None, fault, fault])
    operation(objects)
    assert len(proxy.seen) > 1 or (operation in (put, size, delete) and fault in {"cut", "hang"})  # no body to cut
    proxy.plan.clear()
    if operation is put:
        assert objects.get("packs/new") == BODY
    elif operation is put_large:
        assert objects.get("packs/large") == LARGE
    elif operation is delete:
        assert objects.size("packs/a") is None


def test_many_operations_outlive_faults_at_random(proxy: UnreliableProxy, objects: Objects) -> None:
    seeded = random.Random(5)
    faults = ["500", "503", "reset", "lost", "cut", "lie"]
    proxy.plan.extend(seeded.choice(faults) if seeded.random() < 0.25 else None for _ in range(400))
    kept = {"packs/a": BODY}
    patient = open_objects(objects.url, replace(QUICK, attempts=12))
    for number in range(15):
        key, body = f"packs/{number}", BODY[: seeded.randrange(1, 60_000)]
        patient.put(key, [body])
        kept[key] = body
        asked = seeded.choice(list(kept))
        offset = seeded.randrange(len(kept[asked]))
        (part,) = patient.get_ranges(asked, [(offset, 9000)])
        assert bytes(part) == kept[asked][offset : offset + 9000]
        assert patient.size(asked) == len(kept[asked])
    proxy.plan.clear()
    assert {info.key: info.size for info in patient.list("packs/")} == {key: len(body) for key, body in kept.items()}
    assert all(patient.get(key) == body for key, body in kept.items())


@pytest.mark.parametrize("times", [1, 2, 5])
def test_a_range_cut_with_its_length_is_never_returned_as_a_shorter_answer(
    proxy: UnreliableProxy, objects: Objects, times: int
) -> None:
    proxy.plan.extend(["lie"] * times)
    (part,) = objects.get_ranges("packs/a", [(1000, 200_000)])
    assert bytes(part) == BODY[1000:201_000]


def test_a_bucket_itself_never_returns_a_range_that_came_short(proxy: UnreliableProxy, s3: str) -> None:
    retrying = open_objects(s3, ONCE)
    assert isinstance(retrying, Retrying)
    retrying.put("packs/a", [BODY])
    proxy.always = "lie"
    with pytest.raises(StoreUnreachable, match="packs/a came back with 100000 of 200000 bytes at 1000"):
        retrying.objects.get_ranges("packs/a", [(1000, 200_000)])


def test_ranges_that_lie_close_are_one_request(proxy: UnreliableProxy, objects: Objects) -> None:
    objects.get_ranges("packs/a", [(offset, 100) for offset in range(0, 300_000, 3000)])
    assert len(proxy.seen) == 1


@pytest.mark.parametrize("operation", [*READS, *WRITES], ids=lambda operation: operation.__name__)
@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ("503", r"the server answered 503 Service Unavailable( \(SlowDown\))?$"),
        ("reset", "onnection|reset|middle"),
    ],
)
def test_a_line_that_always_fails_is_one_clear_line_in_bounded_time(
    proxy: UnreliableProxy, s3: str, operation: Callable[[Objects], None], fault: str, problem: str
) -> None:
    proxy.always = fault
    begun = time.monotonic()
    with pytest.raises(StoreUnreachable, match=problem) as caught:
        operation(open_objects(s3, ONCE))
    assert time.monotonic() - begun < 3
    one_safe_line(caught.value, s3)


def test_a_server_that_accepts_and_never_answers_is_given_up_in_bounded_time(proxy: UnreliableProxy, s3: str) -> None:
    proxy.always = "stall"
    for operation in (get, put):
        begun = time.monotonic()
        with pytest.raises(StoreUnreachable, match="it did not answer in time") as caught:
            operation(open_objects(s3, replace(ONCE, silence=0.1)))
        assert time.monotonic() - begun < 2
        one_safe_line(caught.value, s3)


@pytest.mark.parametrize("operation", [*READS, *WRITES], ids=lambda operation: operation.__name__)
def test_a_dead_server_is_one_clear_line_in_bounded_time(
    s3: str, monkeypatch: pytest.MonkeyPatch, operation: Callable[[Objects], None]
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed.getsockname()[1]}")
        begun = time.monotonic()
        with pytest.raises(StoreUnreachable, match="cannot be reached: Connection refused") as caught:
            operation(open_objects(s3, QUICK))
        assert time.monotonic() - begun < 3
    one_safe_line(caught.value, s3)


@pytest.mark.parametrize("fault", ["403", "expired"])
@pytest.mark.parametrize("operation", [*READS, *WRITES], ids=lambda operation: operation.__name__)
def test_a_closed_bucket_is_denied_at_once(
    proxy: UnreliableProxy, s3: str, operation: Callable[[Objects], None], fault: str
) -> None:
    if operation is size and fault == "expired":
        return  # an answer to HEAD has no body that tells the reason
    proxy.always = fault
    with pytest.raises(StoreForbidden, match=r"denied: the server answered 40[03]") as caught:
        operation(open_objects(s3, QUICK))
    assert len(proxy.seen) <= 4  # the pieces of a large object are under way together
    one_safe_line(caught.value, s3)


def test_a_missing_bucket_is_said_by_whatever_can_tell_it(s3: str) -> None:
    objects = open_objects("s3://no-such-bucket/x", QUICK)
    for operation in (put, put_large, get, get_ranges, list_):
        with pytest.raises(StoreMissing, match="there is no bucket for the store at s3://no-such-bucket/x"):
            operation(objects)


def test_a_listing_of_several_pages_is_whole_and_sorted(s3: str) -> None:
    prefix = s3.removeprefix("s3://models/")
    keys = [f"packs/{number:04x}" for number in range(2300)]
    for key in random.Random(3).sample(
        keys, len(keys)
    ):  # straight into the server, because a put over the wire takes longer
        s3_backends["123456789012"]["aws"].put_object("models", f"{prefix}/{key}", b"x")
    assert [info.key for info in open_objects(s3).list("packs/")] == keys


def test_a_bucket_that_lists_in_another_order_is_listed_in_order() -> None:
    class Unsorted:
        def list(self, prefix: str, *, chunk_size: int) -> Iterator[list[dict[str, object]]]:
            yield from ([{"path": f"{prefix}/{key}", "size": 1, "last_modified": datetime.now(UTC)}] for key in "cab")

    found = CloudObjects(Unsorted(), "memory:").list("packs/")  # type: ignore[arg-type]
    assert [info.key for info in found] == ["packs/a", "packs/b", "packs/c"]


def test_two_prefixes_of_a_bucket_do_not_see_each_other(s3: str) -> None:
    whole, inner, near = open_objects(s3), open_objects(s3 + "/a/b/"), open_objects(s3 + "/a/bb")
    inner.put("packs/x", [b"inner"])
    near.put("packs/x", [b"near"])
    assert inner.get("packs/x") == b"inner"
    assert [info.key for info in inner.list("")] == ["packs/x"]
    assert [info.key for info in whole.list("")] == ["a/b/packs/x", "a/bb/packs/x"]
    assert whole.get("a/bb/packs/x") == b"near"


def one_safe_line(error: ModelyardError, url: str) -> None:
    text = str(error)
    assert url in text
    assert len(text) < 300
    assert "\n" not in text
    assert not any(word in text for word in ("do-not-show-this", "Debug", "reqwest", "127.0.0.1", "\\n", "<"))
    assert error.__cause__ is None
    assert error.__suppress_context__

"""Many writers at once, in threads and in processes, some of them killed: numbers without gaps, one winner, one chain."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import func, select

from modelyard import Workspace
from modelyard.core.digests import Digest
from modelyard.core.errors import AliasMoved, LabelTaken, ModelyardError
from modelyard.core.names import LabelName, ModelName
from modelyard.registry import NewVersion, schema, versions

MakeYard = Callable[..., Workspace]
FRAUD = ModelName("fraud")

WRITER = """
import sys
from modelyard import Workspace
from modelyard.core.digests import Digest
from modelyard.core.names import ModelName
from modelyard.registry import NewVersion
ws = Workspace(sys.argv[1], create=False, actor=sys.argv[2])
for i in range(int(sys.argv[3])):
    row = ws.registry.create_version(NewVersion("model", ModelName("fraud"), Digest.of(b"x"), None, "files", 1, 1, tags={"by": sys.argv[2]}))
    print(row.number, flush=True)
ws.close()
"""


def new(**facts: object) -> NewVersion:
    return NewVersion("model", FRAUD, Digest.of(b"x"), None, "files", 1, 1, **facts)  # type: ignore[arg-type]


def writer(ws: Workspace, name: str, count: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WRITER, ws.url, name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def numbers(ws: Workspace) -> list[int]:
    return sorted(row.number for row in ws.registry.versions("model", name=FRAUD))


def test_thirty_two_threads_of_two_clients_get_numbers_without_gaps(any_ws: Workspace) -> None:
    other = Workspace(any_ws.url, create=False, actor="ben")
    with ThreadPoolExecutor(32) as pool:
        rows = list(
            pool.map(lambda i: (any_ws, other)[i % 2].registry.create_version(new(tags={"i": str(i)})), range(128))
        )
    other.close()
    assert sorted(row.number for row in rows) == list(range(1, 129)) == numbers(any_ws)
    assert any_ws.registry.check_ledger() == (129, [])
    told = [row.after["version"] for row in reversed(any_ws.history("fraud")) if row.action == "version.register"]
    assert told == list(range(1, 129))  # the ledger has them in the order of their numbers


@pytest.mark.slow
def test_writers_that_are_killed_leave_no_gap_and_lose_nothing_that_they_were_told(any_ws: Workspace) -> None:
    rng = random.Random(7)
    any_ws.registry.create_version(new())
    told: list[int] = []
    for round_ in range(3):
        running = [writer(any_ws, f"w{round_}-{i}", 10_000) for i in range(4)]
        for process in running:
            assert process.stdout is not None
            told.append(int(process.stdout.readline()))
        time.sleep(rng.uniform(0.05, 0.4))
        for process in running:
            os.kill(process.pid, signal.SIGKILL)
        for process in running:
            assert process.stdout is not None
            told += [int(line) for line in process.stdout.read().splitlines()[:-1] if line.isdigit()]
            process.wait()
            process.stdout.close()
    found = numbers(any_ws)
    assert found == list(range(1, len(found) + 1))
    assert set(told) <= set(found)
    assert max(Counter(told).values()) == 1
    assert any_ws.registry.check_ledger()[1] == []
    assert any_ws.registry.create_version(new()).number == len(found) + 1


def test_of_thirty_two_writers_of_one_label_one_has_it(any_ws: Workspace) -> None:
    def register(_: int) -> int:
        try:
            return any_ws.registry.create_version(new(label=LabelName("1.0"))).number
        except LabelTaken as refusal:
            return -int(refusal.number)

    with ThreadPoolExecutor(32) as pool:
        assert sorted(pool.map(register, range(32))) == [*[-1] * 31, 1]
    assert numbers(any_ws) == [1]  # a refusal takes no number
    assert any_ws.registry.create_version(new()).number == 2


def test_of_thirty_two_movers_one_wins_and_the_others_see_who(any_ws: Workspace) -> None:
    for _ in range(33):
        any_ws.registry.create_version(new())
    any_ws.promote("fraud/33", to="production")

    def move(number: int) -> tuple[int, int | None]:
        try:
            return number, any_ws.promote(f"fraud/{number}", to="production", expected=33).after
        except AliasMoved as refusal:
            return number, -refusal.current_version

    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(move, range(1, 33)))
    (winner,) = [number for number, answer in answers if answer == number]
    assert {answer for number, answer in answers if number != winner} == {-winner}
    assert any_ws.model("fraud@production").version == winner


def test_edits_of_different_tags_at_once_all_survive(any_ws: Workspace) -> None:
    row = any_ws.registry.create_version(new())
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda i: any_ws.registry.set_tags(row, {f"k{i}": str(i)}), range(48)))
        list(pool.map(lambda i: any_ws.registry.remove_tags(row, [f"k{i}"]), range(0, 48, 2)))
    assert any_ws.registry.tags(row) == {f"k{i}": str(i) for i in range(1, 48, 2)}
    assert any_ws.registry.check_ledger()[1] == []


def test_edits_of_one_tag_and_one_metric_at_once_leave_one_current_value(any_ws: Workspace) -> None:
    row = any_ws.registry.create_version(new())
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda i: any_ws.registry.add_metrics(row, {"auc": i / 100}), range(32)))
        list(pool.map(lambda i: any_ws.registry.set_tags(row, {"k": str(i)}), range(32)))
    values = [m.value for m in any_ws.registry.measurements(row)]
    assert sorted(values) == [i / 100 for i in range(32)]
    assert any_ws.registry.metrics(row) == {"auc": values[-1]}
    last = next(r for r in any_ws.history("fraud/1") if r.action == "tags.set")
    assert any_ws.registry.tags(row) == last.after


def test_new_names_made_by_many_at_once_are_made_once(any_ws: Workspace) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda i: any_ws.registry.claim("model", ModelName(f"m{i % 4}")), range(32)))
    assert any_ws.models() == ["m0", "m1", "m2", "m3"]
    assert Counter(row.action for row in any_ws.history()) == {"model.create": 4}


def test_a_delete_and_a_promotion_at_once_never_leave_an_alias_in_the_air(any_ws: Workspace) -> None:
    for _ in range(24):
        any_ws.registry.create_version(new())

    def either(i: int) -> None:
        with suppress(ModelyardError):
            if i % 2:
                any_ws.promote(f"fraud/{i // 2 + 1}", to="production")
            else:
                any_ws.delete(f"fraud/{i // 2 + 1}")

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(either, range(48)))
    assert any_ws.model("fraud@production").state == "active"


def test_readers_see_one_instant_while_others_write(any_ws: Workspace) -> None:
    any_ws.registry.create_version(new())
    with any_ws.registry.read() as connection:
        count = select(func.count()).select_from(schema.versions)
        before = connection.execute(count).scalar_one()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(any_ws.registry.create_version, new()).result()
        assert connection.execute(count).scalar_one() == before == 1
    assert numbers(any_ws) == [1, 2]


def test_a_transaction_that_fails_takes_no_number_and_writes_no_row(any_ws: Workspace, tmp_path: Path) -> None:
    any_ws.registry.create_version(new())

    def fail() -> None:
        with any_ws.registry.begin() as tx:
            versions.create(tx, new())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert any_ws.registry.create_version(new()).number == 2
    assert any_ws.registry.check_ledger() == (3, [])

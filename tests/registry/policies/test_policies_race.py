"""Many movers at once: one wins, and the others are told where the alias is."""

import subprocess
import sys
import threading

import pytest
from policies_yard import People

from modelyard import Workspace, errors
from modelyard.core.names import ModelName

MOVERS = 32


def _race(people: People, movers: list[Workspace], expected: int) -> tuple[list[int], list[errors.ModelyardError]]:
    """Each mover tries to take the alias to a version of its own; who won, and what the others were told."""
    ready = threading.Barrier(len(movers))
    won: list[int] = []
    told: list[errors.ModelyardError] = []

    def run(number: int, mover: Workspace) -> None:
        ready.wait()
        try:
            won.append(mover.promote(f"fraud/{number}", to="production", expected=expected).after or 0)
        except errors.ModelyardError as error:
            told.append(error)

    threads = [threading.Thread(target=run, args=(number, mover)) for number, mover in enumerate(movers, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return won, told


@pytest.fixture
def crowd(people: People) -> People:
    """A version for each mover, after the one in production; and a policy that they all meet."""
    for _ in range(MOVERS + 1):
        people.version(metrics={"auc": 0.9})
    people("ana").promote("fraud/1", to="production")
    people("ana").policies.set("fraud", "production", gates=["metrics.auc >= alias.metrics.auc"])
    return people


def test_of_32_movers_in_threads_one_wins_and_the_others_are_told_where_it_is(crowd: People) -> None:
    won, told = _race(crowd, [crowd("ana")] * MOVERS, expected=1)
    assert len(won) == 1
    assert len(told) == MOVERS - 1
    for error in told:
        assert isinstance(error, errors.AliasMoved), error
        assert error.current_version == won[0]
    moves = [row for row in crowd("ana").history("fraud@production") if row.action == "alias.move"]
    assert [row.after["version"] for row in moves] == [won[0], 1]
    assert crowd("ana").registry.aliases("model", ModelName("fraud")) == {"production": won[0]}
    assert crowd.problems() == []


def test_of_32_movers_to_an_alias_that_points_nowhere_yet_one_wins(people: People) -> None:
    for _ in range(MOVERS + 1):
        people.version()
    won, told = _race(people, [people("ana")] * MOVERS, expected=0)
    assert len(won) == 1
    assert {(type(error), error.current_version) for error in told} == {(errors.AliasMoved, won[0])}


SCRIPT = """
import sys
from modelyard import Workspace, errors
url, first = sys.argv[1], int(sys.argv[2])
ws = Workspace(url, actor=f"mover-{first}", create=False)
print("ready", flush=True)
sys.stdin.readline()
for number in range(first, first + 8):
    try:
        print("won", ws.promote(f"fraud/{number}", to="production", expected=1).after)
    except errors.AliasMoved as error:
        print("told", error.current_version)
"""


def test_of_32_movers_in_processes_one_wins_and_the_others_are_told_where_it_is(crowd: People) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(crowd("ana").url), str(first)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for first in range(2, MOVERS + 2, 8)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    lines = [line.split() for process in processes for line in process.communicate(timeout=120)[0].splitlines()]
    won = [number for word, number in lines if word == "won"]
    assert len(won) == 1
    assert [number for word, number in lines if word == "told"] == won * (MOVERS - 1)
    assert crowd.problems() == []


def test_32_movers_that_expect_nothing_all_move_and_the_ledger_links_up(crowd: People) -> None:
    won, told = _race(crowd, [crowd("ana")] * MOVERS, expected=None)  # type: ignore[arg-type]
    assert told == []
    assert sorted(won) == list(range(2, MOVERS + 2))
    rows = [row for row in reversed(crowd("ana").history("fraud@production")) if row.action == "alias.move"]
    assert [row.before["version"] for row in rows[1:]] == [row.after["version"] for row in rows[:-1]]


def test_a_move_has_met_the_policy_that_stands_before_it_in_the_ledger(people: People) -> None:
    """Whoever sets policies and whoever moves agree on what came first."""
    ana = people("ana")
    for _ in range(12):
        people.version()

    def set_often() -> None:
        for number in range(12):
            ana.policies.set(None, "production", gates=[f"number != {100 + number}"])

    def move_often() -> None:
        for number in range(1, 13):
            ana.promote(f"fraud/{number}", to="production")

    threads = [threading.Thread(target=work) for work in (set_often, move_often, move_often)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    digest = None
    for row in reversed(ana.history()):
        if row.action == "policy.set":
            digest = row.evidence["digest"]
        elif row.action == "alias.move":
            assert (row.evidence or {}).get("policies", {}).get("*@production") == digest, row

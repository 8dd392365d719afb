"""The registry: numbers without gaps, pointers by rule, history that can be asked and not edited unseen."""

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from modelyard.core import errors
from modelyard.core.digests import Digest
from modelyard.core.names import AliasName, LabelName, ModelName
from modelyard.core.references import Reference
from modelyard.registry import Database, NewVersion, Registry

FRAUD = ModelName("fraud")
PRODUCTION = AliasName("production")


class Ticking:
    """A clock that goes on by a second whenever it is asked."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, tzinfo=UTC)

    def now(self) -> datetime:
        self.time += timedelta(seconds=1)
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


def _open(path: Path, actor: str = "ana") -> Registry:
    database = Database(path)
    database.create()
    return Registry(database, workspace="default", actor=actor, clock=Ticking(), read_file=lambda _digest: b"{}")


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return _open(tmp_path / "registry.db")


def new(name: str = "fraud", **facts: object) -> NewVersion:
    base = {"kind": "model", "digest": Digest.of(b"x"), "provenance": None, "flavor": "files", "size": 1, "files": 1}
    return NewVersion(**{**base, "name": ModelName(name), **facts})  # type: ignore[arg-type]


def ref(text: str) -> Reference:
    return Reference.parse(text)


def test_numbers_are_1_2_3_for_each_name_and_kind(registry: Registry) -> None:
    made = [registry.create_version(new(name)).reference for name in ("fraud", "churn", "fraud", "fraud")]
    assert made == ["fraud/1", "churn/1", "fraud/2", "fraud/3"]
    assert registry.create_version(new("fraud", kind="dataset")).number == 1


def test_a_label_that_exists_is_refused_and_costs_no_number(registry: Registry) -> None:
    registry.create_version(new(label=LabelName("1.0")))
    with pytest.raises(errors.LabelTaken, match="version 1"):
        registry.create_version(new(label=LabelName("1.0")))
    assert registry.create_version(new()).number == 2
    assert registry.create_version(new("churn", label=LabelName("1.0"))).number == 1


def test_eight_threads_and_four_processes_get_numbers_without_gaps(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    registry = _open(path)
    script = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_registry_rules import _open, new
from pathlib import Path
registry = _open(Path({str(path)!r}))
for _ in range(10): registry.create_version(new())
"""
    processes = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(4)]
    threads = [threading.Thread(target=lambda: [registry.create_version(new()) for _ in range(5)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait() for process in processes] == [0] * 4
    numbers = sorted(row.number for row in registry.versions("model"))
    assert numbers == list(range(1, 81))
    rows, problems = registry.check_ledger()
    assert (rows, problems) == (81, [])


def test_latest_with_tags_is_the_newest_version_that_matches(registry: Registry) -> None:
    for build in ("1", "2", "2", "3"):
        registry.create_version(new(tags={"build": build}))
    assert registry.version("model", ref("fraud")).number == 4
    assert registry.version("model", ref("fraud"), {"build": "2"}).number == 3
    assert registry.version("model", ref("fraud"), {"build": None}).number == 4
    with pytest.raises(errors.NoVersionMatches, match="build=9"):
        registry.version("model", ref("fraud"), {"build": "9"})


def test_a_number_and_a_filter_that_does_not_match_raises(registry: Registry) -> None:
    registry.create_version(new(tags={"build": "1"}))
    assert registry.version("model", ref("fraud/1"), {"build": "1"}).number == 1
    with pytest.raises(errors.FilterMismatch, match="it has build=1"):
        registry.version("model", ref("fraud/1"), {"build": "2"})


@pytest.mark.parametrize(
    ("reference", "error", "told"),
    [
        ("froud", errors.ModelNotFound, "did you mean 'fraud'"),
        ("fraud/7", errors.VersionNotFound, "versions 1 to 2"),
        ("fraud@staging", errors.AliasNotFound, "production"),
        ("fraud:9.9", errors.LabelNotFound, "1.0"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(
    registry: Registry, reference: str, error: type[Exception], told: str
) -> None:
    registry.create_version(new(label=LabelName("1.0")))
    registry.create_version(new())
    registry.move_alias("model", ref("fraud/1"), PRODUCTION)
    with pytest.raises(error, match=told):
        registry.version("model", ref(reference))


def test_azures_id_names_the_number_unless_a_label_is_so_called(registry: Registry) -> None:
    registry.create_version(new())
    registry.create_version(new())
    assert registry.version("model", ref("fraud:2")).number == 2
    registry.create_version(new(label=LabelName("2")))
    assert registry.version("model", ref("fraud:2")).number == 3


def test_of_eight_movers_who_expect_the_same_one_wins_and_the_others_learn_where_it_is(registry: Registry) -> None:
    for _ in range(9):
        registry.create_version(new())
    registry.move_alias("model", ref("fraud/1"), PRODUCTION)
    won, lost = [], []

    def race(number: int) -> None:
        try:
            won.append(registry.move_alias("model", ref(f"fraud/{number}"), PRODUCTION, expected=1).after)
        except errors.AliasMoved as error:
            lost.append(error.current)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(2, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert lost == [f"version {won[0]}"] * 7
    assert registry.aliases("model", FRAUD) == {"production": won[0]}


def test_expected_zero_means_that_it_points_nowhere_yet(registry: Registry) -> None:
    registry.create_version(new())
    registry.create_version(new())
    registry.move_alias("model", ref("fraud/1"), PRODUCTION, expected=0)
    with pytest.raises(errors.AliasMoved, match="is at version 1, not at nothing"):
        registry.move_alias("model", ref("fraud/2"), PRODUCTION, expected=0)


def test_rolling_back_twice_does_not_return_to_the_bad_version(registry: Registry) -> None:
    for number in (1, 2, 3):
        registry.create_version(new())
        registry.move_alias("model", ref(f"fraud/{number}"), PRODUCTION)
    assert registry.roll_back_alias("model", FRAUD, PRODUCTION).after == 2
    assert registry.roll_back_alias("model", FRAUD, PRODUCTION).after == 1
    with pytest.raises(errors.NoEarlierVersion, match="only ever been at version 1"):
        registry.roll_back_alias("model", FRAUD, PRODUCTION)


def test_the_past_of_an_alias_can_be_asked(registry: Registry) -> None:
    moves = []
    for number in (1, 2):
        registry.create_version(new())
        moves.append(registry.move_alias("model", ref(f"fraud/{number}"), PRODUCTION, reason=f"r{number}").row)
    assert moves[0] is not None
    assert moves[1] is not None
    assert registry.version("model", ref("fraud@production"), at=moves[0].time).number == 1
    assert registry.version("model", ref("fraud@production"), at=moves[1].time - timedelta(microseconds=1)).number == 1
    assert registry.version("model", ref("fraud@production"), at=moves[1].time).number == 2
    with pytest.raises(errors.AliasNotFound, match="at 2026-03-01"):
        registry.version("model", ref("fraud@production"), at=moves[0].time - timedelta(microseconds=1))
    rows = registry.history(subject="fraud@production")
    assert [(row.reason, row.actor, row.before, row.after["version"]) for row in rows] == [
        ("r2", "ana", {"version": 1}, 2),
        ("r1", "ana", None, 1),
    ]


def test_a_gate_that_does_not_hold_refuses_the_move_and_changes_nothing(registry: Registry) -> None:
    registry.set_gates("model", FRAUD, PRODUCTION, ["metrics.auc >= 0.65"])
    registry.create_version(new(metrics={"auc": 0.6}))
    before = len(registry.history())
    with pytest.raises(errors.GateRefused, match=r"metrics\.auc is 0\.6"):
        registry.move_alias("model", ref("fraud/1"), PRODUCTION)
    assert registry.aliases("model", FRAUD) == {}
    assert len(registry.history()) == before
    registry.add_metrics(registry.version("model", ref("fraud/1")), {"auc": 0.7})
    moved = registry.move_alias("model", ref("fraud/1"), PRODUCTION)
    assert moved.row is not None
    assert moved.row.evidence["gates"][0]["passed"] is True


def test_going_back_is_not_held_up_by_gates_but_going_somewhere_new_is(registry: Registry) -> None:
    for number in (1, 2, 3):
        registry.create_version(new(metrics={"auc": 0.6}))
        if number < 3:
            registry.move_alias("model", ref(f"fraud/{number}"), PRODUCTION)
    registry.set_gates("model", FRAUD, PRODUCTION, ["metrics.auc >= 0.65"])
    with pytest.raises(errors.GateRefused):
        registry.roll_back_alias("model", FRAUD, PRODUCTION, to=3)
    assert registry.roll_back_alias("model", FRAUD, PRODUCTION).after == 1


def test_concurrent_edits_of_different_tags_both_survive(registry: Registry) -> None:
    version = registry.create_version(new())
    threads = [
        threading.Thread(target=registry.set_tags, args=(version, {f"key{number}": str(number)})) for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert registry.tags(version) == {f"key{number}": str(number) for number in range(8)}


def test_a_property_is_written_once_and_a_refused_batch_changes_nothing(registry: Registry) -> None:
    version = registry.create_version(new(properties={"a": "1"}))
    with pytest.raises(errors.PropertyExists, match="already '1'"):
        registry.add_properties(version, {"b": "2", "a": "1"})
    assert registry.properties(version) == {"a": "1"}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "high", None])
def test_a_metric_that_is_not_a_finite_number_is_refused(registry: Registry, value: object) -> None:
    version = registry.create_version(new())
    with pytest.raises(errors.InvalidMetric):
        registry.add_metrics(version, {"auc": value})  # type: ignore[dict-item]


def _edit(path: Path, statement: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE ledger SET actor = 'eve' WHERE sequence = 3", "row 3 .* was changed"),
        ("UPDATE ledger SET reason = 'x' WHERE sequence = 4", "row 4 .* was changed"),
        ("DELETE FROM ledger WHERE sequence = 2", "row 2 is missing"),
        ("DELETE FROM ledger WHERE sequence = 1", "row 1 is missing"),
    ],
)
def test_an_edited_or_a_removed_ledger_row_is_named(
    registry: Registry, tmp_path: Path, statement: str, told: str
) -> None:
    for number in (1, 2, 3):
        registry.create_version(new())
        registry.move_alias("model", ref(f"fraud/{number}"), PRODUCTION)
    assert registry.check_ledger()[1] == []
    _edit(tmp_path / "registry.db", statement)
    _, problems = registry.check_ledger()
    with pytest.raises(AssertionError, match=told):
        assert not problems, problems


def test_a_clock_that_was_set_back_does_not_make_history_run_backwards(registry: Registry) -> None:
    registry.create_version(new())
    registry.clock.time -= timedelta(days=1)  # type: ignore[attr-defined]
    registry.create_version(new())
    times = [row.time for row in reversed(registry.history())]
    assert times == sorted(times)


def test_an_exception_in_a_transaction_leaves_nothing(registry: Registry) -> None:
    before = registry.history()

    def break_off() -> None:
        with registry.begin() as tx:
            tx.record("x", kind="model", name="fraud", subject="fraud")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    assert registry.history() == before


def test_a_file_that_is_no_database_is_a_damaged_yard(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    path.write_bytes(b"this is not a database, and it is long enough to be looked at" * 100)
    with pytest.raises(errors.CorruptYard, match="not a database"):
        _open(path)


class Model(RuleBasedStateMachine):
    """The registry against a plain list and dictionary."""

    make: Callable[[], Registry]

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.registry = _open(Path(self.folder.name) / "registry.db")
        self.tags: list[dict[str, str]] = []
        self.trail: list[int] = []

    def teardown(self) -> None:
        self.registry.database.close()
        self.folder.cleanup()

    @rule(tags=st.dictionaries(st.sampled_from("ab"), st.sampled_from("12")))
    def register(self, tags: dict[str, str]) -> None:
        self.tags.append(dict(tags))
        assert self.registry.create_version(new(tags=tags)).number == len(self.tags)

    @rule(number=st.integers(1, 6), key=st.sampled_from("ab"), value=st.sampled_from("12"))
    def tag(self, number: int, key: str, value: str) -> None:
        if number <= len(self.tags):
            self.registry.set_tags(self.registry.version("model", ref(f"fraud/{number}")), {key: value})
            self.tags[number - 1][key] = value

    @rule(number=st.integers(1, 6))
    def promote(self, number: int) -> None:
        if number <= len(self.tags):
            self.registry.move_alias("model", ref(f"fraud/{number}"), PRODUCTION)
            if not self.trail or self.trail[-1] != number:
                self.trail.append(number)

    @rule()
    def roll_back(self) -> None:
        if len(self.trail) > 1 and len(set(self.trail)) > 1:
            after = self.registry.roll_back_alias("model", FRAUD, PRODUCTION).after
            assert after == self.trail[-2]
            while self.trail[-1] != after:
                self.trail.pop()

    @invariant()
    def same(self) -> None:
        if not self.tags:
            return
        assert [row.number for row in self.registry.versions("model")] == list(range(len(self.tags), 0, -1))
        matching = [i + 1 for i, tags in enumerate(self.tags) if tags.get("a") == "1"]
        found = self.registry.versions("model", wanted={"a": "1"})
        assert [row.number for row in reversed(found)] == matching
        expected = {"production": self.trail[-1]} if self.trail else {}
        assert self.registry.aliases("model", FRAUD) == expected
        assert self.registry.check_ledger()[1] == []


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=15, stateful_step_count=15, deadline=None)

"""The rules by themselves: values in, decisions out."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from modelyard.core.clock import to_micros
from modelyard.core.errors import AliasConflict, HistoryAltered, HistoryConflict, LabelConflict, NumberConflict
from modelyard.registry.ledger import LedgerRow, hash_of
from modelyard.transfer.merging.decisions import AliasChange, Choices, Facts, ParcelPlan
from modelyard.transfer.merging.history import new_rows, require_sound
from modelyard.transfer.merging.plan import plan
from modelyard.transfer.merging.stamps import Field, Stamp, is_later, stamps
from modelyard.transfer.records import Alias, Metric, Model, Parcel, RowId, Version
from modelyard.transfer.report import ranges
from modelyard.transfer.writing import origin_of

HERE, THERE, THIRD = "yard-here", "yard-there", "yard-third"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DIGEST = "sha256:" + "1" * 64
FACTS = Facts(HERE, THERE, "/here")


def row(sequence: int, action: str, subject: str = "fraud/1", minute: int | None = None, **facts: Any) -> LedgerRow:
    """A row as its own yard wrote it, a minute a sequence."""
    when = NOON + timedelta(minutes=sequence if minute is None else minute)
    made = LedgerRow(
        sequence=sequence, time=when, actor="ana", action=action, workspace="default", kind="model", name="fraud", subject=subject,
        before=facts.get("before"), after=facts.get("after"), reason="", evidence=None, previous="0" * 64, hash="", origin=None,
        happened=when,
    )  # fmt: skip
    return replace(made, hash=hash_of(made))


def arrived(one: LedgerRow, yard: str, sequence: int, minute: int = 600) -> LedgerRow:
    """The row of ``yard`` as another yard wrote it down."""
    made = replace(one, sequence=sequence, time=NOON + timedelta(minutes=minute), origin=origin_of(one, yard))
    return replace(made, hash=hash_of(made))


def move(sequence: int, number: int, minute: int | None = None) -> LedgerRow:
    return row(sequence, "alias.move", "fraud@production", minute, after={"version": number, "digest": DIGEST})


def model(**changes: Any) -> Model:
    facts = {
        "kind": "model", "name": "fraud", "next_number": 4, "description": "", "card": "", "state": "active", "state_time": None,
        "created_time": 1, "created_by": "ana",
    }  # fmt: skip
    return Model(**{**facts, **changes})


def version(number: int = 1, **changes: Any) -> Version:
    facts = {
        "number": number, "label": None, "digest": DIGEST, "provenance": None, "lineage": None, "flavor": "files", "size": 1,
        "files": 1, "description": "", "card": "", "state": "active", "state_time": None, "created_time": to_micros(NOON),
        "created_by": "ana",
    }  # fmt: skip
    return Version(**{**facts, **changes})


def parcel(*versions: Version, rows: tuple[LedgerRow, ...] = (), **changes: Any) -> Parcel:
    return Parcel(model(**changes.pop("model", {})), versions, rows=rows, **changes)


def test_a_name_that_is_not_here_is_made_with_its_counter() -> None:
    found = plan(parcel(version(1), version(3), model={"next_number": 9}), None, FACTS, Choices())
    assert found.create_model
    assert [each.number for each in found.new] == [1, 3]


@pytest.mark.parametrize(("theirs", "mine", "after"), [(9, 4, 9), (4, 9, None), (4, 4, None)])
def test_the_counter_never_goes_back(theirs: int, mine: int, after: int | None) -> None:
    found = plan(parcel(model={"next_number": theirs}), parcel(model={"next_number": mine}), FACTS, Choices())
    assert found.model_columns.get("next_number") == after


def test_what_is_equal_changes_nothing() -> None:
    same = parcel(version(1, tags={"a": "1"}), version(2), aliases={"production": Alias(1, 1, "ana")})
    assert plan(same, same, FACTS, Choices()) == ParcelPlan(changes=plan(same, same, FACTS, Choices()).changes)
    assert plan(same, same, FACTS, Choices()).nothing


@pytest.mark.parametrize(
    ("theirs", "mine", "wins"),
    [
        # minutes of the last change of the tag on each side; None where no row speaks of it
        (5, 3, True),
        (3, 5, False),
        (5, None, True),
        (None, 5, False),
        (None, None, False),
    ],
)
def test_a_tag_is_what_the_side_says_that_changed_it_last(theirs: int | None, mine: int | None, wins: bool) -> None:
    def side(minute: int | None, value: str, sequence: int) -> Parcel:
        rows = () if minute is None else (row(sequence, "tags.set", minute=minute, after={"a": value}),)
        return parcel(version(1, tags={"a": value}), rows=rows)

    (change,) = plan(side(theirs, "theirs", 7), side(mine, "mine", 2), FACTS, Choices()).changes
    assert change.tags == ({"a": "theirs"} if wins else {})


def test_of_two_changes_of_one_instant_the_same_one_wins_on_both_sides() -> None:
    theirs, mine = Stamp(NOON, THERE, 1), Stamp(NOON, HERE, 2)
    assert is_later(theirs, mine) != is_later(mine, theirs)
    assert not is_later(mine, mine)


def test_each_field_has_its_own_last_change() -> None:
    rows = [
        row(1, "tags.set", after={"a": "1", "b": "1"}),
        row(2, "tags.remove", before={"b": "1"}),
        row(3, "version.describe", after={"card": "x"}),
        row(4, "version.archive", after={"state": "archived"}),
        row(5, "model.tag", "fraud", after={"t": None}),
        row(6, "metrics.log", after={"auc": 1.0}),
        row(7, "policy.set", "fraud@production", after={}),
    ]
    found = {(field.subject, field.name): stamp.sequence for field, stamp in stamps(rows, THERE).items()}
    assert found == {
        ("fraud/1", "tag a"): 1,
        ("fraud/1", "tag b"): 2,
        ("fraud/1", "card"): 3,
        ("fraud/1", "state"): 4,
        ("fraud", "tag t"): 5,
        ("fraud@production", "policy"): 7,
    }


def test_a_change_counts_by_when_it_was_made_and_not_by_when_it_came() -> None:
    early = arrived(row(2, "tags.set", minute=2, after={"a": "1"}), THIRD, sequence=90)
    late = row(5, "tags.set", minute=5, after={"a": "2"})
    field = Field("fraud/1", "tag a")
    assert stamps([early], HERE)[field] == Stamp(NOON + timedelta(minutes=2), THIRD, 2)
    assert is_later(stamps([late], THERE)[field], stamps([early], HERE)[field])


def test_metrics_come_as_often_as_they_are_missing() -> None:
    one, two = Metric("auc", 0.9, None, None, 1), Metric("auc", 0.9, None, None, 2)
    theirs = parcel(version(1, metrics=(one, one, two)))
    (change,) = plan(theirs, parcel(version(1, metrics=(one,))), FACTS, Choices()).changes
    assert change.metrics == (one, two)


def test_a_label_that_another_version_has_here_is_a_conflict_and_its_own_is_none() -> None:
    theirs = parcel(version(2, label="1.0"))
    (error,) = plan(theirs, None, replace(FACTS, labels={"1.0": 7}), Choices()).conflicts
    assert isinstance(error, LabelConflict)
    assert plan(theirs, None, replace(FACTS, labels={"1.0": 2}), Choices()).conflicts == ()


def test_every_conflict_is_found_and_not_only_the_first() -> None:
    theirs = parcel(version(1), version(2), version(3))
    mine = parcel(version(1, digest="sha256:" + "2" * 64), version(2), version(3, provenance="sha256:" + "3" * 64))
    found = plan(theirs, mine, FACTS, Choices()).conflicts
    assert [(type(each), each.number) for each in found] == [(NumberConflict, 1), (NumberConflict, 3)]


MOVED = {number: move(number, number) for number in (1, 2, 3)}


@pytest.mark.parametrize(
    ("theirs", "mine", "choices", "after"),
    [
        ((1, 2), (1,), Choices(), 2),  # they have gone on
        ((1,), (1, 2), Choices(), 2),  # we have
        ((1,), (), Choices(), 1),
        ((1, 2), (1, 3), Choices(), "conflict"),
        ((1, 2), (1, 3), Choices(keep_mine=True), 3),
        ((1, 2), (1, 3), Choices(take_theirs=True), 2),
    ],
)
def test_an_alias_is_where_the_side_has_it_that_knows_all_moves(
    theirs: tuple[int, ...], mine: tuple[int, ...], choices: Choices, after: int | str
) -> None:
    """The first move was made there and came here; what follows is of each side."""

    def here(number: int) -> LedgerRow:
        return arrived(MOVED[number], THERE, 100 + number) if number in theirs else MOVED[number]

    def side(numbers: tuple[int, ...], rows: list[LedgerRow]) -> Parcel:
        return parcel(
            version(1), version(2), version(3),
            aliases={"production": Alias(numbers[-1], numbers[-1], "ana") if numbers else None}, rows=tuple(rows),
        )  # fmt: skip

    shared = [number for number in mine if number in theirs or number < 3]
    them = side(theirs, [MOVED[number] for number in theirs])
    us = side(mine, [here(number) for number in mine])
    facts = replace(FACTS, known={RowId(THERE, number): MOVED[number].hash for number in shared})
    found = plan(them, us, facts, choices)
    if after == "conflict":
        assert [type(each) for each in found.conflicts] == [AliasConflict]
        return
    assert found.conflicts == ()
    (change,) = found.aliases or (AliasChange("production", us.aliases["production"], us.aliases["production"]),)
    assert change.after is not None
    assert change.after.number == after
    settled = bool(choices.keep_mine or choices.take_theirs)
    assert (change.settles is not None) == settled or not found.aliases


def test_rows_that_are_here_and_rows_that_come_home_are_not_new() -> None:
    mine, theirs, third = row(3, "tags.set"), row(4, "tags.set"), row(9, "tags.set")
    coming = [arrived(mine, HERE, 50), theirs, arrived(third, THIRD, 51), row(52, "tags.set")]
    known = {RowId(HERE, 3): mine.hash, RowId(THERE, 4): theirs.hash}
    found, conflicts = new_rows(coming, replace(FACTS, known=known))
    assert conflicts == []
    assert [each.sequence for each in found] == [51, 52]


@pytest.mark.parametrize("known", [{}, {RowId(HERE, 3): "f" * 64}])
def test_a_row_of_ours_that_we_do_not_know_shows_that_there_are_two_histories(known: dict[RowId, str]) -> None:
    _, (error,) = new_rows([arrived(row(3, "tags.set"), HERE, 50)], replace(FACTS, known=known))
    assert isinstance(error, HistoryConflict)
    assert (error.yard, error.sequence) == (HERE, 3)


@pytest.mark.parametrize(
    "change",
    [
        {"actor": "ben"}, {"after": {"a": "2"}}, {"reason": "x"}, {"sequence": 9}, {"previous": "1" * 64}, {"hash": "1" * 64},
        {"subject": "fraud/2"}, {"time": NOON}, {"action": "tags.remove"}, {"evidence": {}}, {"workspace": "w"}, {"kind": "dataset"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("origin", [False, True])
def test_a_row_that_was_altered_in_any_way_is_found(change: dict[str, Any], origin: bool) -> None:
    one = row(3, "tags.set", after={"a": "1"})
    if origin:
        one = arrived(one, THIRD, 50)
    require_sound([one], THERE)
    with pytest.raises(HistoryAltered):
        require_sound([replace(one, **change)], THERE)


@pytest.mark.parametrize(
    "change", [{"hash": "1" * 64}, {"time": 5}, {"previous": "1" * 64}, {"sequence": 77}, {"yard": "x"}]
)
def test_an_origin_that_was_altered_is_found(change: dict[str, Any]) -> None:
    one = arrived(row(3, "tags.set"), THIRD, 50)
    with pytest.raises(HistoryAltered):
        require_sound([replace(one, origin={**one.origin, **change})], THERE)  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("numbers", "told"),
    [([], ""), ([4], "4"), ([1, 2], "1, 2"), ([3, 1, 2], "1 to 3"), ([1, 2, 3, 7, 9, 10], "1 to 3, 7, 9, 10")],
)
def test_numbers_are_told_in_few_words(numbers: list[int], told: str) -> None:
    assert ranges(numbers) == told

"""Two yards that both changed something: what merges, what is named as a conflict before anything is written, and how it is settled."""

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update
from transfer_yards import START, StepClock, counts, fill, objects, report, require_whole, said, weights

from modelyard import Workspace
from modelyard.core.errors import (
    AliasConflict,
    AliasProtected,
    CorruptYard,
    HistoryAltered,
    HistoryConflict,
    LabelConflict,
    ModelyardError,
    NumberConflict,
    PropertyConflict,
    RemovalConflict,
)
from modelyard.core.names import AliasName, ModelName
from modelyard.registry import schema
from modelyard.transfer import Choices, mirror, push

MakeYard = Callable[..., Workspace]


@pytest.fixture
def pair(yard: MakeYard, tmp_path: Path) -> tuple[Workspace, Workspace]:
    """Two yards that agree, a day apart from what happens next."""
    one = fill(yard("one", clock=StepClock()), tmp_path / "files", versions=3)
    two = yard("two", actor="ben", clock=StepClock(START + timedelta(hours=12)))
    mirror(one, two)
    one.clock.time = START + timedelta(days=1)  # type: ignore[attr-defined]
    two.clock.time = START + timedelta(days=1, hours=1)  # type: ignore[attr-defined]
    return one, two


def refused(error: type[ModelyardError], source: Workspace, target: Workspace, *references: str) -> ModelyardError:
    """The error; the target is as it was before."""
    before = counts(target), objects(target), said(target)
    move = (lambda: push(source, target, references)) if references else (lambda: mirror(source, target))
    with pytest.raises(error) as caught:
        move()
    assert (counts(target), objects(target), said(target)) == before
    assert "{" not in str(caught.value)
    return caught.value


def test_a_number_that_two_yards_gave_to_different_bytes_is_named(make_yard: MakeYard, tmp_path: Path) -> None:
    one, two = make_yard("one", clock=StepClock()), make_yard("two", actor="ben", clock=StepClock())
    for ws, content in ((one, "a"), (two, "b")):
        (tmp_path / "x").write_text(content)
        ws.register("fraud", tmp_path / "x")
    error = refused(NumberConflict, one, two, "fraud/1")
    assert (error.name, error.number) == ("fraud", 1)
    assert error.here == two.model("fraud/1").digest
    assert error.there == one.model("fraud/1").digest
    assert error.author == "ben"
    assert error.since == "2026-03-01T12:00:03Z"


def test_the_same_files_registered_in_both_yards_are_two_registrations(yard: MakeYard, tmp_path: Path) -> None:
    one, two = yard("one"), yard("two")
    (tmp_path / "x").write_text("a")
    for ws in (one, two):
        ws.register("fraud", tmp_path / "x")
    error = refused(NumberConflict, one, two, "fraud/1")
    assert "the same files with provenance" in str(error)


def test_numbers_that_were_given_in_both_yards_after_a_mirror_are_named(
    pair: tuple[Workspace, Workspace], tmp_path: Path
) -> None:
    one, two = pair
    one.register("fraud", weights(tmp_path, 2, 0))
    two.register("fraud", weights(tmp_path, 3, 0))
    assert refused(NumberConflict, one, two).number == 4
    assert refused(NumberConflict, two, one).number == 4


def test_a_label_of_two_versions_is_named(pair: tuple[Workspace, Workspace], tmp_path: Path) -> None:
    one, two = pair
    two.register("fraud", weights(tmp_path, 2, 0), label="hot")
    one.register("fraud", weights(tmp_path, 3, 0))
    one.register("fraud", weights(tmp_path, 3, 1), label="hot")
    error = refused(LabelConflict, one, two, "fraud/5")
    assert (error.label, error.here, error.there) == ("hot", 4, 5)


def test_a_version_with_two_labels_is_named_and_a_label_that_is_missing_comes(
    pair: tuple[Workspace, Workspace],
) -> None:
    one, two = pair
    label(two, "fraud/2", None)
    label(two, "fraud/1", None)
    push(one, two, ["fraud/1"])
    assert two.model("fraud:1.0").version == 1
    label(two, "fraud/2", "other")
    error = refused(LabelConflict, one, two, "fraud/2")
    assert (error.label, error.here, error.there) == ("1.1", 2, 2)


def label(ws: Workspace, reference: str, text: str | None) -> None:
    """Past the registry, which never changes a label."""
    table, row = schema.versions, ws.model(reference).row
    with ws.registry.database.write() as connection:
        connection.execute(update(table).where(table.c.id == row.id).values(label=text, label_order=text))


def test_a_property_with_two_values_is_named(pair: tuple[Workspace, Workspace]) -> None:
    one, two = pair
    one.model("fraud/2").add_properties({"owner": "ana", "a": "1"})
    two.model("fraud/2").add_properties({"owner": "ben", "b": "2"})
    error = refused(PropertyConflict, one, two)
    assert (error.key, error.here, error.there, error.reference) == ("owner", "ben", "ana", "fraud/2")


def test_properties_of_both_yards_are_joined(pair: tuple[Workspace, Workspace]) -> None:
    one, two = pair
    one.model("fraud/2").add_properties({"a": "1"})
    two.model("fraud/2").add_properties({"b": "2"})
    mirror(one, two)
    mirror(two, one)
    assert one.model("fraud/2").properties == two.model("fraud/2").properties == {"approved": "1", "a": "1", "b": "2"}


def test_different_tags_of_both_yards_survive_and_the_later_change_of_one_wins(
    pair: tuple[Workspace, Workspace],
) -> None:
    one, two = pair
    one.model("fraud/2").add_tags({"from": "one", "early": "one"})
    two.model("fraud/2").add_tags({"only": "two", "early": "two"})
    two.model("fraud/2").add_tags({"late": "two"})
    one.clock.sleep(7200)
    one.model("fraud/2").add_tags({"late": "one"})
    one.model("fraud/2").remove_tags(["step"])
    mirror(one, two)
    expected = {"team": "risk", "from": "one", "only": "two", "early": "two", "late": "one"}
    assert two.model("fraud/2").tags == expected
    mirror(two, one)
    assert one.model("fraud/2").tags == expected
    assert said(one) == said(two)


def test_a_tag_that_was_removed_later_stays_removed(pair: tuple[Workspace, Workspace]) -> None:
    one, two = pair
    one.model("fraud/2").add_tags({"step": "changed"})
    two.model("fraud/2").remove_tags(["step"])
    mirror(one, two)
    mirror(two, one)
    assert "step" not in one.model("fraud/2").tags
    assert said(one) == said(two)


def test_descriptions_cards_and_states_follow_the_later_change(pair: tuple[Workspace, Workspace]) -> None:
    one, two = pair
    one.model("fraud/1").describe(description="one", card="one")
    two.model("fraud/1").describe(description="two")
    one.model("churn/1").archive()
    mirror(two, one)
    mirror(one, two)
    for ws in pair:
        assert ws.model("fraud/1").description == "two"
        assert ws.model("fraud/1").card == "one"
        assert ws.model("churn/1").state == "archived"
    assert said(one) == said(two)


def test_metrics_and_reports_of_both_yards_are_joined(pair: tuple[Workspace, Workspace]) -> None:
    one, two = pair
    one.model("fraud/2").log_metrics({"auc": 0.5, "one": 1})
    two.model("fraud/2").log_metrics({"auc": 0.6, "two": 2})
    report(two, "fraud/2", {"findings": 1}, b"found by two")
    mirror(one, two)
    mirror(two, one)
    for ws in pair:
        assert ws.model("fraud/2").metrics == {"auc": 0.6, "one": 1.0, "two": 2.0}, "the value that was measured last"
        assert sorted(each.value for each in ws.model("fraud/2").measurements("auc")) == [0.5, 0.6, 0.91]
        require_whole(ws)


def test_an_alias_that_only_one_yard_moved_follows(pair: tuple[Workspace, Workspace]) -> None:
    one, two = pair
    one.promote("fraud/3", to="production")
    mirror(one, two)
    assert two.model("fraud@production").version == 3
    two.promote("fraud/1", to="production")
    mirror(one, two)
    assert two.model("fraud@production").version == 1, "one knows of no move that two does not know"
    mirror(two, one)
    assert one.model("fraud@production").version == 1
    assert said(one) == said(two)


def test_an_alias_that_both_moved_is_named(pair: tuple[Workspace, Workspace]) -> None:
    one, two = pair
    one.promote("fraud/3", to="production")
    two.promote("fraud/1", to="production")
    error = refused(AliasConflict, one, two)
    assert (error.name, error.alias, error.here, error.there) == ("fraud", "production", "version 1", "version 3")
    assert (error.author, error.mover) == ("ben", "ana")
    assert mirror(one, two, choices=Choices(aliases=False)).conflicts == []


@pytest.mark.parametrize(("choices", "number"), [(Choices(keep_mine=True), 1), (Choices(take_theirs=True), 3)])
def test_a_settled_alias_is_settled_for_both_yards(
    pair: tuple[Workspace, Workspace], choices: Choices, number: int
) -> None:
    one, two = pair
    one.promote("fraud/3", to="production")
    two.promote("fraud/1", to="production")
    before = two.clock.now()
    mirror(one, two, choices=choices)
    assert two.model("fraud@production").version == number
    assert two.model("fraud@production", at=two.clock.now()).version == number
    mirror(two, one)
    assert one.model("fraud@production").version == number
    for way in ((one, two), (two, one)):
        assert mirror(*way).nothing
    assert said(one) == said(two)
    assert two.model("fraud@production", at=before).version == one.model("fraud@production", at=before).version
    for ws in pair:
        require_whole(ws)


def test_an_alias_that_both_moved_to_the_same_version_is_no_conflict(pair: tuple[Workspace, Workspace]) -> None:
    one, two = pair
    one.promote("fraud/3", to="production")
    two.promote("fraud/3", to="production")
    mirror(one, two)
    mirror(two, one)
    assert one.model("fraud@production").version == two.model("fraud@production").version == 3


def test_a_clock_that_goes_wrong_does_not_leave_an_alias_where_the_ledger_does_not_have_it(
    pair: tuple[Workspace, Workspace],
) -> None:
    one, two = pair
    one.clock.sleep(86400 * 30)  # a month ahead
    one.promote("fraud/3", to="production")
    mirror(one, two)
    two.promote("fraud/1", to="production")  # by its own clock a month before
    mirror(two, one)
    for ws in pair:
        assert ws.model("fraud@production").version == 1
        assert not ws.check().problems


def test_an_alias_that_is_protected_here_does_not_follow(pair: tuple[Workspace, Workspace]) -> None:
    one, two = pair
    two.policies.set("fraud", "production", movers=["ben"])
    one.promote("fraud/3", to="production")
    error = refused(AliasProtected, one, two, "fraud/3")
    assert (error.here, error.there) == ("version 2", "version 3")
    refused(AliasProtected, one, two)
    push(one, two, ["fraud/3"], choices=Choices(keep_mine=True))
    assert two.model("fraud@production").version == 2
    require_whole(two)


def test_a_rule_for_all_models_protects_too(pair: tuple[Workspace, Workspace]) -> None:
    one, two = pair
    two.policies.set(None, "production", movers=["ben"])
    one.promote("fraud/3", to="production")
    refused(AliasProtected, one, two)


def test_a_copy_with_the_rules_of_the_original_follows_it(pair: tuple[Workspace, Workspace]) -> None:
    one, two = pair
    one.policies.set("fraud", "production", movers=["ana"])
    one.policies.set(None, "production", require_reason=True)
    one.approve("fraud/3", for_alias="production", reason="tried")
    with_rules = Choices(policies=True)
    mirror(one, two, choices=with_rules)
    assert [row.document for row in two.policies.list("fraud")] == [row.document for row in one.policies.list("fraud")]
    assert [each.actor for each in two.approvals("fraud/3")] == ["ana"]
    one.promote("fraud/3", to="production", reason="better")
    mirror(one, two, choices=with_rules)
    assert two.model("fraud@production").version == 3
    one.policies.remove("fraud", "production")
    one.policies.remove(None, "production")
    mirror(one, two, choices=with_rules)
    assert two.policies.list("fraud") == []
    before = counts(two)
    assert mirror(one, two, choices=with_rules).nothing
    assert counts(two) == before
    require_whole(two)


def test_rules_stay_at_home_unless_they_are_asked_for(pair: tuple[Workspace, Workspace]) -> None:
    one, two = pair
    one.policies.set("fraud", "production", movers=["ana"])
    mirror(one, two)
    assert two.policies.list("fraud") == []
    assert not [row for row in two.registry.history() if row.action.startswith("policy")]


def test_a_version_that_was_deleted_there_and_is_used_here_is_named(pair: tuple[Workspace, Workspace]) -> None:
    one, two = pair
    two.promote("fraud/3", to="live")
    one.model("fraud/3").delete()
    error = refused(RemovalConflict, one, two)
    assert "the alias fraud@live" in error.needed
    mirror(one, two, choices=Choices(keep_mine=True))
    assert two.model("fraud/3").state == "active"
    require_whole(two)
    mirror(two, one)
    assert one.model("fraud/3").state == "active", "what was decided there is known here now"
    two.registry.remove_alias("model", ModelName("fraud"), AliasName("live"))


def test_an_alias_does_not_follow_to_a_version_that_is_gone_here(pair: tuple[Workspace, Workspace]) -> None:
    one, two = pair
    one.promote("fraud/3", to="production")
    two.model("fraud/3").archive()
    error = refused(RemovalConflict, one, two)
    assert (error.reference, error.state, error.needed) == ("model fraud/3", "archived", "the alias fraud@production")
    mirror(one, two, choices=Choices(keep_mine=True))
    assert two.model("fraud@production").version == 2
    mirror(two, one)
    assert one.model("fraud@production").version == 2
    assert one.model("fraud/3").state == "archived"
    assert said(one) == said(two)
    for ws in pair:
        require_whole(ws)


def test_what_goes_together_goes_together(pair: tuple[Workspace, Workspace]) -> None:
    one, two = pair
    one.promote("fraud/3", to="production")
    for reference in ("churn/1", "fraud/1", "fraud/2"):
        one.model(reference).delete()
    one.model("fraud/3").add_tags({"last": "one"})
    mirror(one, two)
    assert said(one) == said(two)
    require_whole(two)


def test_all_conflicts_are_listed_by_a_dry_run(pair: tuple[Workspace, Workspace], tmp_path: Path) -> None:
    one, two = pair
    one.model("fraud/2").add_properties({"owner": "ana"})
    two.model("fraud/2").add_properties({"owner": "ben"})
    one.promote("fraud/3", to="production")
    two.promote("fraud/1", to="production")
    found = mirror(one, two, dry_run=True).conflicts
    assert {type(each) for each in found} == {PropertyConflict, AliasConflict}
    with pytest.raises(PropertyConflict, match="and 1 more"):
        mirror(one, two)


def test_a_yard_that_was_put_back_and_went_on_has_two_histories(yard: MakeYard, tmp_path: Path) -> None:
    one = fill(yard("one", clock=StepClock()), tmp_path / "files", versions=3)
    shutil.copytree(one.root, tmp_path / "backup")
    one.model("fraud/1").add_tags({"lost": "1"})
    two = yard("two")
    mirror(one, two)
    one.close()
    shutil.rmtree(one.root)
    shutil.copytree(tmp_path / "backup", one.root)
    again = Workspace(one.root, actor="ana", clock=StepClock(START + timedelta(days=2)))
    again.model("fraud/1").add_tags({"other": "2"})
    assert refused(HistoryConflict, again, two).yard == again.yard_id
    assert refused(HistoryConflict, two, again).yard == again.yard_id
    both = yard("both")
    mirror(two, both)
    assert both.model("fraud/1").tags["lost"] == "1"


def test_an_edited_ledger_row_is_named(pair: tuple[Workspace, Workspace], yard: MakeYard) -> None:
    one, _ = pair
    row = next(row for row in one.registry.history() if row.action == "alias.move" and "production" in row.subject)
    with one.registry.database.write() as connection:
        connection.execute(
            update(schema.ledger).where(schema.ledger.c.sequence == row.sequence).values(actor="mallory")
        )
    three = yard("three")
    error = refused(HistoryAltered, one, three)
    assert (error.sequence, error.yard, error.subject) == (row.sequence, one.yard_id, "fraud@production")


def test_an_edited_row_of_a_third_yard_is_named_too(pair: tuple[Workspace, Workspace], yard: MakeYard) -> None:
    """With a hash that fits the row here: it does not fit what the row was where it was first written."""
    from modelyard.registry.ledger import hash_of, rows

    _, two = pair
    table = schema.ledger
    with two.registry.database.write() as connection:
        last = rows(connection, table.c.action == "alias.rollback", limit=1)[0]
        place = table.c.sequence == last.sequence
        connection.execute(update(table).where(place).values(reason="none"))
        changed = rows(connection, place)[0]
        connection.execute(update(table).where(place).values(hash=hash_of(changed)))
    error = refused(HistoryAltered, two, yard("three"))
    assert error.subject == "fraud@production"


def test_a_version_that_is_not_what_was_registered_is_not_moved(
    pair: tuple[Workspace, Workspace], yard: MakeYard
) -> None:
    one, _ = pair
    digest = one.model("fraud/1").digest
    with one.registry.database.write() as connection:
        connection.execute(
            update(schema.versions)
            .where(schema.versions.c.number == 2, schema.versions.c.label == "1.1")
            .values(digest=digest)
        )
    error = refused(CorruptYard, one, yard("three"))
    assert "fraud/2" in str(error)

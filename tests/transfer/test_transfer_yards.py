"""Push, pull and mirror: everything arrives equal, twice changes nothing, and only what is missing travels."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from transfer_yards import START, StepClock, counts, fill, is_gone, objects, require_whole, said, shown, weights

from modelyard import Workspace
from modelyard.core.digests import Digest
from modelyard.core.errors import (
    AliasNotFound,
    InvalidReference,
    ModelNotFound,
    NothingToMove,
    SameYard,
    UnsupportedUrl,
    VersionDeleted,
    VersionNotFound,
    YardNotFound,
)
from modelyard.core.names import AliasName, ModelName
from modelyard.transfer import Choices, mirror, pull, push

MakeYard = Callable[..., Workspace]


def test_a_yard_of_a_laptop_moves_into_postgresql_and_a_bucket_and_grows_on_there(
    tmp_path: Path, postgres: object, s3: str
) -> None:
    laptop = fill(Workspace(tmp_path / "laptop", actor="ana", clock=StepClock()), tmp_path / "files")
    url = postgres.new_database()  # type: ignore[attr-defined]
    shared = Workspace(url, store=s3, actor="ben", clock=StepClock())
    mirror(laptop, shared)
    assert said(shared) == said(laptop)
    assert shown(shared) == shown(laptop)
    require_whole(shared)
    grown = shared.register("fraud", weights(tmp_path / "files", 1, 9))
    again = Workspace(url, actor="cleo")  # which knows from the database where the bytes are
    again.model(f"fraud/{grown.version}").download(tmp_path / "out")
    (there,) = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert there.read_bytes() == (tmp_path / "files" / "weights.npy").read_bytes()
    back = pull(laptop, again, ["fraud"])
    assert back.versions == 1
    assert laptop.model("fraud").version == grown.version
    require_whole(laptop)
    for each in (shared, again):
        each.close()


@pytest.fixture
def source(make_yard: MakeYard, tmp_path: Path) -> Workspace:
    return fill(make_yard("source", clock=StepClock()), tmp_path / "files")


def test_a_mirror_says_all_that_the_original_says(source: Workspace, make_yard: MakeYard) -> None:
    other = make_yard("other", actor="ben")
    report = mirror(source, other)
    assert report.versions == 8
    assert said(other) == said(source)
    assert shown(other) == shown(source)
    require_whole(other)


def test_numbers_labels_ledger_and_digests_arrive_equal_over_sqlite_postgresql_and_sqlite(
    tmp_path: Path, postgres: object
) -> None:
    first = fill(Workspace(tmp_path / "a", actor="ana", clock=StepClock()), tmp_path / "files")
    url = postgres.new_database()  # type: ignore[attr-defined]
    middle = Workspace(url, store=str(tmp_path / "store"), actor="ben", clock=StepClock())
    last = Workspace(tmp_path / "c", actor="cleo", clock=StepClock())
    mirror(first, middle)
    mirror(middle, last)
    assert said(middle) == said(first)
    assert said(last) == said(first)
    assert shown(last) == shown(first)
    for row in last.registry.history():
        if row.kind != "yard":
            assert row.origin is not None
            assert row.origin["yard"] == first.yard_id, "the first origin is kept over several hops"
    require_whole(last)
    middle.close()


@pytest.mark.parametrize("way", ["mirror", "push", "pull"])
def test_doing_it_twice_changes_nothing(source: Workspace, make_yard: MakeYard, way: str) -> None:
    other = make_yard("other")
    ways = {
        "mirror": lambda: mirror(source, other),
        "push": lambda: push(source, other, everything=True),
        "pull": lambda: pull(other, source, everything=True),
    }
    ways[way]()
    before = counts(other), objects(other)
    assert ways[way]().nothing
    assert (counts(other), objects(other)) == before


def test_there_and_back_changes_nothing(full: Workspace, yard: MakeYard) -> None:
    other = yard("other")
    mirror(full, other)
    mirror(other, full)
    before = counts(full), counts(other)
    for _ in range(2):
        assert mirror(full, other).nothing
        assert mirror(other, full).nothing
    assert (counts(full), counts(other)) == before


def test_a_repeated_mirror_brings_what_has_changed_since(
    source: Workspace, make_yard: MakeYard, tmp_path: Path
) -> None:
    other = make_yard("other")
    mirror(source, other)
    source.register("fraud", weights(tmp_path, 1, 7), label="2.0")
    source.promote("fraud/6", to="production")
    source.model("fraud/1").add_tags({"team": "none"})
    source.model("fraud/4").restore()
    source.dataset("flights/1").add_tags({"checked": "yes"})
    report = mirror(source, other)
    assert (report.versions, report.rows) == (1, 5)
    assert said(other) == said(source)
    require_whole(other)


def test_the_cost_of_a_repeated_mirror_is_about_the_changes(
    full: Workspace, yard: MakeYard, monkeypatch: pytest.MonkeyPatch
) -> None:
    from modelyard.transfer import reading

    other = yard("other")
    mirror(full, other)
    full.model("fraud/2").add_tags({"a": "b"})
    asked: list[tuple[str, list[int]]] = []
    real = reading.parcel

    def counting(
        connection: object, workspace: str, kind: object, name: str, numbers: list[int], *rest: object, **more: object
    ) -> object:
        asked.append((name, sorted(numbers)))
        return real(connection, workspace, kind, name, numbers, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(reading, "parcel", counting)
    mirror(full, other)
    assert set(map(repr, asked)) == {repr(("fraud", [2]))}


def test_questions_about_the_past_are_answered_as_they_are_at_the_origin(
    source: Workspace, make_yard: MakeYard
) -> None:
    other = make_yard("other")
    mirror(source, other)
    asked = set()
    for second in range(0, 120, 3):
        when = START + timedelta(seconds=second)
        answers = []
        for ws in (source, other):
            try:
                answers.append(ws.model("fraud@production", at=when).version)
            except AliasNotFound:
                answers.append(None)
        assert answers[0] == answers[1], when
        asked.add(answers[0])
    assert {None, 1, 2, 3} <= asked


def test_a_rollback_at_the_copy_goes_where_it_would_go_at_the_origin(full: Workspace, yard: MakeYard) -> None:
    other = yard("other")
    mirror(full, other)
    assert other.rollback("fraud@production").after == full.rollback("fraud@production").after == 1


def test_a_pushed_version_brings_its_data_set_its_alias_and_its_history(source: Workspace, make_yard: MakeYard) -> None:
    other = make_yard("other")
    report = push(source, other, ["fraud@production"])
    assert [(each.kind, each.name, each.new) for each in report.names.values()] == [
        ("dataset", "flights", [2]),
        ("model", "fraud", [2]),
    ]
    assert other.model("fraud@production").to_json() == source.model("fraud@production").to_json()
    assert other.model("fraud:1.1").provenance == source.model("fraud/2").provenance
    assert {row.subject for row in other.registry.history(name="fraud")} == {"fraud", "fraud/2", "fraud@production"}
    require_whole(other)


def test_numbers_that_were_not_chosen_stay_reserved(full: Workspace, yard: MakeYard, tmp_path: Path) -> None:
    other = yard("other")
    push(full, other, ["fraud/3"])
    with pytest.raises(VersionNotFound):
        other.model("fraud/1")
    assert other.register("fraud", weights(tmp_path, 5, 0)).version == 6
    push(full, other, ["fraud/1"])
    assert other.model("fraud/1").to_json() == full.model("fraud/1").to_json()


def test_without_inputs_the_data_set_stays_and_is_linked_when_it_comes_later(full: Workspace, yard: MakeYard) -> None:
    other = yard("other")
    report = push(full, other, ["fraud/1"], inputs=False)
    assert report.links == ["dataset flights/1 in the role training"]
    assert other.model("fraud/1").inputs == []
    push(full, other, datasets=["flights/1"])
    push(full, other, ["fraud/1"])
    assert other.model("fraud/1").inputs == [("training", "flights/1")]


def test_a_base_is_linked_only_where_it_is(full: Workspace, yard: MakeYard) -> None:
    other = yard("other")
    push(full, other, ["churn"])
    assert other.model("churn/1").inputs == []
    push(full, other, ["churn/1", "fraud/1"])
    assert other.model("churn/1").inputs == [("base", "fraud/1")]


def test_without_aliases_none_moves_and_its_history_stays(full: Workspace, yard: MakeYard) -> None:
    other = yard("other")
    push(full, other, ["fraud@production"], choices=Choices(aliases=False))
    assert other.registry.aliases("model", ModelName("fraud")) == {}
    assert not [row for row in other.registry.history() if row.action.startswith("alias.")]


def test_an_alias_that_was_removed_is_removed_in_the_mirror(full: Workspace, yard: MakeYard) -> None:
    other = yard("other")
    mirror(full, other)
    full.registry.remove_alias("model", ModelName("fraud"), AliasName("production"))
    mirror(full, other)
    assert other.registry.aliases("model", ModelName("fraud")) == {}
    require_whole(other)


def test_tombstones_and_what_was_given_up_travel(source: Workspace, make_yard: MakeYard) -> None:
    from modelyard.registry import lifecycle

    with source.registry.begin() as tx:
        assert [row.number for row in lifecycle.purge(tx, source.clock.now())] == [5]
    other = make_yard("other")
    mirror(source, other)
    assert said(other) == said(source)
    assert is_gone(other, "fraud/5")
    assert not other.check(read=True).problems


def test_a_version_that_is_deleted_there_is_deleted_here_and_restored_with_it(full: Workspace, yard: MakeYard) -> None:
    other = yard("other")
    mirror(full, other)
    full.model("churn/1").delete()
    mirror(full, other)
    assert is_gone(other, "churn/1")
    full._model(full.registry.any_version("model", ModelName("churn"), 1)).restore()
    mirror(full, other)
    assert other.model("churn/1").state == "active"
    assert said(other) == said(full)


def test_a_name_that_was_deleted_whole_arrives_as_deleted(full: Workspace, yard: MakeYard) -> None:
    full.registry.change_model_state("model", ModelName("churn"), "delete")
    other = yard("other")
    mirror(full, other)
    assert other.models() == full.models() == ["fraud"]
    assert said(other) == said(full)


def test_all_versions_of_a_name_are_chosen_by_a_star(full: Workspace, yard: MakeYard) -> None:
    other = yard("other")
    push(full, other, ["fraud/*"])
    assert said(other)["model fraud"] == said(full)["model fraud"]


def test_many_versions_move_in_several_transactions(
    make_yard: MakeYard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from modelyard.transfer import moving
    from modelyard.transfer import source as sources

    monkeypatch.setattr(moving, "AT_ONCE", 4)
    monkeypatch.setattr(sources, "PARCEL", 3)
    ws = make_yard("source", clock=StepClock())
    for number in range(11):
        (tmp_path / "x").write_text(f"{number}")
        ws.register("many", tmp_path / "x", tags={"n": str(number)})
        if number:
            ws.register("other", tmp_path / "x", base=ws.model(f"many/{number}"))
    ws.promote("many/10", to="production")
    copy = make_yard("copy")
    mirror(ws, copy)
    assert said(copy) == said(ws)
    before = counts(copy)
    assert mirror(ws, copy).nothing
    assert counts(copy) == before


def test_a_dry_run_says_what_would_come_and_changes_nothing(full: Workspace, yard: MakeYard, tmp_path: Path) -> None:
    other = yard("other")
    before = counts(other)
    report = push(full, other, ["fraud@production"], dry_run=True)
    assert report.dry_run
    assert report.versions == 2
    assert 0 < report.stored < report.raw
    assert counts(other) == before
    assert objects(other) == []
    report = push(full, tmp_path / "new", ["fraud@production"], dry_run=True)
    assert report.versions == 2
    assert not (tmp_path / "new").exists()


def test_a_yard_is_made_by_a_push_and_not_by_a_pull(full: Workspace, tmp_path: Path) -> None:
    with pytest.raises(YardNotFound):
        pull(full, tmp_path / "new", everything=True)
    push(full, tmp_path / "new", ["fraud@production"])
    assert Workspace(tmp_path / "new", create=False).model("fraud@production").version == 2


def test_a_yard_is_not_moved_into_itself(full: Workspace) -> None:
    with pytest.raises(SameYard):
        push(full, full.url, everything=True)


@pytest.mark.parametrize("where", ["https://yard.example.org", "ftp://yard"])
def test_a_place_that_is_no_yard_is_refused(full: Workspace, where: str) -> None:
    with pytest.raises(UnsupportedUrl):
        push(full, where, everything=True)


def test_nothing_chosen_is_refused(full: Workspace, yard: MakeYard) -> None:
    other = yard("other")
    with pytest.raises(NothingToMove):
        push(full, other)
    with pytest.raises(NothingToMove):
        push(full, other, ["fraud"], everything=True)


def test_an_empty_yard_is_mirrored(yard: MakeYard) -> None:
    one, two = yard("one"), yard("two")
    mirror(one, two)
    before = counts(two)
    assert mirror(one, two).nothing
    assert counts(two) == before


def test_the_reference_profile_and_the_signature_come_with_a_version(yard: MakeYard, tmp_path: Path) -> None:
    import pandas as pd

    source, other = yard("source"), yard("other")
    (tmp_path / "model.bin").write_bytes(b"model")
    table = pd.DataFrame({"distance": [1.0, 2.0, 3.0], "carrier": ["a", "b", "a"]})
    source.register("fraud", tmp_path / "model.bin", reference_data=table)
    mirror(source, other)
    profile = Digest(source.model("fraud").manifest.facts["profile"])
    assert other.store.read(profile) == source.store.read(profile)
    assert other.model("fraud").signature == source.model("fraud").signature
    require_whole(other)


def test_versions_and_data_sets_are_chosen_by_what_was_found_too(full: Workspace, yard: MakeYard) -> None:
    other = yard("other")
    push(full, other, [full.model("fraud/2")], datasets=[full.dataset("flights/1")])
    assert {
        (each.kind, each.name, *each.new) for each in push(full, yard("third"), [full.model("fraud/2")]).names.values()
    } == {
        ("dataset", "flights", 2),
        ("model", "fraud", 2),
    }
    with pytest.raises(InvalidReference, match="of the yard at"):
        push(full, yard("fourth"), [other.model("fraud/2")])
    assert other.dataset("flights/1").to_json() == full.dataset("flights/1").to_json()


@pytest.mark.parametrize(
    ("reference", "error"), [("none/*", ModelNotFound), ("fraud/77", VersionNotFound), ("fraud/5", VersionDeleted)]
)
def test_what_is_not_there_cannot_be_chosen(
    full: Workspace, yard: MakeYard, reference: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        push(full, yard("other"), [reference])

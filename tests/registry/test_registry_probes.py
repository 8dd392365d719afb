"""What others were seen to get wrong (MLflow 3.17.2, GTO 1.10.1), one test each."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from modelyard import Workspace
from modelyard.core.errors import Untrusted, VersionDeleted, VersionInUse


@pytest.fixture
def three(any_ws: Workspace, tmp_path: Path) -> Workspace:
    """Three versions registered from one path, which is written over each time; only the first has the tag q."""
    for number in (1, 2, 3):
        (tmp_path / "m.txt").write_text(f"model {number}")
        any_ws.register("fraud", tmp_path / "m.txt", tags={"q": "good"} if number == 1 else None)
    return any_ws


def found(ws: Workspace, expression: str, **options: object) -> list[int]:
    return sorted(entry.version for entry in ws.search(expression, **options))  # type: ignore[attr-defined]


def test_a_file_overwritten_after_registration_changes_no_version(three: Workspace, tmp_path: Path) -> None:
    (tmp_path / "m.txt").write_text("tampered with")
    assert [Path(three.model(f"fraud/{n}").path()).read_text() for n in (1, 2, 3)] == ["model 1", "model 2", "model 3"]
    assert len({three.model(f"fraud/{n}").digest for n in (1, 2, 3)}) == 3


def test_untagged_versions_are_not_dropped_unseen(three: Workspace) -> None:
    assert found(three, "tags.q != 'bad'") == [1]
    assert found(three, "missing(tags.q) or tags.q != 'bad'") == [1, 2, 3]


def test_or_not_and_parentheses_work(three: Workspace) -> None:
    assert found(three, "not (number = 1 or number = 2)") == [3]


def test_aliases_and_times_can_be_filtered(three: Workspace) -> None:
    three.promote("fraud/2", to="champion")
    assert found(three, "alias = 'champion'") == [2]
    assert found(three, "created_time >= '2020-01-01' and name = 'fraud'") == [1, 2, 3]


def test_a_deleted_version_comes_back_with_all_that_it_had(three: Workspace) -> None:
    before = three.model("fraud/1").to_json()
    three.delete("fraud/1")
    three.restore("fraud/1")
    assert three.model("fraud/1").to_json() == before
    assert three.model("fraud/1").provenance["command"]


def test_an_alias_does_not_vanish_with_its_version(three: Workspace) -> None:
    three.promote("fraud/2", to="champion")
    with pytest.raises(VersionInUse, match="fraud@champion"):
        three.delete("fraud/2")
    assert three.model("fraud@champion").version == 2


def test_no_number_is_given_twice_not_even_after_the_name_was_deleted(three: Workspace, tmp_path: Path) -> None:
    three.delete("fraud/3")
    assert three.register("fraud", tmp_path / "m.txt").version == 4
    three.delete_model("fraud")
    assert three.register("fraud", tmp_path / "m.txt").version == 5
    with pytest.raises(VersionDeleted):
        three.model("models:/fraud/1")


def test_an_alias_knows_who_moved_it_when_and_why(three: Workspace) -> None:
    three.promote("fraud/1", to="champion", reason="better")
    (blame,) = three.blame("fraud@champion")
    assert (blame.value, blame.row.actor, blame.row.reason) == (1, "ana", "better")


def test_every_change_is_an_event(three: Workspace) -> None:
    start = three.history()[0].sequence
    model = three.model("fraud/1")
    model.add_tags({"a": "b"})
    model.remove_tags(["a"])
    model.add_properties({"p": "1"})
    model.log_metrics({"auc": 0.9})
    model.describe(description="new", card="# new")
    three.label("fraud/1", "1.0")
    three.tag_model("fraud", {"team": "risk"})
    three.describe("fraud", description="all")
    three.promote("fraud/1", to="x")
    three.remove_alias("fraud@x")
    three.archive("fraud/2")
    three.restore("fraud/2")
    three.delete("fraud/3")
    three.set_gates("fraud", "production", ["metrics.auc > 0.5"])
    three.delete_model("fraud")
    told = [row.action for row in reversed(three.history()) if row.sequence > start]
    assert told == [
        "tags.set", "tags.remove", "properties.add", "metrics.log", "version.describe", "version.label", "model.tag", "model.describe",
        "alias.move", "alias.remove", "version.archive", "version.restore", "version.delete", "policy.set",
        "version.delete", "version.delete", "model.delete",
    ]  # fmt: skip


def test_a_pickle_of_somebody_else_is_not_loaded(ws: Workspace) -> None:
    pytest.importorskip("sklearn")
    from sklearn.linear_model import LogisticRegression

    ws.save("fraud", LogisticRegression().fit([[0], [1]], [0, 1]))
    with pytest.raises(Untrusted):
        Workspace(ws.url, actor="ben").model("fraud").load()


def test_going_back_needs_no_force_and_every_way_of_asking_agrees(three: Workspace) -> None:
    three.promote("fraud/1", to="production")
    three.promote("fraud/2", to="production")
    three.promote("fraud/1", to="production")
    assert three.model("fraud@production").version == 1
    assert three.registry.aliases("model", three.model("fraud").row.name) == {"production": 1}
    assert found(three, "alias = 'production'") == [1]
    assert three.model("fraud@production", at="now").version == 1


class StoppedClock:
    """Stands still for ever."""

    def now(self) -> datetime:
        return datetime(2026, 3, 1, tzinfo=UTC)

    def sleep(self, seconds: float) -> None:
        raise AssertionError


def test_moves_in_the_same_instant_are_told_apart_by_their_sequence(make_yard: object, tmp_path: Path) -> None:
    ws: Workspace = make_yard("still", clock=StoppedClock())  # type: ignore[operator]
    (tmp_path / "m.txt").write_text("x")
    for _ in range(2):
        ws.register("fraud", tmp_path / "m.txt")
    ws.promote("fraud/2", to="production")
    ws.promote("fraud/1", to="production")
    assert ws.model("fraud@production").version == 1
    assert ws.model("fraud@production", at="2026-03-01T00:00:00Z").version == 1


def test_tags_edited_by_two_at_once_are_both_kept(three: Workspace) -> None:
    other = Workspace(three.url, actor="ben")
    pairs = [(three, "mine"), (other, "theirs")] * 8
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda pair: pair[0].model("fraud/1").add_tags({pair[1]: "yes"}), pairs))
    other.close()
    assert three.model("fraud/1").tags == {"q": "good", "mine": "yes", "theirs": "yes"}

"""Versions come and go, and nothing that refers to them is left in the air; numbers and labels are never used twice."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelyard import Workspace
from modelyard.core.digests import Digest
from modelyard.core.errors import (
    InvalidReference,
    LabelTaken,
    ModelDeleted,
    NoVersionMatches,
    StateConflict,
    VersionArchived,
    VersionDeleted,
    VersionInUse,
    VersionLabelled,
)
from modelyard.core.names import ModelName
from modelyard.registry import NewVersion, lifecycle
from modelyard.registry.referrers import referrers


@pytest.fixture
def made(any_ws: Workspace, tmp_path: Path) -> Workspace:
    """fraud/1, fraud/2 labelled 2.0, fraud/3."""
    for number in (1, 2, 3):
        (tmp_path / "m.txt").write_text(f"model {number}")
        any_ws.register("fraud", tmp_path / "m.txt", label="2.0" if number == 2 else None, tags={"n": str(number)})
    return any_ws


def test_an_archived_version_is_not_the_latest_and_is_found_by_name(made: Workspace) -> None:
    made.archive("fraud/3", reason="superseded")
    assert made.model("fraud").version == 2
    assert made.model("fraud/3").state == "archived"
    assert made.history("fraud/3")[0].reason == "superseded"
    made.restore("fraud/3")
    assert made.model("fraud").version == 3


def test_no_alias_moves_to_an_archived_version(made: Workspace) -> None:
    made.archive("fraud/2")
    with pytest.raises(VersionArchived, match="restore it with: modelyard restore fraud/2"):
        made.promote("fraud/2", to="production")
    assert made.registry.aliases("model", made.model("fraud/1").row.name) == {}


def test_a_deleted_version_says_so_until_it_is_restored(made: Workspace) -> None:
    made.delete("fraud:2.0", reason="wrong data")
    for reference in ("fraud/2", "fraud:2.0"):
        with pytest.raises(VersionDeleted, match="bring it back with: modelyard restore fraud/2"):
            made.model(reference)
    made.restore("fraud/2")
    assert made.model("fraud:2.0").tags == {"n": "2"}
    assert Path(made.model("fraud/2").path()).read_text() == "model 2"


def test_what_refers_to_a_version_keeps_it_and_is_named(made: Workspace, tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("a\n1\n")
    data = made.snapshot(tmp_path / "d.csv", "flights")
    made.register("other", tmp_path / "m.txt", datasets=[data], base="fraud/2")
    made.promote("fraud/2", to="production")
    made.promote("fraud/2", to="champion")
    with pytest.raises(VersionInUse) as caught:
        made.delete("fraud/2")
    assert caught.value.referrers == [
        "the alias fraud@champion",
        "the alias fraud@production",
        "the model other/1 made from it",
    ]
    with pytest.raises(VersionInUse, match="the model other/1 made from it"):
        made.delete("flights/1", dataset=True)
    with pytest.raises(VersionInUse, match="fraud@production"):
        made.archive("fraud/2")
    with pytest.raises(VersionInUse, match="fraud@champion"):
        made.delete_model("fraud")
    assert [model.version for model in made.model("fraud/1").list(made, "fraud")] == [3, 2, 1]


def test_a_rollout_and_a_replica_keep_the_versions_that_they_use(made: Workspace) -> None:
    from sqlalchemy import insert

    from modelyard.registry.schema import deployments, replicas, rollouts

    facts = {"workspace": "default", "started_time": 1, "weight": 0.1}
    with made.registry.begin() as tx:
        tx.execute(
            insert(deployments).values(
                workspace="default", name="live", model="fraud", alias="production", target="local", state="running",
                config={}, created_time=1, created_by="ana",
            )
        )  # fmt: skip
        tx.execute(
            insert(rollouts).values(
                **facts, deployment="live", stable=1, candidate=2, state="paused", step=0, steps=[], revision=1, reason="",
                evidence=[], step_time=1, updated_time=1,
            )
        )  # fmt: skip
        tx.execute(
            insert(replicas).values(
                **facts, id="r", deployment="live", pid=1, host="h", url="u", state="ready", stable=3, heartbeat=1
            )
        )
        rows = {n: made.registry.any_version("model", made.model("fraud").row.name, n) for n in (1, 2, 3)}
        told = {n: referrers(tx.connection, "default", row) for n, row in rows.items()}
    assert told == {
        1: ["a rollout of the deployment live"],
        2: ["a rollout of the deployment live"],
        3: ["a replica of the deployment live"],
    }


def test_a_deleted_name_keeps_its_counter(made: Workspace, tmp_path: Path) -> None:
    assert made.delete_model("fraud", reason="a new start") == ["fraud/1", "fraud/2", "fraud/3"]
    assert made.models() == []
    with pytest.raises(ModelDeleted, match="modelyard restore fraud --all"):
        made.model("fraud")
    assert made.register("fraud", tmp_path / "m.txt").version == 4
    with pytest.raises(VersionDeleted):
        made.model("fraud/1")
    with pytest.raises(LabelTaken, match="already belongs to version 2"):
        made.register("fraud", tmp_path / "m.txt", label="2.0")
    assert made.register("fraud", tmp_path / "m.txt").version == 5


def test_a_restored_name_brings_back_what_went_with_it(made: Workspace) -> None:
    made.delete("fraud/1")
    made.delete_model("fraud")
    assert made.restore_model("fraud") == ["fraud/2", "fraud/3"]
    assert made.models() == ["fraud"]
    with pytest.raises(VersionDeleted):
        made.model("fraud/1")


def test_all_versions_deleted_leave_no_latest(made: Workspace) -> None:
    for number in (1, 2, 3):
        made.delete(f"fraud/{number}")
    with pytest.raises(NoVersionMatches, match="it has no active version"):
        made.model("fraud")


@pytest.mark.parametrize("action", ["archive", "delete", "restore"])
def test_what_is_to_change_is_named_exactly(made: Workspace, action: str) -> None:
    with pytest.raises(InvalidReference, match="say which version"):
        getattr(made, action)("fraud")


def test_every_pair_of_a_state_and_an_action_has_its_answer(made: Workspace) -> None:
    actions = {name for _, name in lifecycle.TRANSITIONS}
    states = {"active", "archived", "deleted", "purged"}
    answers = {}
    for state in states:
        for action in actions:
            try:
                answers[state, action] = lifecycle.after(state, action, "model fraud/1")
            except StateConflict as refusal:
                answers[state, action] = f"refused: {refusal.possible}"
    assert answers == {
        ("active", "archive"): "archived",
        ("active", "restore"): "active",
        ("active", "delete"): "deleted",
        ("active", "purge"): "refused: archive, delete",
        ("archived", "archive"): "archived",
        ("archived", "restore"): "active",
        ("archived", "delete"): "deleted",
        ("archived", "purge"): "refused: restore, delete",
        ("deleted", "archive"): "refused: restore",
        ("deleted", "restore"): "active",
        ("deleted", "delete"): "deleted",
        ("deleted", "purge"): "purged",
        ("purged", "archive"): "refused: nothing",
        ("purged", "restore"): "refused: nothing",
        ("purged", "delete"): "refused: nothing",
        ("purged", "purge"): "purged",
    }


def test_an_action_that_changes_nothing_writes_nothing(made: Workspace) -> None:
    made.archive("fraud/1")
    before = len(made.history())
    made.archive("fraud/1")
    made.restore("fraud/2")
    assert len(made.history()) == before


def test_the_bytes_of_a_deleted_version_go_after_its_time_and_not_before(made: Workspace) -> None:
    made.delete("fraud/2")
    kept = made.model("fraud/1")
    assert made.gc().purged == ()
    assert made.gc(deleted_days=0, dry_run=True).purged == ("model fraud/2",)
    made.restore("fraud/2")
    assert made.gc(deleted_days=0).purged == ()
    made.delete("fraud/2")
    packs = len(list(made.store.objects.list("packs/")))
    assert made.gc(deleted_days=0).purged == ("model fraud/2",)
    made.compact()
    assert made.check(read=True).problems == ()
    assert len(list(made.store.objects.list("packs/"))) < packs
    with pytest.raises(VersionDeleted, match="its bytes were removed"):
        made.model("fraud/2")
    with pytest.raises(StateConflict, match="is purged and cannot be restored; possible now: nothing"):
        made.restore("fraud/2")
    assert Path(kept.path()).read_text() == "model 1"


def test_a_version_that_cannot_be_read_any_more_can_be_deleted_and_no_longer_blocks_gc(
    ws: Workspace, tmp_path: Path
) -> None:
    from modelyard.core.errors import CollectionRefused

    lost = NewVersion("model", ModelName("lost"), Digest.of(b"nowhere"), None, "files", 1, 1)
    ws.registry.create_version(lost)
    (tmp_path / "m.txt").write_text("here")
    ws.register("fraud", tmp_path / "m.txt")
    with pytest.raises(CollectionRefused):
        ws.gc()
    ws.delete("lost/1", reason="irreparable")
    ws.gc(deleted_days=0)
    assert ws.check(read=True).problems == ()


def test_a_label_is_given_once_and_stays(made: Workspace) -> None:
    made.label("fraud/3", "3.0")
    assert made.model("fraud:3.0").version == 3
    made.label("fraud/3", "3.0")
    with pytest.raises(VersionLabelled, match=r"fraud/3 already has the label '3\.0'"):
        made.label("fraud/3", "3.1")
    with pytest.raises(LabelTaken):
        made.label("fraud/1", "3.0")
    assert made.history("fraud/3")[0].action == "version.label"


def test_description_and_card_are_kept_with_their_history(made: Workspace) -> None:
    made.describe("fraud/1", description="the first", card="# Card\n\nüber alles")
    made.describe("fraud/1", description="the very first")
    made.describe("fraud", card="# The model")
    assert made.model("fraud/1").description == "the very first"
    assert made.model("fraud/1").card == "# Card\n\nüber alles"
    assert made.card("fraud") == "# The model"
    row = made.history("fraud/1")[0]
    assert (row.before, row.after) == ({"description": "the first"}, {"description": "the very first"})


def test_a_model_has_tags_of_its_own(made: Workspace) -> None:
    assert made.tag_model("fraud", {"team": "risk", "tier": "1"}) == {"team": "risk", "tier": "1"}
    assert made.tag_model("fraud", {"tier": "2"}, remove=("team",)) == {"tier": "2"}
    assert made.model("fraud/1").tags == {"n": "1"}


def test_metrics_keep_their_step_and_their_data_set(made: Workspace) -> None:
    model = made.model("fraud/1")
    model.log_metrics({"auc": 0.9}, step=100, dataset="flights/2")
    model.log_metrics({"auc": 0.8, "loss": 0.1}, step=200)
    assert [(m.key, m.value, m.step, m.dataset) for m in model.measurements()] == [
        ("auc", 0.9, 100, "flights/2"),
        ("auc", 0.8, 200, None),
        ("loss", 0.1, 200, None),
    ]
    assert model.metrics == {"auc": 0.8, "loss": 0.1}


class StoppedClock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


MakeYard = Callable[..., Workspace]


def test_a_restore_after_the_window_depends_on_gc_alone(make_yard: MakeYard, tmp_path: Path) -> None:
    clock = StoppedClock()
    ws = make_yard("timed", clock=clock)
    (tmp_path / "m.txt").write_text("hello")
    ws.register("fraud", tmp_path / "m.txt")
    ws.delete("fraud/1")
    clock.time += timedelta(days=29)
    assert ws.gc().purged == ()
    clock.time += timedelta(days=2)
    ws.restore("fraud/1")
    ws.delete("fraud/1")
    clock.time += timedelta(days=31)
    assert ws.gc().purged == ("model fraud/1",)

"""The ledger: rows that cannot be changed unseen, and a past that can be asked."""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text, update

from modelyard import Workspace
from modelyard.core.digests import canonical_json
from modelyard.core.errors import (
    AliasNotFound,
    FieldNotFound,
    InvalidHead,
    InvalidInput,
    InvalidReference,
    LedgerRewritten,
    SignatureInvalid,
)
from modelyard.registry import ledger
from modelyard.registry.schema import heads

MakeYard = Callable[..., Workspace]


class StoppedClock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def storied(make_yard: MakeYard, clock: StoppedClock, tmp_path: Path) -> Workspace:
    """An hour lies between each two changes, the first at noon."""
    ws: Workspace = make_yard("storied", clock=clock)
    (tmp_path / "m.txt").write_text("hello")

    def later() -> None:
        clock.time += timedelta(hours=1)

    first = ws.register("fraud", tmp_path / "m.txt", tags={"type": "a"}, metrics={"auc": 0.5})  # 12:00
    later()
    ws.register("fraud", tmp_path / "m.txt", label="2.0")  # 13:00
    later()
    ws.promote("fraud/1", to="production", reason="first")  # 14:00
    later()
    first.add_tags({"type": "b", "new": "yes"})  # 15:00
    later()
    ws.promote("fraud/2", to="production")  # 16:00
    later()
    first.remove_tags(["new"])  # 17:00
    first.log_metrics({"auc": 0.75})
    later()
    ws.rollback("fraud@production", reason="wrong on weekends")  # 18:00
    later()
    ws.remove_alias("fraud@production")  # 19:00
    later()
    return ws


@pytest.mark.parametrize(
    ("hour", "version"),
    [(13, None), (14, 1), (15, 1), (16, 2), (17, 2), (18, 1), (19, None), (20, None)],
)
def test_where_an_alias_pointed_can_be_asked(storied: Workspace, hour: int, version: int | None) -> None:
    when = f"2026-03-01T{hour}:30Z"
    if version is None:
        with pytest.raises(AliasNotFound):
            storied.model("fraud@production", at=when)
    else:
        found = storied.model("fraud@production", at=when)
        assert found.version == version
        assert found.aliases == ["production"]


@pytest.mark.parametrize(
    ("hour", "tags", "auc"),
    [
        (12, {"type": "a"}, 0.5),
        (15, {"new": "yes", "type": "b"}, 0.5),
        (17, {"type": "b"}, 0.75),
    ],
)
def test_what_a_version_had_then_can_be_asked(storied: Workspace, hour: int, tags: dict[str, str], auc: float) -> None:
    then = storied.model("fraud/1", at=f"2026-03-01T{hour}:30Z")
    assert (then.tags, then.metrics, then.state) == (tags, {"auc": auc}, "active")


def test_the_latest_of_then_is_not_answered_wrongly(storied: Workspace) -> None:
    with pytest.raises(InvalidReference, match="what was the latest then is not kept"):
        storied.model("fraud", at="2026-03-01T12:30Z")


def test_who_set_what_is_known(storied: Workspace) -> None:
    told = {blame.field: (blame.value, blame.row.action) for blame in storied.blame("fraud/1")}
    assert told == {
        "digest": (storied.model("fraud/1").digest, "version.register"),
        "metrics.auc": (0.75, "metrics.log"),
        "state": ("active", "version.register"),
        "tags.type": ("b", "tags.set"),
    }
    assert storied.blame("fraud@production", at="2026-03-01T18:30Z")[0].row.reason == "wrong on weekends"
    assert [b.value for b in storied.blame("fraud", at="2026-03-01T14:30Z")] == [1]
    with pytest.raises(FieldNotFound, match=r"nothing says 'tags\.nobody' of fraud/1; there is digest, metrics\.auc"):
        storied.blame("fraud/1", "tags.nobody")


def test_the_history_of_what_is_gone_stays(storied: Workspace) -> None:
    assert [row.action for row in storied.history("fraud@production")] == [
        "alias.remove", "alias.rollback", "alias.move", "alias.move",
    ]  # fmt: skip
    storied.delete("fraud/1")
    assert storied.history("fraud/1")[0].action == "version.delete"


def test_an_alias_that_was_removed_goes_back_no_further_than_its_moves(storied: Workspace) -> None:
    storied.promote("fraud/2", to="production", expected=0)
    storied.rollback("fraud@production")
    assert storied.model("fraud@production").version == 1


def test_a_clock_that_goes_back_does_not_turn_history_round(
    make_yard: MakeYard, clock: StoppedClock, tmp_path: Path
) -> None:
    ws: Workspace = make_yard("back", clock=clock)
    (tmp_path / "m.txt").write_text("hello")
    ws.register("fraud", tmp_path / "m.txt")
    clock.time -= timedelta(days=2)
    ws.promote("fraud/1", to="production")
    rows = ws.history()
    assert [row.time for row in rows] == sorted((row.time for row in rows), reverse=True)
    assert ws.registry.check_ledger() == (3, [])


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        ("UPDATE ledger SET reason = 'x' WHERE sequence = 2", "ledger row 2 (version.register fraud/1) was changed"),
        ("UPDATE ledger SET after = '{}' WHERE sequence = 5", "ledger row 5 (tags.set fraud/1) was changed"),
        ("UPDATE ledger SET happened = happened - 1 WHERE sequence = 3", "ledger row 3 (version.register fraud/2) was"),
        ("UPDATE ledger SET origin_yard = 'x' WHERE sequence = 3", "ledger row 3 (version.register fraud/2) was"),
        ("UPDATE ledger SET actor = 'ben' WHERE sequence = 9", "ledger row 9"),
        ("DELETE FROM ledger WHERE sequence = 4", "ledger row 4 is missing"),
        ("DELETE FROM ledger WHERE sequence IN (4, 5)", "ledger rows 4 to 5 are missing"),
        ("DELETE FROM ledger WHERE sequence >= 9", "at the end"),
        ("DELETE FROM heads", "the head of the ledger is missing"),
        ("UPDATE heads SET sequence = 2", "the head of the ledger says row 2, and the last row is"),
    ],
)
def test_a_row_that_was_changed_or_removed_is_named(storied: Workspace, harm: str, told: str) -> None:
    assert storied.registry.check_ledger()[1] == []
    with storied.registry.database.write() as connection:
        connection.execute(text(harm))
    assert told in storied.registry.check_ledger()[1][0]
    assert any(told in problem for problem in storied.check().problems)


def test_a_whole_chain_written_anew_is_found_by_a_head_that_was_noted(storied: Workspace, tmp_path: Path) -> None:
    noted = storied.ledger_head()
    (tmp_path / "head.json").write_text(json.dumps(noted))
    assert storied.require_head(tmp_path / "head.json") == noted["sequence"]
    storied.tag_model("fraud", {"later": "yes"})
    assert storied.require_head(noted) == noted["sequence"]
    _write_anew(storied)
    assert storied.registry.check_ledger()[1] == []
    with pytest.raises(LedgerRewritten, match="somebody changed history"):
        storied.require_head(noted)


def _write_anew(ws: Workspace) -> None:
    """What somebody with the database would do: another reason in row 4, and all hashes after it."""
    with ws.registry.begin() as tx:
        rows = ledger.rows(tx.connection, newest_first=False)
        tx.execute(text("DELETE FROM ledger"))
        tx.execute(update(heads).values(sequence=0, hash=ledger.GENESIS, time=0))
        for row in rows:
            facts = {
                n: getattr(row, n)
                for n in ("actor", "action", "kind", "name", "subject", "before", "after", "evidence")
            }
            tx.record(facts.pop("action"), reason="another" if row.sequence == 4 else row.reason, **facts)
            tx.flush()


def test_a_signed_head_is_held_to_its_key(storied: Workspace, tmp_path: Path) -> None:
    from modelyard.safety.signing import write_key_pair

    write_key_pair(tmp_path / "private.pem", tmp_path / "public.pem")
    write_key_pair(tmp_path / "other.pem", tmp_path / "other.pub")
    noted = storied.ledger_head(key=tmp_path / "private.pem")
    assert storied.require_head(noted, key=tmp_path / "public.pem") == noted["sequence"]
    with pytest.raises(SignatureInvalid):
        storied.require_head(noted, key=tmp_path / "other.pub")
    with pytest.raises(SignatureInvalid):
        storied.require_head({**noted, "sequence": 1}, key=tmp_path / "public.pem")
    with pytest.raises(SignatureInvalid, match="it is not signed"):
        storied.require_head(storied.ledger_head(), key=tmp_path / "public.pem")


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ("[]", "is not a JSON object"),
        ("{", "is not JSON"),
        ('{"sequence": "x"}', "no proper"),
        ('{"sequence": 1, "hash": "a", "yard": "another"}', "it is of the yard another"),
    ],
)
def test_what_is_no_head_of_this_ledger_is_said_so(
    storied: Workspace, tmp_path: Path, document: str, told: str
) -> None:
    (tmp_path / "head.json").write_text(document)
    with pytest.raises(InvalidHead, match=told):
        storied.require_head(tmp_path / "head.json")


@pytest.mark.parametrize("reason", ["a\0b", "\ud800", 3])
def test_a_reason_that_cannot_be_written_changes_nothing(storied: Workspace, reason: object) -> None:
    before = len(storied.history())
    with pytest.raises(InvalidInput):
        storied.promote("fraud/1", to="candidate", reason=reason)  # type: ignore[arg-type]
    assert len(storied.history()) == before
    assert storied.registry.aliases("model", storied.model("fraud/1").row.name) == {}


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_word = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(
    words=st.lists(_word, min_size=7, max_size=7),
    documents=st.lists(_json, min_size=3, max_size=3),
    origin=st.booleans(),
)
def test_the_fast_hash_is_the_hash_of_the_canonical_json(
    words: list[str], documents: list[object], origin: bool
) -> None:
    columns = ("action", "actor", "kind", "name", "reason", "subject", "workspace")
    try:
        texts = dict(zip(("before", "after", "evidence"), map(ledger._text, documents), strict=True))
    except InvalidInput:
        return  # a lone surrogate
    row = {**dict(zip(columns, words, strict=True)), "previous": "0" * 64, "sequence": 7, "time": 123}
    plain = {**row, **dict(zip(("before", "after", "evidence"), documents, strict=True))}
    if origin:
        there = {"yard": "y", "sequence": 3, "time": 1, "previous": "p", "hash": "h"}
        plain |= {"origin": there, "origin_yard": "y", "origin_sequence": 3}
        row |= {"origin": canonical_json(there).decode(), "origin_yard": "y", "origin_sequence": 3}
    else:
        row |= {"origin": None}
    assert ledger._hash({**row, **texts}) == hashlib.sha256(canonical_json(plain)).hexdigest()


def test_rows_of_another_yard_keep_where_they_come_from(any_ws: Workspace) -> None:
    when = datetime(2020, 1, 1, tzinfo=UTC)
    origin = {"yard": "elsewhere", "sequence": 41, "time": 1_577_836_800_000_000, "previous": "p", "hash": "h"}
    with any_ws.registry.begin() as tx:
        tx.record(
            "alias.move",
            kind="model",
            name="fraud",
            subject="fraud@production",
            after={"version": 1},
            origin=origin,
            actor="ben",
        )
    (row,) = any_ws.history()
    assert (row.actor, row.happened, row.origin, row.sequence) == ("ben", when, origin, 1)
    assert ledger.original(row).sequence == 41
    assert any_ws.registry.check_ledger() == (1, [])

"""What must not pass unnoticed: unknown metrics, odd evidence, odd times, readers beside a writer, paths with signs in them."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from modelyard import Workspace, errors
from modelyard.core.clock import parse_when
from modelyard.registry.gates import evaluate

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("gate", "holds"),
    [
        ("metrics.auc >= alias.metrics.auc", False),  # not measured: unknown, also on a first promotion
        ("metrics.auc - 0.1 >= alias.metrics.auc", False),
        ("metrics.rows >= alias.metrics.rows", True),
        ("not (metrics.rows < alias.metrics.rows)", True),
        ("metrics.rows > 5 and metrics.rows >= alias.metrics.rows", True),
        ("metrics.rows > 50 and metrics.rows >= alias.metrics.rows", False),
        ("metrics.rows > 50 or metrics.rows >= alias.metrics.rows", True),
        ("metrics.auc > 0 or metrics.rows >= alias.metrics.rows", False),
        ("alias.metrics.rows", False),
    ],
)
def test_on_a_first_promotion_what_is_unknown_still_never_promotes(gate: str, holds: bool) -> None:
    facts: dict[str, Any] = {"metrics": {"rows": 10.0}, "tags": {}, "alias": None}
    assert evaluate(gate, facts).passed is holds


@pytest.mark.parametrize(
    "gate",
    ["not " * 900 + "true", "(" * 200 + "1" + ")" * 200 + " > 0 and " + "not " * 80 + "true", "-" * 900 + "1 > 0"],
)
def test_a_gate_that_is_nested_without_end_is_refused(gate: str) -> None:
    with pytest.raises(errors.InvalidGate):
        evaluate(gate, {})


@pytest.mark.parametrize(
    "text", ["2 months ago", "2 mice ago", "99999999999d ago", "1e5 s ago", "5 hourly ago", "9" * 40 + "s ago"]
)
def test_a_unit_that_is_none_and_a_time_before_all_times_are_refused(text: str) -> None:
    with pytest.raises(errors.InvalidTime):
        parse_when(text, NOW)


def test_evidence_is_hashed_as_the_database_gives_it_back(ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    ws.register("fraud", tmp_path / "f")
    ws.promote("fraud/1", to="production", evidence={"by step": {2: "a", 10: ("b", 1.5)}})
    assert ws.check().problems == ()
    before = len(ws.history())
    for evidence in ({"at": NOW}, {"auc": float("nan")}):
        with pytest.raises(errors.InvalidInput, match="keeps JSON"):
            ws.promote("fraud/1", to="staging", evidence=evidence)
    assert len(ws.history()) == before


@pytest.mark.parametrize("name", ["a?b", "a%20b", "a#b", "a&mode=ro", "ü ñ", "a'b\"c"])
def test_a_yard_may_lie_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "f").write_text("x")
    ws = Workspace(tmp_path / name)
    ws.register("fraud", tmp_path / "f")
    assert Workspace(tmp_path / name, create=False).models() == ["fraud"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["f", name])


def test_a_reader_who_cannot_write_sees_what_a_writer_has_just_committed(tmp_path: Path) -> None:
    """As another user would: the folder of the yard is the writer's, the database still has its log beside it."""
    ws = Workspace(tmp_path / "yard")
    (tmp_path / "f").write_text("x")
    ws.register("fraud", tmp_path / "f")
    assert (ws.root / "registry.db-wal").exists()
    script = f"""
import os, sqlite3
real = os.access
os.access = lambda path, mode, **k: False if mode == os.W_OK else real(path, mode, **k)
from modelyard import Workspace, errors
ws = Workspace({str(tmp_path / "yard")!r}, create=False)
print(ws.models())
try:
    ws.model("fraud").add_tags({{"a": "b"}})
except errors.YardUnwritable:
    print("refused")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["['fraud']", "refused"], done.stderr


def test_what_was_not_there_yet_has_no_past(ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    ws.register("fraud", tmp_path / "f", label="1.0")
    with pytest.raises(errors.InvalidReference, match="what was the latest then is not kept"):
        ws.model("fraud", at="2020-01-01")
    for reference in ("fraud/1", "fraud:1.0"):
        with pytest.raises(errors.VersionNotFound, match="none of that number at 20"):
            ws.model(reference, at="2020-01-01")
    assert [row.action for row in ws.history("fraud:1.0")] == ["version.register"]
    with pytest.raises(errors.ModelNotFound):
        ws.history("nope")
    with pytest.raises(errors.LabelNotFound):
        ws.model("fraud:" + "9" * 40)
    with pytest.raises(errors.InvalidReference):
        ws.promote("fraud/1", to="production", expected=-1)
    ws.promote("fraud/1", to="production")
    with pytest.raises(errors.VersionNotFound):
        ws.rollback("fraud@production", to=0)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        (
            "UPDATE versions SET digest = (SELECT digest FROM versions WHERE number = 2) WHERE number = 1",
            "fraud/1 is not what was registered",
        ),
        ("UPDATE versions SET provenance = NULL WHERE number = 1", "fraud/1 is not what was registered"),
        ("UPDATE aliases SET number = 2", "fraud@production points at version 2, which the ledger does not say"),
        ("DELETE FROM versions WHERE number = 2", "fraud/2 was registered .* and is missing"),
    ],
)
def test_rows_that_were_changed_past_the_registry_are_named_by_check(
    ws: Workspace, tmp_path: Path, statement: str, told: str
) -> None:
    import sqlite3

    for content in ("x", "y"):
        (tmp_path / "f").write_text(content)
        ws.register("fraud", tmp_path / "f")
    ws.promote("fraud/1", to="production")
    assert ws.check(read=True).whole
    with sqlite3.connect(ws.root / "registry.db") as connection:
        connection.execute(statement)
    connection.close()
    with pytest.raises(AssertionError, match=told):
        assert not ws.check().problems, ws.check().problems

"""Yards with something of everything in them, and all that two yards can be compared by."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import func, insert, select

from modelyard import Workspace
from modelyard.core.clock import to_micros
from modelyard.core.digests import Digest
from modelyard.core.errors import VersionDeleted
from modelyard.core.names import AliasName, ModelName
from modelyard.registry import schema
from modelyard.registry.ledger import original
from modelyard.transfer import reading
from modelyard.transfer.selection import everything

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class StepClock:
    """A second later at each look, so that every change has an instant of its own."""

    def __init__(self, start: datetime = START) -> None:
        self.time = start

    def now(self) -> datetime:
        self.time += timedelta(seconds=1)
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


def weights(folder: Path, seed: int, step: int, size: int = 40_000) -> Path:
    """A file of numbers that drifts a little with each step."""
    values = np.random.default_rng(seed).normal(size=size).astype(np.float32)
    drift = np.random.default_rng(seed + 1)
    for _ in range(step):
        values += drift.normal(size=size).astype(np.float32) * 1e-4
    path = folder / "weights.npy"
    np.save(path, values)
    return path


def fill(ws: Workspace, folder: Path, versions: int = 5) -> Workspace:
    """``fraud`` with its versions, of which one is archived and one deleted, made from two data sets; ``churn``, made from a version of ``fraud``;
    aliases that were moved, rolled back and removed; tags, properties, metrics, cards, a report."""
    folder.mkdir(parents=True, exist_ok=True)
    for month in ("2026-01", "2026-02"):
        (folder / "flights.csv").write_text(f"month,delay\n{month},12\n")
        ws.snapshot(folder / "flights.csv", "flights", label=month, tags={"month": month})
    for step in range(versions):
        ws.register(
            "fraud",
            weights(folder, 1, step),
            label=f"1.{step}",
            tags={"step": str(step), "team": "risk"},
            properties={"approved": str(step)},
            metrics={"auc": 0.9 + step / 100},
            datasets=[f"flights/{step % 2 + 1}"],
            description=f"step {step}",
        )
    (folder / "churn.bin").write_bytes(b"churn" * 100)
    ws.register("churn", folder / "churn.bin", base=ws.model("fraud/1"))
    for number in (1, 2, 3):
        ws.promote(f"fraud/{number}", to="production", reason=f"number {number}")
    ws.rollback("fraud@production", reason="worse on weekends")
    ws.promote("fraud/3", to="shadow")
    ws.registry.remove_alias("model", ModelName("fraud"), AliasName("shadow"))
    first = ws.model("fraud/1")
    first.add_tags({"team": "fraud", "owner": "ana"})
    first.remove_tags(["owner"])
    first.add_properties({"audited": "yes"})
    first.log_metrics({"auc": 0.91}, step=10, dataset="flights/2")
    first.log_metrics({"auc": 0.92, "recall": 0.5}, step=20)
    first.describe(description="the first", card="# Fraud\n\nThe first.")
    report(ws, "fraud/2", {"findings": 0, "tool": "picklescan"}, b"nothing was found")
    if versions > 3:
        ws.model("fraud/4").archive("old")
    if versions > 4:
        ws.model("fraud/5").delete("wrong")
    return ws


def report(ws: Workspace, reference: str, summary: dict[str, Any], document: bytes) -> None:
    """A report as a scan leaves it."""
    with ws.store.intake() as intake:
        digest = intake.put_bytes(document).digest
        intake.commit()
        with ws.registry.begin() as tx:
            row = ws.model(reference).row
            facts = {"version_id": row.id, "kind": "scan", "tool": "picklescan 1.0", "summary": summary}
            when = to_micros(ws.clock.now())
            tx.execute(insert(schema.reports).values(**facts, document=digest, time=when, actor=ws.actor))
            tx.record(
                "report.add", kind="model", name=row.name, subject=reference, after={**summary, "document": digest}
            )


def said(ws: Workspace) -> dict[str, Any]:
    """Everything that the yard says of its versions, comparable with what another says."""
    found: dict[str, Any] = {}
    with ws.registry.read() as connection:
        for (kind, name), chosen in everything(ws).items():
            parcel = reading.parcel(
                connection, ws.registry.workspace, kind, name, chosen.numbers, chosen.aliases, rules=True
            )
            assert parcel is not None
            rows = sorted((vars(original(row)) for row in parcel.rows), key=lambda row: row["hash"])
            versions = [
                (
                    replace(each, metrics=()),
                    sorted(each.metrics, key=lambda m: (m.time, m.key, m.value)),
                    {m.key: m.value for m in each.metrics if m.current},
                )
                for each in parcel.versions
            ]
            found[f"{kind} {name}"] = {**vars(parcel), "rows": rows, "versions": versions}
    return found


def shown(ws: Workspace) -> dict[str, Any]:
    """What users see of every version, and its history."""
    found: dict[str, Any] = {}
    for (kind, name), chosen in everything(ws).items():
        for number in sorted(chosen.numbers):
            row = ws.registry.any_version(kind, ModelName(name), number)
            entry = ws._model(row) if kind == "model" else ws._dataset(row)
            found[f"{kind} {name}/{number}"] = (entry.to_json(), entry.provenance, entry.manifest)
    return found


def counts(ws: Workspace) -> dict[str, int]:
    """The rows of every table."""
    with ws.registry.read() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in schema.metadata.sorted_tables
        }


def objects(ws: Workspace) -> list[str]:
    """The packs of the store."""
    return [info.key for info in ws.store.objects.list("packs/")]


def require_whole(ws: Workspace) -> None:
    """Every check that there is finds nothing, and every version can be read."""
    found = ws.check(read=True)
    assert not found.problems
    assert not found.hurt
    for (kind, name), chosen in everything(ws).items():
        for number in chosen.numbers:
            row = ws.registry.any_version(kind, ModelName(name), number)
            if row.state != "purged":
                for file in ws.store.manifest(Digest(row.digest)).files:
                    ws.store.read(file.digest)


def is_gone(ws: Workspace, reference: str) -> bool:
    """Whether the version is a tombstone."""
    try:
        ws.model(reference)
    except VersionDeleted:
        return True
    return False

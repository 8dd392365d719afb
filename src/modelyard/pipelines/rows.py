"""The rows of stages in the registry: ``running`` once, then ``passed``, ``failed`` or ``stopped``, and never again anything else.

A runner that was killed cannot say so. Its rows stay ``running`` in the table, are shown as ``stopped``, and are set to it by the next run.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from sqlalchemy import insert, select, update

from modelyard.core.clock import from_micros, to_micros
from modelyard.pipelines.locks import goes_on, model_of
from modelyard.registry import schema

if TYPE_CHECKING:
    from modelyard.client.workspace import Workspace

State = Literal["running", "passed", "failed", "stopped"]


@dataclass(frozen=True)
class RunRow:
    """One stage of one run."""

    id: int
    run: str
    stage: str
    command: str
    state: State
    exit_code: int | None  # 128 and the number for a signal, as shells say it
    commit: str | None
    log: str  # relative to the yard
    started_time: datetime
    ended_time: datetime | None

    @property
    def seconds(self) -> float | None:
        return (self.ended_time - self.started_time).total_seconds() if self.ended_time else None


def begin_row(workspace: Workspace, run: str, stage: str, command: str, commit: str | None, log: str) -> int:
    """Writes the row of a stage that starts now; returns its id."""
    table = schema.runs
    with workspace.registry.begin() as tx:
        result = tx.execute(
            insert(table).values(
                workspace=workspace.registry.workspace,
                run=run,
                stage=stage,
                command=command,
                state="running",
                commit=commit,
                log=log,
                started_time=to_micros(workspace.clock.now()),
            )
        )
        key = result.inserted_primary_key
        return int(key[0]) if key else 0


def end_row(
    workspace: Workspace, row: int, model: str | None, state: State, exit_code: int | None, reason: str = ""
) -> None:
    """Ends a running row and records it in the ledger, in one transaction; a row that has ended stays as it is."""
    table = schema.runs
    with workspace.registry.begin() as tx:
        found = tx.execute(select(table).where(table.c.id == row, table.c.state == "running")).one_or_none()
        if found is None:
            return
        now = to_micros(workspace.clock.now())
        tx.execute(update(table).where(table.c.id == row).values(state=state, exit_code=exit_code, ended_time=now))
        tx.record(
            action="run.stage",
            kind="model",
            name=model or "",
            subject=f"{found.run}/{found.stage}",
            after={
                "state": state,
                "exit_code": exit_code,
                "command": found.command,
                "commit": found.commit,
                "seconds": (now - found.started_time) / 1e6,
            },
            reason=reason,
        )


def runs(workspace: Workspace, *, run: str | None = None, limit: int | None = 50) -> list[RunRow]:
    """The stages that ran, newest first. A row whose runner is dead is shown as stopped."""
    table = schema.runs
    query = select(table).where(table.c.workspace == workspace.registry.workspace).order_by(table.c.id.desc())
    if run is not None:
        query = query.where(table.c.run == run)
    with workspace.registry.read() as connection:
        found = connection.execute(query.limit(limit)).all()
    return [
        RunRow(
            id=row.id,
            run=row.run,
            stage=row.stage,
            command=row.command,
            state="stopped" if row.state == "running" and not goes_on(workspace.root, row.run) else row.state,
            exit_code=row.exit_code,
            commit=row.commit,
            log=row.log,
            started_time=from_micros(row.started_time),
            ended_time=None if row.ended_time is None else from_micros(row.ended_time),
        )
        for row in found
    ]


def sweep(workspace: Workspace) -> list[str]:
    """Sets what dead runners left ``running`` to ``stopped``; returns ``run/stage`` of each."""
    table = schema.runs
    mine = table.c.workspace == workspace.registry.workspace
    with workspace.registry.read() as connection:
        left = connection.execute(
            select(table.c.id, table.c.run, table.c.stage).where(mine, table.c.state == "running")
        ).all()
    dead = [row for row in left if not goes_on(workspace.root, row.run)]
    for row in dead:
        model = model_of(workspace.root, row.run)
        end_row(workspace, row.id, model, "stopped", None, "the process that ran it ended without a word")
    return [f"{row.run}/{row.stage}" for row in dead]

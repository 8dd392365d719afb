"""Between two yards: ``push`` from this one into another, ``pull`` the other way, ``mirror`` everything."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from modelyard.core.errors import NothingToMove, SameYard, YardNotFound
from modelyard.registry import ledger, schema
from modelyard.store.progress import Progress
from modelyard.transfer.merging.decisions import Choices
from modelyard.transfer.moving import Show, Transfer
from modelyard.transfer.report import TransferReport
from modelyard.transfer.selection import changed, everything, named
from modelyard.transfer.source import Head, YardSource, head_of

if TYPE_CHECKING:
    from modelyard.client.workspace import Workspace

MIRRORED = "yard.mirror"

Where = Any
"""A ``Workspace``, or what one opens: a folder, or ``postgresql://…``."""


def push(
    workspace: Workspace,
    where: Where,
    references: Iterable[Any] = (),
    *,
    datasets: Iterable[Any] = (),
    everything: bool = False,
    inputs: bool = True,
    choices: Choices | None = None,
    store: str | None = None,
    dry_run: bool = False,
    show: Show | None = None,
    progress: Progress | None = None,
) -> TransferReport:
    """Brings versions of this yard into the one at ``where``, which is made where there is none; ``store`` is where a new one keeps its bytes.

    ``references`` are models (``fraud@production``, ``fraud/3``, ``fraud/*`` for all of a name, or ``Model`` objects), ``datasets`` data sets;
    ``everything`` means all of both. With ``inputs`` the data sets that a version was made from come along. ``show`` is called with the
    plan before it is carried out. Raises NumberConflict, LabelConflict, PropertyConflict, AliasConflict, RemovalConflict, HistoryConflict,
    AliasProtected before anything is written; HistoryAltered, CorruptBlob, MissingBlob; NothingToMove, SameYard, and what opening a yard raises.
    """
    choices = choices or Choices()
    with _other(workspace, where, store=store, create=True, dry_run=dry_run) as other:
        source = _chosen(workspace, references, datasets, everything, inputs, choices)
        return _moved(Transfer(source, other, choices), dry_run, show, progress)


def pull(
    workspace: Workspace,
    where: Where,
    references: Iterable[Any] = (),
    *,
    datasets: Iterable[Any] = (),
    everything: bool = False,
    inputs: bool = True,
    choices: Choices | None = None,
    dry_run: bool = False,
    show: Show | None = None,
    progress: Progress | None = None,
) -> TransferReport:
    """Brings versions of the yard at ``where`` into this one; see :func:`push`. Raises YardNotFound too."""
    choices = choices or Choices()
    with _other(workspace, where, store=None, create=False, dry_run=False) as other:
        source = _chosen(other, references, datasets, everything, inputs, choices)
        return _moved(Transfer(source, workspace, choices), dry_run, show, progress)


def mirror(
    workspace: Workspace,
    where: Where,
    *,
    choices: Choices | None = None,
    store: str | None = None,
    dry_run: bool = False,
    show: Show | None = None,
    progress: Progress | None = None,
) -> TransferReport:
    """Makes the yard at ``where`` have everything that this one has: all versions, tombstones too, and all of the ledger. Nothing there goes away.

    A repeat looks only at what the ledger says has changed since. Raises what :func:`push` raises.
    """
    choices = replace(choices or Choices(), copy=True)
    with _other(workspace, where, store=store, create=True, dry_run=dry_run) as other:
        head = head_of(workspace)
        since = _since(workspace, other, choices)
        found = everything(workspace, aliases=choices.aliases) if since is None else changed(
            workspace, since.sequence, head.sequence, aliases=choices.aliases
        )  # fmt: skip
        source = YardSource(
            workspace,
            found,
            rules=choices.policies,
            history=(0 if since is None else since.sequence, head.sequence),
            head=head,
        )
        transfer = Transfer(source, other, choices, action=MIRRORED, note=since is None)
        return _moved(transfer, dry_run, show, progress)


def _chosen(
    workspace: Workspace,
    references: Iterable[Any],
    datasets: Iterable[Any],
    all_of_it: bool,
    inputs: bool,
    choices: Choices,
) -> YardSource:
    listed = [[each] if isinstance(each, str) else list(each) for each in (references, datasets)]
    if all_of_it:
        if any(listed):
            raise NothingToMove(problem="either everything, or what is named, not both")
        chosen = everything(workspace, aliases=choices.aliases)
    else:
        chosen = named(workspace, *listed, inputs=inputs, aliases=choices.aliases)
    return YardSource(workspace, chosen, rules=choices.policies)


def _moved(transfer: Transfer, dry_run: bool, show: Show | None, progress: Progress | None) -> TransferReport:
    report = transfer.planned(dry_run=dry_run)
    if show is not None:
        show(report)
    if not dry_run:
        transfer.carry_out(report, progress)
    return report


@contextmanager
def _other(
    workspace: Workspace, where: Where, *, store: str | None, create: bool, dry_run: bool
) -> Iterator[Workspace]:
    """The other yard, open. For a dry run into one that is not there yet, an empty one that is gone after."""
    from modelyard.client.workspace import Workspace as WorkspaceClass

    if isinstance(where, WorkspaceClass):
        _require_other(workspace, where)
        yield where
        return
    options: dict[str, Any] = {"actor": workspace.actor, "clock": workspace.clock}
    with tempfile.TemporaryDirectory(prefix="modelyard-") as nowhere:
        try:
            other = WorkspaceClass(where, create=create and not dry_run, store=store, **options)
        except YardNotFound:
            if not dry_run:
                raise
            other = WorkspaceClass(Path(nowhere), **options)
            other.place = os.fspath(where)
        try:
            _require_other(workspace, other)
            yield other
        finally:
            with suppress(Exception):
                other.close()


def _require_other(workspace: Workspace, other: Workspace) -> None:
    if workspace.yard_id == other.yard_id:
        raise SameYard(path=other.place)


def _since(workspace: Workspace, other: Workspace, choices: Choices) -> Head | None:
    """How far the other yard has this one's ledger; None where it has to be asked row by row."""
    table = schema.ledger.c
    place = (table.workspace == other.registry.workspace, table.kind == "yard", table.subject == workspace.yard_id)
    with other.registry.read() as connection:
        found = ledger.rows(connection, *place, table.action == MIRRORED, limit=1)
    told = found[0].after if found else {}
    if not told or (told.get("aliases"), told.get("policies")) != (choices.aliases, choices.policies):
        return None
    since = Head(int(told["sequence"]), str(told["hash"]))
    with workspace.registry.read() as connection:
        mine = connection.execute(select(table.hash).where(table.sequence == since.sequence)).scalar()
    return since if mine == since.hash or since == Head(0, ledger.GENESIS) else None

"""`gc`, `compact` and `stats` of a yard: what it refers to, and what the store makes of that."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from modelyard.client.roots import roots, roots_of, versions
from modelyard.core.errors import InvalidInput
from modelyard.core.names import ModelName
from modelyard.registry import lifecycle
from modelyard.store import Progress
from modelyard.store.upkeep.accounts import Account, Accounts, accounts
from modelyard.store.upkeep.collection import plan_collection
from modelyard.store.upkeep.compaction import plan_compaction
from modelyard.store.upkeep.owners import require_sole
from modelyard.store.upkeep.removal import Outcome, carry_out
from modelyard.store.upkeep.survey import Plan, Survey, survey

if TYPE_CHECKING:
    from modelyard.client.seat import Seat

Show = Callable[[Plan], None]
"""Called with the plan before anything is done."""


@dataclass(frozen=True)
class Upkeep:
    """What was planned, and what was done of it; None where nothing was to be done, or only looked at."""

    plan: Plan
    outcome: Outcome | None = None
    purged: tuple[str, ...] = ()
    """Versions that were deleted long enough ago, whose bytes were given up, or would be."""

    def to_json(self) -> dict[str, Any]:
        outcome = None if self.outcome is None else self.outcome.to_json()
        return {"plan": self.plan.to_json(), "outcome": outcome, "purged": list(self.purged)}


def gc(workspace: Seat, *, dry_run: bool, wait: float, show: Show | None, deleted_days: float) -> Upkeep:
    """See :meth:`modelyard.client.maintenance.Maintenance.gc`."""
    return _upkeep(workspace, plan_collection, dry_run, wait, show, None, deleted_days)


def compact(
    workspace: Seat,
    *,
    dry_run: bool,
    wait: float,
    show: Show | None,
    progress: Progress | None,
    deleted_days: float,
) -> Upkeep:
    """See :meth:`modelyard.client.maintenance.Maintenance.compact`."""
    return _upkeep(workspace, plan_compaction, dry_run, wait, show, progress, deleted_days)


def stats(workspace: Seat, name: str | None) -> Accounts:
    """What all versions cost. With ``name``, raises ModelNotFound for one that the yard does not have."""
    if name is not None and ModelName(name) not in workspace.registry.names("dataset"):
        workspace.registry.require("model", ModelName(name))
    problems: list[str] = []
    listed = versions(workspace)
    found = roots_of(workspace, (identity for *_, identity in listed), problems)
    return accounts(
        workspace.store, [(told, size, found[identity]) for told, size, identity in listed], dict.fromkeys(problems)
    )


def accounts_of(found: Accounts, name: str | None) -> tuple[Account, ...]:
    """The versions of the name, as model or as data set; all of them without one."""
    return tuple(
        each for each in found.versions if name is None or each.name.split(" ", 1)[1].rpartition("/")[0] == name
    )


def _upkeep(
    workspace: Seat,
    decide: Callable[[Survey], Plan],
    dry_run: bool,
    wait: float,
    show: Show | None,
    progress: Progress | None,
    deleted_days: float,
) -> Upkeep:
    store = workspace.store
    require_sole(store.objects, workspace.yard_id)
    purged = _purge(workspace, deleted_days, dry_run)
    but = frozenset(purged) if dry_run else frozenset()
    plan = decide(survey(store, lambda: roots(workspace, but), workspace.clock.now()))
    if show is not None:
        show(plan)
    if dry_run or plan.empty:
        return Upkeep(plan, None, purged)
    return Upkeep(plan, carry_out(store, plan, lambda: roots(workspace), wait=wait, progress=progress), purged)


def _purge(workspace: Seat, deleted_days: float, dry_run: bool) -> tuple[str, ...]:
    """Gives up the bytes of the versions that were deleted so many days ago; which, as ``model fraud/3``."""
    if not (math.isfinite(deleted_days) and 0 <= deleted_days < 36500):
        raise InvalidInput(message=f"deleted versions are kept for a number of days, and {deleted_days} is none")
    before = workspace.clock.now() - timedelta(days=deleted_days)
    if dry_run:
        with workspace.registry.read() as connection:
            due = lifecycle.due(connection, before)
    else:
        due = workspace.registry.purge(before)
    return tuple(f"{row.kind} {row.reference}" for row in due)

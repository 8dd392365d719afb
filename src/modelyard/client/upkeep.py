"""`gc`, `compact` and `stats` of a yard: what it refers to, and what the store makes of that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelyard.client.roots import roots, roots_of, versions
from modelyard.core.names import ModelName
from modelyard.store import Progress
from modelyard.store.upkeep.accounts import Account, Accounts, accounts
from modelyard.store.upkeep.collection import plan_collection
from modelyard.store.upkeep.compaction import plan_compaction
from modelyard.store.upkeep.owners import require_sole
from modelyard.store.upkeep.removal import Outcome, carry_out
from modelyard.store.upkeep.survey import Plan, Survey, survey

if TYPE_CHECKING:
    from modelyard.client.workspace import Workspace

Show = Callable[[Plan], None]
"""Called with the plan before anything is done."""


@dataclass(frozen=True)
class Upkeep:
    """What was planned, and what was done of it; None where nothing was to be done, or only looked at."""

    plan: Plan
    outcome: Outcome | None = None

    def to_json(self) -> dict[str, Any]:
        return {"plan": self.plan.to_json(), "outcome": None if self.outcome is None else self.outcome.to_json()}


def gc(workspace: Workspace, *, dry_run: bool, wait: float, show: Show | None) -> Upkeep:
    """See :meth:`modelyard.client.workspace.Workspace.gc`."""
    return _upkeep(workspace, plan_collection, dry_run, wait, show, None)


def compact(
    workspace: Workspace, *, dry_run: bool, wait: float, show: Show | None, progress: Progress | None
) -> Upkeep:
    """See :meth:`modelyard.client.workspace.Workspace.compact`."""
    return _upkeep(workspace, plan_compaction, dry_run, wait, show, progress)


def stats(workspace: Workspace, name: str | None) -> Accounts:
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
    workspace: Workspace,
    decide: Callable[[Survey], Plan],
    dry_run: bool,
    wait: float,
    show: Show | None,
    progress: Progress | None,
) -> Upkeep:
    store = workspace.store
    require_sole(store.objects, workspace.yard_id)
    plan = decide(survey(store, lambda: roots(workspace), workspace.clock.now()))
    if show is not None:
        show(plan)
    if dry_run or plan.empty:
        return Upkeep(plan)
    return Upkeep(plan, carry_out(store, plan, lambda: roots(workspace), wait=wait, progress=progress))

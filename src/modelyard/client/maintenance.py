"""What a workspace does for the yard itself: looking for damage, mending it, making room."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from modelyard.client import repair
from modelyard.client.check import CheckReport, check
from modelyard.client.seat import Seat
from modelyard.registry import lifecycle
from modelyard.store import Progress
from modelyard.store.upkeep.rebuilding import Rebuilding

if TYPE_CHECKING:
    from modelyard.client.upkeep import Show, Upkeep
    from modelyard.store.upkeep.accounts import Accounts


class Maintenance(Seat):
    """Upkeep of the yard."""

    def check(self, *, read: bool = False, progress: Progress | None = None) -> CheckReport:
        """What is wrong with the yard; with ``read`` every stored byte is read and verified."""
        return check(self, read=read, progress=progress)

    def rebuild_index(self, *, dry_run: bool = False) -> Rebuilding:
        """Writes the index of the store anew from the packs; what was new and gone."""
        return repair.rebuild_index(self, dry_run=dry_run)

    def repair(
        self, *places: str | Path, dry_run: bool = False, progress: Progress | None = None
    ) -> repair.RepairReport:
        """Makes whole what is hurt, from other copies, the cache, and ``places``: other yards, stores by URL, folders or files that have the bytes.

        Raises PathMissing, NothingToRepairFrom, YardUnwritable, StoreUnreachable.
        """
        return repair.repair(self, [str(place) for place in places], dry_run=dry_run, progress=progress)

    def gc(
        self,
        *,
        dry_run: bool = False,
        wait: float = 0.0,
        show: Show | None = None,
        deleted_days: float = lifecycle.RESTORE_DAYS,
    ) -> Upkeep:
        """Removes what no version needs: packs of registrations that were cut off, half-written files, and what versions alone needed that were
        deleted more than ``deleted_days`` ago, which then cannot be restored. Safe while others register.

        Waits up to ``wait`` seconds for registrations that began before; without, the packs that they may count on go in a later run. ``show``
        is called with the plan before it is carried out. Raises CollectionRefused, StoreShared, YardUnwritable, StoreUnreachable.
        """
        from modelyard.client import upkeep

        return upkeep.gc(self, dry_run=dry_run, wait=wait, show=show, deleted_days=deleted_days)

    def compact(
        self,
        *,
        dry_run: bool = False,
        wait: float = 0.0,
        show: Show | None = None,
        progress: Progress | None = None,
        deleted_days: float = lifecycle.RESTORE_DAYS,
    ) -> Upkeep:
        """Writes packs anew of which little is needed, and many small ones as few large ones; otherwise as :meth:`gc`, which is part of it."""
        from modelyard.client import upkeep

        return upkeep.compact(self, dry_run=dry_run, wait=wait, show=show, progress=progress, deleted_days=deleted_days)

    def stats(self, name: str | None = None) -> Accounts:
        """What each version of the yard costs, and the store as a whole. Raises ModelNotFound for a ``name`` that is not there."""
        from modelyard.client import upkeep

        return upkeep.stats(self, name)

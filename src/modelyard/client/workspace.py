"""A workspace: where everything that a user does with a yard begins."""

from __future__ import annotations

import getpass
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelyard.client import registration, repair, yard
from modelyard.client.cache import Cache
from modelyard.client.check import CheckReport, check
from modelyard.client.dataset import Dataset
from modelyard.client.entry import Entry
from modelyard.client.events import Events
from modelyard.client.history import History
from modelyard.client.lifecycle import Lifecycle
from modelyard.client.model import Model
from modelyard.client.searches import Searches
from modelyard.client.seat import When
from modelyard.core.clock import Clock, SystemClock
from modelyard.core.errors import InvalidReference
from modelyard.core.names import AliasName, Kind, ModelName
from modelyard.core.references import Alias, Reference
from modelyard.core.tags import Tags, tags_to_match
from modelyard.registry import AliasMove, Registry, lifecycle
from modelyard.store import Progress
from modelyard.store.upkeep.rebuilding import Rebuilding

if TYPE_CHECKING:
    from modelyard.client.difference import Difference
    from modelyard.client.policies import Policies
    from modelyard.client.upkeep import Show, Upkeep
    from modelyard.profiles.signature import Signature
    from modelyard.registry.policies.decisions import Decision
    from modelyard.store.upkeep.accounts import Accounts


class Workspace(Lifecycle, History, Searches, Events):
    """The models and data sets of one yard.

    ``Workspace()`` finds the yard: ``MODELYARD_URL``, else the nearest ``.modelyard/`` upward, else ``~/.modelyard``. ``Workspace(path)``
    is the yard at that path, ``Workspace("postgresql://user@host/name", store="s3://bucket/prefix")`` one in PostgreSQL. Where there is none, one is made, unless ``create=False`` (then YardNotFound); with ``store``, a new yard keeps its bytes
    there: ``s3://bucket/prefix``, ``gs://…``, ``az://…``, or another folder.
    """

    def __init__(
        self,
        where: str | os.PathLike[str] | None = None,
        *,
        create: bool = True,
        store: str | None = None,
        actor: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.clock = clock or SystemClock()
        place, self.found = yard.locate(where, os.environ, Path.cwd())
        if create:
            yard.create(place, self.clock, store)
        self._yard = yard.open_yard(place, store)
        self.place = self._yard.place
        self.url = self._yard.url
        self.root = self._yard.root
        self.yard_id = self._yard.id
        self.store = self._yard.store
        self.actor = actor or os.environ.get("MODELYARD_USER") or _user()
        self.cache = Cache(self.root / "cache", self.store)
        self.registry = Registry(
            self._yard.database, workspace="default", actor=self.actor, clock=self.clock, read_file=self.store.read
        )

    def close(self) -> None:
        """Gives the database connections back; the workspace may still be used after."""
        self._yard.database.close()

    def __repr__(self) -> str:
        return f"Workspace({self.place!r})"

    # --- into the yard ---

    def register(
        self,
        name: str,
        path: str | Path,
        *,
        label: str | None = None,
        tags: Tags | None = None,
        properties: Tags | None = None,
        metrics: Mapping[str, float] | None = None,
        description: str | None = None,
        datasets: registration.Inputs = (),
        base: str | Reference | Model | None = None,
        signature: Signature | None = None,
        reference_data: Any = None,
        time_column: str | None = None,
        progress: Progress | None = None,
    ) -> Model:
        """Keeps the file or folder at ``path`` as the next version of ``name``, with what made it.

        ``reference_data`` (a table of model inputs) becomes the profile that live traffic is compared with; ``time_column`` names the column
        of it that holds the time of a row, so that a month of traffic is held against months of training; ``datasets`` are the data set
        versions that it was made from; ``base`` is the version that it was trained from (any model's), of which only the difference is kept, as
        it is of the version before. Raises InvalidName, InvalidTag, PathMissing, PathEmpty, PathUnusable, LabelTaken, YardUnwritable; then
        nothing has changed.
        """
        facts = registration.card(
            name, label=label, tags=tags, properties=properties, metrics=metrics, description=description
        )
        row = registration.register_path(
            self,
            "model",
            facts,
            Path(path),
            signature=signature,
            reference_data=reference_data,
            time_column=time_column,
            inputs=datasets,
            base=base,
            progress=progress,
        )
        return self._model(row)

    def save(
        self,
        name: str,
        model: Any,
        *,
        label: str | None = None,
        tags: Tags | None = None,
        properties: Tags | None = None,
        metrics: Mapping[str, float] | None = None,
        description: str | None = None,
        datasets: registration.Inputs = (),
        base: str | Reference | Model | None = None,
        signature: Signature | None = None,
        reference_data: Any = None,
        time_column: str | None = None,
        format: str | None = None,  # noqa: A002 - what it is in
    ) -> Model:
        """Keeps a live, fitted model object as the next version of ``name``.

        ``format="skops"`` keeps a scikit-learn model without a pickle, so that everybody loads it without running code. Raises UnknownFlavor,
        ObjectUnusable, and what :meth:`register` raises.
        """
        facts = registration.card(
            name, label=label, tags=tags, properties=properties, metrics=metrics, description=description
        )
        row = registration.register_object(
            self,
            facts,
            model,
            signature=signature,
            reference_data=reference_data,
            time_column=time_column,
            inputs=datasets,
            base=base,
            format=format,
        )
        return self._model(row)

    def snapshot(
        self,
        path: str | Path,
        name: str,
        *,
        label: str | None = None,
        tags: Tags | None = None,
        description: str | None = None,
        progress: Progress | None = None,
    ) -> Dataset:
        """Keeps the file or folder at ``path`` as the next version of the data set ``name``. Raises what :meth:`register` raises."""
        facts = registration.card(name, label=label, tags=tags, description=description)
        row = registration.register_path(self, "dataset", facts, Path(path), progress=progress)
        return self._dataset(row)

    # --- out of the yard ---

    def model(self, reference: str | Reference, *, tags: Tags | None = None, at: When | None = None) -> Model:
        """The version that is meant; with ``at``, where an alias pointed then, and with the tags, metrics and aliases that it had then."""
        return self._model(self._find("model", reference, tags, at), at)

    def models(self) -> list[str]:
        """The names of all models, sorted."""
        return self.registry.names("model")

    def dataset(self, reference: str | Reference, *, tags: Tags | None = None, at: When | None = None) -> Dataset:
        """The data set version that is meant."""
        return self._dataset(self._find("dataset", reference, tags, at), at)

    def datasets(self, name: str | None = None) -> list[Dataset]:
        """Data set versions, newest first."""
        rows = self.registry.versions("dataset", name=None if name is None else ModelName(name))
        return [self._dataset(row) for row in rows]

    def diff(
        self,
        a: str | Reference | Entry,
        b: str | Reference | Entry,
        *,
        dataset: bool = False,
        tensors: Collection[str] | None = None,
        text: bool = False,
        progress: Progress | None = None,
    ) -> Difference:
        """What changes from version ``a`` to version ``b``: files, tensors, metadata, metrics, code, environment.

        Of one model or of two; of data sets with ``dataset``. Chunks are compared first: of tensors only those that differ are read. ``tensors``
        looks at the tensors of these names alone; ``text`` adds the lines of small text files. ``progress`` hears of the bytes that are read.
        Raises InvalidReference for a model against a data set, TensorNotFound, and what :meth:`model` raises; MissingBlob, CorruptBlob.
        """
        from modelyard.client.difference import difference, found

        kind: Kind = "dataset" if dataset else "model"
        if isinstance(a, Entry):
            kind = a.kind
        elif isinstance(b, Entry):
            kind = b.kind
        return difference(found(self, a, kind), found(self, b, kind), tensors=tensors, text=text, progress=progress)

    # --- aliases ---

    def promote(
        self,
        reference: str | Reference,
        *,
        to: str,
        reason: str = "",
        expected: int | str | None = None,
        evidence: Mapping[str, Any] | None = None,
        break_glass: str | None = None,
    ) -> AliasMove:
        """Moves the alias ``to`` to a version, through its policies.

        ``expected`` is the version that the alias must be at now: a number, a reference, or 0 for "nowhere yet". ``break_glass`` says why it must
        move although something does not hold: for those whom its policies list, and kept as an action of its own. Raises PolicyRefused with all that
        does not hold (GateRefused when it is a gate), BreakGlassRefused, AliasMoved, and what :meth:`model` raises.
        """
        return self.registry.move_alias(
            "model",
            Reference.parse(reference),
            AliasName(to),
            expected=self._expected(expected),
            reason=reason,
            evidence=evidence,
            break_glass=break_glass,
        )

    def rollback(
        self,
        reference: str | Reference,
        *,
        to: int | None = None,
        reason: str = "",
        expected: int | str | None = None,
        evidence: Mapping[str, Any] | None = None,
    ) -> AliasMove:
        """Moves an alias (``"fraud@production"``) back to the version before, or to number ``to``. Gates and approvals do not hold it up when it was
        there before. Raises NoEarlierVersion, AliasMoved, PolicyRefused for one who may not move it, or gives no reason where one is required."""
        name, alias = _alias(reference)
        expects = self._expected(expected)
        return self.registry.roll_back_alias(
            "model", name, alias, to=to, expected=expects, reason=reason, evidence=evidence
        )

    def set_gates(self, name: str, alias: str, expressions: Iterable[str]) -> None:
        """Replaces the conditions that a version must meet before ``alias`` may move to it. Raises InvalidGate."""
        listed = [expressions] if isinstance(expressions, str) else list(expressions)
        self.registry.set_gates("model", ModelName(name), AliasName(alias), listed)

    def gates(self, name: str, alias: str) -> list[str]:
        """The conditions of an alias."""
        return self.registry.gates("model", ModelName(name), AliasName(alias))

    @property
    def policies(self) -> Policies:
        """The policies of aliases: setting them, explaining what they say, trying them out on the past."""
        from modelyard.client.policies import Policies

        return Policies(self)

    def approve(
        self, reference: str | Reference, *, for_alias: str, reason: str = "", expires: str | None = None
    ) -> Decision:
        """Keeps that you approve the bytes of a version for an alias; it counts until it ``expires`` (``"30d"``).

        Raises DecisionRefused for an approval that could not count, InvalidDuration, and what :meth:`model` raises.
        """
        from modelyard.client.policies import decide

        return decide(self, reference, for_alias, "approve", reason=reason, expires=expires)

    def reject(self, reference: str | Reference, *, for_alias: str, reason: str = "") -> Decision:
        """Keeps that you reject a version for an alias: it takes back your approval, and where approvals are asked for it holds the version up until
        you withdraw it or approve. Raises DecisionRefused, and what :meth:`model` raises."""
        from modelyard.client.policies import decide

        return decide(self, reference, for_alias, "reject", reason=reason)

    def withdraw(self, reference: str | Reference, *, for_alias: str, reason: str = "") -> list[Decision]:
        """Takes back what you have said of a version for an alias. Raises DecisionNotFound when that is nothing."""
        from modelyard.client.policies import withdraw

        return withdraw(self, reference, for_alias, reason=reason)

    def approvals(self, reference: str | Reference, *, for_alias: str | None = None) -> list[Decision]:
        """All approvals and rejections of a version, the oldest first, those that no longer count too."""
        from modelyard.client.policies import decisions

        return decisions(self, reference, for_alias)

    # --- upkeep ---

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

    # --- inside ---

    def _find(self, kind: Kind, reference: str | Reference, tags: Tags | None, at: When | None) -> Any:
        parsed, wanted = Reference.parse(reference), tags_to_match(tags)
        return self.registry.version(kind, parsed, wanted, None if at is None else self.when(at))

    def _model(self, row: Any, at: When | None = None) -> Model:
        found: Model = Model._of(self, row, None if at is None else self.when(at))
        return found

    def _dataset(self, row: Any, at: When | None = None) -> Dataset:
        found: Dataset = Dataset._of(self, row, None if at is None else self.when(at))
        return found


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user number without a name, as containers have
        return f"uid-{os.getuid()}"


def _alias(reference: str | Reference) -> tuple[ModelName, AliasName]:
    parsed = Reference.parse(reference)
    if not isinstance(parsed.selector, Alias):
        raise InvalidReference(reference=str(reference), problem="a rollback moves an alias")
    return parsed.name, parsed.selector.value

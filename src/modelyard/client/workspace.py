"""A workspace: where everything that a user does with a yard begins."""

from __future__ import annotations

import getpass
import os
from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelyard.client import registration, repair, yard
from modelyard.client.cache import Cache
from modelyard.client.check import CheckReport, check
from modelyard.client.dataset import Dataset
from modelyard.client.entry import Entry
from modelyard.client.model import Model
from modelyard.core.clock import Clock, SystemClock, parse_when
from modelyard.core.errors import InvalidReference
from modelyard.core.names import AliasName, Kind, ModelName
from modelyard.core.references import Alias, Latest, Reference
from modelyard.core.tags import Tags, tags_to_match
from modelyard.registry import AliasMove, LedgerRow, Registry
from modelyard.store import Progress
from modelyard.store.upkeep.rebuilding import Rebuilding

if TYPE_CHECKING:
    from modelyard.client.difference import Difference
    from modelyard.client.upkeep import Show, Upkeep
    from modelyard.profiles.signature import Signature
    from modelyard.store.upkeep.accounts import Accounts

When = datetime | date | str
"""An instant: a ``datetime``, ``"2026-03-01T12:00Z"``, ``"2h ago"``, ``"now"``; without a zone it is local time."""


class Workspace:
    """The models and data sets of one yard.

    ``Workspace()`` finds the yard: ``MODELYARD_URL``, else the nearest ``.modelyard/`` upward, else ``~/.modelyard``. ``Workspace(path)``
    is the yard at that path. Where there is none, one is made, unless ``create=False`` (then YardNotFound); with ``store``, a new yard keeps its bytes
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
        self.clock: Clock = clock or SystemClock()
        root, self.found = yard.locate(where, os.environ, Path.cwd())
        if create:
            yard.create(root, self.clock, store)
        self._yard = yard.open_yard(root, store)
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
        return f"Workspace({str(self.root)!r})"

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
    ) -> Model:
        """Keeps a live, fitted model object as the next version of ``name``. Raises UnknownFlavor, and what :meth:`register` raises."""
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
        """The version that is meant; with ``at``, where an alias pointed then."""
        return self._model(self._find("model", reference, tags, at))

    def models(self) -> list[str]:
        """The names of all models, sorted."""
        return self.registry.names("model")

    def dataset(self, reference: str | Reference, *, tags: Tags | None = None, at: When | None = None) -> Dataset:
        """The data set version that is meant."""
        return self._dataset(self._find("dataset", reference, tags, at))

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
    ) -> AliasMove:
        """Moves the alias ``to`` to a version, through its gates.

        ``expected`` is the version that the alias must be at now: a number, a reference, or 0 for "nowhere yet". Raises GateRefused,
        AliasMoved, and what :meth:`model` raises.
        """
        return self.registry.move_alias(
            "model",
            Reference.parse(reference),
            AliasName(to),
            expected=self._expected(expected),
            reason=reason,
            evidence=evidence,
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
        """Moves an alias (``"fraud@production"``) back to the version before, or to number ``to``. Raises NoEarlierVersion, AliasMoved."""
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

    # --- history ---

    def history(
        self, subject: str | None = None, *, kind: str | None = None, limit: int | None = None
    ) -> list[LedgerRow]:
        """Ledger rows, newest first: of everything, of a name, of one version (``fraud/3``) or of one alias (``fraud@production``)."""
        if subject is None:
            return self.registry.history(kind=kind, limit=limit)
        reference = Reference.parse(subject)
        row_kind: Kind = "dataset" if kind == "dataset" else "model"
        if isinstance(reference.selector, Latest):
            found = self.registry.history(kind=kind, name=reference.name, limit=limit)
            if not found:
                self.registry.require(row_kind, reference.name)
            return found
        row = self._find(row_kind, reference, None, None)
        exact = str(reference) if isinstance(reference.selector, Alias) else row.reference
        return self.registry.history(kind=row_kind, subject=exact, limit=limit)

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

    def gc(self, *, dry_run: bool = False, wait: float = 0.0, show: Show | None = None) -> Upkeep:
        """Removes what no version needs: packs of registrations that were cut off, and half-written files. Safe while others register.

        Waits up to ``wait`` seconds for registrations that began before; without, the packs that they may count on go in a later run. ``show``
        is called with the plan before it is carried out. Raises CollectionRefused, StoreShared, YardUnwritable, StoreUnreachable.
        """
        from modelyard.client import upkeep

        return upkeep.gc(self, dry_run=dry_run, wait=wait, show=show)

    def compact(
        self,
        *,
        dry_run: bool = False,
        wait: float = 0.0,
        show: Show | None = None,
        progress: Progress | None = None,
    ) -> Upkeep:
        """Writes packs anew of which little is needed, and many small ones as few large ones; otherwise as :meth:`gc`, which is part of it."""
        from modelyard.client import upkeep

        return upkeep.compact(self, dry_run=dry_run, wait=wait, show=show, progress=progress)

    def stats(self, name: str | None = None) -> Accounts:
        """What each version of the yard costs, and the store as a whole. Raises ModelNotFound for a ``name`` that is not there."""
        from modelyard.client import upkeep

        return upkeep.stats(self, name)

    # --- inside ---

    def when(self, text: When) -> datetime:
        """The instant that a person means. Raises InvalidTime."""
        return parse_when(text, self.clock.now())

    def _find(self, kind: Kind, reference: str | Reference, tags: Tags | None, at: When | None) -> Any:
        parsed, wanted = Reference.parse(reference), tags_to_match(tags)
        return self.registry.version(kind, parsed, wanted, None if at is None else self.when(at))

    def _expected(self, expected: int | str | None) -> int | None:
        if expected is None:
            return None
        if isinstance(expected, int):
            if expected < 0:
                raise InvalidReference(reference=expected, problem="expected is a version number, or 0 for nowhere yet")
            return expected
        return self.registry.version("model", Reference.parse(expected)).number

    def _model(self, row: Any) -> Model:
        found: Model = Model._of(self, row)
        return found

    def _dataset(self, row: Any) -> Dataset:
        found: Dataset = Dataset._of(self, row)
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

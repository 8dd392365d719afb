"""A workspace: where everything that a user does with a yard begins."""

from __future__ import annotations

import getpass
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelyard.client import registration, yard
from modelyard.client.aliases import Aliases
from modelyard.client.cache import Cache
from modelyard.client.dataset import Dataset
from modelyard.client.entry import Entry
from modelyard.client.events import Events
from modelyard.client.history import History
from modelyard.client.lifecycle import Lifecycle
from modelyard.client.maintenance import Maintenance
from modelyard.client.model import Model
from modelyard.client.searches import Searches
from modelyard.client.seat import When
from modelyard.core.clock import Clock, SystemClock
from modelyard.core.names import Kind, ModelName
from modelyard.core.references import Reference
from modelyard.core.tags import Tags, tags_to_match
from modelyard.registry import Registry
from modelyard.store import Progress

if TYPE_CHECKING:
    from modelyard.client.difference import Difference
    from modelyard.profiles.signature import Signature


class Workspace(Aliases, Lifecycle, History, Searches, Events, Maintenance):
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

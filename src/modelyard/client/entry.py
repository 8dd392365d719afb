"""What a version of a model and a version of a data set have in common."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from modelyard.client import placement
from modelyard.client.listing import document
from modelyard.core.digests import Digest
from modelyard.core.errors import InvalidReference
from modelyard.core.names import AliasName, Kind, LabelName, ModelName
from modelyard.core.references import Alias, Label, Number, Reference, Selector
from modelyard.core.tags import Tags, tags_to_match, tags_to_write
from modelyard.registry import LedgerRow, VersionRow
from modelyard.registry.notes import Measurement
from modelyard.registry.versions import Details
from modelyard.store import Manifest, Progress
from modelyard.store.reading.checkout import require_free
from modelyard.store.tensors.tensors import Tensors

if TYPE_CHECKING:
    from modelyard.client.difference import Difference
    from modelyard.client.signatures import Signature, Verified
    from modelyard.client.workspace import Workspace
    from modelyard.safety.scanning import ScanReport


class Entry:
    """One immutable version. Its bytes, digest and provenance never change; tags, and what is added later, are read anew at each access."""

    kind: ClassVar[Kind]
    row: VersionRow
    workspace: Workspace
    at: datetime | None = None
    """The instant of which it tells tags, properties, metrics, aliases and state; None for now."""

    def __init__(
        self,
        workspace: Workspace,
        name: str,
        *,
        version: int | None = None,
        tags: Tags | None = None,
        label: str | None = None,
        alias: str | None = None,
    ) -> None:
        self.workspace = workspace
        reference = _reference(name, version, label, alias)
        self.row = workspace.registry.version(self.kind, reference, tags_to_match(tags))

    @classmethod
    def _of(cls, workspace: Workspace, row: VersionRow, at: datetime | None = None) -> Any:
        entry = cls.__new__(cls)
        entry.workspace, entry.row, entry.at = workspace, row, at
        return entry

    @property
    def name(self) -> str:
        return self.row.name

    @property
    def version(self) -> int:
        """The number: 1, 2, 3 … in its model."""
        return self.row.number

    @property
    def id(self) -> str:
        """``name:number``, as Azure ML writes it."""
        return f"{self.name}:{self.version}"

    @property
    def reference(self) -> str:
        """``name/number``, which every command and call accepts."""
        return self.row.reference

    @property
    def label(self) -> str | None:
        return self.row.label

    @property
    def digest(self) -> str:
        """Digest of the manifest: equal for equal files, flavor, signature and reference profile."""
        return self.row.digest

    @property
    def description(self) -> str:
        return self.row.description

    @property
    def flavor(self) -> str:
        return self.row.flavor

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return self.row.size

    @property
    def created_by(self) -> str:
        return self.row.created_by

    @property
    def created_time(self) -> datetime:
        return self.row.created_time

    @property
    def state(self) -> str:
        """``active``, ``archived``, ``deleted`` or ``purged``."""
        if self.at is not None:
            return str(self._then("").get("state", self.row.state))
        return self.workspace.registry.any_version(self.row.kind, self.row.name, self.row.number).state

    @property
    def card(self) -> str:
        """The model card, Markdown."""
        return self.workspace.registry.card(self.row)

    @property
    def tags(self) -> dict[str, str]:
        return self.workspace.registry.tags(self.row) if self.at is None else self._then("tags.")

    @property
    def properties(self) -> dict[str, str]:
        return self.workspace.registry.properties(self.row) if self.at is None else self._then("properties.")

    @property
    def metrics(self) -> dict[str, float]:
        """The last value of each metric."""
        return self.workspace.registry.metrics(self.row) if self.at is None else self._then("metrics.")

    def measurements(self, metric: str | None = None) -> list[Measurement]:
        """All that was measured, in the order in which it was logged: value, step, data set, time."""
        return self.workspace.registry.measurements(self.row, metric)

    @property
    def aliases(self) -> list[str]:
        """The aliases that point here."""
        registry = self.workspace.registry
        if self.at is not None:
            then = registry.aliases_then(self.row.kind, self.row.name, self.at)
            return [alias for alias, blame in then.items() if blame.value == self.version]
        found = registry.aliases(self.row.kind, self.row.name)
        return [alias for alias, number in found.items() if number == self.version]

    def _then(self, group: str) -> dict[str, Any]:
        found = self.workspace.registry.facts_then(self.row, self.at)
        return {field.removeprefix(group): found[field].value for field in sorted(found) if field.startswith(group)}

    @property
    def inputs(self) -> list[tuple[str, str]]:
        """The data sets that it was made from: role and reference."""
        return [(role, row.reference) for role, row in self.workspace.registry.inputs(self.row)]

    @property
    def provenance(self) -> dict[str, Any]:
        """What made it: git, environment, build, command, data. Verified when read."""
        if self.row.provenance is None:
            return {}
        found: dict[str, Any] = json.loads(self.workspace.store.read(Digest(self.row.provenance), "the provenance"))
        return found

    def attachment(self, name: str) -> bytes:
        """The bytes kept with the provenance, such as ``diff.patch``. Raises KeyError when there is none of that name."""
        return self.workspace.store.read(Digest(self.provenance["attachments"][name]["digest"]), name)

    @property
    def manifest(self) -> Manifest:
        return self.workspace.store.manifest(Digest(self.row.digest))

    @property
    def files(self) -> list[str]:
        """The relative paths of its files."""
        return [file.path for file in self.manifest.files]

    def tensors(self) -> Tensors:
        """Its tensors by name, each read and verified by itself: ``version.tensors()["encoder.layer.0.output.dense.weight"]`` is an array."""
        return self.workspace.store.tensors(self.manifest)

    def diff(
        self,
        other: str | Reference | Entry,
        *,
        tensors: Collection[str] | None = None,
        text: bool = False,
        progress: Progress | None = None,
    ) -> Difference:
        """What changes from this version to ``other``; see :meth:`Workspace.diff`."""
        from modelyard.client.difference import difference, found

        return difference(self, found(self.workspace, other, self.kind), tensors=tensors, text=text, progress=progress)

    def history(self) -> list[LedgerRow]:
        """What was done to this version, newest first."""
        return self.workspace.history(self.reference, kind=self.row.kind)

    def download(
        self,
        target_dir: str | Path = ".",
        *,
        exist_ok: bool = False,
        link: bool = False,
        progress: Progress | None = None,
    ) -> str:
        """Writes the verified files below ``target_dir``; the path of the file, or of the folder that holds the files.

        Where the version is in the cache already, its files are cloned or copied from there. With ``link`` the files are further names of read-only files in the cache, which costs nothing for a version that is there already. Raises
        TargetExists before anything is written when a file is in the way; with ``exist_ok`` it is left alone when it has the very bytes, and
        written over when it has not.
        """
        manifest, target = self.manifest, Path(target_dir)
        if not exist_ok:
            require_free(manifest, target)
        placed: set[str] = set()
        if link:
            placed = placement.link(self.workspace.cache.folder(manifest, progress), manifest, target)
        elif held := self.workspace.cache.held(manifest):
            folder, untouched = held
            placed = placement.bring(folder, manifest, target, untouched=untouched, progress=progress)
        self.workspace.store.materialize(
            manifest, target, replace=True, placed=placed, progress=None if link else progress
        )
        return str(target / manifest.files[0].path if manifest.facts.get("single") else target)

    def path(self, progress: Progress | None = None) -> Path:
        """A verified copy in the cache of the yard: the file, or the folder. For reading only."""
        manifest = self.manifest
        folder = self.workspace.cache.folder(manifest, progress)
        return folder / manifest.files[0].path if manifest.facts.get("single") else folder

    def add_tags(self, tags: Tags) -> None:
        """Sets these tags and leaves the others."""
        self.workspace.registry.set_tags(self.row, tags_to_write(tags))

    def remove_tags(self, tags: Iterable[str]) -> None:
        """Removes these keys."""
        self.workspace.registry.remove_tags(self.row, tags_to_write(tags))

    def add_properties(self, properties: Tags) -> None:
        """Adds properties. Raises PropertyExists: each key is written once."""
        self.workspace.registry.add_properties(self.row, tags_to_write(properties, "property"))

    def log_metrics(
        self, metrics: Mapping[str, float], *, step: int | None = None, dataset: str | Entry | None = None
    ) -> None:
        """Adds measurements of this version, such as those of its test stage: at a ``step`` of training, on a ``dataset``. Raises InvalidMetric, InvalidReference."""
        measured = dataset.reference if isinstance(dataset, Entry) else None
        if dataset is not None and measured is None:
            measured = str(Reference.parse(dataset))
        self.workspace.registry.add_metrics(self.row, metrics, step=step, dataset=measured)

    def describe(self, *, description: str | None = None, card: str | None = None, reason: str = "") -> None:
        """Replaces the description, the model card (Markdown), or both."""
        self.workspace.registry.describe(self.row, description=description, card=card, reason=reason)

    def archive(self, reason: str = "") -> None:
        """Takes it out of use. Raises VersionInUse."""
        self.workspace.registry.change_state(self.row, "archive", reason)

    def restore(self, reason: str = "") -> None:
        """Brings it back. Raises StateConflict."""
        self.workspace.registry.change_state(self.row, "restore", reason)

    def delete(self, reason: str = "") -> None:
        """Deletes it; its number is never used again. Raises VersionInUse."""
        self.workspace.registry.change_state(self.row, "delete", reason)

    def scan(self) -> ScanReport:
        """Looks for what loading its files would run, without running anything, and keeps the report."""
        from modelyard.client import scans

        return scans.scan(self)

    def sign(self, key: str | Path, password: str | None = None) -> Signature:
        """Signs its files with a private key in PEM, as OpenSSF model signing does, and keeps the signature. Raises KeyUnusable."""
        from modelyard.client import signatures

        return signatures.sign(self, key, password)

    def verify(self, key: str | Path | None = None, *, signature: str | Path | None = None) -> Verified:
        """Whether the owner of a public ``key`` signed just this; without it, the owner of a key that your trust policy names.

        ``signature`` is a file that holds a signature from elsewhere. Raises SignatureMissing, WrongKey, SignatureInvalid, KeyUnusable.
        """
        from modelyard.client import signatures, trust

        bundle = None if signature is None else signatures.read_bundle(signature)
        trusted = trust.policy().keyring() if key is None else signatures.NO_KEYS
        return signatures.verify(self, key=key, trusted=trusted, bundle=bundle)

    def bom(self) -> dict[str, Any]:
        """What it is made of, as a CycloneDX ML-BOM."""
        from modelyard.client.bom import bom

        return bom(self)

    def to_json(self) -> dict[str, Any]:
        """Everything but the bytes, by the names of the attributes."""
        said = Details(self.tags, self.properties, self.metrics, self.aliases, self.inputs)
        return document(self.row, said, self.state)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, Entry) and other._key == self._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[object, ...]:
        return (self.workspace.yard_id, self.row.id)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.reference!r}, digest={self.row.digest[:19]!r})"


def _reference(name: str, version: int | None, label: str | None, alias: str | None) -> Reference:
    """The one version that these arguments name. Raises InvalidReference when they contradict each other."""
    chosen: list[Selector] = []
    if version is not None:
        if isinstance(version, bool) or not isinstance(version, int) or version < 1:
            raise InvalidReference(
                reference=f"{name}/{version}", problem=f"{version!r} is not a version number (1, 2, 3 …)"
            )
        chosen.append(Number(version))
    if label is not None:
        chosen.append(Label(LabelName(label)))
    if alias is not None:
        chosen.append(Alias(AliasName(alias)))
    if not chosen:
        return Reference.parse(name)
    if len(chosen) > 1:
        raise InvalidReference(reference=name, problem="give one of version, label and alias, not several")
    return Reference(ModelName(name), chosen[0])

"""A file becomes a version: what made it, what it is, its bytes, and then its number."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelyard.client.lineage import lineage
from modelyard.core.digests import Digest, canonical_json
from modelyard.core.errors import Damaged, InvalidInput, InvalidReference, NotFound
from modelyard.core.names import Kind, LabelName, ModelName
from modelyard.core.references import Latest, Reference
from modelyard.core.tags import Tags, is_text, tags_to_write
from modelyard.registry import NewVersion, VersionRow
from modelyard.registry.notes import finite
from modelyard.store import Intake, Manifest, Progress

if TYPE_CHECKING:
    from modelyard.client.workspace import Workspace
    from modelyard.profiles.signature import Signature
    from modelyard.provenance.record import Provenance
    from modelyard.registry.versions import NewReport
    from modelyard.safety.scanning import ScanReport

Inputs = Iterable[Any]
"""Data sets that a version was made from: references, ``Dataset`` objects, or pairs of a role and one of these."""


@dataclass(frozen=True)
class Card:
    """What a person says of a version; checked before anything is stored."""

    name: ModelName
    label: LabelName | None = None
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)


def card(
    name: str,
    *,
    label: str | None = None,
    description: str | None = None,
    tags: Tags | None = None,
    properties: Tags | None = None,
    metrics: Mapping[str, float] | None = None,
) -> Card:
    """Raises InvalidName, InvalidTag, InvalidMetric, InvalidInput for a description that is not text."""
    if description is not None and not (isinstance(description, str) and is_text(description)):
        raise InvalidInput(message=f"a description is text, and {description!r} is not")
    return Card(
        name=ModelName(name),
        label=None if label is None else LabelName(label),
        description=description or "",
        tags=tags_to_write(tags),
        properties=tags_to_write(properties, "property"),
        metrics=finite(metrics or {}),
    )


def register_path(
    workspace: Workspace,
    kind: Kind,
    card: Card,
    path: Path,
    *,
    flavor: Mapping[str, Any] | None = None,
    signature: Signature | None = None,
    reference_data: Any = None,
    time_column: str | None = None,
    inputs: Inputs = (),
    base: Any = None,
    progress: Progress | None = None,
) -> VersionRow:
    """Keeps the file or folder at ``path`` as the next version. Without ``flavor`` the files say by their form what they are.

    ``base`` is the version that it was trained from, if that is not the version before it.
    """
    from modelyard.store.writing.tree import tree_of

    tree_of(path)  # a missing or unusable path is refused before anything is stored
    listed = [inputs] if isinstance(inputs, str) else inputs
    made_from = tuple(dict.fromkeys(_input(workspace, item) for item in listed))
    trained_from = None if base is None else _version(workspace, kind, base)
    if trained_from is not None:
        made_from = (*made_from, ("base", trained_from))
    if flavor is None and kind == "model":
        from modelyard.flavors import flavor_of_files

        name, found = flavor_of_files(path)
        flavor = {"name": name, **found}
    if signature is None and reference_data is not None:
        signature = _signature(None, reference_data)
    facts: dict[str, Any] = {"single": path.is_file(), "flavor": dict(flavor or {"name": "data"})}
    if signature is not None:
        facts["signature"] = signature.to_json()
    from modelyard.provenance.record import collect

    profile = None if reference_data is None else _profile(reference_data, time_column)
    with ThreadPoolExecutor(2) as aside, workspace.store.intake(progress) as intake:
        # what made it is looked up while the bytes are read: both take their time, and the first is to be as it was at the beginning
        made_by = aside.submit(collect, Path.cwd(), os.environ, sys.argv, workspace.clock.now())
        scanned = aside.submit(_scan, path) if kind == "model" else None
        if profile is not None:
            facts["profile"] = intake.put_bytes(profile).digest
        files = intake.put_tree(path, _earlier(workspace, kind, card.name, trained_from))
        manifest = intake.put_manifest(kind, files, facts)
        document = _provenance(made_by.result(), intake, made_from)
        provenance = intake.put_bytes(json.dumps(document, sort_keys=True, ensure_ascii=False).encode()).digest
        looked = None if scanned is None else scanned.result()
        reports = () if looked is None else (_kept(looked, intake),)
        intake.commit()
        return workspace.registry.create_version(
            NewVersion(
                kind=kind,
                digest=manifest.digest,
                provenance=provenance,
                lineage=lineage(document),
                reports=reports,
                flavor=facts["flavor"]["name"],
                size=manifest.size,
                files=len(files),
                inputs=tuple((role, row.id) for role, row in made_from),
                **vars(card),
            )
        )


def _scan(path: Path) -> ScanReport:
    """What the files would run if they were loaded; nothing of them is run to find out."""
    from modelyard.safety.scanning import scan_tree

    return scan_tree(path)


def _kept(found: ScanReport, intake: Intake) -> NewReport:
    from modelyard.client.scans import kept

    return kept(found, intake)


def _earlier(workspace: Workspace, kind: Kind, name: ModelName, base: VersionRow | None) -> list[Manifest]:
    """What the new version may resemble: the version that it was trained from, and the newest of its name."""
    rows = [] if base is None else [base]
    with suppress(NotFound):
        rows.append(workspace.registry.version(kind, Reference(name, Latest())))
    found: list[Manifest] = []
    for digest in dict.fromkeys(row.digest for row in rows):
        with suppress(Damaged):  # what cannot be read is no help, and no reason not to keep the new version
            found.append(workspace.store.manifest(Digest(digest)))
    return found


def register_object(
    workspace: Workspace,
    card: Card,
    model: Any,
    *,
    signature: Signature | None = None,
    reference_data: Any = None,
    time_column: str | None = None,
    inputs: Inputs = (),
    base: Any = None,
    format: str | None = None,  # noqa: A002 - the word that users write
) -> VersionRow:
    """Writes a live model by its flavor, in a ``format`` of its choice, and registers the files. Raises UnknownFlavor before anything is stored."""
    from modelyard.flavors import flavor_of

    flavor = flavor_of(model, format)
    with tempfile.TemporaryDirectory(prefix="modelyard-") as folder:
        facts = flavor.save(model, Path(folder))
        return register_path(
            workspace,
            "model",
            card,
            Path(folder),
            flavor={"name": flavor.name, "runs_code": flavor.runs_code, "format": flavor.format, **facts},
            signature=signature or _signature(flavor.signature(model), reference_data),
            reference_data=reference_data,
            time_column=time_column,
            inputs=inputs,
            base=base,
        )


def _signature(told: Signature | None, reference_data: Any) -> Signature | None:
    """What the fitted object tells by itself, with the types that the reference data shows."""
    if reference_data is None:
        return told
    from modelyard.profiles.signature import Signature as SignatureValue

    seen = SignatureValue.infer(reference_data)
    if told is None:
        return seen
    types = {column.name: column for column in seen.inputs}
    if not all(column.name in types for column in told.inputs):
        return told
    return SignatureValue(tuple(types[column.name] for column in told.inputs), told.outputs)


def _profile(reference_data: Any, time_column: str | None) -> bytes:
    from modelyard.profiles.profile import Profile

    return canonical_json(Profile.fit(reference_data, time_column=time_column).to_json())


def _provenance(found: Provenance, intake: Intake, made_from: tuple[tuple[str, VersionRow], ...]) -> dict[str, Any]:
    attachments = {name: intake.put_bytes(data) for name, data in found.attachments.items()}
    return {
        **found.to_json(),
        "attachments": {name: {"digest": kept.digest, "size": kept.size} for name, kept in attachments.items()},
        "inputs": [{"role": role, "reference": row.reference, "digest": row.digest} for role, row in made_from],
    }


def _input(workspace: Workspace, item: Any) -> tuple[str, VersionRow]:
    role, wanted = item if isinstance(item, tuple | list) and len(item) == 2 else ("training", item)
    return str(role), _version(workspace, "dataset", wanted)


def _version(workspace: Workspace, kind: Kind, wanted: Any) -> VersionRow:
    """The row of a reference, or of an object that has one."""
    row = getattr(wanted, "row", None)
    if isinstance(row, VersionRow):
        if wanted.workspace.yard_id != workspace.yard_id:
            raise InvalidReference(reference=row.reference, problem=f"it is of the yard at {wanted.workspace.place}")
        return row
    return workspace.registry.version(kind, Reference.parse(wanted))

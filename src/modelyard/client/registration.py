"""A file becomes a version: what made it, what it is, its bytes, and then its number."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelyard.core.digests import canonical_json
from modelyard.core.errors import InvalidInput, InvalidReference
from modelyard.core.extras import needing
from modelyard.core.names import Kind, LabelName, ModelName
from modelyard.core.references import Reference
from modelyard.core.tags import Tags, is_text, tags_to_write
from modelyard.registry import NewVersion, VersionRow
from modelyard.registry.notes import finite
from modelyard.store.files import Progress

if TYPE_CHECKING:
    from modelyard.client.workspace import Workspace
    from modelyard.profiles.signature import Signature

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
    progress: Progress | None = None,
) -> VersionRow:
    """Keeps the file or folder at ``path`` as the next version. Without ``flavor`` the files say by their form what they are."""
    from modelyard.store.tree import tree_of

    tree_of(path)  # a missing or unusable path is refused before anything is stored
    listed = [inputs] if isinstance(inputs, str) else inputs
    made_from = tuple(dict.fromkeys(_input(workspace, item) for item in listed))
    if flavor is None and kind == "model":
        from modelyard.flavors import flavor_of_files

        name, found = flavor_of_files(path)
        flavor = {"name": name, **found}
    if signature is None and reference_data is not None:
        signature = _signature(None, reference_data)
    facts: dict[str, Any] = {"single": path.is_file(), "flavor": dict(flavor or {"name": "data"})}
    if signature is not None:
        facts["signature"] = signature.to_json()
    if reference_data is not None:
        facts["profile"] = _profile(workspace, reference_data, time_column)
    files = workspace.store.put_tree(path, progress)
    manifest = workspace.store.put_manifest(kind, files, facts)
    return workspace.registry.create_version(
        NewVersion(
            kind=kind,
            digest=manifest.digest,
            provenance=_provenance(workspace, made_from),
            flavor=facts["flavor"]["name"],
            size=manifest.size,
            files=len(files),
            inputs=tuple((role, row.id) for role, row in made_from),
            **vars(card),
        )
    )


def register_object(
    workspace: Workspace,
    card: Card,
    model: Any,
    *,
    signature: Signature | None = None,
    reference_data: Any = None,
    time_column: str | None = None,
    inputs: Inputs = (),
) -> VersionRow:
    """Writes a live model by its flavor and registers the files. Raises UnknownFlavor before anything is stored."""
    from modelyard.flavors import flavor_of

    flavor = flavor_of(model)
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
        )


def _signature(told: Signature | None, reference_data: Any) -> Signature | None:
    """What the fitted object tells by itself, with the types that the reference data shows."""
    if reference_data is None:
        return told
    from modelyard.profiles.signature import Signature as SignatureValue

    with needing("reference data", "serve"):
        seen = SignatureValue.infer(reference_data)
    if told is None:
        return seen
    types = {column.name: column for column in seen.inputs}
    if not all(column.name in types for column in told.inputs):
        return told
    return SignatureValue(tuple(types[column.name] for column in told.inputs), told.outputs)


def _profile(workspace: Workspace, reference_data: Any, time_column: str | None) -> str:
    with needing("reference data", "serve"):
        from modelyard.profiles.profile import Profile

    return workspace.store.put_bytes(
        canonical_json(Profile.fit(reference_data, time_column=time_column).to_json())
    ).digest


def _provenance(workspace: Workspace, made_from: tuple[tuple[str, VersionRow], ...]) -> str:
    from modelyard.provenance.record import collect

    found = collect(Path.cwd(), os.environ, sys.argv, workspace.clock.now())
    attachments = {name: workspace.store.put_bytes(data) for name, data in found.attachments.items()}
    document = {
        **found.to_json(),
        "attachments": {name: {"digest": kept.digest, "size": kept.size} for name, kept in attachments.items()},
        "inputs": [{"role": role, "reference": row.reference, "digest": row.digest} for role, row in made_from],
    }
    return workspace.store.put_bytes(json.dumps(document, sort_keys=True, ensure_ascii=False).encode()).digest


def _input(workspace: Workspace, item: Any) -> tuple[str, VersionRow]:
    role, wanted = item if isinstance(item, tuple | list) and len(item) == 2 else ("training", item)
    row = getattr(wanted, "row", None)
    if isinstance(row, VersionRow):
        if wanted.workspace.yard_id != workspace.yard_id:
            raise InvalidReference(reference=row.reference, problem=f"it is of the yard at {wanted.workspace.root}")
        return str(role), row
    return str(role), workspace.registry.version("dataset", Reference.parse(wanted))

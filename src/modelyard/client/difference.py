"""What differs between two versions: files and tensors, and what is known of each."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelyard.client.entry import Entry
from modelyard.core.errors import InvalidReference, ModelNotFound
from modelyard.core.names import Kind
from modelyard.core.references import Reference
from modelyard.store.progress import Progress
from modelyard.store.tensors.comparison import Comparison, Side, compare

if TYPE_CHECKING:
    from modelyard.client.workspace import Workspace

WORDS: dict[Kind, str] = {"model": "model", "dataset": "data set"}
MACHINE = ("python", "implementation", "system", "machine")
CODE = ("commit", "branch", "remote", "dirty")


@dataclass(frozen=True)
class Pair:
    """A value that differs; None where there is none."""

    before: Any
    after: Any

    def to_json(self) -> dict[str, Any]:
        return {"before": self.before, "after": self.after}


@dataclass(frozen=True)
class Keyed:
    """How a dictionary differs, by key, sorted."""

    added: Mapping[str, Any]
    removed: Mapping[str, Any]
    changed: Mapping[str, Pair]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def to_json(self) -> dict[str, Any]:
        changed = {key: pair.to_json() for key, pair in self.changed.items()}
        return {"added": dict(self.added), "removed": dict(self.removed), "changed": changed}


@dataclass(frozen=True)
class Difference:
    """From version ``before`` to version ``after`` (references); each part holds only what differs.

    ``metadata``: flavor and what it says of the files (``flavor.…``), signature, reference profile, label, description, base. ``code``: commit, branch,
    remote, dirty, and ``uncommitted`` (digest of the kept changes). ``environment``: the interpreter and the machine; ``packages`` their versions.
    ``inputs``: the data sets by role and name.
    """

    before: str
    after: str
    is_itself: bool
    comparison: Comparison
    metadata: Mapping[str, Pair]
    tags: Keyed
    properties: Keyed
    metrics: Keyed
    inputs: Keyed
    code: Mapping[str, Pair]
    environment: Mapping[str, Pair]
    packages: Keyed

    @property
    def same_bytes(self) -> bool:
        """Whether the files are equal, by path and by content."""
        return not self.comparison.files

    @property
    def summary(self) -> str:
        """One line: ``2 of 103 tensors changed, relative norm 0.0012; accuracy 0.91 -> 0.93``."""
        if self.is_itself:
            return f"{self.before} is compared with itself: the same bytes"
        told = [_bytes_told(self.comparison)]
        told += [f"{key} {number(pair.before)} -> {number(pair.after)}" for key, pair in self.metrics.changed.items()]
        rest = {
            "metadata": self.metadata,
            "tags": self.tags,
            "properties": self.properties,
            "metrics": self.metrics.added or self.metrics.removed,
            "inputs": self.inputs,
            "code": self.code,
            "environment": self.environment or self.packages,
        }
        if others := [name for name, found in rest.items() if found]:
            told.append(f"{_listed(others)} {'differ' if others[1:] or others[0].endswith('s') else 'differs'}")
        return "; ".join(told)

    def __str__(self) -> str:
        return self.summary

    def to_json(self) -> dict[str, Any]:
        """The whole tree; numbers that JSON lacks are null."""
        return {
            "before": self.before,
            "after": self.after,
            "summary": self.summary,
            "same_bytes": self.same_bytes,
            **self.comparison.to_json(),
            "metadata": _pairs(self.metadata),
            "tags": self.tags.to_json(),
            "properties": self.properties.to_json(),
            "metrics": {
                **self.metrics.to_json(),
                "changed": {
                    key: {**pair.to_json(), "difference": pair.after - pair.before}
                    for key, pair in self.metrics.changed.items()
                },
            },
            "inputs": self.inputs.to_json(),
            "code": _pairs(self.code),
            "environment": _pairs(self.environment),
            "packages": self.packages.to_json(),
        }


def difference(
    a: Entry,
    b: Entry,
    *,
    tensors: Collection[str] | None = None,
    text: bool = False,
    progress: Progress | None = None,
) -> Difference:
    """From ``a`` to ``b``, which may be of different models and yards. Raises as :func:`modelyard.store.tensors.comparison.compare` does."""
    before, after = _Known(a), _Known(b)
    return Difference(
        before=a.reference,
        after=b.reference,
        is_itself=a == b,
        comparison=compare(before.side, after.side, only=tensors, text=text, progress=progress),
        metadata=differing(before.metadata, after.metadata),
        tags=keyed(a.tags, b.tags),
        properties=keyed(a.properties, b.properties),
        metrics=keyed(a.metrics, b.metrics),
        inputs=keyed(before.inputs, after.inputs),
        code=differing(before.code, after.code),
        environment=differing(before.environment, after.environment),
        packages=keyed(before.packages, after.packages),
    )


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Pair]:
    """The values that differ, in the order of ``before``, where a key that lacks has the value None."""
    keys = dict.fromkeys([*before, *after])
    return {key: Pair(before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)}


def keyed(before: Mapping[str, Any], after: Mapping[str, Any]) -> Keyed:
    """What was added, removed and changed.

    >>> keyed({"a": 1, "b": 2}, {"b": 3, "c": 4})
    Keyed(added={'c': 4}, removed={'a': 1}, changed={'b': Pair(before=2, after=3)})
    """
    return Keyed(
        {key: after[key] for key in sorted(after) if key not in before},
        {key: before[key] for key in sorted(before) if key not in after},
        {key: Pair(before[key], after[key]) for key in sorted(before) if key in after and before[key] != after[key]},
    )


def number(value: float) -> str:
    """A measured number for people, in six digits."""
    return f"{value:.6g}"


def found(workspace: Workspace, version: str | Reference | Entry, kind: Kind) -> Entry:
    """The version that is meant. Raises InvalidReference for one of the other kind, and what :meth:`Workspace.model` raises."""
    if isinstance(version, Entry):
        if version.kind != kind:
            problem = (
                f"it is a {WORDS[version.kind]}, and is to be compared with a {WORDS[kind]}; compare like with like"
            )
            raise InvalidReference(reference=version.reference, problem=problem)
        return version
    try:
        return workspace.dataset(version) if kind == "dataset" else workspace.model(version)
    except ModelNotFound:
        other: Kind = "model" if kind == "dataset" else "dataset"
        name = Reference.parse(version).name
        if name not in workspace.registry.names(other):
            raise
        how = (
            "compare data sets with dataset=True (--dataset)"
            if kind == "model"
            else "leave out dataset=True (--dataset)"
        )
        raise InvalidReference(reference=str(version), problem=f"{name!r} is a {WORDS[other]}: {how}") from None


class _Known:
    """What is compared of one version besides its bytes."""

    def __init__(self, entry: Entry) -> None:
        manifest, document = entry.manifest, entry.provenance
        store = entry.workspace.store
        self.side = Side(store.files, store.contents, manifest)
        inputs = entry.inputs
        flavor = {f"flavor.{key}": value for key, value in manifest.facts.get("flavor", {}).items() if key != "name"}
        self.metadata = {
            "label": entry.label,
            "description": entry.description or None,
            "base": next((reference for role, reference in inputs if role == "base"), None),
            "flavor": entry.flavor,
            **flavor,
            "signature": manifest.facts.get("signature"),
            "reference_profile": manifest.facts.get("profile"),
        }
        self.inputs = _by_name([(role, reference) for role, reference in inputs if role != "base"])
        git, attached = document.get("git") or {}, document.get("attachments") or {}
        self.code = {key: git.get(key) for key in CODE}
        self.code["uncommitted"] = (attached.get("diff.patch") or {}).get("digest")
        environment = document.get("environment") or {}
        self.environment = {key: environment.get(key) for key in MACHINE}
        self.packages = {one["name"]: _version(one) for one in environment.get("distributions") or []}


def _by_name(inputs: list[tuple[str, str]]) -> dict[str, str]:
    """``{"training flights": "flights/3"}``; two versions of one data set in one role stand together."""
    found: dict[str, str] = {}
    for role, reference in sorted(inputs):
        key = f"{role} {reference.rpartition('/')[0]}"
        found[key] = f"{found[key]}, {reference}" if key in found else reference
    return found


def _version(distribution: Mapping[str, Any]) -> str:
    commit = distribution.get("commit")
    return f"{distribution['version']} ({commit[:12]})" if commit else str(distribution["version"])


def _bytes_told(found: Comparison) -> str:
    tensors, files = found.tensors, found.files
    if not files:
        return "the same bytes"
    total = len(tensors.changed) + len(tensors.added) + len(tensors.removed) + tensors.unchanged
    told = []
    if tensors.changed:
        norm = tensors.relative_norm
        told.append(f"{len(tensors.changed)} of {_counted(total, 'tensor')} changed")
        told += [f"relative norm {norm:.2g}"] if norm is not None and math.isfinite(norm) else []
    told += [f"{_counted(len(tensors.added), 'tensor')} added"] if tensors.added else []
    told += [f"{_counted(len(tensors.removed), 'tensor')} removed"] if tensors.removed else []
    if told:
        return ", ".join(told)
    counts = (
        (files.changed, "changed"),
        (files.added, "added"),
        (files.removed, "removed"),
        (files.renamed, "renamed"),
    )
    told = [f"{_counted(len(listed), 'file')} {what}" for listed, what in counts if listed]
    return ", ".join(told) + (f", {_counted(total, 'tensor')} unchanged" if total else "")


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _pairs(found: Mapping[str, Pair]) -> dict[str, Any]:
    return {key: pair.to_json() for key, pair in found.items()}

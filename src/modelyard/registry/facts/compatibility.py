"""Whether callers of one version can go on calling another: a rule over two signature documents.

A signature document is what :class:`modelyard.profiles.signature.Signature` writes: ``{"inputs": [{"name", "type", "required"}, …], "outputs": […]}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WIDER = {("integer", "number")}
"""Values of the first type are accepted where the second is declared; ``any`` accepts all."""


def accepts(declared: str, sent: str) -> bool:
    """Whether a column of the type ``declared`` takes every value of the type ``sent``."""
    return declared in (sent, "any") or (sent, declared) in _WIDER


def incompatibilities(current: Mapping[str, Any], candidate: Mapping[str, Any]) -> list[str]:
    """What callers of ``current`` would notice, one sentence each; empty when nothing.

    Every column that they send today must still be accepted, with a type that takes its values; none that they leave out may be required; and
    outputs must keep their names and types. More outputs are no harm.
    """
    before, after = _columns(current, "inputs"), _columns(candidate, "inputs")
    told: list[str] = []
    for name, (kind, required) in before.items():
        if name not in after:
            told.append(f"input {name!r} is no longer accepted")
            continue
        now, needed = after[name]
        if not accepts(now, kind):
            told.append(f"input {name!r} was {kind} and is {now}")
        if needed and not required:
            told.append(f"input {name!r} may be left out today and is required")
    told += [
        f"input {name!r} is new and required" for name, (_, needed) in after.items() if needed and name not in before
    ]
    promised, given = _columns(current, "outputs"), _columns(candidate, "outputs")
    for name, (kind, _) in promised.items():
        if name not in given:
            told.append(f"output {name!r} is no longer given")
        elif given[name][0] != kind:
            told.append(f"output {name!r} was {kind} and is {given[name][0]}")
    return told


def facts_of(document: Mapping[str, Any] | None, current: Mapping[str, Any] | None, *, first: bool) -> dict[str, Any]:
    """The ``signature`` of a version, for gates: its columns and, where both signatures are known, whether it is compatible with the version
    that the alias points to. With ``first`` there is none yet, and nothing to be incompatible with."""
    if document is None:
        return {}
    told: dict[str, Any] = {
        part: {name: kind for name, (kind, _) in _columns(document, part).items()} for part in ("inputs", "outputs")
    }
    if first or current is not None:
        problems = incompatibilities(current, document) if current is not None else []
        told |= {"compatible": not problems, "problems": problems}
    return told


def _columns(document: Mapping[str, Any], part: str) -> dict[str, tuple[str, bool]]:
    return {field["name"]: (field["type"], bool(field.get("required", True))) for field in document.get(part) or ()}

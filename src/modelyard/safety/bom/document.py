"""A version as a CycloneDX ML-BOM: the same document for the same facts, byte for byte.

CycloneDX 1.6 (ECMA-424, https://cyclonedx.org/docs/1.6/json/). Written by hand, since it is a dictionary; the tests hold it against the
schema of the standard.
"""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import quote

from modelyard.core.clock import to_text
from modelyard.core.digests import Digest
from modelyard.safety.bom import components
from modelyard.safety.bom.card import model_card, without_nothing
from modelyard.safety.bom.subject import Subject

SPECIFICATION = "1.6"
_NAMES = uuid.UUID("5b0f0c7e-5d0a-5c58-9a39-0d9f0d5f7a52")
"""The namespace of our serial numbers."""


def document(subject: Subject) -> dict[str, Any]:
    """The BOM of a version, JSON-able. Its serial number follows from the version, its time is when the version was made."""
    data, libraries = components.data(subject), components.libraries(subject)
    model = _component(subject, [one["bom-ref"] for one in data])
    below = [one["bom-ref"] for one in (*data, *libraries)]
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPECIFICATION}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPECIFICATION,
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMES, f'{subject.kind} {subject.reference} {subject.digest}')}",
        "version": 1,
        "metadata": {
            "timestamp": to_text(subject.created_time),
            "tools": {
                "components": [
                    without_nothing({"type": "application", "name": "modelyard", "version": subject.tool_version})
                ]
            },
            "component": model,
        },
        "components": [*data, *libraries],
        "dependencies": [
            {"ref": model["bom-ref"], "dependsOn": below},
            *({"ref": reference} for reference in below),
        ],
    }


def _component(subject: Subject, data: list[str]) -> dict[str, Any]:
    is_model = subject.kind == "model"
    found: dict[str, Any] = {
        "type": "machine-learning-model" if is_model else "data",
        "bom-ref": f"{subject.kind}:{subject.reference}",
        "authors": [{"name": subject.created_by}],
        "name": subject.name,
        "version": str(subject.number),
        "description": subject.description,
        "hashes": components.hashes(subject.manifest.files[0].digest) if len(subject.manifest.files) == 1 else [],
        "licenses": components.license_of(subject),
        "purl": f"pkg:generic/{quote(subject.name, safe='')}@{subject.number}?checksum=sha256:{Digest(subject.digest).hex}",
        "pedigree": components.pedigree(subject),
        "externalReferences": list(components.references(subject)),
        "components": components.files(subject),
        "modelCard": model_card(subject, data) if is_model else {},
        "properties": [{"name": name, "value": value} for name, value in _properties(subject)],
    }
    return without_nothing(found)


def _properties(subject: Subject) -> list[tuple[str, str]]:
    """What has no place of its own in the standard, under our name."""
    flavor = subject.manifest.facts.get("flavor") or {}
    build = subject.provenance.get("build") or {}
    environment = subject.provenance.get("environment") or {}
    python = f"{environment.get('implementation', '')} {environment.get('python', '')}".strip()
    listed = [
        ("digest", subject.digest),
        ("label", subject.label),
        ("flavor", flavor.get("name")),
        ("format", flavor.get("format")),
        ("build", f"{build.get('system')} {build.get('number') or ''}".strip() if build else None),
        ("python", python),
        *((f"property:{key}", value) for key, value in sorted(subject.properties.items())),
        *((f"tag:{key}", value) for key, value in sorted(subject.tags.items())),
    ]
    return [(f"modelyard:{name}", str(value)) for name, value in listed if value not in (None, "")]

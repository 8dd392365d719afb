"""The model card within a BOM: what the model takes and gives, how it was measured, and what its makers say of its use."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from modelyard.safety.bom.subject import Subject

APPROACHES = ("supervised", "unsupervised", "reinforcement-learning", "semi-supervised", "self-supervised")


def model_card(subject: Subject, data: Iterable[str]) -> dict[str, Any]:
    """The ``modelCard`` of the component; ``data`` are the references of the data sets in the BOM. Only what is known stands in it."""
    facts = subject.manifest.facts
    signature = facts.get("signature") or {}
    outputs = signature.get("outputs") or []
    classifies = any(output.get("name") == "label" for output in outputs)
    approach = subject.said("approach") or ("supervised" if classifies else None)
    parameters = {
        "approach": {"type": approach} if approach in APPROACHES else None,
        "task": subject.said("task") or ("classification" if classifies else None),
        "modelArchitecture": (facts.get("flavor") or {}).get("class"),
        "datasets": [{"ref": reference} for reference in data],
        "inputs": [_column(column) for column in signature.get("inputs") or []],
        "outputs": [_column(column) for column in outputs],
    }
    metrics = [
        {"type": one.key, "value": repr(one.value), **({"slice": one.dataset} if one.dataset else {})}
        for one in sorted(subject.metrics, key=lambda one: (one.key, one.dataset or ""))
    ]
    uses, limits, ethics = (
        subject.said(*names)
        for names in (
            ("intended_use", "use_cases"),
            ("limitations", "technical_limitations"),
            ("ethical_considerations",),
        )
    )
    considerations = {
        "useCases": [uses] if uses else None,
        "technicalLimitations": [limits] if limits else None,
        "ethicalConsiderations": [{"name": ethics}] if ethics else None,
    }
    card = {
        "modelParameters": without_nothing(parameters),
        "quantitativeAnalysis": {"performanceMetrics": metrics} if metrics else None,
        "considerations": without_nothing(considerations),
        "properties": [{"name": "modelyard:card", "value": subject.card}] if subject.card else None,
    }
    return without_nothing(card)


def without_nothing(found: dict[str, Any]) -> dict[str, Any]:
    """The entries that say something."""
    return {key: value for key, value in found.items() if value not in (None, "", [], {})}


def _column(column: dict[str, Any]) -> dict[str, str]:
    optional = "" if column.get("required", True) else " (optional)"
    return {"format": f"{column['name']}: {column['type']}{optional}"}

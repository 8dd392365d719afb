"""Gates: conditions over what is known of a version, in the expression language, with defined answers for what is unknown.

::

    metrics.auc >= 0.65
    metrics.auc >= alias.metrics.auc - 0.005 and provenance.git.dirty == false
    has(tags.approved_by) or tags["type"] in ["shadow", "test"]

Names lead into the facts of the version: ``metrics``, ``tags``, ``properties``, ``number``, ``label``, ``flavor``, ``size``, ``provenance``; ``alias`` leads to
the same facts of the version that the alias points to now. A name that leads nowhere is *unknown*; a comparison with unknown is unknown;
``and``, ``or`` and ``not`` follow Kleene's three-valued logic; a gate holds only when it is true, so unknown never promotes. One exception is
defined: when the alias points nowhere yet, a comparison of something known with ``alias`` decides nothing, nor does its opposite, because there is
nothing to be worse than; a gate in which nothing else decides holds.

The language is that of search, see :mod:`modelyard.registry.language`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from modelyard.core.clock import to_text
from modelyard.core.errors import InvalidGate
from modelyard.registry import language
from modelyard.registry.language import NOTHING, UNKNOWN, VACUOUS, Node

__all__ = ["NOTHING", "UNKNOWN", "VACUOUS", "GateResult", "evaluate", "parse"]

LENGTH_LIMIT = 4000


@dataclass(frozen=True)
class GateResult:
    """Whether a gate holds, and why: each clause of it with the values that were found."""

    expression: str
    passed: bool
    explanation: str


def parse(expression: Any) -> Node:
    """The syntax tree of a gate. Raises InvalidGate with the column (from 1) of the mistake."""
    if not isinstance(expression, str):
        problem = f"a gate is text, not a {type(expression).__name__}"
        raise InvalidGate(expression=str(expression), column=1, problem=problem)
    with language.told_as(InvalidGate, expression):
        return language.parse(expression, LENGTH_LIMIT)


def evaluate(expression: str, facts: Mapping[str, Any], now: datetime | None = None) -> GateResult:
    """Whether the gate is true of the facts; ``facts["alias"]`` is None when the alias points nowhere. Raises InvalidGate.

    ``now`` is what times such as ``'2h ago'`` count from.
    """
    tree = parse(expression)
    told = []
    for clause in language.conjuncts(tree):
        answer = language.value(clause, facts, now)
        words = f"{_written(expression, clause)} is {_say(answer)}"
        found = {_written(expression, name): language.value(name, facts, now) for name in language.names(clause)}
        values = ", ".join(f"{name} is {_say(value)}" for name, value in found.items())
        told.append((answer is True or answer is VACUOUS, words + (f" ({values})" if values else "")))
    passed = all(holds for holds, _ in told)
    failed = [words for holds, words in told if not holds]
    return GateResult(expression, passed, "; ".join(failed or [words for _, words in told]))


def _written(expression: str, node: Node) -> str:
    return expression[node.start : node.end]


def _say(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, datetime):
        return to_text(value)
    return repr(sorted(value) if isinstance(value, frozenset) else value)

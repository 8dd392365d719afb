"""The clauses of a filter that must all be true, and what those ask that an index can answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from modelyard.registry.language import Node, conjuncts
from modelyard.registry.language.tree import Comparison, Constant, Has, Like, Name, Sign, Within
from modelyard.registry.search.fields import Field, Subject, resolved

_TURNED: dict[Sign, Sign] = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(frozen=True)
class Asked:
    """A clause that compares a field with written values: ``sign`` is ``in`` for several of them, ``has`` and ``like`` for none."""

    clause: Node
    field: Field
    name: Name
    sign: Any
    values: tuple[Constant, ...] = ()

    @property
    def key(self) -> str:
        """The key of ``tags.key``; empty for a field without keys."""
        return str(self.name.path[-1]) if len(self.name.path) > 1 else ""

    @property
    def texts(self) -> list[str]:
        return [value.value for value in self.values if isinstance(value.value, str)]


def clauses(tree: Node | None) -> list[Node]:
    """What must all be true; a chain of comparisons is as many clauses."""
    return [] if tree is None else [each for clause in conjuncts(tree) for each in _links(clause)]


def asked(subject: Subject, found: Iterable[Node]) -> Iterator[Asked]:
    """Of these clauses, those that compare one field with written values. Raises Mistake for a name that leads to no field."""
    for clause in found:
        match clause:
            case Comparison(Name() as name, ((sign, Constant() as constant),)):
                yield Asked(clause, *resolved(subject, name), sign, (constant,))
            case Comparison(Constant() as constant, ((sign, Name() as name),)):
                yield Asked(clause, *resolved(subject, name), _TURNED[sign], (constant,))
            case Within(Name() as name, tuple(items), False) if all(isinstance(item, Constant) for item in items):
                constants = tuple(item for item in items if isinstance(item, Constant))
                yield Asked(clause, *resolved(subject, name), "in", constants)
            case Within(Constant() as constant, Name() as name, False):
                yield Asked(clause, *resolved(subject, name), "=", (constant,))
            case Has(name, False):
                yield Asked(clause, *resolved(subject, name), "has")
            case Like(Name() as name, negated=False):
                yield Asked(clause, *resolved(subject, name), "like")


def _links(clause: Node) -> Iterator[Node]:
    if not isinstance(clause, Comparison) or len(clause.rest) == 1:
        yield clause
        return
    left = clause.first
    for sign, right in clause.rest:
        yield Comparison(left, ((sign, right),), start=left.start, end=right.end)
        left = right

"""What an expression means: a tree of values, comparisons and their logic.

Trees are equal when they mean the same in the same words: the place of a node in the text does not count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Sign: TypeAlias = Literal["=", "!=", "<", "<=", ">", ">="]
Operator: TypeAlias = Literal["+", "-", "*", "/"]


@dataclass(frozen=True, kw_only=True)
class _Placed:
    """From which character of the text to which a node was read; 0 and 0 when it was not read."""

    start: int = field(default=0, compare=False, repr=False)
    end: int = field(default=0, compare=False, repr=False)

    @property
    def column(self) -> int:
        """Where it begins, counted from 1."""
        return self.start + 1


@dataclass(frozen=True)
class Constant(_Placed):
    """Text, a number, true, false or null."""

    value: str | int | float | bool | None


@dataclass(frozen=True)
class Name(_Placed):
    """Leads into what is known: ``tags.type`` is ``("tags", "type")``; a number counts in a list from 0."""

    path: tuple[str | int, ...]


@dataclass(frozen=True)
class Negative(_Placed):
    operand: Node


@dataclass(frozen=True)
class Arithmetic(_Placed):
    left: Node
    operator: Operator
    right: Node
    at: int = field(default=0, compare=False, repr=False)  # where the operator stands


@dataclass(frozen=True)
class Comparison(_Placed):
    """``first sign value``, and so on in a chain: ``0.6 < metrics.auc < 0.8``. Every pair of neighbours must hold."""

    first: Node
    rest: tuple[tuple[Sign, Node], ...]


@dataclass(frozen=True)
class Within(_Placed):
    """``operand in (items)``, or ``operand in holder`` where the name leads to several values."""

    operand: Node
    holder: tuple[Node, ...] | Name
    negated: bool = False


@dataclass(frozen=True)
class Like(_Placed):
    """Whether text fits a pattern, in which ``%`` stands for any characters and ``_`` for one; see :mod:`.patterns`."""

    operand: Node
    pattern: str
    escape: str | None = None
    insensitive: bool = False
    negated: bool = False


@dataclass(frozen=True)
class IsNull(_Placed):
    """Never unknown: whether the operand is absent, null or unknown."""

    operand: Node
    negated: bool = False


@dataclass(frozen=True)
class Has(_Placed):
    """Never unknown: whether there is something under the name."""

    name: Name
    missing: bool = False


@dataclass(frozen=True)
class Not(_Placed):
    operand: Node


@dataclass(frozen=True)
class And(_Placed):
    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Or(_Placed):
    parts: tuple[Node, ...]


Node: TypeAlias = Constant | Name | Negative | Arithmetic | Comparison | Within | Like | IsNull | Has | Not | And | Or


def children(node: Node) -> tuple[Node, ...]:
    """The nodes right below, from left to right."""
    match node:
        case Negative(operand) | Not(operand) | Like(operand) | IsNull(operand):
            return (operand,)
        case Arithmetic(left, _, right):
            return (left, right)
        case Comparison(first, rest):
            return (first, *(value for _, value in rest))
        case Within(operand, holder):
            return (operand, holder) if isinstance(holder, Name) else (operand, *holder)
        case Has(name):
            return (name,)
        case And(parts) | Or(parts):
            return parts
    return ()


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it, from left to right."""
    waiting = [node]
    while waiting:
        found = waiting.pop()
        yield found
        waiting.extend(reversed(children(found)))


def names(node: Node) -> list[Name]:
    """All names in it, from left to right."""
    return [found for found in walk(node) if isinstance(found, Name)]


def depth(node: Node) -> int:
    """How many nodes lie on the longest way down."""
    deepest, level = 0, [node]
    while level:
        deepest, level = deepest + 1, [child for each in level for child in children(each)]
    return deepest


def conjuncts(node: Node) -> tuple[Node, ...]:
    """The clauses that must all hold."""
    if isinstance(node, And):
        return tuple(clause for part in node.parts for clause in conjuncts(part))
    return (node,)

"""From a tree back to text: ``parse(text(tree)) == tree``."""

from __future__ import annotations

import re

from modelyard.registry.language.cursor import KEYWORDS
from modelyard.registry.language.tree import (
    And,
    Arithmetic,
    Comparison,
    Constant,
    Has,
    IsNull,
    Like,
    Name,
    Negative,
    Node,
    Not,
    Or,
    Within,
)

_PLAIN = re.compile(r"[^\W\d]\w*")
_LEVELS: dict[type[Node], int] = {
    Or: 1, And: 2, Not: 3, Comparison: 4, Within: 4, Like: 4, IsNull: 4, Negative: 7, Constant: 8, Name: 8, Has: 8,
}  # fmt: skip


def text(node: Node) -> str:
    """The expression in its plainest spelling."""
    match node:
        case Constant(value):
            return _constant(value)
        case Name(path):
            return _name(path)
        case Has(name, missing):
            return f"{'missing' if missing else 'has'}({text(name)})"
        case Negative(operand):
            return f"-{_inner(operand, 7)}"
        case Arithmetic(left, operator, right):
            level = _level(node)
            return f"{_inner(left, level)} {operator} {_inner(right, level + 1)}"
        case Comparison(first, rest):
            return " ".join([_inner(first, 5), *(f"{sign} {_inner(value, 5)}" for sign, value in rest)])
        case Within(operand, holder, negated):
            found = text(holder) if isinstance(holder, Name) else f"({', '.join(_inner(item, 5) for item in holder)})"
            return f"{_inner(operand, 5)} {'not ' if negated else ''}in {found}"
        case Like(operand, pattern, escape, insensitive, negated):
            word = f"{'not ' if negated else ''}{'ilike' if insensitive else 'like'}"
            end = "" if escape is None else f" escape {_quoted(escape)}"
            return f"{_inner(operand, 5)} {word} {_quoted(pattern)}{end}"
        case IsNull(operand, negated):
            return f"{_inner(operand, 5)} is {'not ' if negated else ''}null"
        case Not(operand):
            return f"not {_inner(operand, 3)}"
        case And(parts):
            return " and ".join(_inner(part, 3) for part in parts)
        case Or(parts):
            return " or ".join(_inner(part, 2) for part in parts)


def _level(node: Node) -> int:
    if isinstance(node, Arithmetic):
        return 5 if node.operator in "+-" else 6
    return _LEVELS[type(node)]


def _inner(node: Node, lowest: int) -> str:
    return text(node) if _level(node) >= lowest else f"({text(node)})"


def _constant(value: str | float | bool | None) -> str:
    if isinstance(value, str):
        return _quoted(value)
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return repr(value)


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _name(path: tuple[str | int, ...]) -> str:
    first = str(path[0])
    said = first if _PLAIN.fullmatch(first) and first.lower() not in KEYWORDS else _ticked(first)
    for key in path[1:]:
        if isinstance(key, int):
            said += f"[{key}]"
        else:
            said += "." + (key if re.fullmatch(r"\w+", key) else _ticked(key))
    return said


def _ticked(key: str) -> str:
    return "`" + key.replace("`", "``") + "`"

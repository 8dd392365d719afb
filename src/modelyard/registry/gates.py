"""Gates: conditions over what is known of a version, in a small typed language, with defined answers for what is unknown.

::

    metrics.auc >= 0.65
    metrics.auc >= alias.metrics.auc - 0.005 and provenance.git.dirty == false
    has(tags.approved_by) or tags["type"] in ["shadow", "test"]

Names lead into the facts of the version: ``metrics``, ``tags``, ``properties``, ``number``, ``label``, ``flavor``, ``size``, ``provenance``; ``alias`` leads to
the same facts of the version that the alias points to now. A name that leads nowhere is *unknown*; a comparison with unknown is unknown;
``and``, ``or`` and ``not`` follow Kleene's three-valued logic; a gate holds only when it is true, so unknown never promotes. One exception is
defined: when the alias points nowhere yet, a comparison of something known with ``alias`` decides nothing, nor does its opposite, because there is
nothing to be worse than; a gate in which nothing else decides holds.

The syntax is the part of Python's own that :data:`_ALLOWED` lists, read with :mod:`ast` and never executed.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from modelyard.core.errors import InvalidGate

_ALLOWED: tuple[type[ast.AST], ...] = (
    ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div,
    ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn, ast.Name, ast.Load, ast.Attribute,
    ast.Subscript, ast.Constant, ast.List, ast.Tuple, ast.Call,
)  # fmt: skip
_WORDS = {"true": True, "false": False, "null": None}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
}  # fmt: skip
_COUNT: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip
_LENGTH_LIMIT = 4000
_DEPTH_LIMIT = 60


class _Unknown:
    def __repr__(self) -> str:
        return "unknown"


class _Nothing:
    """What ``alias`` leads to when the alias points nowhere yet."""

    def __repr__(self) -> str:
        return "nothing yet"


class _Vacuous:
    """The truth of a comparison with what is not there yet."""

    def __repr__(self) -> str:
        return "nothing to compare with yet"


UNKNOWN = _Unknown()
NOTHING = _Nothing()
VACUOUS = _Vacuous()


@dataclass(frozen=True)
class GateResult:
    """Whether a gate holds, and why: each clause of it with the values that were found."""

    expression: str
    passed: bool
    explanation: str


def parse(expression: str) -> ast.expr:
    """The syntax tree of a gate. Raises InvalidGate with the column (from 1) of the mistake."""
    if not isinstance(expression, str) or len(expression) > _LENGTH_LIMIT:
        raise InvalidGate(
            expression=str(expression)[:60], column=1, problem=f"a gate is text of at most {_LENGTH_LIMIT} characters"
        )
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        column = getattr(error, "offset", None) or len(expression) + 1
        raise InvalidGate(expression=expression, column=column, problem="it is not an expression") from None
    if _depth(tree) > _DEPTH_LIMIT:
        raise InvalidGate(expression=expression[:60], column=1, problem="it is nested too deeply")
    for node in ast.walk(tree):
        column = getattr(node, "col_offset", 0) + 1
        if not isinstance(node, _ALLOWED):
            raise InvalidGate(
                expression=expression, column=column, problem=f"{type(node).__name__} is not part of the language"
            )
        if isinstance(node, ast.Call) and not (
            isinstance(node.func, ast.Name) and node.func.id == "has" and len(node.args) == 1
        ):
            raise InvalidGate(expression=expression, column=column, problem="the only function is has(name)")
    return tree.body


def evaluate(expression: str, facts: Mapping[str, Any]) -> GateResult:
    """Whether the gate is true of the facts; ``facts["alias"]`` is None when the alias points nowhere. Raises InvalidGate."""
    tree = parse(expression)
    clauses = tree.values if isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And) else [tree]
    answers = [_value(clause, facts) for clause in clauses]
    told = []
    for clause, answer in zip(clauses, answers, strict=True):
        words = f"{ast.unparse(clause)} is {_say(answer)}"
        found = [f"{ast.unparse(n)} is {_say(_value(n, facts))}" for n in _paths(clause)]
        told.append((answer, words + (f" ({', '.join(found)})" if found else "")))
    passed = all(answer is True or answer is VACUOUS for answer in answers)
    failed = [words for answer, words in told if answer is not True and answer is not VACUOUS]
    return GateResult(expression, passed, "; ".join(failed or [words for _, words in told]))


def _say(value: Any) -> str:
    return {True: "true", False: "false"}.get(value, repr(value)) if isinstance(value, bool) else repr(value)


def _paths(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Attribute | ast.Subscript):
        return [node]
    if isinstance(node, ast.Name):
        return [] if node.id in (*_WORDS, "has") else [node]
    return [path for child in ast.iter_child_nodes(node) for path in _paths(child)]


def _value(node: ast.AST, facts: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value):
            return value
        case ast.Name(id=word):
            return _WORDS[word] if word in _WORDS else _step(facts, word)
        case ast.Attribute(value=inner, attr=word):
            return _step(_value(inner, facts), word)
        case ast.Subscript(value=inner, slice=key):
            return _step(_value(inner, facts), _value(key, facts))
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_value(item, facts) for item in items]
        case ast.Call(args=[argument]):
            found = _value(argument, facts)
            return found is not NOTHING and found is not UNKNOWN and found is not None
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            found = _value(inner, facts)
            return not found if isinstance(found, bool) else found if found is VACUOUS else UNKNOWN
        case ast.UnaryOp(operand=inner):
            return _count(operator.sub, 0, _value(inner, facts))
        case ast.BinOp(left=left, op=sign, right=right):
            return _count(_COUNT[type(sign)], _value(left, facts), _value(right, facts))
        case ast.BoolOp(op=word, values=parts):
            return _join(isinstance(word, ast.And), [_value(part, facts) for part in parts])
        case ast.Compare(left=left, ops=signs, comparators=rights):
            values = [_value(left, facts), *(_value(right, facts) for right in rights)]
            pairs = zip(signs, values, values[1:], strict=False)
            return _join(True, [_compare(_COMPARE[type(sign)], a, b) for sign, a, b in pairs])
    raise AssertionError(f"parse() lets no {type(node).__name__} through")


def _step(holder: Any, key: Any) -> Any:
    if holder is NOTHING or holder is UNKNOWN:
        return holder
    if isinstance(holder, Mapping) and isinstance(key, str) and key in holder:
        found = holder[key]
        return NOTHING if key == "alias" and found is None else found
    return UNKNOWN


def _count(rule: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    for missing in (UNKNOWN, NOTHING):
        if left is missing or right is missing:
            return missing
    try:
        return rule(left, right)
    except (TypeError, ZeroDivisionError, OverflowError):
        return UNKNOWN


def _compare(rule: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    if left is UNKNOWN or right is UNKNOWN:
        return UNKNOWN
    if left is NOTHING or right is NOTHING:
        return VACUOUS
    try:
        return bool(rule(left, right))
    except TypeError:
        return UNKNOWN


def _join(every: bool, answers: list[Any]) -> Any:
    """Kleene's ``and`` (every) or ``or``: the deciding value wins, else unknown if any is not a truth value, else the other.

    What is vacuous decides nothing beside something that does; alone it stays vacuous.
    """
    if any(answer is (not every) for answer in answers):
        return not every
    rest = [answer for answer in answers if answer is not VACUOUS]
    if any(answer is not every for answer in rest):
        return UNKNOWN
    return every if rest and (every or len(rest) == len(answers)) else VACUOUS


def _depth(tree: ast.AST) -> int:
    deepest, level = 0, [tree]
    while level:
        deepest, level = deepest + 1, [child for node in level for child in ast.iter_child_nodes(node)]
    return deepest

"""What an expression says of known facts, in Kleene's three-valued logic.

``facts`` is a mapping of mappings; a name leads into it step by step. A name that leads nowhere, and null, are :data:`UNKNOWN`; so is a
comparison with unknown, a comparison of what cannot be compared (text with a number), and arithmetic that has no finite result. ``and``, ``or``
and ``not`` follow Kleene. ``is null``, ``has`` and ``missing`` are never unknown.

Numbers compare exactly, text by its code points (which is the order of its bytes in UTF-8), labels (:class:`LabelName`) as semantic versions where order is asked
for. A ``datetime`` compares with text that :func:`parse_when` reads, and with whole milliseconds since 1970. Several values (a ``frozenset``) are equal
to a value when one of them is, and unequal when none of them is.

One more value is defined for gates: ``alias`` leads to :data:`NOTHING` when it is None in the facts, because the alias points nowhere yet. A
comparison of something known with it is :data:`VACUOUS`: it decides nothing, nor does its opposite.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from modelyard.core.clock import from_micros, parse_when
from modelyard.core.errors import InvalidTime
from modelyard.core.names import LabelName
from modelyard.registry.labels import order
from modelyard.registry.language import patterns
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


class _Word:
    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


UNKNOWN = _Word("unknown")
NOTHING = _Word("nothing yet")
"""What ``alias`` leads to when the alias points nowhere yet."""
VACUOUS = _Word("nothing to compare with yet")
"""The truth of a comparison with what is not there yet."""
_ABSENT = (UNKNOWN, NOTHING, None, frozenset[Any]())

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_COUNT: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
}  # fmt: skip


def value(node: Node, facts: Mapping[str, Any], now: datetime | None = None) -> Any:
    """What the expression is of the facts: True, False, :data:`UNKNOWN`, :data:`VACUOUS`, or the value of what is no condition.

    ``now`` is what ``'2h ago'`` counts from.
    """
    match node:
        case Constant(constant):
            return UNKNOWN if constant is None else constant
        case Name(path):
            return _led(facts, path)
        case Has(name, missing):
            return (_led(facts, name.path) in _ABSENT) is missing
        case IsNull(operand, negated):
            return (value(operand, facts, now) in _ABSENT) is not negated
        case Not(operand):
            found = value(operand, facts, now)
            return not found if isinstance(found, bool) else found if found is VACUOUS else UNKNOWN
        case And(parts) | Or(parts):
            return join(isinstance(node, And), [value(part, facts, now) for part in parts])
        case Negative(operand):
            return _count(operator.sub, 0, value(operand, facts, now))
        case Arithmetic(left, sign, right):
            return _count(_COUNT[sign], value(left, facts, now), value(right, facts, now))
        case Comparison(first, rest):
            values = [value(first, facts, now), *(value(each, facts, now) for _, each in rest)]
            signs = [sign for sign, _ in rest]
            return join(True, [_compare(*each, now) for each in zip(signs, values, values[1:], strict=False)])
        case Within(operand, holder, negated):
            return _opposite(_within(value(operand, facts, now), holder, facts, now), negated)
        case Like(operand, pattern, escape, insensitive, negated):
            found, wanted = value(operand, facts, now), patterns.parts(pattern, escape)
            return _opposite(_like(found, wanted, insensitive), negated)


def join(every: bool, answers: list[Any]) -> Any:
    """Kleene's ``and`` (every) or ``or``: the deciding value wins, else unknown if any is not a truth value, else the other.

    What is vacuous decides nothing beside something that does; alone it stays vacuous.
    """
    if any(answer is (not every) for answer in answers):
        return not every
    rest = [answer for answer in answers if answer is not VACUOUS]
    if any(answer is not every for answer in rest):
        return UNKNOWN
    return every if rest and (every or len(rest) == len(answers)) else VACUOUS


def _led(facts: Mapping[str, Any], path: tuple[str | int, ...]) -> Any:
    found: Any = facts
    for key in path:
        if isinstance(found, Mapping) and isinstance(key, str) and key in found:
            holder, found = found, found[key]
            if found is None and key == "alias" and holder is facts:
                return NOTHING
        elif isinstance(found, list | tuple) and isinstance(key, int) and key < len(found):
            found = found[key]
        else:
            return UNKNOWN
    return found


def _opposite(answer: Any, negated: bool) -> Any:
    return not answer if negated and isinstance(answer, bool) else answer


def _count(rule: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    for missing in (UNKNOWN, NOTHING):
        if left is missing or right is missing:
            return missing
    if not (_is_number(left) and _is_number(right)):
        return UNKNOWN
    try:
        found = rule(left, right)
    except (ZeroDivisionError, OverflowError):
        return UNKNOWN
    return found if math.isfinite(found) else UNKNOWN


def _compare(sign: str, left: Any, right: Any, now: datetime | None) -> Any:
    for answer, missing in ((UNKNOWN, (UNKNOWN, None)), (VACUOUS, (NOTHING, VACUOUS))):
        if any(side is each for side in (left, right) for each in missing):
            return answer
    if isinstance(left, frozenset) or isinstance(right, frozenset):
        return _compare_several(sign, left, right)
    if isinstance(left, datetime) or isinstance(right, datetime):
        left, right = _instant(left, now), _instant(right, now)
    if isinstance(left, bool) and isinstance(right, bool):
        return _COMPARE[sign](left, right) if sign in ("=", "!=") else UNKNOWN
    if isinstance(left, str) and isinstance(right, str):
        if sign not in ("=", "!=") and (isinstance(left, LabelName) or isinstance(right, LabelName)):
            left, right = order(left), order(right)
        return _COMPARE[sign](left, right)
    if (_is_number(left) and _is_number(right)) or (isinstance(left, datetime) and isinstance(right, datetime)):
        return _COMPARE[sign](left, right)
    return UNKNOWN


def _compare_several(sign: str, left: Any, right: Any) -> Any:
    several, one = (left, right) if isinstance(left, frozenset) else (right, left)
    if sign not in ("=", "!=") or not isinstance(one, str):
        return UNKNOWN
    return (one in several) is (sign == "=")


def _within(found: Any, holder: tuple[Node, ...] | Name, facts: Mapping[str, Any], now: datetime | None) -> Any:
    if not isinstance(holder, Name):
        return join(False, [_compare("=", found, value(item, facts, now), now) for item in holder])
    several = value(holder, facts, now)
    if isinstance(several, frozenset):
        return _compare("=", found, several, now)
    if isinstance(several, list | tuple):
        return join(False, [_compare("=", found, each, now) for each in several]) if several else False
    return VACUOUS if several is NOTHING and found not in _ABSENT else UNKNOWN


def _like(found: Any, wanted: tuple[patterns.Part, ...], insensitive: bool) -> Any:
    if isinstance(found, frozenset):
        return any(patterns.fits(each, wanted, insensitive=insensitive) for each in found)
    if isinstance(found, str):
        return patterns.fits(found, wanted, insensitive=insensitive)
    return VACUOUS if found is NOTHING or found is VACUOUS else UNKNOWN


def _instant(found: Any, now: datetime | None) -> Any:
    """The instant that is meant, or what was found when that is none."""
    try:
        if isinstance(found, str):
            return parse_when(found, now or datetime.now(UTC))
        if isinstance(found, int) and not isinstance(found, bool):
            return from_micros(found * 1000)
    except (InvalidTime, OverflowError):
        return UNKNOWN
    return found


def _is_number(found: Any) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool)

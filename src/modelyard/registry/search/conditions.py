"""From an expression to SQL that answers as :func:`modelyard.registry.language.value` does.

SQL's own logic is the three-valued one, so what is asked for becomes scalar values that are null where there is nothing, and the connectives
stay what they are.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Double,
    Text,
    and_,
    case,
    cast,
    false,
    literal,
    not_,
    null,
    or_,
    true,
)
from sqlalchemy.sql.elements import Grouping

from modelyard.registry import language
from modelyard.registry.labels import order
from modelyard.registry.language import Mistake, Node, patterns
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
    Not,
    Or,
    Sign,
    Within,
)
from modelyard.registry.search import documents, written
from modelyard.registry.search.fields import IN_WORDS, Subject, resolved
from modelyard.registry.search.fitting import fits
from modelyard.registry.search.numbers import exact
from modelyard.registry.search.operands import Columns, InDocument, Operand, Plain, Several

Condition: TypeAlias = ColumnElement[bool]
PARTS_LIMIT: Final = 500
"""So many conditions are joined by one ``and`` or ``or``; SQLite takes no more than 1000."""

_UNKNOWN: Condition = cast(null(), Boolean)
_RULES: Final[dict[str, Callable[[Any, Any], Condition]]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_TURNED: Final[dict[Sign, Sign]] = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_ALIKE: Final = {"label": "text", "whole": "number"}


class Conditions:
    """The conditions of one search. ``now`` is what ``'2h ago'`` counts from. All methods raise Mistake."""

    def __init__(self, subject: Subject, columns: Columns, now: datetime) -> None:
        self.subject = subject
        self.columns = columns
        self.now = now

    def condition(self, node: Node) -> Condition:
        """What is true of the rows that are found."""
        match node:
            case Constant(value):
                if value is not None and not isinstance(value, bool):
                    raise Mistake(node.column, f"{language.text(node)} by itself is no condition")
                return _UNKNOWN if value is None else true() if value else false()
            case Name():
                return self._truth(node)
            case Has(name, missing):
                found = self._present(self._operand(name))
                return not_(found) if missing else found
            case IsNull(operand, negated):
                found = self._present(self._operand(operand))
                return found if negated else not_(found)
            case Not(operand):
                return not_(self.condition(operand))
            case And(parts) | Or(parts):
                if len(parts) > PARTS_LIMIT:
                    extra = parts[PARTS_LIMIT].column
                    raise Mistake(
                        extra, f"{PARTS_LIMIT} conditions in a row are the most; a list of values goes with in"
                    )
                joined = and_ if isinstance(node, And) else or_
                return joined(*(self.condition(part) for part in parts))
            case Comparison(first, rest):
                values = [first, *(value for _, value in rest)]
                signs = [sign for sign, _ in rest]
                return and_(*(self._compare(*each) for each in zip(signs, values, values[1:], strict=False)))
            case Within(operand, holder, negated):
                found = self._within(operand, holder)
                return not_(found) if negated else found
            case Like(operand, _, _, _, negated):
                found = self._like(operand, node)
                return not_(found) if negated else found
            case Arithmetic() | Negative():
                raise Mistake(node.column, f"{language.text(node)} by itself is no condition")

    # --- what stands on a side ---

    def _operand(self, node: Node) -> Operand | Constant:
        match node:
            case Constant():
                return node
            case Name():
                field, name = resolved(self.subject, node)
                return self.columns.operand(field, name)
            case Arithmetic() | Negative():
                return written.counted(node)
        return Plain("truth", self.condition(node))

    def _truth(self, node: Name) -> Condition:
        found = self._operand(node)
        if isinstance(found, InDocument):
            return found.place.truth
        if isinstance(found, Plain) and found.type == "truth":
            return found.sql
        kind = IN_WORDS[found.type] if isinstance(found, Plain) else IN_WORDS["several"]
        raise Mistake(
            node.column, f"{language.text(node)} is {kind}, and by itself no condition; compare it, or ask has(…)"
        )

    def _present(self, found: Operand | Constant) -> Condition:
        if isinstance(found, Constant):
            return false() if found.value is None else true()
        if isinstance(found, Several):
            return found.where(lambda each: each.is_not(None))
        sql = found.place.kind if isinstance(found, InDocument) else found.sql
        return Grouping(sql).is_not(None)

    # --- comparisons ---

    def _compare(self, sign: Sign, left: Node, right: Node) -> Condition:
        one, other = self._operand(left), self._operand(right)
        if isinstance(one, Constant) and isinstance(other, Constant):
            answer = language.value(Comparison(one, ((sign, other),)), {}, self.now)
            return _UNKNOWN if answer is language.UNKNOWN else true() if answer else false()
        if isinstance(one, Constant):
            sign, left, right, one, other = _TURNED[sign], right, left, other, one
        assert not isinstance(one, Constant)  # noqa: S101 - of two, not both are
        if isinstance(other, Constant):
            return self.compare_value(sign, one, left, other)
        return self._compare_operands(sign, one, other, left, right)

    def compare_value(self, sign: Sign, found: Operand, node: Node, constant: Constant) -> Condition:
        """How a field, which is written as ``node``, compares with a written value."""
        value = constant.value
        if isinstance(found, Several):
            if sign not in ("=", "!="):
                raise Mistake(node.column, f"{language.text(node)} has several values, which have no order")
            wanted = literal(written.text(node, constant), Text)
            return _several(found, lambda each: each == wanted, negated=sign == "!=")
        if isinstance(found, InDocument):
            return self._compare_in_document(sign, found.place, constant)
        rule = _RULES[sign]
        match found.type:
            case "text" | "label":
                text = written.text(node, constant)
                if found.order is not None and sign not in ("=", "!="):
                    return rule(found.order, literal(order(text), Text))
                return rule(found.sql, literal(text, Text))
            case "truth":
                if not isinstance(value, bool):
                    raise Mistake(constant.column, f"{language.text(node)} is true or false, without quotes")
                if sign not in ("=", "!="):
                    raise Mistake(node.column, "true and false have no order")
                return found.sql if value is (sign == "=") else not_(found.sql)
            case "time":
                return rule(found.sql, literal(written.micros(node, constant, self.now), BigInteger))
        whole = found.type == "whole"
        answer = exact(sign, written.number(node, constant), whole=whole)
        if isinstance(answer, bool):
            return case((found.sql.is_not(None), true() if answer else false()), else_=None)
        return _RULES[answer[0]](found.sql, literal(answer[1], BigInteger if whole else Double))

    def _compare_in_document(self, sign: Sign, place: documents.Place, constant: Constant) -> Condition:
        value = constant.value
        if isinstance(value, bool):
            if sign not in ("=", "!="):
                raise Mistake(constant.column, "true and false have no order")
            return place.truth if value is (sign == "=") else not_(place.truth)
        if isinstance(value, str):
            return _RULES[sign](place.text, literal(value, Text))
        assert value is not None  # noqa: S101 - the parser makes IsNull of it
        return _RULES[sign](place.number, documents.number(self.columns.dialect, value))

    def _compare_operands(self, sign: Sign, one: Operand, other: Operand, left: Node, right: Node) -> Condition:
        rule = _RULES[sign]
        if isinstance(one, InDocument) and isinstance(other, InDocument):
            a, b = one.place, other.place
            pairs = [(a.number, b.number), (a.text, b.text)]
            answers = [(and_(x.is_not(None), y.is_not(None)), rule(x, y)) for x, y in pairs]
            if sign in ("=", "!="):
                both = and_(a.truth.is_not(None), b.truth.is_not(None))
                answers.append((both, _same(a.truth, b.truth, negated=sign == "!=")))
            return case(*answers, else_=None)
        if isinstance(one, InDocument):
            return self._compare_operands(_TURNED[sign], other, one, right, left)
        if isinstance(one, Several) or isinstance(other, Several):
            raise Mistake(right.column, "several values are compared with text in quotes only")
        kind = _ALIKE.get(one.type, one.type)
        if isinstance(other, InDocument):
            if one.type in ("time", "number", "label"):
                told = f"{IN_WORDS[one.type]} is compared with a written value only, not with one in a document"
                raise Mistake(right.column, told)
            there = {"text": other.place.text, "number": other.place.number, "truth": other.place.truth}[kind]
            other = Plain(one.type, there)
        if _ALIKE.get(other.type, other.type) != kind:
            what = f"{IN_WORDS[one.type]} and {IN_WORDS[other.type]}"
            raise Mistake(right.column, f"{what} cannot be compared")
        if sign not in ("=", "!="):
            if kind == "truth":
                raise Mistake(right.column, "true and false have no order")
            if one.type != other.type and kind == "text":
                raise Mistake(right.column, "a label has its order among labels only")
            if one.order is not None and other.order is not None:
                return rule(one.order, other.order)
        return _same(one.sql, other.sql, negated=sign == "!=") if kind == "truth" else rule(one.sql, other.sql)

    # --- lists and patterns ---

    def _within(self, operand: Node, holder: tuple[Node, ...] | Name) -> Condition:
        if isinstance(holder, Name):
            several = self._operand(holder)
            if not isinstance(several, Several):
                raise Mistake(
                    holder.column, "a list is expected after in, such as ('a', 'b'), or a field of several values"
                )
            return self._compare("=", holder, operand)
        found, items = self._operand(operand), [self._operand(item) for item in holder]
        constants = [item for item in items if isinstance(item, Constant)]
        if isinstance(found, Constant) or len(constants) < len(items):
            return or_(*(self._compare("=", operand, item) for item in holder))
        if isinstance(found, Several):
            wanted = [written.text(operand, item) for item in constants]
            return _several(found, lambda each: _among(each, wanted, Text))
        if isinstance(found, InDocument):
            return self._within_document(found.place, constants)
        if found.type in ("text", "label"):
            return _among(found.sql, [written.text(operand, item) for item in constants], Text)
        if found.type == "time":
            return _among(found.sql, [written.micros(operand, item, self.now) for item in constants], BigInteger)
        if found.type == "truth":
            return or_(*(self.compare_value("=", found, operand, item) for item in constants))
        whole = found.type == "whole"
        asked = [exact("=", written.number(operand, item), whole=whole) for item in constants]
        possible = [each[1] for each in asked if not isinstance(each, bool)]
        if not possible:
            return case((found.sql.is_not(None), false()), else_=None)
        return _among(found.sql, possible, BigInteger if whole else Double)

    def _within_document(self, place: documents.Place, constants: Sequence[Constant]) -> Condition:
        values = [item.value for item in constants]
        answers = [self._compare_in_document("=", place, each) for each in constants if isinstance(each.value, bool)][
            :2
        ]
        if texts := [value for value in values if isinstance(value, str)]:
            answers.append(_among(place.text, texts, Text))
        if numbers := [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]:
            answers.append(place.number.in_([documents.number(self.columns.dialect, value) for value in numbers]))
        return or_(*answers)

    def _like(self, operand: Node, node: Like) -> Condition:
        wanted = patterns.parts(node.pattern, node.escape)
        found = self._operand(operand)
        if isinstance(found, Constant):
            answer = language.value(Like(found, node.pattern, node.escape, node.insensitive), {}, self.now)
            return _UNKNOWN if answer is language.UNKNOWN else true() if answer else false()
        if isinstance(found, Several):
            return _several(found, lambda each: fits(self.columns.dialect, each, wanted, insensitive=node.insensitive))
        if isinstance(found, Plain) and found.type not in ("text", "label"):
            raise Mistake(
                operand.column, f"{language.text(operand)} is {IN_WORDS[found.type]}, and like is asked of text"
            )
        text = found.place.text if isinstance(found, InDocument) else found.sql
        return fits(self.columns.dialect, text, wanted, insensitive=node.insensitive)


def _several(
    found: Several, condition: Callable[[ColumnElement[str]], Condition], *, negated: bool = False
) -> Condition:
    answer = not_(found.where(condition)) if negated else found.where(condition)
    return answer if found.known is None else case((found.known, answer), else_=None)


def _same(one: Condition, other: Condition, *, negated: bool) -> Condition:
    sign = "<>" if negated else "="
    return Grouping(one).op(sign, is_comparison=True, return_type=Boolean())(Grouping(other))


def _among(sql: ColumnElement[Any], values: Sequence[Any], kind: Any) -> Condition:
    return sql.in_([literal(value, kind) for value in dict.fromkeys(values)])

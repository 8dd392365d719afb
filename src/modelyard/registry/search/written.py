"""What a written value must be beside a field, and what it is to the database. All functions raise Mistake, at the value."""

from __future__ import annotations

from datetime import UTC, datetime

from modelyard.core.clock import parse_when, to_micros
from modelyard.core.errors import InvalidTime
from modelyard.registry import language
from modelyard.registry.language import Mistake, Node
from modelyard.registry.language.tokens import INTEGER_LIMIT
from modelyard.registry.language.tree import Arithmetic, Constant, Negative, names, walk

_EARLIEST = int(datetime(1, 1, 1, tzinfo=UTC).timestamp() * 1000)
_LATEST = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp() * 1000)


def counted(node: Arithmetic | Negative) -> Constant:
    """What arithmetic with written numbers comes to."""
    if names(node):
        where = next((each.at + 1 for each in walk(node) if isinstance(each, Arithmetic)), node.column)
        raise Mistake(where, "a search does no arithmetic with fields; compare the field with a value")
    value = language.value(node, {})
    if value is language.UNKNOWN or (isinstance(value, int) and abs(value) > INTEGER_LIMIT):
        raise Mistake(node.column, "this comes to no number that can be stored")
    return Constant(value, start=node.start, end=node.end)


def text(node: Node, constant: Constant) -> str:
    """The value, which must be text."""
    if not isinstance(constant.value, str):
        told = language.text(constant).replace("'", "")
        raise Mistake(constant.column, f"{language.text(node)} is text; write the value in quotes: '{told}'")
    return constant.value


def number(node: Node, constant: Constant) -> int | float:
    """The value, which must be a number."""
    value = constant.value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Mistake(
            constant.column,
            f"{language.text(node)} is a number, and {language.text(constant)} is none; write it without quotes",
        )
    return value


def micros(node: Node, constant: Constant, now: datetime) -> int:
    """An instant, in microseconds; ``now`` is what ``'2h ago'`` counts from."""
    value = constant.value
    if isinstance(value, str):
        try:
            return to_micros(parse_when(value, now))
        except InvalidTime as error:
            raise Mistake(constant.column, str(error)) from None
    if not isinstance(value, int) or isinstance(value, bool) or not _EARLIEST <= value <= _LATEST:
        told = "a time: write '2026-03-01', '2h ago', or whole milliseconds since 1970"
        raise Mistake(constant.column, f"{language.text(node)} is {told}")
    return value * 1000

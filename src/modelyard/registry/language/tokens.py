"""The words of an expression, each with its place in the text."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from modelyard.registry.language.mistakes import Mistake

Kind = Literal["word", "key", "text", "number", "sign", "end"]
INTEGER_LIMIT = 2**63 - 1
"""The largest whole number that both databases keep."""

_SPACE = re.compile(r"\s+")
_WORD = re.compile(r"[^\W\d]\w*")
_SEGMENT = re.compile(r"\w+")
_NUMBER = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_SIGN = re.compile(r"<=|>=|==|!=|<>|[=<>()\[\],.+*/-]")
_QUOTED = {
    "'": re.compile(r"'((?:[^']|'')*)'"),
    '"': re.compile(r'"((?:[^"]|"")*)"'),
    "`": re.compile(r"`((?:[^`]|``)*)`"),
}
_INSTEAD = {
    "&": "'and' is written as a word",
    "|": "'or' is written as a word",
    "!": "'not' is written as a word",
    "~": "a pattern is asked for with like '%word%'",
    "%": "'%' belongs in the text after like",
    ";": "an expression ends without ';'",
    ":": "':' belongs in quotes or, within a name, in back-ticks: tags.`a:b`",
    "“": "text stands in plain quotes: '…'",
    "”": "text stands in plain quotes: '…'",
    "‘": "text stands in plain quotes: '…'",
    "’": "text stands in plain quotes: '…'",
}


@dataclass(frozen=True)
class Token:
    """``text`` as it was written, ``value`` as it is meant; ``start`` and ``end`` count characters from 0."""

    kind: Kind
    text: str
    value: str | int | float
    start: int
    end: int

    @property
    def column(self) -> int:
        return self.start + 1

    @property
    def lower(self) -> str:
        """The word in small letters, in which keywords are compared; empty for what is no word."""
        return self.text.lower() if self.kind == "word" else ""

    def __str__(self) -> str:
        return "the end" if self.kind == "end" else repr(self.text if len(self.text) <= 40 else self.text[:37] + "...")


def tokens(expression: str, limit: int) -> list[Token]:
    """The words of the expression, and one token of kind ``end``. Raises Mistake."""
    if len(expression) > limit:
        raise Mistake(limit + 1, f"it has {len(expression)} characters, and {limit} are the most")
    for place, character in enumerate(expression):
        if character == "\0" or "\ud800" <= character <= "\udfff":
            raise Mistake(place + 1, f"{character!r} cannot stand in text")
    found: list[Token] = []
    place = 0
    while place < len(expression):
        if space := _SPACE.match(expression, place):
            place = space.end()
            continue
        found.append(_token(expression, place, found))
        place = found[-1].end
    found.append(Token("end", "", "", place, place))
    return found


def _token(expression: str, place: int, before: list[Token]) -> Token:
    if _within_name(before, place) and (segment := _SEGMENT.match(expression, place)):
        return Token("word", segment[0], segment[0], place, segment.end())
    if word := _WORD.match(expression, place):
        return Token("word", word[0], word[0], place, word.end())
    character = expression[place]
    if character in _QUOTED:
        return _quoted(expression, place, character)
    if (number := _NUMBER.match(expression, place)) and not (character == "." and _ends_name(before, place)):
        return _number(expression, place, number)
    if sign := _SIGN.match(expression, place):
        return Token("sign", sign[0], sign[0], place, sign.end())
    raise Mistake(place + 1, _INSTEAD.get(character, f"{character!r} is not part of the language"))


def _quoted(expression: str, place: int, quote: str) -> Token:
    found = _QUOTED[quote].match(expression, place)
    if found is None:
        raise Mistake(place + 1, f"the quote {quote} is never closed")
    value = found[1].replace(quote * 2, quote)
    return Token("key" if quote == "`" else "text", found[0], value, place, found.end())


def _number(expression: str, place: int, found: re.Match[str]) -> Token:
    digits, end = found[0], found.end()
    if rest := re.compile(r"[\w.]+").match(expression, end):
        raise Mistake(place + 1, f"{digits + rest[0]!r} is not a number; text stands in quotes")
    if not digits.isdigit():
        value = float(digits)
        if not math.isfinite(value):
            raise Mistake(place + 1, "the number is too large")
        return Token("number", digits, value, place, end)
    if len(digits.lstrip("0")) > len(str(INTEGER_LIMIT)) or int(digits) > INTEGER_LIMIT:
        raise Mistake(place + 1, f"the number is too large; {INTEGER_LIMIT} is the largest whole number")
    return Token("number", digits, int(digits), place, end)


def _ends_name(before: list[Token], place: int) -> bool:
    """Whether a name ends just here, so that a dot goes on with it and does not begin a number such as ``.5``."""
    if not before or before[-1].end != place:
        return False
    last = before[-1]
    if last.kind in ("word", "key") or last.text == "]":
        return True
    return last.kind == "text" and len(before) > 1 and before[-2].text == "."


def _within_name(before: list[Token], place: int) -> bool:
    """Whether a dot of a name was just before: what follows may begin with a digit, as in ``metrics.2d``."""
    return bool(before) and before[-1].text == "." and before[-1].end == place and _ends_name(before[:-1], place - 1)

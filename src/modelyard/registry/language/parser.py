"""From text to a tree. From what binds least to what binds most::

    or
    and
    not
    = == != <> < <= > >=    in (…)  not in (…)    like  ilike  not like    is null  is not null
    + -
    * /
    -x
    (…)  has(name)  missing(name)  names  numbers  'text'  true  false  null

A name is words joined by dots; any other key stands in back-ticks or, after a dot, in quotes, or in brackets: tags.`my key`, ``tags["my key"]``.
What follows ``tags``, ``properties``, ``metrics``, ``aliases`` or ``inputs`` is one key, dots and all: ``tags.mlflow.user``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from modelyard.registry.language.cursor import KEYWORDS, Cursor
from modelyard.registry.language.mistakes import Mistake
from modelyard.registry.language.tokens import Token, tokens
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
    Operator,
    Or,
    Sign,
    Within,
    depth,
)

LENGTH_LIMIT = 10_000
DEPTH_LIMIT = 60

_TEXTS = {("tags",), ("properties",), ("alias", "tags"), ("alias", "properties")}
_SIGNS: Final[dict[str, Sign]] = {
    "=": "=", "==": "=", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">=",
}  # fmt: skip
_OPERATORS: Final[dict[str, Operator]] = {"+": "+", "-": "-", "*": "*", "/": "/"}
_VALUES: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None, "none": None}
_OR, _AND, _NOT, _COMPARISON, _SUM, _PRODUCT, _SIGNED = range(1, 8)
_NESTING_LIMIT = 2 * DEPTH_LIMIT + 10  # a node needs at most two steps down: one parenthesis and itself
_INSTEAD = {
    "between": "write low <= name and name <= high",
    "contains": "write like '%word%'",
    "startswith": "write like 'word%'",
    "endswith": "write like '%word'",
    "matches": "write like '%word%'",
    "regexp": "write like '%word%'",
    "rlike": "write like '%word%'",
    "xor": "write (a and not b) or (b and not a)",
    "if": "an expression has no if",
    "order": "the order is asked for beside the filter",
    "limit": "the limit is asked for beside the filter",
}


def parse(expression: str, limit: int = LENGTH_LIMIT) -> Node:
    """The tree of an expression. Raises Mistake: it says the column of what cannot stand there."""
    found = tokens(expression, limit)
    if len(found) == 1:
        raise Mistake(1, "it is empty")
    parser = _Parser(found)
    tree = parser.expression(_OR)
    if parser.place < len(found) - 1:
        raise parser.unexpected()
    if depth(tree) > DEPTH_LIMIT:
        raise Mistake(1, f"it is nested more than {DEPTH_LIMIT} deep")
    return tree


def parse_order(text: str, limit: int = LENGTH_LIMIT) -> list[tuple[Name, bool]]:
    """Names to order by, each with whether the highest comes first: ``metrics.auc desc, name``. Raises Mistake."""
    parser = _Parser(tokens(text, limit))
    found: list[tuple[Name, bool]] = []
    while True:
        name = parser.name()
        word = parser.token.lower
        if word in ("asc", "desc"):
            parser.take()
        found.append((name, word == "desc"))
        if parser.place == len(parser.tokens) - 1:
            return found
        if parser.token.text != ",":
            raise Mistake(parser.token.column, f"asc, desc or a comma is expected after {text[name.start : name.end]}")
        parser.take()


class _Parser(Cursor):
    def __init__(self, found: list[Token]) -> None:
        super().__init__(found)
        self.nesting = 0

    def unexpected(self) -> Mistake:
        """What is read does not go on with this word."""
        token, before = self.token, self.tokens[self.place - 1]
        told = f"{token} cannot stand here"
        if token.lower in _INSTEAD:
            told = f"{token} is not part of the language; {_INSTEAD[token.lower]}"
        elif before.text == "=" == token.text:
            told += "; it is written once"
        elif {before.text, token.text} in ({"=", "<"}, {"=", ">"}):
            told += "; write <= or >="
        elif token.kind == "end":
            told = "a value is expected, not the end"
        elif token.kind in ("word", "key", "text", "number"):
            told += "; join two conditions with and, or"
        return Mistake(token.column, told)

    def expression(self, lowest: int) -> Node:
        """Reads on while what follows binds at least as much as ``lowest``."""
        self.nesting += 1
        if self.nesting > _NESTING_LIMIT:
            raise Mistake(self.token.column, f"it is nested more than {DEPTH_LIMIT} deep")
        left = self.prefix(lowest)
        while True:
            word = self.token.lower or self.token.text if self.token.kind in ("word", "sign") else ""
            if word in ("and", "or"):
                level = _AND if word == "and" else _OR
                if level < lowest:
                    break
                left = self.join(left, word, level)
            elif word in _OPERATORS:
                level = _SUM if word in "+-" else _PRODUCT
                if level < lowest:
                    break
                left = self.arithmetic(left, level)
            elif (word in _SIGNS or word in ("in", "like", "ilike", "is", "not")) and lowest <= _COMPARISON:
                left = self.comparison(left)
            else:
                break
        self.nesting -= 1
        return left

    def prefix(self, lowest: int) -> Node:
        token = self.token
        if token.lower == "not":
            if lowest > _NOT:
                raise Mistake(token.column, "'not' cannot stand here; put it in parentheses: (not …)")
            self.take()
            operand = self.expression(_NOT)
            return Not(operand, start=token.start, end=operand.end)
        if token.kind == "sign" and token.text == "-":
            self.take()
            operand = self.expression(_SIGNED)
            if isinstance(operand, Constant) and type(operand.value) in (int, float):
                return replace(operand, value=-operand.value, start=token.start)  # type: ignore[operator]
            _require_number(operand, token)
            return Negative(operand, start=token.start, end=operand.end)
        return self.primary()

    def primary(self) -> Node:
        token = self.token
        if token.kind == "sign" and token.text == "(":
            self.take()
            inner = self.expression(_OR)
            if self.token.text == ",":
                raise Mistake(token.column, "a list stands only after in")
            end = self.expect(")", f"for the parenthesis at column {token.column}").end
            return replace(inner, start=token.start, end=end)
        if token.kind == "sign" and token.text == "[":
            raise Mistake(token.column, "a list stands only after in")
        if token.kind in ("text", "number"):
            self.take()
            return Constant(token.value, start=token.start, end=token.end)
        if token.lower in _VALUES and self.ahead().text != ".":
            self.take()
            return Constant(_VALUES[token.lower], start=token.start, end=token.end)
        if token.kind == "word" and self.ahead().text == "(" and token.lower not in KEYWORDS:
            return self.function()
        return self.name()

    def function(self) -> Has:
        word = self.take()
        if word.lower not in ("has", "missing"):
            raise Mistake(word.column, f"there is no function {word}; there are has(name) and missing(name)")
        self.take()
        name = self.name()
        end = self.expect(")", f"after the name in {word.lower}(…)").end
        return Has(name, word.lower == "missing", start=word.start, end=end)

    def join(self, left: Node, word: str, level: int) -> Node:
        parts = [left]
        while self.token.lower == word:
            self.take()
            parts.append(self.expression(level + 1))
        made = And if word == "and" else Or
        return made(tuple(parts), start=left.start, end=parts[-1].end)

    def arithmetic(self, left: Node, level: int) -> Arithmetic:
        sign = self.take()
        if sign.text == "*" == self.token.text:
            raise Mistake(sign.column, "'**' is not part of the language")
        right = self.expression(level + 1)
        for operand in (left, right):
            _require_number(operand, sign)
        return Arithmetic(left, _OPERATORS[sign.text], right, at=sign.start, start=left.start, end=right.end)

    def comparison(self, left: Node) -> Node:
        negated = self.token.lower == "not"
        word = self.token.lower
        if negated:
            word = self.ahead().lower
            if word not in ("in", "like", "ilike"):
                raise self.unexpected()
            self.take()
        found: Node
        if word in ("in", "like", "ilike", "is"):
            self.take()
            found = (
                self.within(left, negated)
                if word == "in"
                else self.is_null(left)
                if word == "is"
                else self.like(left, word == "ilike", negated)
            )
        else:
            found = self.chain(left)
        if self.token.text in _SIGNS or self.token.lower in ("in", "like", "ilike", "is", "not"):
            if self.token.text in _SIGNS or self.token.lower != "not" or self.ahead().lower in ("in", "like", "ilike"):
                raise Mistake(self.token.column, f"{self.token} cannot follow a comparison; put that in parentheses")
            raise self.unexpected()
        return found

    def chain(self, left: Node) -> Node:
        pairs: list[tuple[Sign, Node]] = []
        while self.token.kind == "sign" and self.token.text in _SIGNS:
            sign = self.take()
            if self.token.kind == "sign" and self.token.text in _SIGNS:
                raise self.unexpected()
            pairs.append((_SIGNS[sign.text], self.expression(_SUM)))
        values = [left, *(value for _, value in pairs)]
        for place, value in enumerate(values):
            if isinstance(value, Constant) and value.value is None:
                if len(pairs) > 1 or pairs[0][0] not in ("=", "!="):
                    raise Mistake(value.column, "null has no order; write is null or is not null")
                other = values[1 - place]
                return IsNull(other, pairs[0][0] == "!=", start=left.start, end=values[-1].end)
        return Comparison(left, tuple(pairs), start=left.start, end=values[-1].end)

    def is_null(self, left: Node) -> IsNull:
        negated = self.token.lower == "not"
        if negated:
            self.take()
        if self.token.lower not in ("null", "none"):
            raise Mistake(self.token.column, f"null is expected after is, not {self.token}; values are compared with =")
        return IsNull(left, negated, start=left.start, end=self.take().end)

    def like(self, left: Node, insensitive: bool, negated: bool) -> Like:
        pattern = self.token
        if pattern.kind != "text":
            raise Mistake(pattern.column, f"a pattern in quotes is expected after like, not {pattern}")
        end, escape = self.take().end, None
        if self.token.lower == "escape":
            self.take()
            sign = self.token
            if sign.kind != "text" or len(str(sign.value)) != 1:
                raise Mistake(sign.column, f"one character in quotes is expected after escape, not {sign}")
            end, escape = self.take().end, str(sign.value)
            if (len(str(pattern.value)) - len(str(pattern.value).rstrip(escape))) % 2:
                raise Mistake(pattern.end - 1, "nothing follows the escape at the end of the pattern")
        return Like(left, str(pattern.value), escape, insensitive, negated, start=left.start, end=end)

    def within(self, left: Node, negated: bool) -> Within:
        opening = self.token
        if opening.kind in ("word", "key") and opening.lower not in KEYWORDS:
            name = self.name()
            return Within(left, name, negated, start=left.start, end=name.end)
        if opening.kind != "sign" or opening.text not in ("(", "["):
            raise Mistake(opening.column, f"a list is expected after in, such as ('a', 'b'), not {opening}")
        self.take()
        items: list[Node] = []
        closing = ")" if opening.text == "(" else "]"
        while self.token.text != closing or not items:
            if self.token.text == closing:
                raise Mistake(self.token.column, "the list is empty")
            item = self.expression(_SUM)
            if isinstance(item, Constant) and item.value is None:
                raise Mistake(item.column, "null is in no list; write or … is null")
            items.append(item)
            if self.token.text != ",":
                break
            self.take()
        end = self.expect(closing, f"for the list at column {opening.column}").end
        return Within(left, tuple(items), negated, start=left.start, end=end)


def _require_number(operand: Node, sign: Token) -> None:
    """Raises Mistake where arithmetic with the operand cannot mean anything."""
    if isinstance(operand, Constant) and type(operand.value) not in (int, float):
        raise Mistake(operand.column, "arithmetic is done with numbers")
    path = operand.path if isinstance(operand, Name) else ()
    if path[:1] in _TEXTS or path[:2] in _TEXTS:
        hint = "; a key with '-' in it is written in back-ticks: tags.`a-b`" if sign.text == "-" else ""
        raise Mistake(sign.column, f"a tag or a property is text, and arithmetic is done with numbers{hint}")

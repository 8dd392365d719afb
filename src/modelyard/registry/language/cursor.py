"""Going through the words of an expression, and reading names."""

from __future__ import annotations

from typing import Final

from modelyard.registry.language.mistakes import Mistake
from modelyard.registry.language.tokens import Token
from modelyard.registry.language.tree import Name

KEYWORDS: Final = frozenset({"and", "or", "not", "in", "like", "ilike", "is", "null", "none", "true", "false"})
FLAT: Final = frozenset({"tags", "properties", "metrics", "aliases", "inputs"})
"""Names under which every key stands by itself, whatever dots it has."""

_SINGULAR = {"tag": "tags", "property": "properties", "metric": "metrics"}


class Cursor:
    """The words of an expression, and which of them is next. Raises Mistake."""

    def __init__(self, found: list[Token]) -> None:
        self.tokens = found
        self.place = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.place]

    def take(self) -> Token:
        token = self.tokens[self.place]
        self.place += 1
        return token

    def ahead(self, steps: int = 1) -> Token:
        return self.tokens[min(self.place + steps, len(self.tokens) - 1)]

    def expect(self, sign: str, why: str) -> Token:
        if self.token.kind != "sign" or self.token.text != sign:
            raise Mistake(self.token.column, f"{sign!r} is expected {why}, not {self.token}")
        return self.take()

    def name(self) -> Name:
        first = self.token
        if first.kind not in ("word", "key") or first.lower in KEYWORDS:
            raise Mistake(first.column, f"a value is expected, not {first}")
        path: list[tuple[str | int, Token]] = [(str(self.take().value), first)]
        while self.token.kind == "sign" and self.token.text in (".", "["):
            path.append(self.dotted() if self.take().text == "." else self.bracketed())
        end = self.tokens[self.place - 1].end
        return Name(_path(path), start=first.start, end=end)

    def dotted(self) -> tuple[str | int, Token]:
        token = self.token
        if token.kind not in ("word", "key", "text"):
            raise Mistake(token.column, f"a key is expected after the dot, not {token}; other keys stand in back-ticks")
        return str(self.take().value), token

    def bracketed(self) -> tuple[str | int, Token]:
        token = self.token
        if token.kind not in ("text", "number") or isinstance(token.value, float):
            raise Mistake(token.column, f"a key in quotes, or a place in a list, is expected in brackets, not {token}")
        self.take()
        self.expect("]", "after the key")
        return token.value, token


def _path(found: list[tuple[str | int, Token]]) -> tuple[str | int, ...]:
    """The path of a name; what follows a flat name becomes one key."""
    path = [key for key, _ in found]
    root = 1 if len(path) > 1 and path[0] == "alias" else 0  # facts of what an alias points to now
    if len(path) > root + 1 and path[root] in _SINGULAR:
        path[root] = _SINGULAR[str(path[root])]
    if path[root] not in FLAT or len(path) <= root + 1:
        return tuple(path)
    keys = found[root + 1 :]
    for key, token in keys:
        if isinstance(key, int):
            raise Mistake(token.column, f"{path[root]} have keys of text; write the key in quotes")
        if len(keys) > 1 and token.kind != "word":
            raise Mistake(token.column, f"{path[root]} have one key; write the whole of it in back-ticks")
    return (*path[: root + 1], ".".join(str(key) for key, _ in keys))

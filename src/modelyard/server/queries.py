"""What stands behind the question mark of a request: each endpoint says which parameters it knows, and anything else is a mistake."""

from __future__ import annotations

from collections.abc import Collection

from starlette.requests import Request

from modelyard.core.errors import InvalidParameter

LENGTH = 16_384
"""So many characters of a value are looked at; a filter may be long."""


class Query:
    """The parameters of a request. Raises InvalidParameter for one that is not ``known``, and for one that is given twice."""

    def __init__(self, request: Request, known: Collection[str], repeated: Collection[str] = ()) -> None:
        self._path = request.url.path[:200]
        self._given = request.query_params
        for name in self._given:
            if name not in known and name not in repeated:
                raise self._mistake(name, f"it is not known; {_listed(sorted({*known, *repeated}))}")
            values = self._given.getlist(name)
            if len(values) > 1 and name not in repeated:
                raise self._mistake(name, "it is given twice")
            if any(len(value) > LENGTH for value in values):
                raise self._mistake(name, f"it has more than {LENGTH:,} characters")

    def text(self, name: str, default: str = "") -> str:
        """A value; the default where it is not given."""
        return self._given.get(name, default)

    def maybe(self, name: str) -> str | None:
        """A value; None where it is not given or is empty."""
        return self._given.get(name) or None

    def texts(self, name: str) -> list[str]:
        """All values of a parameter that may be repeated."""
        return self._given.getlist(name)

    def whole(self, name: str, default: int) -> int:
        """A whole number."""
        text = self._given.get(name)
        if text is None:
            return default
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            raise self._mistake(name, f"{text[:60]!r} is not a whole number")
        return int(text)

    def required(self, name: str) -> str:
        """A value that must be given."""
        found = self.maybe(name)
        if found is None:
            raise self._mistake(name, "it must be given")
        return found

    def _mistake(self, name: str, problem: str) -> InvalidParameter:
        return InvalidParameter(name=name[:60], path=self._path, problem=problem)


def _listed(names: Collection[str]) -> str:
    return f"this endpoint knows {', '.join(names)}" if names else "this endpoint knows none"

"""What every error of modelyard has: facts, and a sentence made of them."""

from __future__ import annotations

from typing import Any, ClassVar


class ModelyardError(Exception):
    """Base of everything modelyard raises on purpose; ``facts`` are readable as attributes too."""

    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500
    sentence: ClassVar[str] = "{message}"

    def __init__(self, **facts: Any) -> None:
        self.facts: dict[str, Any] = facts
        super().__init__(facts)

    def __str__(self) -> str:
        line = self.sentence.format_map(self.facts)
        return "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __getattr__(self, name: str) -> Any:
        facts = self.__dict__.get("facts", {})
        if name in facts:
            return facts[name]
        raise AttributeError(name)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.facts))


def _rebuild(cls: type[ModelyardError], facts: dict[str, Any]) -> ModelyardError:
    return cls(**facts)

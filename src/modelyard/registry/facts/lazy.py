"""Facts that are looked up only when a gate asks for them, and at most once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Lookup = Callable[[], Any]


class Facts(Mapping[str, Any]):
    """A mapping of names to facts, each with the function that finds it. Not for several threads at once."""

    def __init__(self, lookups: Mapping[str, Lookup]) -> None:
        self._lookups = lookups
        self._found: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._found:
            self._found[name] = self._lookups[name]()
        return self._found[name]

    def __contains__(self, name: object) -> bool:
        return name in self._lookups

    def __iter__(self) -> Iterator[str]:
        return iter(self._lookups)

    def __len__(self) -> int:
        return len(self._lookups)

    def with_facts(self, lookups: Mapping[str, Lookup]) -> Facts:
        """These facts and others; what has been found already is not looked up again."""
        more = Facts({**self._lookups, **lookups})
        more._found = {name: fact for name, fact in self._found.items() if name not in lookups}
        return more


class Unknowable(Mapping[str, Any]):
    """Facts that nobody can know any more: all of them are unknown, and asking is noted with ``note(name)``."""

    def __init__(self, name: str, note: Callable[[str], None]) -> None:
        self._name = name
        self._note = note

    def __getitem__(self, key: str) -> Any:
        self._note(f"{self._name}.{key}")
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        self._note(f"{self._name}.{key}")
        return False

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

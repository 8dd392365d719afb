"""Which yards keep their bytes in a store. A yard knows only what it refers to itself, so in a store of two of them neither may remove anything."""

from __future__ import annotations

import json

from modelyard.core.errors import StoreShared
from modelyard.store.objects.objects import Objects

PREFIX = "yards/"


def announce(objects: Objects, yard: str, place: str) -> None:
    """Says that the yard with this id, at this place, keeps its bytes here; may be repeated."""
    objects.put(PREFIX + yard, [json.dumps({"yard": place}, ensure_ascii=False).encode()])


def withdraw(objects: Objects, yard: str) -> None:
    """Takes it back: that yard was never made."""
    objects.delete(PREFIX + yard)


def require_sole(objects: Objects, yard: str) -> None:
    """Raises StoreShared where another yard has announced itself."""
    others = [info.key for info in objects.list(PREFIX) if info.key != PREFIX + yard]
    if others:
        told = ", ".join(_place(objects, key) for key in others)
        raise StoreShared(url=objects.url, others=told, keys=", ".join(others))


def _place(objects: Objects, key: str) -> str:
    try:
        return f"the yard at {json.loads(objects.get(key))['yard']}"
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return f"the yard {key.removeprefix(PREFIX)}"

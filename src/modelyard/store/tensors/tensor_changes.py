"""Which tensors of two trees are the same tensor, and what has become of each."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelyard.store.tensors.tensors import Place, TensorInfo

if TYPE_CHECKING:
    from modelyard.store.tensors.change import Change


@dataclass(frozen=True)
class TensorChange:
    """A tensor whose type, shape or values differ. ``change`` is None where values cannot be held against each other, as after a change of shape."""

    before: TensorInfo
    after: TensorInfo
    change: Change | None

    @property
    def name(self) -> str:
        return self.after.name

    @property
    def is_other_kind(self) -> bool:
        """Whether type or shape have changed."""
        return (self.before.dtype, self.before.shape) != (self.after.dtype, self.after.shape)

    @property
    def order(self) -> tuple[bool, float, float]:
        """The largest change sorts first, another type or shape before all."""
        found = self.change
        relative = -1.0 if found is None or found.relative is None else found.relative
        return not self.is_other_kind, -relative, -found.fraction if found else 0.0

    def to_json(self) -> dict[str, Any]:
        """Numbers that JSON lacks are null."""
        found = self.change
        measured = {
            "elements": found and found.elements,
            "changed": found and found.changed,
            "fraction": found and found.fraction,
            "relative_norm": found and _json(found.relative),
            "norm": found and _json(found.norm),
            "before_norm": found and _json(found.before),
            "largest": found and _json(found.largest),
            "not_finite_before": found and found.not_finite[0],
            "not_finite_after": found and found.not_finite[1],
        }
        return {"name": self.name, "before": self.before.to_json(), "after": self.after.to_json(), **measured}


@dataclass(frozen=True)
class TensorChanges:
    """``changed`` with those of another type or shape first, then by relative norm, the largest first; the others by file and place."""

    added: tuple[TensorInfo, ...] = ()
    removed: tuple[TensorInfo, ...] = ()
    changed: tuple[TensorChange, ...] = ()
    unchanged: int = 0

    @property
    def relative_norm(self) -> float | None:
        """‖b−a‖/‖a‖ over the changed tensors together, of those that could be measured; None without any."""
        from modelyard.store.tensors.change import relative

        found = [one.change for one in self.changed if one.change and one.change.norm is not None]
        if not found:
            return None
        return relative(
            math.hypot(*(one.norm or 0.0 for one in found)), math.hypot(*(one.before or 0.0 for one in found))
        )

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def to_json(self) -> dict[str, Any]:
        return {
            "added": [one.to_json() for one in self.added],
            "removed": [one.to_json() for one in self.removed],
            "changed": [one.to_json() for one in self.changed],
            "unchanged": self.unchanged,
            "relative_norm": _json(self.relative_norm) if self.changed else None,
        }


@dataclass(frozen=True)
class Pair:
    """The same tensor of both sides, with what it is called on each."""

    before: Place
    after: Place
    names: tuple[str, str]

    @property
    def infos(self) -> tuple[TensorInfo, TensorInfo]:
        return self.before.info(self.names[0]), self.after.info(self.names[1])


def matched(
    before: Mapping[str, Place], after: Mapping[str, Place], origins: Mapping[str, str]
) -> tuple[list[Pair], list[str], list[str]]:
    """Those of one name in the same file, then those left whose name each side has once, as when a model is cut into other shards; and who is left
    of each side."""
    by_file = {(place.content.path, place.tensor.name): name for name, place in before.items()}
    pairs: dict[str, str] = {}
    for name, place in after.items():
        found = by_file.get((origins.get(place.content.path, place.content.path), place.tensor.name))
        if found is not None:
            pairs[name] = found
    taken = set(pairs.values())
    removed = _once({name: place for name, place in before.items() if name not in taken})
    for own, name in _once({name: place for name, place in after.items() if name not in pairs}).items():
        if own in removed:
            pairs[name] = removed[own]
    taken = set(pairs.values())
    return (
        [Pair(before[pairs[name]], place, (pairs[name], name)) for name, place in after.items() if name in pairs],
        [name for name in before if name not in taken],
        [name for name in after if name not in pairs],
    )


def _once(places: Mapping[str, Place]) -> dict[str, str]:
    """By the name in its file, the full name of each tensor that is the only one of it."""
    times = Counter(place.tensor.name for place in places.values())
    return {place.tensor.name: name for name, place in places.items() if times[place.tensor.name] == 1}


def _json(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None

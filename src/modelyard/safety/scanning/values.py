"""What a walk through a pickle keeps: names that would be imported, the few values that decide something, and what there was to see."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from modelyard.safety.scanning.limits import Unreadable
from modelyard.safety.scanning.report import Severity

FIELDS_LIMIT = 256


class Unknown:
    """Any value that decides nothing."""

    __slots__ = ()


UNKNOWN = Unknown()


@dataclass(frozen=True, slots=True)
class Global:
    """A name that would be imported."""

    module: str
    name: str


@dataclass(eq=False, slots=True)
class Made:
    """What calling an imported name would have made, with the arguments and the state where they are known."""

    function: Global
    args: tuple[Any, ...] | None
    state: Any = None


@dataclass(eq=False, slots=True)
class Fields:
    """A dict, as far as its keys are text; ``lost`` when some of it is not known."""

    items: dict[str, Any] = field(default_factory=dict)
    lost: bool = False

    def fill(self, found: list[Any]) -> None:
        """Sets keys and values, one behind the other. Raises Unreadable for a key without its value."""
        if len(found) % 2:
            raise Unreadable("it holds a key without its value")
        for key, value in zip(found[::2], found[1::2], strict=True):
            if isinstance(key, str) and len(self.items) < FIELDS_LIMIT:
                self.items[key] = value
            else:
                self.lost = True


@dataclass
class Walk:
    """What a walk saw. ``called`` are the imports that were called, or changed, before it ended; ``odd`` what else is unlike a pickler's work."""

    imports: dict[Global, None] = field(default_factory=dict)
    called: dict[Global, None] = field(default_factory=dict)
    odd: dict[str, Severity] = field(default_factory=dict)
    wrapped: bool = False  # raw arrays of joblib lie between the opcodes
    pushed: Counter[Global] = field(default_factory=Counter)  # of those in CAREFUL: how often they came onto the stack,
    used: Counter[Global] = field(default_factory=Counter)  # and how often they were called there as picklers call them

    def add(self, other: Walk) -> None:
        """Takes in what another walk saw."""
        self.imports.update(other.imports)
        self.called.update(other.called)
        self.odd.update(other.odd)
        self.pushed.update(other.pushed)
        self.used.update(other.used)


NDARRAY_WRAPPER = Global("joblib.numpy_pickle", "NumpyArrayWrapper")
DTYPE = Global("numpy", "dtype")
GETATTR = Global("builtins", "getattr")
KEPT = (NDARRAY_WRAPPER, DTYPE)
CAREFUL = (NDARRAY_WRAPPER, GETATTR)
"""What these make is followed only where they are called by themselves; handed to others, they could do anything."""

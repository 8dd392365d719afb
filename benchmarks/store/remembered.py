"""Kept bytes of peers from earlier runs on this machine: a short run shows them where it does not measure them, marked as such."""

from __future__ import annotations

import json
import time
from pathlib import Path

from benchmarks.store.places import home

MARK = "*"


class Remembered:
    """By set and store: the figure, and the day that it was measured. Bytes do not depend on the load of the machine; times are never kept."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or home() / "kept.json"
        self._found: dict[str, list[float | str]] = json.loads(self._path.read_text()) if self._path.is_file() else {}

    def note(self, set_name: str, store: str, figure: float) -> None:
        """Remembers a figure that this run has measured."""
        self._found[f"{set_name} {store}"] = [figure, time.strftime("%Y-%m-%d")]
        self._path.write_text(json.dumps(self._found, indent=1, sort_keys=True))

    def figure(self, set_name: str, store: str) -> float | None:
        """What was measured last, if ever."""
        found = self._found.get(f"{set_name} {store}")
        return None if found is None else float(found[0])

    @property
    def days(self) -> str:
        """The first and the last day that something is remembered from."""
        days = sorted({str(day) for _, day in self._found.values()})
        return " to ".join(dict.fromkeys((days[0], days[-1]))) if days else "never"

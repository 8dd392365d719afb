"""The bars that the registry was built to, and the list of what was met."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.store import tables

GET = 1.0
"""ms, the median is under it."""
SEARCH = 5.0
"""ms, the median of a page of a hundred is under it, with a million versions."""
GROWTH = 1.25
"""What does not grow takes at most so many times as long: turns on one machine differ by less than a quarter."""
REGISTER = MOVE = 10.0
"""Times as fast as MLflow embedded, at least."""
WRITERS = 5.0
"""Times as many registrations a second as MLflow's server takes, at least."""
IMPORT = 150.0
"""ms, at most."""
HELP = 300.0
"""ms, at most."""
CHECK = 60.0
"""s, at most, for a ledger of a million rows."""


@dataclass
class Bars:
    """Every bar that a run could measure, in the order of measuring."""

    rows: list[tuple[str, str, str, str, str, str]] = field(default_factory=list)
    load: str = field(default_factory=tables.load)

    def under(self, measure: str, ours: float, bar: float, unit: str, peer: float | None = None) -> None:
        """A figure of ours that must be under the bar; a peer's beside it says how many times as much that takes."""
        ratio = None if peer is None else peer / ours
        self._add(measure, ours, peer, ratio, f"under {tables.number(bar, unit)}", ours < bar, unit)

    def no_growth(self, measure: str, small: float, large: float) -> None:
        """What must not take longer with more versions, or further on: medians in ms."""
        grown = large / small
        wanted = f"at most {GROWTH:g} ×"
        self.rows.append((measure, f"{grown:.2f} ×", "", "", wanted, "met" if grown <= GROWTH else "NOT met"))

    def faster(self, measure: str, ours: float, peer: float | None, bar: float, unit: str = " ms") -> None:
        """A time of ours that a peer's must be so many times."""
        ratio = None if peer is None else peer / ours
        self._add(measure, ours, peer, ratio, f"at least {bar:g} ×", ratio is not None and ratio >= bar, unit)

    def more(self, measure: str, ours: float, peer: float | None, bar: float, unit: str = " /s") -> None:
        """A rate of ours that must be so many times a peer's."""
        ratio = None if peer is None else ours / peer
        self._add(measure, ours, peer, ratio, f"at least {bar:g} ×", ratio is not None and ratio >= bar, unit)

    def holds(self, measure: str, holds: bool, said: str) -> None:
        """What is true or not."""
        self.rows.append((measure, said, "", "", "", "met" if holds else "NOT met"))

    def _add(
        self, measure: str, ours: float, peer: float | None, ratio: float | None, bar: str, met: bool, unit: str
    ) -> None:
        word = "met" if met else "not measured" if "×" in bar and ratio is None else "NOT met"
        cells = (tables.number(ours, unit), tables.number(peer, unit) if peer is not None else "")
        self.rows.append((measure, *cells, "" if ratio is None else f"{ratio:.1f} ×", bar, word))

    def show(self) -> None:
        """Prints the list."""
        met = sum(row[-1] == "met" for row in self.rows)
        header = ("measure", "ours", "peer", "ratio", "bar", "")
        tables.show(f"Bars: {met} of {len(self.rows)} met", self.load, header, self.rows)

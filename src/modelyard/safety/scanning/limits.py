"""How much of a version is looked into before the scan says that it cannot tell: a hostile file costs its reader no more than this."""

from __future__ import annotations

from dataclasses import dataclass


class Unreadable(Exception):
    """Why something cannot be looked into, in words that end a sentence about the file; never means safe."""


class TooMuch(Unreadable):
    """It would cost more than the limits allow. The rest of the version is not looked into either."""


@dataclass
class Budget:
    """What is left, counted down over all files of a version."""

    operations: int = 5_000_000
    """Of pickles. A forest of ninety trees in 170 MB has twelve thousand; what has millions is a pickle of single Python objects."""
    expanded: int = 8 * 1024**3
    """Bytes out of compressed files and members of archives."""
    members: int = 200_000
    """Of archives."""
    depth: int = 6
    """Archives in archives, pickles in pickles."""

    def operate(self, count: int) -> None:
        self.operations -= count
        if self.operations < 0:
            raise TooMuch("its pickles have more operations than are looked into")

    def expand(self, count: int) -> None:
        self.expanded -= count
        if self.expanded < 0:
            raise TooMuch("it expands to more than is looked into")

    def enter(self) -> None:
        self.members -= 1
        if self.members < 0:
            raise TooMuch("its archives have more members than are looked into")

"""What a kind of database must tell, and what differs between the two."""

from __future__ import annotations

from typing import Protocol

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from modelyard.core.errors import ModelyardError

WRITE, ALONE = "modelyard_write", "modelyard_alone"
"""Execution options of a connection whose transaction will write; and whose transaction is to be the only one that does."""


class Kind(Protocol):
    """One place of one kind."""

    place: str
    """What a person calls it; without a password."""

    def engine(self) -> Engine:
        """A new engine. Its ``begin`` event opens the transaction that the options of the connection ask for; where both are set, all other writers wait."""

    def meaning(self, error: DBAPIError) -> ModelyardError | None:
        """What an error of the driver means to the caller; None for one that is a mistake of ours."""

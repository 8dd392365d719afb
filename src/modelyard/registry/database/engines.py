"""What a kind of database must tell, and what differs between the two."""

from __future__ import annotations

from typing import Protocol

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from modelyard.core.errors import ModelyardError


class Kind(Protocol):
    """One place of one kind."""

    place: str
    """What a person calls it; without a password."""

    def engine(self) -> Engine:
        """A new engine, whose driver begins no transaction by itself."""

    def begin(self, connection: Connection, *, write: bool, alone: bool) -> None:
        """Opens the transaction in the database: one that sees a single instant, or one that writes; while one that is ``alone`` is open, all other
        writers wait."""

    def meaning(self, error: DBAPIError) -> ModelyardError | None:
        """What an error of the driver means to the caller; None for one that is a mistake of ours."""

"""The SQL database of a yard: a SQLite file, or PostgreSQL."""

from modelyard.registry.database.database import Database

__all__ = ["Database"]

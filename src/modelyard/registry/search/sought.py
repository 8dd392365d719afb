"""What is looked for: models, versions or ledger rows, each with its columns, its ways and its usual order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Connection, Row, Text, literal, select

from modelyard.core.clock import from_micros
from modelyard.core.names import Kind, ModelName, stored
from modelyard.registry import ledger
from modelyard.registry.language import Node
from modelyard.registry.language.tree import names
from modelyard.registry.schema import ledger as ledger_table
from modelyard.registry.schema import models, versions
from modelyard.registry.search.clauses import Asked
from modelyard.registry.search.conditions import Conditions
from modelyard.registry.search.fields import Subject, resolved
from modelyard.registry.search.ledger_columns import LedgerColumns
from modelyard.registry.search.ledger_ways import ledger_ways
from modelyard.registry.search.model_columns import ModelColumns, latest
from modelyard.registry.search.model_ways import model_ways
from modelyard.registry.search.operands import Columns
from modelyard.registry.search.orders import Key
from modelyard.registry.search.rows import Found, ModelRow
from modelyard.registry.search.version_columns import VersionColumns
from modelyard.registry.search.version_ways import Named, VersionWays
from modelyard.registry.search.ways import Way
from modelyard.registry.versions import selection, to_version

_MODEL_COLUMNS = ("id", "kind", "name", "description", "state", "created_time", "created_by")


class Sought(Protocol):
    """One subject of one workspace, for one search."""

    columns: Columns
    selected: Sequence[ColumnElement[Any]]
    id: ColumnElement[int]

    def scope(self, tree: Node | None) -> list[ColumnElement[bool]]:
        """What holds of all rows, whatever else is asked."""
        ...

    def usual_order(self) -> list[Key]:
        """What rows are ordered by where nobody says, before their id."""
        ...

    def needed(self, keys: Sequence[Key]) -> Sequence[Key]:
        """Of these keys, those that do not follow from the id which comes last."""
        ...

    def ways(self, conditions: Conditions, keys: Sequence[Key]) -> list[Way]:
        """The ways to the rows. One that leads to all rows comes first; none at all means that there are no rows."""
        ...

    def made(self, row: Row[Any]) -> Found:
        """What a row of the selected columns says."""
        ...


class Versions:
    """Versions of models or of data sets: the newest first, of one model by number, by time where the filter asks for a time, else as they came.

    Those that are not active only when the filter asks for the state."""

    def __init__(self, connection: Connection, workspace: str, subject: Subject, found: Iterable[Asked]) -> None:
        self.connection = connection
        self.subject = subject
        self.asked = list(found)
        self.columns: Columns = VersionColumns(connection.dialect.name)
        self.selected: Sequence[ColumnElement[Any]] = list(selection().selected_columns)
        self.id: ColumnElement[int] = versions.c.id
        self.inside = _inside(workspace, "model" if subject == "versions" else "dataset")
        named = [each for each in self.asked if each.field.name == "name" and each.sign == "=" and each.texts]
        self.none = False
        self.named: Named | None = None
        if named:
            here = models.c.name == literal(named[0].texts[0], Text)
            query = select(models.c.id, models.c.next_number).where(*self.inside, here)
            row = connection.execute(query).first()
            self.none = row is None
            if row is not None:
                self.named = Named(row.id, named[0].clause, row.next_number - 1)
                self.inside = [models.c.id == row.id]

    def scope(self, tree: Node | None) -> list[ColumnElement[bool]]:
        return [*self.inside, *_active(self.subject, tree, versions.c.state)]

    def usual_order(self) -> list[Key]:
        if self.named:
            return [Key(("number",), "whole", versions.c.number, True, False)]
        if any(each.field.name == "created_time" for each in self.asked):
            return [Key(("created_time",), "whole", versions.c.created_time, True, False)]
        return []

    def needed(self, keys: Sequence[Key]) -> Sequence[Key]:
        return keys

    def ways(self, conditions: Conditions, keys: Sequence[Key]) -> list[Way]:
        if self.none:
            return []
        return VersionWays(self.connection, conditions, self.inside, self.asked, self.named).all(keys)

    def made(self, row: Row[Any]) -> Found:
        return to_version(row)


class Models:
    """Names of models or of data sets, in the order of the alphabet. Those that are not active only when the filter asks for the state."""

    def __init__(self, connection: Connection, workspace: str, subject: Subject, found: Iterable[Asked]) -> None:
        self.subject = subject
        self.asked = list(found)
        self.columns: Columns = ModelColumns(connection.dialect.name)
        self.selected: Sequence[ColumnElement[Any]] = [
            *(models.c[name] for name in _MODEL_COLUMNS),
            latest().label("latest"),
        ]
        self.id: ColumnElement[int] = models.c.id
        self.inside = _inside(workspace, "model" if subject == "models" else "dataset")

    def scope(self, tree: Node | None) -> list[ColumnElement[bool]]:
        return [*self.inside, *_active(self.subject, tree, models.c.state)]

    def usual_order(self) -> list[Key]:
        return [Key(("name",), "text", models.c.name, False, False)]

    def needed(self, keys: Sequence[Key]) -> Sequence[Key]:
        return keys

    def ways(self, conditions: Conditions, keys: Sequence[Key]) -> list[Way]:
        return list(model_ways(conditions, self.inside, self.asked))

    def made(self, row: Row[Any]) -> Found:
        facts = {name: row._mapping[name] for name in (*_MODEL_COLUMNS, "latest")}
        facts["name"] = stored(ModelName, facts["name"])
        facts["created_time"] = from_micros(facts["created_time"])
        return ModelRow(**facts)


class Ledger:
    """Rows of the ledger, the newest first."""

    def __init__(self, connection: Connection, workspace: str, subject: Subject, found: Iterable[Asked]) -> None:
        self.connection = connection
        self.workspace = workspace
        self.asked = list(found)
        self.columns: Columns = LedgerColumns(connection.dialect.name)
        self.selected: Sequence[ColumnElement[Any]] = list(ledger_table.columns)
        self.id: ColumnElement[int] = ledger_table.c.sequence

    def scope(self, tree: Node | None) -> list[ColumnElement[bool]]:
        # Few workspaces share a ledger. SQLite takes an index for it all the same, and sorts the whole ledger, unless it is an expression.
        mine = ledger_table.c.workspace
        column = mine if self.connection.dialect.name != "sqlite" else mine.concat(literal("", Text))
        return [column == literal(self.workspace, Text)]

    def usual_order(self) -> list[Key]:
        return []

    def needed(self, keys: Sequence[Key]) -> Sequence[Key]:
        # Time never goes back along the ledger: its order is that of the sequence.
        return [] if [key.field for key in keys] in ([("time",)], [("sequence",)]) else keys

    def ways(self, conditions: Conditions, keys: Sequence[Key]) -> list[Way]:
        return list(ledger_ways(self.connection, conditions, self.workspace, self.asked))

    def made(self, row: Row[Any]) -> Found:
        return ledger.to_row(row)


def sought(connection: Connection, workspace: str, subject: Subject, found: Iterable[Asked]) -> Sought:
    """What this subject is looked for with. Raises Mistake for a name that leads to no field."""
    made: type[Versions] | type[Models] | type[Ledger] = Ledger
    if subject != "ledger":
        made = Versions if subject in ("versions", "dataset_versions") else Models
    return made(connection, workspace, subject, found)


def _inside(workspace: str, kind: Kind) -> list[ColumnElement[bool]]:
    return [models.c.workspace == literal(workspace, Text), models.c.kind == literal(kind, Text)]


def _active(subject: Subject, tree: Node | None, state: ColumnElement[str]) -> list[ColumnElement[bool]]:
    """Only active ones, unless the filter itself says something of the state."""
    said = [] if tree is None else [resolved(subject, name)[0].name for name in names(tree)]
    return [] if {"state", "archived"} & set(said) else [state == "active"]

"""Which ledger rows a watcher or a webhook wants to hear of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement

from modelyard.core.errors import InvalidFilter, InvalidReference
from modelyard.core.references import Label, Latest, Reference
from modelyard.registry import LedgerRow, language, schema
from modelyard.registry.search.conditions import Conditions
from modelyard.registry.search.finding import read
from modelyard.registry.search.ledger_columns import LedgerColumns

Accepts = Callable[[LedgerRow], bool]
Filter = str | Accepts | None
"""An expression in the language of search over the fields of a ledger row, or a function; None and empty text for all rows."""


@dataclass(frozen=True)
class Wanted:
    """What the database picks, and what is asked of each row after that."""

    conditions: tuple[ColumnElement[bool], ...] = ()
    accepts: Accepts = lambda _row: True


def wanted(database: str, now: datetime, filter: Filter = None, subject: str | None = None) -> Wanted:  # noqa: A002 - its name everywhere in the API
    """The rows of a subject that the filter lets through.

    ``subject`` is a name (all that happens to it), ``name/3`` or ``name@alias``. ``database`` is ``sqlite`` or ``postgresql``; ``now`` is what ``'2h ago'``
    in a filter counts from. Raises InvalidReference, InvalidName, InvalidFilter.
    """
    conditions: list[ColumnElement[bool]] = [] if subject is None else [_about(subject)]
    if callable(filter):
        return Wanted(tuple(conditions), filter)
    tree = read("ledger", filter)
    if tree is not None:
        with language.told_as(InvalidFilter, str(filter)):
            conditions.append(Conditions("ledger", LedgerColumns(database), now).condition(tree))
    return Wanted(tuple(conditions))


def _about(subject: str) -> ColumnElement[bool]:
    reference = Reference.parse(subject)
    table = schema.ledger.c
    if isinstance(reference.selector, Latest):
        named: ColumnElement[bool] = table.name == reference.name
        return named
    if isinstance(reference.selector, Label):
        raise InvalidReference(reference=subject, problem="the ledger knows versions by their number; write name/3")
    exact: ColumnElement[bool] = table.subject == str(reference)
    return exact

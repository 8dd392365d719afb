"""Ways to models and data sets: by tag, or by name, in the order of which they can be walked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Text, literal

from modelyard.registry import schema
from modelyard.registry.schema import HEAD_LENGTH, models
from modelyard.registry.search.clauses import Asked
from modelyard.registry.search.conditions import Conditions
from modelyard.registry.search.ways import ID, Orders, Way, counted

_NOTED: Final = schema.model_tags.alias("way")


def model_ways(conditions: Conditions, inside: Sequence[ColumnElement[bool]], found: Sequence[Asked]) -> Iterator[Way]:
    """The ways that a filter allows; the one that leads to all models first."""
    yield Way("names", ((models, None),), models.c.id, orders={("name",): models.c.name})
    for each in found:
        if each.field.name == "name" and each.sign in ("=", "in"):
            where = conditions.condition(each.clause)
            orders: Orders = {("name",): models.c.name}
            yield Way(
                "names",
                ((models, None),),
                models.c.id,
                (where,),
                (each.clause,),
                orders,
                counted(models, *inside, where),
            )
        elif each.field.name == "tags" and each.sign == "=":
            table: Any = _NOTED
            text = each.texts[0]
            here = (table.c.key == literal(each.key, Text), table.c.head == literal(text[:HEAD_LENGTH], Text))
            covers = (each.clause,) if len(text) < HEAD_LENGTH else ()
            tables = ((table, None), (models, models.c.id == table.c.model_id))
            yield Way("tags", tables, table.c.model_id, here, covers, {ID: table.c.model_id}, counted(table, *here))

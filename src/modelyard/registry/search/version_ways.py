"""Ways to versions: by what a filter says of tags, properties, metrics, the name, time, aliases, labels …, and by the wished order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Text,
    and_,
    false,
    func,
    literal,
    literal_column,
    select,
)

from modelyard.core.errors import ModelyardError
from modelyard.core.references import Number, Reference
from modelyard.registry import schema
from modelyard.registry.language import Node
from modelyard.registry.schema import HEAD_LENGTH, models, versions
from modelyard.registry.search.clauses import Asked
from modelyard.registry.search.conditions import Conditions
from modelyard.registry.search.operands import Plain
from modelyard.registry.search.orders import Key
from modelyard.registry.search.ways import ID, Step, Way, counted

_NOTED: Final = {"tags": schema.tags.alias("way"), "properties": schema.properties.alias("way")}
_MEASURED: Final = schema.metrics.alias("way")
_POINTED: Final = schema.aliases.alias("way")
_CURRENT: Final = literal_column("1", Integer)  # as the index says it, and not as a parameter
_LARGEST = 2**31 - 1
_MODEL: Step = (models, models.c.id == versions.c.model_id)


@dataclass(frozen=True)
class Named:
    """The one model that the filter names: its row, and how many versions it may have."""

    id: int
    clause: Node
    versions: int


class VersionWays:
    """The ways that a filter allows. ``inside`` holds for the row in ``models`` of every version that is looked for."""

    def __init__(
        self,
        connection: Connection,
        conditions: Conditions,
        inside: Sequence[ColumnElement[bool]],
        found: Sequence[Asked],
        named: Named | None,
    ) -> None:
        self.connection = connection
        self.conditions = conditions
        self.inside = and_(*inside)
        self.asked = found
        self.named = named

    def all(self, keys: Sequence[Key]) -> list[Way]:
        """Those that lead to all versions first."""
        found = [*self._everywhere(keys), *(replace(way, again=_again) for way in self._limited())]
        # The row of the one model is known, and with it that the clause holds.
        mine = () if self.named is None else (self.named.clause,)
        return [replace(way, covers=(*way.covers, *mine)) for way in found]

    def _everywhere(self, keys: Sequence[Key]) -> Iterator[Way]:
        if self.named is None:
            yield Way("versions", ((versions, None), _MODEL), versions.c.id, orders={ID: versions.c.id})
            yield Way(
                "names",
                ((models, None), (versions, versions.c.model_id == models.c.id)),
                versions.c.id,
                conditions=(self.inside,),
                orders={("name",): models.c.name},
            )
        else:
            mine = versions.c.model_id == self.named.id
            yield Way(
                "versions of the model",
                ((versions, None), _MODEL),
                versions.c.id,
                conditions=(mine,),
                orders={("number",): versions.c.number},
                size=self.named.versions,
            )
        time = versions.c.created_time
        yield Way("created time", ((versions, None), _MODEL), versions.c.id, orders={("created_time",): time})
        for key in keys[:1]:
            if len(key.field) == 2 and key.field[0] == "metrics":
                yield self._metric(str(key.field[1]), [], every=True)

    def _limited(self) -> Iterator[Way]:
        ranges: dict[tuple[str, str], list[Asked]] = {}
        for each in self.asked:
            if each.field.name in ("metrics", "created_time"):
                ranges.setdefault((each.field.name, each.key), []).append(each)
            elif each.field.name in ("tags", "properties") and each.sign in ("=", "in", "has"):
                yield self._noted(each)
            elif each.field.name in ("alias", "aliases"):
                yield from self._pointed(each)
            elif each.field.name in ("label", "number") and each.sign == "=":
                yield self._looked_up(each)
            elif each.field.name == "digest" and each.sign == "=":
                yield self._plain("digest", [each], size=counted(versions, versions.c.digest == each.texts[0]))
            elif each.field.name == "state" and each.sign == "=" and each.texts[0] != "active":
                where = (versions.c.state == each.texts[0], versions.c.state != "active")
                yield Way("state", ((versions, None), _MODEL), versions.c.id, where, size=counted(versions, *where))
            elif each.field.name in ("input", "inputs") and each.sign == "=":
                yield from self._input(each)
        for (name, key), found in ranges.items():
            if name == "metrics":
                yield self._metric(key, found)
            elif any(each.sign in ("=", "<", "<=", ">", ">=") for each in found):
                limits = [each for each in found if each.sign in ("=", "<", "<=", ">", ">=")]
                yield self._plain("created time", limits, orders={("created_time",): versions.c.created_time})
        names = [each for each in self.asked if each.field.name == "name" and each.sign in ("=", "in", "like")]
        if names and self.named is None:
            yield self._names(names)

    def _noted(self, asked: Asked) -> Way:
        """By the index of tags or properties, where rows with the same value are sorted by their id; those of one model's tags by number."""
        table: Any = _NOTED[asked.field.name]
        where = [table.c.key == literal(asked.key, Text)]
        orders: Any = {ID: table.c.version_id}
        if self.named is not None and asked.field.name == "tags":
            where.insert(0, table.c.model_id == self.named.id)
            orders = {("number",): table.c.number}
        heads = list(dict.fromkeys(text[:HEAD_LENGTH] for text in asked.texts))
        covered = asked.sign == "=" and len(asked.texts[0]) < HEAD_LENGTH
        if asked.sign == "=":
            where.append(table.c.head == literal(heads[0], Text))
        elif asked.sign == "in":
            where.append(table.c.head.in_([literal(head, Text) for head in heads]))
        return Way(
            asked.field.name,
            ((table, None), (versions, versions.c.id == table.c.version_id), _MODEL),
            table.c.version_id,
            conditions=tuple(where) if asked.field.name == "tags" else (*where, *self._mine()),
            covers=(asked.clause,) if covered or asked.sign == "has" else (),
            orders=orders if asked.sign == "=" else {},
            size=counted(table, *where),
            in_first=asked.field.name == "tags" or self.named is None,
        )

    def _metric(self, key: str, found: Sequence[Asked], *, every: bool = False) -> Way:
        """By the index of the current values of a metric."""
        table: Any = _MEASURED
        where = [table.c.key == literal(key, Text), table.c.current == _CURRENT]
        if self.named is not None:
            where.insert(0, table.c.model_id == self.named.id)
        limits = [each for each in found if each.sign in ("=", "<", "<=", ">", ">=")]
        value = Plain("number", table.c.value, nullable=False)
        where += [self.conditions.compare_value(each.sign, value, each.name, each.values[0]) for each in limits]
        return Way(
            "metrics",
            ((table, None), (versions, versions.c.id == table.c.version_id), _MODEL),
            table.c.version_id,
            conditions=tuple(where),
            covers=tuple(each.clause for each in (*limits, *(each for each in found if each.sign == "has"))),
            orders={("metrics", key): table.c.value},
            size=None if every else counted(table, *where),
            in_first=True,
        )

    def _pointed(self, asked: Asked) -> Iterator[Way]:
        """By the name of an alias: within the one model, or over the aliases of all models, which are few beside versions."""
        if asked.sign != ("has" if asked.field.name == "aliases" else "="):
            return
        table: Any = _POINTED
        where = [table.c.name == literal(asked.key if asked.sign == "has" else asked.texts[0], Text)]
        if self.named is not None:
            where.insert(0, table.c.model_id == self.named.id)
        there = and_(versions.c.model_id == table.c.model_id, versions.c.number == table.c.number)
        tables: tuple[Step, ...] = ((table, None), (versions, there), _MODEL)
        yield Way("aliases", tables, versions.c.id, tuple(where), (asked.clause,), size=counted(table, *where))

    def _looked_up(self, asked: Asked) -> Way:
        """By label or number: within the one model, or looked up in each."""
        where = [self.inside if self.named is None else models.c.id == self.named.id]
        size: Any = 1
        if self.named is None and asked.field.name == "number":  # as many as there are models that have so many
            where.append(models.c.next_number > asked.values[0].value)
            size = counted(models, *where)
        tables: tuple[Step, ...] = ((models, None), (versions, versions.c.model_id == models.c.id))
        conditions = (*where, self.conditions.condition(asked.clause))
        return Way(asked.field.name, tables, versions.c.id, conditions, (asked.clause,), size=size)

    def _input(self, asked: Asked) -> Iterator[Way]:
        """By the version that was used. A version may use it in several roles, and is found once."""
        used = list(self._referred(asked.texts[0]))
        table: Any = schema.inputs
        where = table.c.input_version_id.in_(used) if used else false()
        users = select(table.c.version_id).where(where)
        conditions = (versions.c.id.in_(users), *self._mine())
        yield Way("inputs", ((versions, None), _MODEL), versions.c.id, conditions, size=counted(table, where))

    def _referred(self, text: str) -> Iterator[int]:
        """The rows of the versions that the text names, of models and of data sets."""
        try:
            reference = Reference.parse(text)
        except ModelyardError:
            return
        if isinstance(reference.selector, Number) and reference.selector.value <= _LARGEST:
            query = select(versions.c.id).join(models, models.c.id == versions.c.model_id)
            query = query.where(models.c.name == reference.name, versions.c.number == reference.selector.value)
            yield from self.connection.execute(query).scalars()

    def _names(self, found: Sequence[Asked]) -> Way:
        where = [self.inside, *(self.conditions.condition(each.clause) for each in found)]
        return Way(
            "names",
            ((models, None), (versions, versions.c.model_id == models.c.id)),
            versions.c.id,
            conditions=tuple(where),
            covers=tuple(each.clause for each in found),
            orders={("name",): models.c.name},
            size=select(func.sum(models.c.next_number - 1)).where(*where),
        )

    def _plain(self, name: str, found: Sequence[Asked], *, size: Any = None, orders: Any = None) -> Way:
        where = tuple(self.conditions.condition(each.clause) for each in found)
        return Way(
            name,
            ((versions, None), _MODEL),
            versions.c.id,
            conditions=(*where, *self._mine()),
            covers=tuple(each.clause for each in found),
            orders=orders or {},
            size=counted(versions, *where) if size is None else size,
        )

    def _mine(self) -> list[ColumnElement[bool]]:
        return [] if self.named is None else [versions.c.model_id == self.named.id]


def _again(ids: FromClause) -> tuple[Step, ...]:
    return ((ids, None), (versions, versions.c.id == ids.c.id), _MODEL)

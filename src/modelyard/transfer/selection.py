"""What is to move: from what a person names to versions and aliases, with the data sets that the versions were made from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select

from modelyard.core.errors import InvalidReference, NothingToMove
from modelyard.core.names import Kind, ModelName
from modelyard.core.references import Reference
from modelyard.registry import VersionRow, schema
from modelyard.transfer.reading import batches

if TYPE_CHECKING:
    from modelyard.client.workspace import Workspace

ALL = "/*"
"""``fraud/*`` stands for all versions of a name, deleted ones too."""

Name = tuple[Kind, str]


@dataclass
class Chosen:
    """Of one name: the numbers of the versions that move, and the names of the aliases. ``whole``: with all aliases, those that were removed too."""

    numbers: set[int] = field(default_factory=set)
    aliases: set[str] = field(default_factory=set)
    whole: bool = False


Selection = dict[Name, Chosen]
"""By kind and name: data sets come before the models that were made from them."""


def named(
    workspace: Workspace,
    models: Iterable[Any],
    datasets: Iterable[Any] = (),
    *,
    inputs: bool = True,
    aliases: bool = True,
) -> Selection:
    """The versions that references (``fraud@production``, ``fraud/3``, ``fraud/*``) or ``Model`` and ``Dataset`` objects name, and with ``inputs`` the data sets behind them.

    With ``aliases`` those move along that point at one of the versions. Raises NothingToMove, and what finding a version raises.
    """
    chosen: Selection = {}
    kinds: tuple[tuple[Kind, Iterable[Any]], ...] = (("model", models), ("dataset", datasets))
    for kind, wanted in kinds:
        for item in [wanted] if isinstance(wanted, str | Reference) else wanted:
            _choose(workspace, chosen, kind, item)
    if not any(each.numbers for each in chosen.values()):
        raise NothingToMove(problem="no version was named")
    with workspace.registry.read() as connection:
        if inputs:
            _add_inputs(connection, workspace.registry.workspace, chosen)
        for (kind, name), each in chosen.items():
            if aliases:
                each.aliases |= _pointing(connection, workspace.registry.workspace, kind, name, each)
            else:
                each.aliases.clear()
    return in_order(chosen)


def everything(workspace: Workspace, *, aliases: bool = True) -> Selection:
    """All models and data sets of the workspace with all their versions, tombstones too."""
    table = schema.models.c
    query = select(table.kind, table.name).where(table.workspace == workspace.registry.workspace)
    with workspace.registry.read() as connection:
        chosen = {
            (row.kind, row.name): _whole(connection, workspace.registry.workspace, row.kind, row.name)
            for row in connection.execute(query).all()
        }
        if aliases:
            for (kind, name), each in chosen.items():
                each.aliases |= _ever(connection, workspace.registry.workspace, kind, name)
    return in_order(chosen)


def changed(workspace: Workspace, since: int, until: int, *, aliases: bool = True) -> Selection:
    """What the ledger rows after ``since``, up to ``until``, are about."""
    table = schema.ledger.c
    place = (table.workspace == workspace.registry.workspace, table.kind.in_(("model", "dataset")), table.name != "")
    query = select(table.kind, table.name, table.subject).where(*place, table.sequence > since, table.sequence <= until)
    chosen: Selection = {}
    with workspace.registry.read() as connection:
        for kind, name, subject in connection.execute(query.distinct()):
            each = chosen.setdefault((kind, name), Chosen())
            sign, rest = subject[len(name) : len(name) + 1], subject[len(name) + 1 :]
            if sign == "/":
                each.numbers.add(int(rest))
            elif sign == "@" and aliases:
                each.aliases.add(rest)
    return in_order(chosen)


def in_order(chosen: Selection) -> Selection:
    """Data sets first, then by name."""
    return dict(sorted(chosen.items()))


def _choose(workspace: Workspace, chosen: Selection, kind: Kind, item: Any) -> None:
    row = getattr(item, "row", None)
    if isinstance(row, VersionRow):
        if item.workspace.yard_id != workspace.yard_id:
            raise InvalidReference(reference=row.reference, problem=f"it is of the yard at {item.workspace.place}")
        chosen.setdefault((row.kind, row.name), Chosen()).numbers.add(row.number)
        return
    if isinstance(item, str) and item.endswith(ALL):
        name = ModelName(item.removesuffix(ALL))
        with workspace.registry.read() as connection:
            found = _whole(connection, workspace.registry.workspace, kind, name)
            if not found.numbers:
                workspace.registry.require(kind, name)
            found.aliases |= _ever(connection, workspace.registry.workspace, kind, name)
        chosen[kind, name] = found
        return
    row = workspace.registry.version(kind, Reference.parse(item))
    chosen.setdefault((kind, row.name), Chosen()).numbers.add(row.number)


def _whole(connection: Connection, workspace: str, kind: Kind, name: str) -> Chosen:
    models, versions = schema.models.c, schema.versions.c
    query = (
        select(versions.number)
        .join(schema.models, versions.model_id == models.id)
        .where(models.workspace == workspace, models.kind == kind, models.name == name)
    )
    return Chosen(set(connection.execute(query).scalars()), whole=True)


def _ever(connection: Connection, workspace: str, kind: Kind, name: str) -> set[str]:
    """All aliases that a name ever had."""
    table = schema.ledger.c
    place = (table.workspace == workspace, table.kind == kind, table.name == name)
    query = select(table.subject).where(*place, table.subject.startswith(f"{name}@", autoescape=True)).distinct()
    return {subject.removeprefix(f"{name}@") for subject in connection.execute(query).scalars()}


def _pointing(connection: Connection, workspace: str, kind: Kind, name: str, each: Chosen) -> set[str]:
    models, aliases = schema.models.c, schema.aliases.c
    query = (
        select(aliases.name, aliases.number)
        .join(schema.models, aliases.model_id == models.id)
        .where(models.workspace == workspace, models.kind == kind, models.name == name)
    )
    return {alias for alias, number in connection.execute(query) if number in each.numbers}


def _add_inputs(connection: Connection, workspace: str, chosen: Selection) -> None:
    """The data sets that the versions were made from, and those that these were made from."""
    waiting = [(kind, name, number) for (kind, name), each in chosen.items() for number in each.numbers]
    while waiting:
        found = list(_inputs(connection, workspace, waiting))
        waiting = []
        for name, number in found:
            each = chosen.setdefault(("dataset", name), Chosen())
            if number not in each.numbers:
                each.numbers.add(number)
                waiting.append(("dataset", name, number))


def _inputs(connection: Connection, workspace: str, made: Iterable[tuple[Kind, str, int]]) -> Iterator[tuple[str, int]]:
    owner, version = schema.models.alias("owner"), schema.versions.alias("made")
    by_name: dict[Name, list[int]] = {}
    for kind, name, number in made:
        by_name.setdefault((kind, name), []).append(number)
    for (kind, name), numbers in by_name.items():
        for batch in batches(numbers):
            query = (
                select(schema.models.c.name, schema.versions.c.number)
                .select_from(schema.inputs)
                .join(version, schema.inputs.c.version_id == version.c.id)
                .join(owner, version.c.model_id == owner.c.id)
                .join(schema.versions, schema.inputs.c.input_version_id == schema.versions.c.id)
                .join(schema.models, schema.versions.c.model_id == schema.models.c.id)
                .where(owner.c.workspace == workspace, owner.c.kind == kind, owner.c.name == name)
                .where(version.c.number.in_(batch), schema.models.c.kind == "dataset")
                .distinct()
            )
            yield from ((row.name, row.number) for row in connection.execute(query))

"""What the yard that is written has of a parcel, and what else the rules need to know of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from modelyard.core.names import Kind
from modelyard.registry import schema
from modelyard.registry.referrers import referrers
from modelyard.registry.versions import GONE, selection, to_version
from modelyard.transfer import reading
from modelyard.transfer.merging.decisions import Choices, Facts, ParcelPlan
from modelyard.transfer.merging.entries import LEAVES
from modelyard.transfer.merging.plan import plan
from modelyard.transfer.records import Parcel, row_id

if TYPE_CHECKING:
    from modelyard.client.workspace import Workspace

Name = tuple[Kind, str]


class Holdings:
    """Decides parcel after parcel of one transfer, and remembers what it decided: where aliases will be, and which versions go."""

    def __init__(self, workspace: Workspace, there: str, choices: Choices) -> None:
        self._workspace = workspace
        self._there = there
        self._choices = choices
        self._going: set[str] = set()
        self._moved: dict[Name, dict[str, int | None]] = {}
        self.is_held_up = False
        """Whether a version could not go because it seemed to be used."""

    def will_go(self, parcel: Parcel) -> None:
        """Notes which versions are no more where the parcel comes from. Until this was told of all parcels, a decision may be held up by one of them."""
        model = parcel.model
        self._going.update(
            f"the {model.kind} {model.name}/{version.number} made from it"
            for version in parcel.versions
            if version.state in GONE
        )

    def decide(self, connection: Connection, theirs: Parcel) -> tuple[ParcelPlan, Parcel | None]:
        """What is to be done about a parcel as the database is now, and what it has of it."""
        model, workspace = theirs.model, self._workspace.registry.workspace
        leading = bool(theirs.aliases) or any(row.subject == model.name for row in theirs.rows)
        numbers = [version.number for version in theirs.versions]
        mine = reading.parcel(
            connection, workspace, model.kind, model.name, numbers, theirs.aliases, leading=leading, rules=True
        )
        facts = Facts(
            here=self._workspace.yard_id,
            there=self._there,
            place=self._workspace.place,
            labels=self._labels(connection, theirs),
            known=reading.known_rows(
                connection, self._workspace.yard_id, (row_id(row, self._there) for row in theirs.rows)
            ),
            protected={} if mine is None else mine.protection,
        )
        made = plan(theirs, mine, facts, self._choices)
        moved = self._moved.setdefault((model.kind, model.name), {})
        moved.update({change.name: None if change.after is None else change.after.number for change in made.aliases})
        needed = self._needed(connection, theirs, mine, moved)
        if needed:
            self.is_held_up = True
            made = plan(theirs, mine, Facts(**{**vars(facts), "needed": needed}), self._choices)
        return made, mine

    def _labels(self, connection: Connection, theirs: Parcel) -> dict[str, int]:
        asked = [version.label for version in theirs.versions if version.label is not None]
        found = reading.model(connection, self._workspace.registry.workspace, theirs.model.kind, theirs.model.name)
        return {} if found is None or not asked else reading.labels(connection, found[0], asked)

    def _needed(
        self, connection: Connection, theirs: Parcel, mine: Parcel | None, moved: Mapping[str, int | None]
    ) -> dict[int, list[str]]:
        """By whom the versions are used that would go; who goes with them, and aliases that will be elsewhere, do not count."""
        known = {} if mine is None else mine.by_number
        name = theirs.model.name
        needed: dict[int, list[str]] = {}
        for version in theirs.versions:
            here = known.get(version.number)
            if here is None or version.state not in LEAVES or here.state == version.state:
                continue
            leave = {f"the alias {name}@{alias}" for alias, number in moved.items() if number != version.number}
            found = self._referrers(connection, theirs, version.number)
            if used := [each for each in found if each not in leave and each not in self._going]:
                needed[version.number] = used
        return needed

    def _referrers(self, connection: Connection, theirs: Parcel, number: int) -> list[str]:
        models = schema.models.c
        workspace = self._workspace.registry.workspace
        place = (models.workspace == workspace, models.kind == theirs.model.kind, models.name == theirs.model.name)
        row = connection.execute(selection().where(*place, schema.versions.c.number == number)).one()
        return referrers(connection, workspace, to_version(row))

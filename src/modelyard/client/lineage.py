"""What of the provenance of a version is kept beside its row, so that it can be searched: every single value, no lists and no attachments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from modelyard.core.digests import Digest
from modelyard.core.errors import Damaged
from modelyard.registry.schema import versions

if TYPE_CHECKING:
    from modelyard.client.workspace import Workspace

LENGTH_LIMIT = 500
"""A longer value is not searched for; the whole document has it."""

_BATCH = 200


def lineage(document: Mapping[str, Any]) -> dict[str, Any]:
    """The single values of a provenance document, nested as they are there; ``command.line`` is the arguments as one text.

    >>> lineage({"git": {"commit": "af31", "dirty": False, "files": ["a"]}, "command": {"argv": ["python", "train.py"]}, "build": None})
    {'git': {'commit': 'af31', 'dirty': False}, 'command': {'line': 'python train.py'}}
    """
    found: dict[str, Any] = {}
    for key, value in document.items():
        if isinstance(value, Mapping):
            within = lineage(value)
            if key == "command" and isinstance(value.get("argv"), list):
                within["line"] = " ".join(map(str, value["argv"]))[:LENGTH_LIMIT]
            if within and key != "attachments":
                found[key] = within
        elif isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= LENGTH_LIMIT):
            found[key] = value
    return found


def fill_in(workspace: Workspace) -> int:
    """Writes the lineage of versions that were registered before it was kept; of how many."""
    done, after = 0, 0
    table = versions.c
    while True:
        query = select(table.id, table.provenance).where(
            table.id > after, table.provenance.is_not(None), table.lineage.is_(None)
        )
        with workspace.registry.read() as connection:
            rows = connection.execute(query.order_by(table.id).limit(_BATCH)).all()
        if not rows:
            return done
        after = rows[-1].id
        found: dict[int, dict[str, Any]] = {}
        for row in rows:
            with suppress(
                Damaged, ValueError
            ):  # what cannot be read is told by `check`, and is no reason not to upgrade
                found[row.id] = lineage(json.loads(workspace.store.read(Digest(row.provenance), "the provenance")))
        with workspace.registry.begin() as tx:
            for row_id, document in found.items():
                tx.execute(update(versions).where(table.id == row_id).values(lineage=document))
        done += len(found)

"""Where a version was registered: in this yard, or in another that it came from."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, select

from modelyard.registry.schema import ledger
from modelyard.registry.versions import VersionRow

UNKNOWN = "an unknown yard"
"""Of a version of which the ledger does not say that it was registered."""

_REGISTERED = (
    select(ledger.c.origin_yard)
    .where(
        ledger.c.workspace == bindparam("of_workspace"),
        ledger.c.kind == bindparam("of_kind"),
        ledger.c.subject == bindparam("of_subject"),
        ledger.c.action == "version.register",
    )
    .order_by(ledger.c.sequence)
    .limit(1)
)


def origin_yard(connection: Connection, workspace: str, version: VersionRow) -> str | None:
    """The id of the yard where a version was registered, if it was another than this one."""
    asked = {"of_workspace": workspace, "of_kind": version.kind, "of_subject": version.reference}
    row = connection.execute(_REGISTERED, asked).first()
    if row is None:
        return UNKNOWN
    found: str | None = row.origin_yard
    return found

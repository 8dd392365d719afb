"""What live traffic has shown of a version: the newest measured window of each deployment of its model, and the alerts that fire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from modelyard.core.clock import from_micros
from modelyard.registry.schema import alerts, deployments, windows

LOOK_BACK = 100
"""So many windows of each deployment are looked through for the last time that a measure was known."""


def drift_of(connection: Connection, workspace: str, name: str, number: int) -> dict[str, Any]:
    """The facts ``drift`` of a version; empty when no deployment of the model has measured it: then all of it is unknown, no alert too."""
    found = measured_windows(connection, workspace, name, number)
    if not found:
        return {}
    firing = select(alerts.c.evidence).where(
        alerts.c.workspace == workspace, alerts.c.deployment.in_(list(found)), alerts.c.state == "firing"
    )
    count = sum((evidence or {}).get("version") == number for evidence in connection.execute(firing).scalars())
    return {**summary(found.values()), "alerts": count}


def measured_windows(
    connection: Connection, workspace: str, name: str, number: int, before: int | None = None
) -> dict[str, list[Mapping[str, Any]]]:
    """The last windows of a version by deployment, the newest first; those that began ``before`` then, in microseconds."""
    table = windows.c
    serving = select(deployments.c.name).where(deployments.c.workspace == workspace, deployments.c.model == name)
    found: dict[str, list[Mapping[str, Any]]] = {}
    for deployment in connection.execute(serving.order_by(deployments.c.name)).scalars().all():
        query = select(table.start, table.end, table.rows, table.results, table.measured_time).where(
            table.workspace == workspace, table.deployment == deployment, table.version == number
        )
        if before is not None:
            query = query.where(table.start < before)
        rows = connection.execute(query.order_by(table.start.desc()).limit(LOOK_BACK)).mappings().all()
        if rows:
            found[deployment] = [dict(row) for row in rows]
    return found


def summary(measured: Iterable[Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """What the windows of some deployments say, each the newest first: the worst drift of the newest ones, and of each quality the newest value.
    What could not be measured is left out, and so unknown."""
    listed = list(measured)
    newest = [each[0] for each in listed]
    scores = [score for window in newest for score in window["results"].get("drift") or ()]
    values = [score["value"] for score in scores]
    told: dict[str, Any] = {
        "rows": sum(window["rows"] for window in newest),
        "end": from_micros(min(window["end"] for window in newest)),
        "quality": _quality(window for each in listed for window in each),
    }
    if values and None not in values:
        told["score"] = max(values)
    if scores and all(score["drifted"] is not None for score in scores):
        told["drifted"] = sum(bool(score["drifted"]) for score in scores)
    return told


def _quality(measured: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for window in sorted(measured, key=lambda window: window["end"]):
        for metric, measure in (window["results"].get("quality") or {}).items():
            found[metric] = measure["value"]
    return found

"""Who refers to a version: what must be moved before it can go."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, or_, select

from modelyard.registry.schema import aliases, deployments, inputs, replicas, rollouts, versions
from modelyard.registry.versions import GONE, VersionRow, selection, to_version

_ENDED = ("done", "aborted")  # states of a rollout that is over
_LIVE = ("starting", "ready")  # states of a replica that holds a version


def referrers(connection: Connection, workspace: str, version: VersionRow, but: Collection[int] = ()) -> list[str]:
    """In words, each: aliases, deployments, rollouts under way, replicas, and versions made from it that are not among ``but`` (row ids)."""
    found = [f"the alias {version.name}@{name}" for name in _aliases(connection, version)]
    if version.kind == "model":
        found += _serving(connection, workspace, version)
    query = (
        selection()
        .join(inputs, inputs.c.version_id == versions.c.id)
        .where(inputs.c.input_version_id == version.id, versions.c.state.not_in(GONE))
        .order_by(versions.c.id)
        .distinct()
    )
    made_from = [to_version(row) for row in connection.execute(query)]
    return found + [f"the {row.kind} {row.reference} made from it" for row in made_from if row.id not in but]


def _aliases(connection: Connection, version: VersionRow) -> list[str]:
    here = (aliases.c.model_id == version.model_id, aliases.c.number == version.number)
    return list(connection.execute(select(aliases.c.name).where(*here).order_by(aliases.c.name)).scalars())


def _serving(connection: Connection, workspace: str, version: VersionRow) -> list[str]:
    mine = (deployments.c.workspace == workspace, deployments.c.model == version.name)
    number = version.number
    rolling = (
        select(rollouts.c.deployment)
        .join(
            deployments,
            (deployments.c.workspace == rollouts.c.workspace) & (deployments.c.name == rollouts.c.deployment),
        )
        .where(*mine, rollouts.c.state.not_in(_ENDED), or_(rollouts.c.stable == number, rollouts.c.candidate == number))
    )
    loaded = (
        select(replicas.c.deployment)
        .join(
            deployments,
            (deployments.c.workspace == replicas.c.workspace) & (deployments.c.name == replicas.c.deployment),
        )
        .where(*mine, deployments.c.state == "running", replicas.c.state.in_(_LIVE))
        .where(or_(replicas.c.stable == number, replicas.c.candidate == number))
    )
    return [
        *(f"a rollout of the deployment {name}" for name in connection.execute(rolling.distinct()).scalars()),
        *(f"a replica of the deployment {name}" for name in connection.execute(loaded.distinct()).scalars()),
    ]

"""A replica in the foreground, for a terminal, a container or a service manager."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from modelyard.client.workspace import Workspace
from modelyard.core.errors import DeploymentNotFound, InvalidReference
from modelyard.core.names import AliasName
from modelyard.core.references import Alias, Latest, Reference
from modelyard.deployments import records
from modelyard.deployments.config import DeploymentConfig
from modelyard.deployments.deployment import Deployment
from modelyard.deployments.replica_process import serve
from modelyard.deployments.targets.lock import ReplicaLock
from modelyard.serving.replica import require_free


def serve_here(
    workspace: Workspace, reference: str, *, config: Mapping[str, Any] | None = None, watch_stdin: bool = False
) -> None:
    """Serves until SIGINT or SIGTERM, or until standard input closes where that is watched.

    ``reference`` is a deployment that exists, by its name, or an alias that a new one shall follow (``fraud@production``). ``config`` replaces
    what the deployment has. Raises InvalidReference for what no deployment can follow, AliasNotFound, Locked when its replica runs
    already, PortInUse, AddressUnusable; then nothing has changed.
    """
    name = Reference.parse(reference).name
    wanted = None if config is None else DeploymentConfig.parse(config)
    replica = f"{name[:80]}-{uuid4().hex[:8]}"
    with ReplicaLock(workspace.root / "deployments" / name, replica):
        planned = wanted or _present(workspace, name) or DeploymentConfig()
        require_free(planned.host, planned.port)
        _prepare(workspace, reference, config, wanted)
        records.set_state(workspace.registry, name, records.RUNNING, "served in the foreground")
        serve(workspace, name, replica, watch_stdin=watch_stdin)


def _present(workspace: Workspace, name: str) -> DeploymentConfig | None:
    try:
        return Deployment(workspace, name).config
    except DeploymentNotFound:
        return None


def _prepare(
    workspace: Workspace, reference: str, config: Mapping[str, Any] | None, wanted: DeploymentConfig | None
) -> Deployment:
    """The deployment that is meant, made when it is new."""
    asked = Reference.parse(reference)
    if isinstance(asked.selector, Latest):
        try:
            found = Deployment(workspace, asked.name)
        except DeploymentNotFound:
            asked = Reference(asked.name, Alias(AliasName(wanted.alias if wanted else "production")))
        else:
            if wanted is not None:
                records.set_config(workspace.registry, found.name, wanted)
            return found
    if not isinstance(asked.selector, Alias):
        told = f"a replica follows an alias; promote it first, or use: modelyard deploy {asked}"
        raise InvalidReference(reference=reference, problem=told)
    workspace.model(asked)
    settings = {**(config or {}), "alias": str(asked.selector.value)}
    records.create_deployment(workspace.registry, asked.name, asked.name, DeploymentConfig.parse(settings))
    made = Deployment(workspace, asked.name)
    if made.config.alias != asked.selector.value:
        told = f"deployment {asked.name!r} follows {made.config.alias} already"
        raise InvalidReference(reference=reference, problem=told)
    if wanted is not None:
        records.set_config(workspace.registry, made.name, DeploymentConfig.parse(settings))
    return made

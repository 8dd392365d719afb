"""A replica in the foreground, for a terminal, a container or a service manager."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

from modelyard.client.workspace import Workspace
from modelyard.core.errors import DeploymentNotFound, InvalidReference
from modelyard.core.names import AliasName
from modelyard.core.references import Alias, Latest, Reference
from modelyard.deployments import records
from modelyard.deployments.config import DeploymentConfig
from modelyard.deployments.delivery import project_config
from modelyard.deployments.deployment import Deployment
from modelyard.deployments.folder import deployment_folder
from modelyard.deployments.replica_process import serve
from modelyard.deployments.targets.lock import ReplicaLock
from modelyard.serving.listener import require_free


def serve_here(
    workspace: Workspace,
    reference: str,
    *,
    config: Mapping[str, Any] | None = None,
    port: int | None = None,
    watch_stdin: bool = False,
) -> None:
    """Serves until SIGINT or SIGTERM, or until standard input closes where that is watched.

    ``reference`` is a deployment that exists, by its name, or an alias that a new one shall follow (``fraud@production``). ``config`` replaces
    what the deployment has; a new one has that of the project here unless given. ``port`` is changed in it, and nothing else is. Raises
    InvalidConfig, InvalidReference for what no deployment can follow, AliasNotFound, Locked when its replica runs already, PortInUse,
    AddressUnusable; then nothing has changed.
    """
    name = Reference.parse(reference).name
    given = None if config is None else DeploymentConfig.parse(config)
    replica = f"{name[:80]}-{uuid4().hex[:8]}"
    with ReplicaLock(deployment_folder(workspace.root, name), replica):
        planned = (given or _present(workspace, name) or project_config(name) or DeploymentConfig()).at_port(port)
        require_free(planned.host, planned.port)
        _prepare(workspace, reference, planned)
        records.set_state(workspace.registry, name, records.RUNNING, "served in the foreground")
        serve(workspace, name, replica, watch_stdin=watch_stdin)


def _present(workspace: Workspace, name: str) -> DeploymentConfig | None:
    try:
        return Deployment(workspace, name).config
    except DeploymentNotFound:
        return None


def _prepare(workspace: Workspace, reference: str, planned: DeploymentConfig) -> None:
    """Makes the deployment that is meant, or changes it to what is planned."""
    asked = Reference.parse(reference)
    if isinstance(asked.selector, Latest):
        try:
            found = Deployment(workspace, asked.name)
        except DeploymentNotFound:
            asked = Reference(asked.name, Alias(AliasName(planned.alias)))
        else:
            records.set_config(workspace.registry, found.name, planned)
            return
    if not isinstance(asked.selector, Alias):
        told = f"a replica follows an alias; promote it first, or use: modelyard deploy {asked}"
        raise InvalidReference(reference=reference, problem=told)
    workspace.model(asked)
    planned = replace(planned, alias=str(asked.selector.value))
    if not records.create_deployment(workspace.registry, asked.name, asked.name, planned):
        made = Deployment(workspace, asked.name)
        if made.row.alias != asked.selector.value:
            told = f"deployment {asked.name!r} follows {made.row.alias} already"
            raise InvalidReference(reference=reference, problem=told)
        records.set_config(workspace.registry, made.name, planned)

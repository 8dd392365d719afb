"""A version goes out: the first time by making a deployment, after that by a rollout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from modelyard.client.model import Model
from modelyard.client.workspace import Workspace
from modelyard.core.errors import AliasMoved, DeploymentNotFound, DeploymentTaken, ModelyardError, RolloutInProgress
from modelyard.core.names import ModelName
from modelyard.core.references import Number, Reference
from modelyard.deployments import records, rollout_records
from modelyard.deployments.config import DeploymentConfig
from modelyard.deployments.deployment import Deployment
from modelyard.deployments.targets.local import LocalTarget
from modelyard.deployments.targets.target import Target
from modelyard.pipelines.config import find_project

Targets = Callable[[Workspace, str], Target]


def deploy(
    workspace: Workspace,
    reference: str | Reference,
    name: str | None = None,
    *,
    config: DeploymentConfig | Mapping[str, Any] | None = None,
    port: int | None = None,
    wait: bool = False,
    timeout: float = 60.0,
    reason: str = "",
    target: Targets = LocalTarget,
) -> Deployment:
    """Puts a version behind an endpoint, and returns its deployment.

    The first time: the alias moves to the version (through its gates) and a replica starts; it is ready on return. After that: a rollout
    starts and goes on by itself; with ``wait`` this returns when it is done. A replica that is not running is started. A version that is
    live already is left alone.

    ``name`` is the model's unless given. ``config`` is that of ``[deployment]`` in the project's ``modelyard.toml`` here unless given; a new ``host`` or ``port``
    takes effect at the next start of the replica. ``port`` is changed in that config, else in what the deployment has, and nothing else is. ``timeout`` is how many seconds the replica may take to be ready.

    Raises what ``workspace.model`` raises, InvalidConfig, GateRefused, ReplicaFailed, RolloutInProgress, DeploymentTaken, and with ``wait``
    RolloutStopped.
    """
    model = workspace.model(reference)
    wanted = _config(config, model.name)
    named = ModelName(name or (wanted.name if wanted else None) or model.name)
    try:
        with workspace.registry.read() as connection:
            row = records.deployment(connection, workspace.registry.workspace, named)
    except DeploymentNotFound:
        first = (wanted or DeploymentConfig()).at_port(port)
        model.require_servable(trust=True if first.trust else None)
        target(workspace, named).check(first.host, first.port)
        if _created(workspace, model, named, first, reason):
            return _started(Deployment(workspace, named, target=target(workspace, named)), timeout, reason)
        with workspace.registry.read() as connection:  # another was faster to make it
            row = records.deployment(connection, workspace.registry.workspace, named)
    if row.model != model.name:
        raise DeploymentTaken(name=named, model=row.model, asked=model.name)
    return _changed(workspace, row, model, wanted, port, target(workspace, named), wait, timeout, reason)


def _changed(
    workspace: Workspace,
    row: records.DeploymentRow,
    model: Model,
    wanted: DeploymentConfig | None,
    port: int | None,
    target: Target,
    wait: bool,
    timeout: float,
    reason: str,
) -> Deployment:
    deployment = Deployment(workspace, row.name, target=target)
    rollout = deployment.rollout
    if rollout is not None and rollout.active:
        raise RolloutInProgress(name=row.name, candidate=rollout.candidate_reference, state=str(rollout.state))
    config = (wanted or row.config).at_port(port)
    model.require_servable(trust=True if config.trust else None)
    target.check(config.host, config.port)
    if config != row.config:
        records.set_config(workspace.registry, row.name, config, reason)
    row = deployment.row
    with workspace.registry.read() as connection:
        stable = records.stable_number(connection, workspace.registry.workspace, row)
    if stable is None:  # the alias is new to this deployment: nothing to roll out from
        _point(workspace, row.config, model, 0, reason)
        stable = model.version
    deployment.start(timeout, reason)
    if stable == model.version:
        return deployment
    steps = row.config.rollout.effective_steps
    rollout_records.start_rollout(workspace.registry, row, model.version, steps, reason)
    if wait:
        deployment.wait()
    return deployment


def _created(workspace: Workspace, model: Model, name: ModelName, config: DeploymentConfig, reason: str) -> bool:
    current = workspace.registry.aliases("model", ModelName(model.name)).get(config.alias)
    if current != model.version:
        _point(workspace, config, model, current or 0, reason)
    return records.create_deployment(workspace.registry, name, ModelName(model.name), config)


def _point(workspace: Workspace, config: DeploymentConfig, model: Model, expected: int, reason: str) -> None:
    told = reason or "the first version of a deployment"
    name = ModelName(model.name)
    try:
        workspace.promote(Reference(name, Number(model.version)), to=config.alias, expected=expected, reason=told)
    except AliasMoved:
        if workspace.registry.aliases("model", name).get(config.alias) != model.version:
            raise  # to another version: that is for people to decide


def _started(deployment: Deployment, timeout: float, reason: str) -> Deployment:
    try:
        deployment.start(timeout, reason)
    except ModelyardError as error:
        # what never came up is not wanted; the next deploy starts it again
        records.set_state(deployment.workspace.registry, deployment.name, records.STOPPED, str(error))
        raise
    return deployment


def project_config(model: str) -> DeploymentConfig | None:
    """The ``[deployment]`` of the project here; None when it has none, or is about another model. Raises InvalidConfig."""
    project = find_project(Path.cwd())
    if project is None or not project.deployment or project.model not in (None, model):
        return None
    return DeploymentConfig.parse(project.deployment, str(project.path))


def _config(config: DeploymentConfig | Mapping[str, Any] | None, model: str) -> DeploymentConfig | None:
    if config is None or isinstance(config, DeploymentConfig):
        return config or project_config(model)
    return DeploymentConfig.parse(config, "config")

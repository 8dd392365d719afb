"""A version goes out: the first time by making a deployment, after that by a rollout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from modelyard.client.model import Model
from modelyard.client.workspace import Workspace
from modelyard.core.errors import (
    AliasMoved,
    DeploymentNotFound,
    DeploymentTaken,
    InvalidPolicy,
    PolicyRefused,
    ReplicaFailed,
    RolloutInProgress,
)
from modelyard.core.names import ModelName
from modelyard.core.references import Number, Reference
from modelyard.deployments import records, rollout_records
from modelyard.deployments.config import DeploymentConfig
from modelyard.deployments.deployment import Deployment
from modelyard.deployments.targets.local import LocalTarget
from modelyard.deployments.targets.target import Target
from modelyard.pipelines.config import find_project
from modelyard.pipelines.run import set_policies

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

    The first time: the alias moves to the version (through its gates) and a replica starts; it is ready on return. When it does not
    come up, the alias goes back, unless it pointed nowhere before. After that: a rollout
    starts and goes on by itself; with ``wait`` this returns when it is done. A replica that is not running is started. A version that is
    live already is left alone.

    ``name`` is the model's unless given. ``config`` is that of ``[deployment]`` in the project's ``modelyard.toml`` here unless given; a new ``host`` or ``port``
    takes effect at the next start of the replica. ``port`` is changed in that config, else in what the deployment has, and nothing else is. ``timeout`` is how many seconds the replica may take to be ready.

    Raises what ``workspace.model`` raises, InvalidConfig, PolicyRefused, ReplicaFailed, RolloutInProgress, DeploymentTaken, and with ``wait``
    RolloutStopped.
    """
    model = workspace.model(reference)
    wanted = _config(config, model.name)
    if config is None:
        _set_policies(workspace, model.name)
    named = ModelName(name or (wanted.name if wanted else None) or model.name)
    try:
        with workspace.registry.read() as connection:
            row = records.deployment(connection, workspace.registry.workspace, named)
    except DeploymentNotFound:
        first = (wanted or DeploymentConfig()).at_port(port)
        model.require_servable(trust=True if first.trust else None)
        target(workspace, named).check(first.host, first.port)
        before = _position(workspace, model, first)
        moved = before != model.version and _point(workspace, first, model, before or 0, reason)
        if records.create_deployment(workspace.registry, named, ModelName(model.name), first):
            made = Deployment(workspace, named, target=target(workspace, named))
            return _started(made, model.version, timeout, reason, moved_from=before if moved else model.version)
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
        if target.running() is None:  # its replica died on the way: started again, it goes on where it was
            deployment.start(timeout, reason)
            if model.version == rollout.stable:
                return deployment
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
        moved = _point(workspace, row.config, model, 0, reason)
        return _started(deployment, model.version, timeout, reason, moved_from=None if moved else model.version)
    deployment.start(timeout, reason)
    if stable == model.version:
        return deployment
    steps = row.config.rollout.effective_steps
    rollout_records.start_rollout(workspace.registry, row, model.version, steps, reason)
    if wait:
        deployment.wait()
    return deployment


def _position(workspace: Workspace, model: Model, config: DeploymentConfig) -> int | None:
    return workspace.registry.aliases("model", ModelName(model.name)).get(config.alias)


def _point(workspace: Workspace, config: DeploymentConfig, model: Model, expected: int, reason: str) -> bool:
    """Moves the alias to the version; False when another has just done so."""
    told = reason or "the first version of a deployment"
    try:
        version = Reference(ModelName(model.name), Number(model.version))
        workspace.promote(version, to=config.alias, expected=expected, reason=told)
    except AliasMoved:
        if _position(workspace, model, config) != model.version:
            raise  # to another version: that is for people to decide
        return False
    return True


def _started(deployment: Deployment, version: int, timeout: float, reason: str, moved_from: int | None) -> Deployment:
    """Starts the first replica. When it does not come up, the deployment is stopped and the alias goes back to ``moved_from``; from None
    there is no way back, so the error says where it is. ``moved_from`` is ``version`` when the alias was there already."""
    try:
        deployment.start(timeout, reason)
    except BaseException as error:  # ^C, too, must not leave behind what never served
        why = str(error) or "interrupted"
        # what never came up is not wanted; the next deploy starts it again
        records.set_state(deployment.workspace.registry, deployment.name, records.STOPPED, why)
        told = _retreat(deployment, version, moved_from, why)
        if told and isinstance(error, ReplicaFailed):
            raise ReplicaFailed(name=error.name, problem=f"{error.problem} ({told})", log=error.log) from error
        raise
    return deployment


def _retreat(deployment: Deployment, version: int, moved_from: int | None, why: str) -> str:
    """Takes the first move of the alias back; what to tell people about it, or nothing when it was never moved."""
    registry, row = deployment.workspace.registry, deployment.row
    with registry.read() as connection:
        now = records.stable_number(connection, registry.workspace, row)
    if now != version or moved_from == version:  # somebody has decided meanwhile, or it was not moved here
        return ""
    if moved_from is None:
        return f"{row.subject} points at version {now}; it pointed nowhere before"
    try:
        told = f"its first replica did not come up: {why}"
        registry.roll_back_alias("model", row.model, row.alias, to=moved_from, expected=now, reason=told)
    except AliasMoved:
        return ""
    except (PolicyRefused, InvalidPolicy) as refusal:
        return f"{row.subject} points at version {now}, and cannot go back: {refusal}"
    return f"{row.subject} is at version {moved_from} again"


def project_config(model: str) -> DeploymentConfig | None:
    """The ``[deployment]`` of the project here; None when it has none, or is about another model. Raises InvalidConfig."""
    project = find_project(Path.cwd())
    if project is None or not project.deployment or project.model not in (None, model):
        return None
    return DeploymentConfig.parse(project.deployment, str(project.path))


def _set_policies(workspace: Workspace, model: str) -> None:
    """The policies of the project here hold for what is deployed from it, whether or not its pipeline has run in this yard."""
    project = find_project(Path.cwd())
    if project is not None and project.model == model:
        set_policies(project, workspace)


def _config(config: DeploymentConfig | Mapping[str, Any] | None, model: str) -> DeploymentConfig | None:
    if config is None or isinstance(config, DeploymentConfig):
        return config or project_config(model)
    return DeploymentConfig.parse(config, "config")

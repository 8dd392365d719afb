"""Deployments in the registry: what is wanted, and who may step. Every change of state is a changed row and a ledger row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, or_, select, update

from modelyard.core.clock import from_micros, to_micros
from modelyard.core.errors import DeploymentNotFound
from modelyard.core.names import AliasName, ModelName
from modelyard.deployments.config import DeploymentConfig
from modelyard.registry import Registry
from modelyard.registry.schema import deployments
from modelyard.registry.versions import alias_number, model_id

RUNNING, STOPPED = "running", "stopped"


@dataclass(frozen=True)
class DeploymentRow:
    """A deployment as the registry holds it: what is wanted."""

    name: str
    model: ModelName
    alias: AliasName
    target: str
    state: str
    config: DeploymentConfig
    created_time: datetime
    created_by: str

    @property
    def subject(self) -> str:
        return f"{self.model}@{self.alias}"


def create_deployment(registry: Registry, name: ModelName, model: ModelName, config: DeploymentConfig) -> bool:
    """Writes the deployment unless there is one of this name; whether it did."""
    with registry.begin() as tx:
        if _deployment(tx.connection, registry.workspace, name) is not None:
            return False
        tx.execute(
            insert(deployments).values(
                workspace=registry.workspace,
                name=name,
                model=model,
                alias=config.alias,
                target="local",
                state=RUNNING,
                config=config.to_json(),
                created_time=to_micros(tx.now()),
                created_by=registry.actor,
            )
        )
        after = {"model": model, "alias": config.alias, "config": config.to_json()}
        tx.record("deployment.create", kind="deployment", name=name, subject=name, after=after)
        return True


def deployment(connection: Connection, workspace: str, name: str) -> DeploymentRow:
    """The deployment of that name. Raises DeploymentNotFound."""
    row = _deployment(connection, workspace, name)
    if row is None:
        found = ", ".join(d.name for d in all_deployments(connection, workspace)) or "none"
        raise DeploymentNotFound(name=name, found=found)
    return row


def all_deployments(connection: Connection, workspace: str) -> list[DeploymentRow]:
    """All deployments by name."""
    query = select(deployments).where(deployments.c.workspace == workspace).order_by(deployments.c.name)
    return [_deployment_row(row) for row in connection.execute(query)]


def set_state(registry: Registry, name: str, state: str, reason: str = "") -> None:
    """Says that a deployment is wanted ``running`` or ``stopped``; a ledger row only when that is new. Raises DeploymentNotFound."""
    with registry.begin() as tx:
        before = deployment(tx.connection, registry.workspace, name)
        if before.state == state:
            return
        tx.execute(update(deployments).where(*_is(registry, name)).values(state=state))
        action = "deployment.start" if state == RUNNING else "deployment.stop"
        now, then = {"state": state}, {"state": before.state}
        tx.record(action, kind="deployment", name=name, subject=name, before=then, after=now, reason=reason)


def set_config(registry: Registry, name: str, config: DeploymentConfig, reason: str = "") -> None:
    """Changes how a deployment is wanted; a ledger row only when something differs. Raises DeploymentNotFound."""
    with registry.begin() as tx:
        before = deployment(tx.connection, registry.workspace, name)
        if before.config == config:
            return
        values = {"config": config.to_json(), "alias": config.alias}
        tx.execute(update(deployments).where(*_is(registry, name)).values(**values))
        then, now = before.config.to_json(), config.to_json()
        action = "deployment.configure"
        tx.record(action, kind="deployment", name=name, subject=name, before=then, after=now, reason=reason)


def stable_number(connection: Connection, workspace: str, row: DeploymentRow) -> int | None:
    """Where the deployment's alias points, or None."""
    return alias_number(connection, model_id(connection, workspace, "model", row.model), row.alias)


# --- the lease ---


def take_lease(registry: Registry, name: str, holder: str, seconds: float) -> bool:
    """Whether ``holder`` may step the rollout for the next ``seconds``: it had the lease, or nobody has. Writes only when that is new or half over."""
    with registry.read() as connection:
        held = lease(connection, registry.workspace, name)
    left = (held[1] - registry.clock.now()).total_seconds() if held else 0.0
    if held and left > 0 and held[0] != holder:
        return False
    if held and held[0] == holder and left > seconds / 2:
        return True
    with registry.begin() as tx:
        now = to_micros(tx.now())
        free = or_(
            deployments.c.lease_holder.is_(None),
            deployments.c.lease_holder == holder,
            deployments.c.lease_until <= now,
        )
        until = now + round(seconds * 1e6)
        taken = update(deployments).where(*_is(registry, name), free).values(lease_holder=holder, lease_until=until)
        return tx.execute(taken).rowcount == 1


def release_lease(registry: Registry, name: str, holder: str) -> None:
    """Lets the next agent step at once; nothing when the lease is another's."""
    with registry.begin() as tx:
        mine = (*_is(registry, name), deployments.c.lease_holder == holder)
        tx.execute(update(deployments).where(*mine).values(lease_holder=None, lease_until=None))


def lease(connection: Connection, workspace: str, name: str) -> tuple[str, datetime] | None:
    """Who may step, and until when."""
    place = (deployments.c.workspace == workspace, deployments.c.name == name)
    row = connection.execute(select(deployments.c.lease_holder, deployments.c.lease_until).where(*place)).first()
    return None if row is None or row.lease_holder is None else (row.lease_holder, from_micros(row.lease_until))


def _is(registry: Registry, name: str) -> tuple[Any, Any]:
    return deployments.c.workspace == registry.workspace, deployments.c.name == name


def _deployment(connection: Connection, workspace: str, name: str) -> DeploymentRow | None:
    place = (deployments.c.workspace == workspace, deployments.c.name == name)
    row = connection.execute(select(deployments).where(*place)).first()
    return None if row is None else _deployment_row(row)


def _deployment_row(row: Any) -> DeploymentRow:
    return DeploymentRow(
        name=row.name,
        model=ModelName(row.model),
        alias=AliasName(row.alias),
        target=row.target,
        state=row.state,
        config=DeploymentConfig.from_json(row.config),
        created_time=from_micros(row.created_time),
        created_by=row.created_by,
    )

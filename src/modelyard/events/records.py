"""Webhooks in the registry. Every change of one is a changed row and a ledger row, which never tells the secret, nor the URL beyond its host."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Row, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from modelyard.core.clock import from_micros, to_micros
from modelyard.core.errors import WebhookExists, WebhookNotFound
from modelyard.core.names import WebhookName
from modelyard.core.webhook_signature import key_of, new_secret
from modelyard.events.address import target
from modelyard.events.filters import wanted
from modelyard.events.webhook import ACTIVE, FAILED, HELD, KIND, PAUSED, PENDING, Webhook
from modelyard.registry import Registry, Transaction, ledger
from modelyard.registry.schema import deliveries, webhooks

_waiting, _failed = (
    select(func.count())
    .where(deliveries.c.webhook_id == webhooks.c.id, deliveries.c.state.in_(states))
    .correlate(webhooks)
    .scalar_subquery()
    .label(label)
    for states, label in (((PENDING, HELD), "waiting"), ((FAILED,), "failed"))
)
_selection = select(webhooks, _waiting, _failed)


def add(
    registry: Registry,
    name: WebhookName,
    url: str,
    *,
    filter: str,  # noqa: A002 - its name everywhere in the API
    secret: str | None,
    insecure: bool,
) -> Webhook:
    """Makes a webhook, which hears of what happens from now on; the result has its secret. Raises WebhookExists, and what is wrong with the arguments."""
    origin = target(url, insecure=insecure).origin
    wanted(registry.database.dialect, registry.clock.now(), filter)
    if secret is not None:
        key_of(secret)
    with registry.begin(alone=False) as tx:
        head, _ = ledger.head(tx.connection)
        made = {
            "id": uuid4().hex,
            "workspace": registry.workspace,
            "name": str(name),
            "url": url,
            "secret": secret or new_secret(),
            "filter": filter,
            "state": ACTIVE,
            "cursor": head,
            "created_time": to_micros(tx.now()),
            "created_by": registry.actor,
        }
        if not _inserted(tx, made):
            raise WebhookExists(name=name)
        record(tx, "webhook.add", name, after={"to": origin, "filter": filter, "state": ACTIVE})
    with registry.read() as connection:
        found = get(connection, registry.workspace, name)
    return Webhook(**{**vars(found), "secret": made["secret"]})


def get(connection: Connection, workspace: str, name: WebhookName) -> Webhook:
    """The webhook of that name. Raises WebhookNotFound."""
    row = connection.execute(_selection.where(webhooks.c.workspace == workspace, webhooks.c.name == name)).first()
    if row is None:
        raise not_found(connection, workspace, name)
    return _webhook(row, ledger.head(connection)[0])


def listing(connection: Connection, workspace: str) -> list[Webhook]:
    """All webhooks of a workspace by name."""
    head, _ = ledger.head(connection)
    query = _selection.where(webhooks.c.workspace == workspace).order_by(webhooks.c.name)
    return [_webhook(row, head) for row in connection.execute(query)]


def remove(registry: Registry, name: WebhookName, reason: str = "") -> None:
    """Removes a webhook and what was on its way to it. Raises WebhookNotFound."""
    with registry.begin(alone=False) as tx:
        found = locked(tx, name)
        tx.execute(delete(deliveries).where(deliveries.c.webhook_id == found.id))
        tx.execute(delete(webhooks).where(webhooks.c.id == found.id))
        before = {"to": target(found.url, insecure=True).origin, "filter": found.filter, "state": found.state}
        record(tx, "webhook.remove", name, before=before, reason=reason)


def set_state(registry: Registry, name: WebhookName, state: str, reason: str = "") -> None:
    """Pauses or resumes a webhook; nothing when it is so already. What waited for a later attempt is tried at once after. Raises WebhookNotFound."""
    with registry.begin(alone=False) as tx:
        change_state(tx, locked(tx, name), state, reason)


def change_state(tx: Transaction, found: Row[Any], state: str, reason: str) -> None:
    """The same for a row that is locked."""
    if found.state == state:
        return
    tx.execute(update(webhooks).where(webhooks.c.id == found.id).values(state=state))
    if state == ACTIVE:
        due = (deliveries.c.webhook_id == found.id, deliveries.c.state == PENDING)
        tx.execute(update(deliveries).where(*due).values(next_time=to_micros(tx.now())))
    action = "webhook.pause" if state == PAUSED else "webhook.resume"
    record(tx, action, found.name, before={"state": found.state}, after={"state": state}, reason=reason)


def row_of(connection: Connection, workspace: str, name: WebhookName, *, lock: bool = False) -> Row[Any]:
    """The row of a webhook, with its secret. Raises WebhookNotFound."""
    query = select(webhooks).where(webhooks.c.workspace == workspace, webhooks.c.name == name)
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise not_found(connection, workspace, name)
    return row


def locked(tx: Transaction, name: WebhookName) -> Row[Any]:
    """The same; nobody else changes it until the transaction ends, nor its deliveries."""
    return row_of(tx.connection, tx.workspace, name, lock=True)


def not_found(connection: Connection, workspace: str, name: WebhookName) -> WebhookNotFound:
    """The error that names those that there are."""
    names = select(webhooks.c.name).where(webhooks.c.workspace == workspace).order_by(webhooks.c.name)
    found = ", ".join(connection.execute(names).scalars()) or "none"
    return WebhookNotFound(name=name, found=found)


def _inserted(tx: Transaction, made: dict[str, Any]) -> bool:
    """Whether the name was free; two at once agree in either database."""
    made_insert = postgresql.insert if tx.connection.dialect.name == "postgresql" else sqlite.insert
    statement = made_insert(webhooks).values(**made).on_conflict_do_nothing(index_elements=["workspace", "name"])
    return tx.execute(statement.returning(webhooks.c.id)).first() is not None


def record(tx: Transaction, action: str, name: str, **facts: Any) -> None:
    """Notes a change of a webhook for the ledger."""
    tx.record(action, kind=KIND, name=name, subject=name, **facts)


def _webhook(row: Row[Any], head: int) -> Webhook:
    return Webhook(
        id=row.id,
        name=WebhookName(row.name),
        url=row.url,
        origin=target(row.url, insecure=True).origin,
        filter=row.filter,
        state=row.state,
        cursor=row.cursor,
        behind=head - row.cursor,
        waiting=row.waiting,
        failed=row.failed,
        created_time=from_micros(row.created_time),
        created_by=row.created_by,
    )

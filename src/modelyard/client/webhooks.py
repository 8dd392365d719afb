"""The webhooks of a workspace: ``ws.webhooks``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from threading import Event
from typing import TYPE_CHECKING

from modelyard.core.clock import to_text
from modelyard.core.errors import InvalidInput
from modelyard.core.names import WebhookName
from modelyard.events import message, queue, records, replay
from modelyard.events.deliverer import POLL_SECONDS, Deliverer
from modelyard.events.report import Attempt, Report, Show
from modelyard.events.sender import Sender, Sends
from modelyard.events.webhook import ACTIVE, KIND, PAUSED, STATES, Delivery, Webhook

if TYPE_CHECKING:
    from modelyard.client.seat import Seat


class Webhooks:
    """Where the changes of a workspace are sent. Nothing is sent but by :meth:`deliver` (``modelyard webhook deliver --follow``) and :meth:`test`."""

    def __init__(self, workspace: Seat, sender: Sends | None = None) -> None:
        self._workspace = workspace
        self._registry = workspace.registry
        self._sender = sender or Sender()

    def add(
        self,
        name: str,
        url: str,
        *,
        filter: str = "",  # noqa: A002 - its name everywhere in the API
        secret: str | None = None,
        insecure: bool = False,
    ) -> Webhook:
        """Makes a webhook that hears of every change from now on, or of those that ``filter`` (in the language of search) lets through.

        The result has the ``secret`` that its messages are signed with; it is not told again. ``insecure`` allows plain http, to this machine and private
        networks only. Raises WebhookExists, InvalidName, InvalidWebhookUrl, SecretInWebhookUrl, InvalidWebhookSecret, InvalidFilter.
        """
        return records.add(self._registry, WebhookName(name), url, filter=filter, secret=secret, insecure=insecure)

    def list(self) -> list[Webhook]:
        """All webhooks by name."""
        with self._registry.read() as connection:
            return records.listing(connection, self._registry.workspace)

    def get(self, name: str) -> Webhook:
        """One webhook. Raises WebhookNotFound."""
        with self._registry.read() as connection:
            return records.get(connection, self._registry.workspace, WebhookName(name))

    def remove(self, name: str, *, reason: str = "") -> None:
        """Removes a webhook, and with it what was on its way there. Raises WebhookNotFound."""
        records.remove(self._registry, WebhookName(name), reason)

    def pause(self, name: str, *, reason: str = "") -> None:
        """Sends nothing more until :meth:`resume`; then all that was missed. Raises WebhookNotFound."""
        records.set_state(self._registry, WebhookName(name), PAUSED, reason)

    def resume(self, name: str, *, reason: str = "") -> None:
        """Goes on sending; what waits for a later attempt is tried at once. Raises WebhookNotFound."""
        records.set_state(self._registry, WebhookName(name), ACTIVE, reason)

    def deliver(
        self,
        *names: str,
        once: bool = True,
        stop: Event | None = None,
        poll: float = POLL_SECONDS,
        show: Show | None = None,
    ) -> Report:
        """Sends what is due, to all webhooks or those named.

        Once: what the ledger has now, without waiting for later attempts. Otherwise until ``stop`` is set, looking for news every ``poll`` seconds.
        ``show`` is called with each attempt. Any number of processes may deliver for a yard. Raises WebhookNotFound.
        """
        wanted: Collection[WebhookName] = [WebhookName(name) for name in names]
        deliverer = Deliverer(self._registry, self._workspace.yard_id, sender=self._sender, show=show)
        if once:
            return deliverer.once(wanted, stop)
        return deliverer.follow(stop or Event(), wanted, poll)

    def deliveries(
        self, name: str, *, state: str | None = None, before: int | None = None, limit: int = 100
    ) -> Sequence[Delivery]:
        """What is on its way to a webhook or was (what was delivered is forgotten after 30 days), newest first; with ``before``, from before that ledger
        row. ``state`` is one of pending, held, delivered, failed. Raises WebhookNotFound."""
        if state is not None and state not in STATES:
            raise InvalidInput(message=f"a delivery is {', '.join(STATES)}, never {state!r}")
        with self._registry.read() as connection:
            found = records.get(connection, self._registry.workspace, WebhookName(name))
            return queue.listing(connection, found.id, state, before, limit)

    def replay(
        self, name: str, *, from_sequence: int | None = None, failed: bool | None = None, reason: str = ""
    ) -> int:
        """Puts in line again, to be delivered next: every wanted ledger row from ``from_sequence`` on, or with ``failed`` only deliveries that have failed.

        Without ``from_sequence``, all that have failed. They carry the ``webhook-id`` that they had. The result says how many deliveries, or ledger rows to look
        at again, that are. Raises WebhookNotFound, CursorAhead.
        """
        return replay.replay(
            self._registry,
            WebhookName(name),
            from_sequence,
            failed=from_sequence is None if failed is None else failed,
            reason=reason,
        )

    def test(self, name: str) -> Attempt:
        """Sends a ``webhook.ping`` at once, past the line, and says what came of it. Raises WebhookNotFound."""
        with self._registry.read() as connection:
            found = records.row_of(connection, self._registry.workspace, WebhookName(name))
        now = self._registry.clock.now()
        told = message.ping(
            self._workspace.yard_id, found.id, self._registry.workspace, found.name, self._registry.actor, to_text(now)
        )
        answer = self._sender.send(found.url, told.headers(found.secret, int(now.timestamp())), told.body)
        return Attempt(found.name, None, f"{KIND} {found.name}", "delivered" if answer.taken else "failed", answer)

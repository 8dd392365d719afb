"""Delivering for the webhooks of a workspace: each by a thread of its own, so that a slow receiver holds up no other."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Event, Lock
from uuid import uuid4

from sqlalchemy import exists, or_, select

from modelyard.core.clock import to_micros
from modelyard.core.errors import ModelyardError
from modelyard.core.names import WebhookName
from modelyard.events import leases, records
from modelyard.events.courier import Courier
from modelyard.events.report import Attempt, Report, Show
from modelyard.events.sender import Sender, Sends
from modelyard.events.webhook import ACTIVE, DELIVERED, PENDING
from modelyard.registry import Registry, ledger
from modelyard.registry.schema import deliveries, webhooks

_log = logging.getLogger(__name__)

AT_ONCE = 8
POLL_SECONDS = 1.0


class Deliverer:
    """One process that delivers; any number may run beside each other. ``uniform`` gives random numbers from 0 to 1."""

    def __init__(
        self,
        registry: Registry,
        yard_id: str,
        *,
        sender: Sends | None = None,
        uniform: Callable[[], float] = random.random,
        show: Show | None = None,
    ) -> None:
        self._registry = registry
        self._yard_id = yard_id
        self._sender = sender or Sender()
        self._uniform = uniform
        self._shown = show
        self._showing = Lock()
        self._holder = uuid4().hex
        self._told: dict[str, str] = {}

    def once(self, names: Collection[WebhookName] = (), stop: Event | None = None) -> Report:
        """Puts in line what the ledger has now, and delivers all that is due, for all webhooks or those named; waits for no later attempt.

        Raises WebhookNotFound, and what the database raises, after the other webhooks are done.
        """
        report, stopped = Report(paused=self._paused(names)), stop or Event()
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhook") as pool:
            try:
                wanting = self._wanting(names, also_leased=True)
                passes = [pool.submit(self._courier(*each, stopped).run) for each in wanting]
                wait(passes)
            except BaseException:  # ^C: the pool waits for what is under way, and only for that
                stopped.set()
                raise
        for each in passes:
            report.add(each.result())
        return report

    def follow(self, stop: Event, names: Collection[WebhookName] = (), poll: float = POLL_SECONDS) -> Report:
        """Delivers until ``stop``; then the attempts under way are still made and noted. A database that is away for a while is waited for.

        Raises WebhookNotFound.
        """
        self._paused(names)
        report = Report()
        running: dict[str, Future[Report]] = {}
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhook") as pool:
            while not stop.is_set():
                for webhook_id, name in self._wanting_or_none(names):
                    if webhook_id not in running:
                        running[webhook_id] = pool.submit(self._courier(webhook_id, name, stop).run)
                stop.wait(poll)
                self._collect(running, report)
        self._collect(running, report)
        return report

    def _collect(self, running: dict[str, Future[Report]], report: Report) -> None:
        for webhook_id in [each for each, found in running.items() if found.done()]:
            try:
                report.add(running.pop(webhook_id).result())
                self._told.pop(webhook_id, None)
            except ModelyardError as error:
                self._tell(webhook_id, error)

    def _wanting_or_none(self, names: Collection[WebhookName]) -> list[tuple[str, str]]:
        try:
            found = self._wanting(names, also_leased=False)
        except ModelyardError as error:
            self._tell("", error)
            return []
        self._told.pop("", None)
        return found

    def _tell(self, place: str, error: ModelyardError) -> None:
        if self._told.get(place) != str(error):  # once while it stays the same
            _log.warning("delivering goes on after: %s", error)
        self._told[place] = str(error)

    def _paused(self, names: Collection[WebhookName]) -> set[str]:
        """Those that are paused of the named, or of all. Raises WebhookNotFound."""
        with self._registry.read() as connection:
            for name in names:
                records.get(connection, self._registry.workspace, name)
            found = records.listing(connection, self._registry.workspace)
        return {str(each.name) for each in found if each.state != ACTIVE and (not names or each.name in names)}

    def _wanting(self, names: Collection[WebhookName], *, also_leased: bool) -> list[tuple[str, str]]:
        """Id and name of the active webhooks that there is something to do for. One query, so that it may be asked every second."""
        now = self._registry.clock.now()
        waiting = (deliveries.c.webhook_id == webhooks.c.id, deliveries.c.next_time <= to_micros(now))
        conditions = [webhooks.c.workspace == self._registry.workspace, webhooks.c.state == ACTIVE]
        if names:
            conditions.append(webhooks.c.name.in_([str(name) for name in names]))
        if not also_leased:
            conditions.append(leases.free(now))
        with self._registry.read() as connection:
            head, _ = ledger.head(connection)
            to_do = or_(
                webhooks.c.cursor < head,
                exists().where(*waiting, deliveries.c.state == PENDING),
                exists().where(*waiting, deliveries.c.state == DELIVERED),  # long ago: to be forgotten
            )
            query = select(webhooks.c.id, webhooks.c.name).where(*conditions, to_do).order_by(webhooks.c.name)
            return [(row.id, row.name) for row in connection.execute(query)]

    def _courier(self, webhook_id: str, name: str, stop: Event) -> Courier:
        return Courier(
            self._registry,
            self._yard_id,
            webhook_id,
            name,
            holder=self._holder,
            sender=self._sender,
            uniform=self._uniform,
            show=self._show,
            stop=stop,
        )

    def _show(self, attempt: Attempt) -> None:
        if self._shown is not None:
            with self._showing:
                self._shown(attempt)

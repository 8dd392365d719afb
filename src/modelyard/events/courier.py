"""One pass over one webhook: ledger rows are put in line, and those whose turn it is are sent, one after the other.

A row is noted as delivered after the receiver said that it has it. Killed in between, the row is sent again by whoever comes next: at least once.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from threading import Event
from typing import Any

from sqlalchemy import Row

from modelyard.core.errors import ModelyardError
from modelyard.events import leases, message, queue, records
from modelyard.events.report import Attempt, Report, Show
from modelyard.events.schedule import LONGEST_SECONDS, next_wait
from modelyard.events.sender import Answer, Sends
from modelyard.events.webhook import ACTIVE, PAUSED, Delivery
from modelyard.registry import LedgerRow, Registry, Transaction, ledger, schema


class _LostLease(Exception):
    """Another process delivers now, or the webhook is paused or gone."""


class Courier:
    """Delivers for one webhook, while it has the lease. Used once."""

    def __init__(
        self,
        registry: Registry,
        yard_id: str,
        webhook_id: str,
        name: str,
        *,
        holder: str,
        sender: Sends,
        uniform: Callable[[], float],
        show: Show,
        stop: Event,
    ) -> None:
        self._registry = registry
        self._yard_id = yard_id
        self._id = webhook_id
        self._name = name
        self._holder = holder
        self._sender = sender
        self._uniform = uniform
        self._show = show
        self._stop = stop
        self._until: datetime | None = None
        self._url = self._secret = ""
        self._report = Report()

    def run(self) -> Report:
        """Delivers all that is due. Raises what the database raises; then everything that was noted stays noted."""
        try:
            self._lease()
        except _LostLease:
            return Report(busy={self._name})
        try:
            self._enqueue()
            self._deliver()
            self._clean()
        except _LostLease:
            pass
        except BaseException:
            with suppress(ModelyardError):
                self._release()
            raise
        self._release()
        return self._report

    def _lease(self) -> None:
        """Makes sure of enough time for one more attempt. Raises _LostLease."""
        now = self._registry.clock.now()
        if self._until is not None and (self._until - now).total_seconds() >= leases.LEAST_SECONDS:
            return
        with self._registry.begin(alone=False) as tx:
            self._until = leases.take(tx, self._id, self._holder)
            found = leases.locked(tx, self._id) if self._until is not None else None
        if found is None:
            raise _LostLease
        self._url, self._secret = found.url, found.secret

    def _release(self) -> None:
        with self._registry.begin(alone=False) as tx:
            leases.release(tx, self._id, self._holder)

    def _enqueue(self) -> None:
        last = False
        while not last and not self._stop.is_set():
            self._lease()
            with self._registry.begin(alone=False) as tx:
                done = queue.enqueue(tx, self._held(tx))
            self._report.enqueued += done.count
            last = done.last

    def _deliver(self) -> None:
        while not self._stop.is_set():
            with self._registry.read() as connection:
                delivery = queue.next_due(connection, self._id, self._registry.clock.now())
                if delivery is None:
                    return
                rows = ledger.rows(connection, schema.ledger.c.sequence == delivery.sequence)
            self._attempt(delivery, rows[0] if rows else None)

    def _attempt(self, delivery: Delivery, row: LedgerRow | None) -> None:
        self._lease()
        if row is None:
            answer = Answer(problem=f"ledger row {delivery.sequence} is missing; run: modelyard check --ledger")
        else:
            told = message.of_row(self._yard_id, self._id, row)
            headers = told.headers(self._secret, int(self._registry.clock.now().timestamp()))
            answer = self._sender.send(self._url, headers, told.body)
        attempt, active = self._note(delivery, answer, lost=row is None)
        self._report.count(attempt)
        self._show(attempt)
        if not active:
            raise _LostLease

    def _note(self, delivery: Delivery, answer: Answer, *, lost: bool) -> tuple[Attempt, bool]:
        """Writes down what came of an attempt, and whether another one may be made. Raises _LostLease."""
        wait = None if lost else next_wait(delivery.attempts + 1, answer.asked, self._uniform)
        if answer.gone and wait is None:
            wait = LONGEST_SECONDS  # it waits for the webhook to be resumed, and is not over
        with self._registry.begin(alone=False) as tx:
            again = None if answer.taken or wait is None else tx.now() + timedelta(seconds=wait)
            found = leases.locked(tx, self._id)
            if found is None:
                raise _LostLease
            mine = found.lease_holder == self._holder
            active = mine and found.state == ACTIVE and not answer.gone
            if answer.taken:  # whoever has the lease now: the receiver has it
                queue.taken(tx, self._id, delivery, answer.status)
                outcome = "delivered"
            elif not mine:
                raise _LostLease
            else:
                queue.refused(tx, self._id, delivery, answer.status, answer.problem, again)
                outcome = "failed" if again is None else "again"
                if answer.gone:
                    records.change_state(tx, found, PAUSED, "the receiver answered 410 Gone")
                    outcome = "paused"
        return Attempt(self._name, delivery.sequence, delivery.subject, outcome, answer, again), active

    def _clean(self) -> None:
        while not self._stop.is_set():
            with self._registry.read() as connection:
                if not queue.has_old(connection, self._id, self._registry.clock.now()):
                    return
            self._lease()
            with self._registry.begin(alone=False) as tx:
                self._report.dropped += queue.clean(tx, self._held(tx).id)

    def _held(self, tx: Transaction) -> Row[Any]:
        """The row of the webhook, locked. Raises _LostLease."""
        found = leases.locked(tx, self._id)
        if found is None or found.lease_holder != self._holder:
            raise _LostLease
        return found

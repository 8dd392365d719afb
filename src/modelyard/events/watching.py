"""Rows of the ledger as they are written.

The head of the ledger is asked for by its key, a few times a second, and rows only when it moved: some hundred microseconds of a reader's time,
nothing of a writer's. (PostgreSQL's NOTIFY would tell sooner, and for that make every commit wait for one lock of the whole server.)
"""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event

from modelyard.core.errors import InvalidInput
from modelyard.events import reading
from modelyard.events.filters import Filter, Wanted, wanted
from modelyard.events.reading import After
from modelyard.registry import LedgerRow, Registry, ledger

POLL_SECONDS = 0.25
PAGE = 500


def watch(
    registry: Registry,
    subject: str | None = None,
    *,
    after: After = None,
    filter: Filter = None,  # noqa: A002 - its name everywhere in the API
    poll: float = POLL_SECONDS,
    timeout: float | None = None,
    stop: Event | None = None,
) -> Iterator[LedgerRow]:
    """See :meth:`modelyard.client.workspace.Workspace.watch`."""
    if not poll > 0:
        raise InvalidInput(message=f"poll is a number of seconds above 0, not {poll!r}")
    asked = wanted(registry.database.dialect, registry.clock.now(), filter, subject)
    with registry.read() as connection:  # now, and not when the first row is asked for
        cursor = reading.begin(connection, after)
    return _rows(registry, cursor, asked, poll, timeout, stop)


def _rows(
    registry: Registry, cursor: int, asked: Wanted, poll: float, timeout: float | None, stop: Event | None
) -> Iterator[LedgerRow]:
    waited = 0.0
    while stop is None or not stop.is_set():
        with registry.read() as connection:  # given back before a row is handed out: the one who takes it may take long
            found = reading.page(connection, registry.workspace, cursor, asked.conditions, PAGE)
        for row in map(ledger.to_row, found.rows):
            if stop is not None and stop.is_set():
                return
            if asked.accepts(row):
                yield row
                waited = 0.0
        cursor = found.cursor
        if not found.last:
            continue
        if timeout is not None and waited >= timeout:
            return
        pause = poll if timeout is None else min(poll, timeout - waited)
        if stop is None:
            registry.clock.sleep(pause)
        else:
            stop.wait(pause)
        waited += pause

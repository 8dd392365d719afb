"""What a workspace tells of its changes as they happen."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event
from typing import TYPE_CHECKING

from modelyard.client.seat import Seat
from modelyard.core.references import Label, Reference

if TYPE_CHECKING:
    from modelyard.client.webhooks import Webhooks
    from modelyard.events.filters import Filter
    from modelyard.events.reading import After
    from modelyard.registry import LedgerRow


class Events(Seat):
    """The part of a workspace that tells what happens."""

    def watch(
        self,
        subject: str | None = None,
        *,
        after: After = None,
        filter: Filter = None,  # noqa: A002 - its name everywhere in the API
        poll: float = 0.25,
        timeout: float | None = None,
        stop: Event | None = None,
    ) -> Iterator[LedgerRow]:
        """Ledger rows in their order, each once, as they are written: of everything, of a name, of one version or of one alias.

        ``after`` is the ``sequence`` of the row to go on after, ``"start"`` for all of them, or ``"now"`` (also without it) for those from this call on.
        ``filter`` is an expression in the language of search, or a function of a row. The ledger is looked at every ``poll`` seconds. It ends when
        ``stop`` is set, or when ``timeout`` seconds went by without a row: 0 gives what is there and ends. Raises InvalidReference, InvalidFilter,
        CursorAhead; and while it goes on what the database raises, after which a new one goes on from the last row.
        """
        from modelyard.events.watching import watch

        reference = None if subject is None else Reference.parse(subject)
        if reference is not None and isinstance(reference.selector, Label):  # the ledger knows versions by their number
            subject = self.registry.version("model", reference).reference
        return watch(self.registry, subject, after=after, filter=filter, poll=poll, timeout=timeout, stop=stop)

    @property
    def webhooks(self) -> Webhooks:
        """Where changes are sent."""
        from modelyard.client.webhooks import Webhooks

        return Webhooks(self)

"""Searching a yard: a filter and an order in, pages of versions, models, data sets or ledger rows out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

from modelyard.client.dataset import Dataset
from modelyard.client.model import Model
from modelyard.client.seat import Seat

if TYPE_CHECKING:
    from modelyard.client.workspace import Workspace
    from modelyard.registry.search import Page, Subject

_MANY = 1000


class Searches(Seat):
    """The part of a workspace that finds."""

    def search(
        self,
        filter: str | None = "",  # noqa: A002 - its name in MLflow, and in every language of queries
        *,
        of: Subject = "versions",
        order_by: str | Sequence[str] = (),
        limit: int = 100,
        page_token: str | None = None,
    ) -> Page[Any]:
        """The first of all versions that the filter is true of: ``"metrics.auc > 0.9 and tags.type = 'x'"``; see docs/search.md.

        ``of`` says what is searched: ``versions`` (the items are Models), ``dataset_versions`` (Datasets), ``models`` and ``datasets`` (names,
        ModelRow), ``ledger`` (LedgerRow). ``order_by`` is ``"metrics.auc desc, name"`` or a list of such; without it the newest come first, and names by
        the alphabet. ``limit`` is the size of a page, up to 10,000, and its ``next_token`` asks for the next one.

        Raises InvalidFilter, InvalidOrder, InvalidPageSize, InvalidPageToken.
        """
        from modelyard.registry.search import Page, find

        with self.registry.read() as connection:
            now = self.clock.now()
            page = find(connection, self.registry.workspace, of, filter or "", order_by, limit, page_token, now=now)
        if of not in ("versions", "dataset_versions"):
            return page
        held = cast("Workspace", self)
        made = Model if of == "versions" else Dataset
        return Page([made._of(held, row) for row in page], page.next_token)

    def search_all(
        self,
        filter: str | None = "",  # noqa: A002
        *,
        of: Subject = "versions",
        order_by: str | Sequence[str] = (),
    ) -> Iterator[Any]:
        """All that :meth:`search` finds, one after another; pages are read as they are needed. Raises what it raises, before the first."""
        page = self.search(filter, of=of, order_by=order_by, limit=_MANY)
        return self._rest(filter, of, order_by, page)

    def count(self, filter: str | None = "", *, of: Subject = "versions") -> int:  # noqa: A002
        """How many :meth:`search` finds in all. Raises InvalidFilter."""
        from modelyard.registry.search import count

        with self.registry.read() as connection:
            return count(connection, self.registry.workspace, of, filter or "", now=self.clock.now())

    def _rest(
        self,
        filter: str | None,  # noqa: A002
        of: Subject,
        order_by: str | Sequence[str],
        page: Page[Any],
    ) -> Iterator[Any]:
        while True:
            yield from page
            if page.next_token is None:
                return
            page = self.search(filter, of=of, order_by=order_by, limit=_MANY, page_token=page.next_token)

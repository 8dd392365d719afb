"""A version of a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelyard.client.entry import Entry, reference_of
from modelyard.core.tags import Tags, tags_to_match

if TYPE_CHECKING:
    from modelyard.client.workspace import Workspace


class Dataset(Entry):
    """An immutable snapshot of a file or a folder of data; made by :meth:`Workspace.snapshot`, found as a ``Model`` is."""

    def __init__(
        self,
        workspace: Workspace,
        name: str,
        *,
        version: int | None = None,
        tags: Tags | None = None,
        label: str | None = None,
        alias: str | None = None,
    ) -> None:
        self.workspace = workspace
        self.row = workspace.registry.version("dataset", reference_of(name, version, label, alias), tags_to_match(tags))

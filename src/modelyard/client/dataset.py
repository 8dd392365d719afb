"""A version of a data set."""

from __future__ import annotations

from modelyard.client.entry import Entry


class Dataset(Entry):
    """An immutable snapshot of a file or a folder of data; made by :meth:`Workspace.snapshot`, found as a ``Model`` is."""

    kind = "dataset"

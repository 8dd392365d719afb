"""A bundle out of a yard: what it says, at one instant, then the bytes of the versions, as they are kept in the store."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelyard.core.errors import NothingToMove
from modelyard.store.progress import Progress
from modelyard.transfer.bundle.header import Header
from modelyard.transfer.bundle.presuming import Presuming
from modelyard.transfer.bundle.reading import BundleFile
from modelyard.transfer.bundle.records import RecordsWriter
from modelyard.transfer.bundle.report import BundleReport, report_of
from modelyard.transfer.bundle.signature import signer
from modelyard.transfer.bundle.sink import BundleSink
from modelyard.transfer.bundle.source import BundleSource
from modelyard.transfer.bundle.writing import BundleWriter
from modelyard.transfer.bytes.carriage import Carriage
from modelyard.transfer.bytes.contents import files_of
from modelyard.transfer.merging.decisions import Choices
from modelyard.transfer.merging.entries import PURGED
from modelyard.transfer.records import Version
from modelyard.transfer.selection import everything as all_of_it
from modelyard.transfer.selection import named
from modelyard.transfer.source import YardSource

if TYPE_CHECKING:
    from modelyard.client.workspace import Workspace

Paths = Iterable[str | os.PathLike[str]]


def create_bundle(
    workspace: Workspace,
    path: str | os.PathLike[str],
    references: Iterable[Any] = (),
    *,
    datasets: Iterable[Any] = (),
    everything: bool = False,
    inputs: bool = True,
    choices: Choices | None = None,
    since: Paths = (),
    have: Paths = (),
    base: Iterable[Any] = (),
    key: str | os.PathLike[str] | None = None,
    password: str | None = None,
    exist_ok: bool = False,
    progress: Progress | None = None,
) -> BundleReport:
    """Writes versions of this yard into one file; what they are chosen by is as for :func:`modelyard.transfer.push`.

    What the receiver has already is left out: what came in the bundles ``since``, what the inventories ``have`` name, and the versions ``base``.
    ``key`` signs it. The same versions of the same yard give the same bytes, but for a signature. Raises NothingToMove, TargetExists,
    TargetUnwritable, Locked, HistoryAltered, CorruptBlob, MissingBlob, KeyUnusable, InvalidInventory, and what finding a version raises; then there is no
    new file.
    """
    choices = choices or Choices()
    sign = None if key is None else signer(key, password)
    chosen = (
        all_of_it(workspace, aliases=choices.aliases)
        if everything
        else named(workspace, references, datasets, inputs=inputs, aliases=choices.aliases)
    )
    if not chosen:
        raise NothingToMove(problem="this yard has no versions")
    presuming = Presuming(workspace)
    for earlier in since:
        presuming.bundle(Path(earlier))
    for inventory in have:
        presuming.inventory(Path(inventory))
    if listed := [base] if isinstance(base, str) else list(base):
        presuming.versions(listed)
    workspace.store.index.refresh()
    with BundleWriter(Path(path), exist_ok=exist_ok) as writer:
        source = YardSource(workspace, chosen, rules=choices.policies)
        versions = _write_records(source, writer)
        sink = BundleSink(writer, presuming.presumed)
        carriage = Carriage(workspace.store, sink, workspace.store.pool, progress=progress)
        for told, version in versions:
            for file in files_of(version, told, carriage.document):
                carriage.bring(*file)
        sink.finish()
        header = Header(
            yard=workspace.yard_id,
            workspace=workspace.registry.workspace,
            sequence=source.head.sequence,
            hash=source.head.hash,
            names=len(chosen),
            versions=len(versions),
            bytes=sum(version.size for _, version in versions),
            aliases=choices.aliases,
            policies=choices.policies,
            needs=presuming.needs(),
            since=tuple(presuming.since),
        )
        writer.finish(header.to_json(), sign)
    with BundleFile(Path(path)) as bundle:
        made = BundleSource(bundle)
        return report_of(bundle, made.header, made.parcels())


def _write_records(source: YardSource, writer: BundleWriter) -> list[tuple[str, Version]]:
    """Writes all parcels as they are at one instant; the versions whose bytes are to follow, without what is said of them."""
    versions: list[tuple[str, Version]] = []
    with source.at_once():
        records = RecordsWriter(writer)
        for parcel in source.parcels():
            records.add(parcel)
            versions += [
                (
                    f"{parcel.model.told}/{each.number}",
                    replace(each, tags={}, properties={}, metrics=(), inputs=(), lineage=None),
                )
                for each in parcel.versions
                if each.state != PURGED
            ]
        records.finish()
    return versions

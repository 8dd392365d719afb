"""A bundle into a yard, and a bundle by itself: shown, or read through."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from modelyard.core.digests import Digest
from modelyard.core.errors import CorruptBlob, MissingBlob
from modelyard.store import Advance, Store
from modelyard.store.packs import Entry, Kind
from modelyard.store.progress import Progress
from modelyard.transfer.bundle.reading import BundleFile
from modelyard.transfer.bundle.report import BundleReport, report_of
from modelyard.transfer.bundle.signature import require_signed
from modelyard.transfer.bundle.source import BundleSource
from modelyard.transfer.bytes.contents import files_of
from modelyard.transfer.merging.decisions import Choices
from modelyard.transfer.merging.entries import PURGED
from modelyard.transfer.moving import Show, Transfer
from modelyard.transfer.records import Parcel
from modelyard.transfer.report import TransferReport

if TYPE_CHECKING:
    from modelyard.client.workspace import Workspace


def import_bundle(
    workspace: Workspace,
    path: str | os.PathLike[str],
    *,
    key: str | os.PathLike[str] | None = None,
    choices: Choices | None = None,
    dry_run: bool = False,
    show: Show | None = None,
    progress: Progress | None = None,
) -> TransferReport:
    """Brings what is in a bundle into this yard. With ``key``, the public key in a PEM file, only a bundle that its owner signed.

    All of the file is read and held against its index before anything is written. Raises NotABundle, BundleTooNew, BundleDamaged, BundleUnreadable,
    BundleSignatureInvalid, BundleIncomplete, HistoryAltered, and the conflicts of :func:`modelyard.transfer.push`.
    """
    with BundleFile(Path(path)) as bundle:
        signed_by = None if key is None else require_signed(bundle, key)
        bundle.verify()
        transfer = Transfer(BundleSource(bundle, workspace, signed_by), workspace, choices or Choices())
        report = transfer.planned(dry_run=dry_run)
        if show is not None:
            show(report)
        if not dry_run:
            transfer.carry_out(report, progress)
        return report


def show_bundle(path: str | os.PathLike[str]) -> BundleReport:
    """What a bundle says of itself; its bytes are not read. Raises NotABundle, BundleTooNew, BundleDamaged, BundleUnreadable, HistoryAltered."""
    with BundleFile(Path(path)) as bundle:
        source = BundleSource(bundle)
        return report_of(bundle, source.header, source.parcels())


def verify_bundle(
    path: str | os.PathLike[str], *, key: str | os.PathLike[str] | None = None, progress: Progress | None = None
) -> BundleReport:
    """Reads all of a bundle and decodes what can be decoded without its base; with ``key``, the public key in a PEM file, checks its signature.

    Raises what :func:`show_bundle` raises, and BundleSignatureInvalid.
    """
    with BundleFile(Path(path)) as bundle:
        signed_by = None if key is None else require_signed(bundle, key)
        bundle.verify(lambda size: progress(Advance(size)) if progress else None)
        source = BundleSource(bundle)
        report = report_of(bundle, source.header, source.parcels())
        report.checked, report.whole = signed_by, True
        try:
            _decode(source.store, report)
            for parcel in source.parcels():
                _require_files(source, parcel)
        except (CorruptBlob, MissingBlob) as error:
            raise source.hurt(error) from error
        if report.borrowed and not source.header.is_incremental:
            raise bundle.damaged(f"{report.borrowed} of its chunks are differences from what is not in it")
        return report


def _decode(store: Store, report: BundleReport) -> None:
    """Reads every file whose chunks are all here, and every other chunk that stands on nothing that is elsewhere. Raises Damaged."""
    chunks = {entry.key: entry for entry in store.index.entries() if entry.kind is Kind.CHUNK}
    files = [entry for entry in store.index.entries() if entry.kind is Kind.RECIPE]
    left = set(chunks)
    report.chunks, report.stored = len(chunks), sum(entry.stored for entry in chunks.values())
    alone = {key for key, entry in chunks.items() if _stands(entry, chunks)}
    report.borrowed = len(chunks) - len(alone)
    for entry in files:
        digest = Digest(f"sha256:{entry.key.hex()}")
        recipe = store.files.recipe(digest, digest)
        if all(key in alone for key, _ in recipe.chunks):
            for _ in store.files.iterate(digest, digest):
                pass
            left -= {key for key, _ in recipe.chunks}
    for key in sorted(left & alone):
        store.reader.chunk(key, chunks[key].length)


def _require_files(source: BundleSource, parcel: Parcel) -> None:
    """All files of the versions are here, unless the bundle counts on its base. Raises Damaged."""
    for version in parcel.versions:
        if version.state == PURGED:
            continue
        try:
            for digest, file in files_of(version, f"{parcel.model.told}/{version.number}", source.store.read):
                for key, _ in source.store.files.recipe(digest, file).chunks:
                    if not source.store.index.find(Kind.CHUNK, key):
                        raise MissingBlob(file=file, digest=f"blake3:{key.hex()}")
        except MissingBlob:
            if not source.header.is_incremental:
                raise


def _stands(entry: Entry, chunks: dict[bytes, Entry]) -> bool:
    """Whether a chunk can be decoded from what is here alone."""
    for _ in range(len(chunks)):
        if not entry.codec.has_base:
            return True
        below = chunks.get(entry.base)
        if below is None or below.depth >= entry.depth:
            return False
        entry = below
    return False

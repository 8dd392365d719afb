"""Scans of versions: made by whoever asks, kept as reports, and looked up when a version is to be loaded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelyard.core.digests import canonical_json
from modelyard.registry import reports
from modelyard.registry.versions import NewReport
from modelyard.safety.scanning import ScanReport, scan_files, tool
from modelyard.safety.trust import Scanned
from modelyard.store import Intake

if TYPE_CHECKING:
    from modelyard.client.entry import Entry

REMEMBERED = 128
_seen: OrderedDict[tuple[str, str, bool], ScanReport] = OrderedDict()
"""What this process has found of the bytes with a digest, by the tool that looked, and how."""


def scan(entry: Entry) -> ScanReport:
    """Looks into the files of a version and keeps the report. Runs nothing of them. Raises CorruptBlob, MissingBlob, YardUnwritable."""
    report = look(entry)
    workspace = entry.workspace
    with workspace.store.intake() as intake:
        made = kept(report, intake)
        intake.commit()
        with workspace.registry.begin(alone=False) as tx:
            reports.add(tx, entry.row, made)
    return report


def kept(report: ScanReport, intake: Intake) -> NewReport:
    """The report, to be committed with a version or added to one; its document is in the store where there is more to tell than the summary does."""
    told = report.findings or report.imports
    document = intake.put_bytes(canonical_json(report.to_json())).digest if told else None
    return NewReport(reports.SCAN, report.tool, report.summary(), document)


def look(entry: Entry, *, raw_arrays: bool = True) -> ScanReport:
    """The report on the files of a version, which is kept nowhere but in this process. ``raw_arrays``: joblib may be who reads them."""
    key = (entry.digest, tool(), raw_arrays)
    if key in _seen:
        _seen.move_to_end(key)
        return _seen[key]
    manifest = entry.manifest
    folder = entry.workspace.cache.folder(manifest)
    report = scan_files({file.path: Path(folder, file.path) for file in manifest.files}, raw_arrays=raw_arrays)
    _seen[key] = report
    while len(_seen) > REMEMBERED:
        _seen.popitem(last=False)
    return report


def reported(entry: Entry) -> Scanned | None:
    """What the last report in the yard says, whoever made it."""
    with entry.workspace.registry.read() as connection:
        report = reports.latest(connection, entry.row.id, reports.SCAN)
    return None if report is None else _scanned(report.summary)


def found_by_reader(entry: Entry, *, own: bool, by_joblib: bool) -> Scanned:
    """What the reader has found himself: of his ``own`` version the report that he made of it, of others what he sees now, as he would read it."""
    if own:
        reader = entry.workspace.actor
        with entry.workspace.registry.read() as connection:
            made = reports.of_version(connection, entry.row.id, reports.SCAN)
        mine = next((report for report in made if report.actor == reader), None)
        if mine is not None:
            return _scanned(mine.summary)
    report = look(entry, raw_arrays=by_joblib)
    return Scanned(report.verdict, report.sentence)


def _scanned(summary: Mapping[str, Any]) -> Scanned:
    return Scanned(summary.get("verdict", "failed"), str(summary.get("finding", "")))

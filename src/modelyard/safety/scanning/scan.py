"""The scan of a version: every file, by what it is, and one report."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace
from importlib import metadata
from pathlib import Path

from modelyard.safety.scanning import opinion
from modelyard.safety.scanning.imports import judge
from modelyard.safety.scanning.inspection import Inspection
from modelyard.safety.scanning.limits import Budget
from modelyard.safety.scanning.report import Finding, ScanReport, report_of, shown
from modelyard.store.writing.tree import tree_of


def scan_tree(path: Path, *, budget: Budget | None = None) -> ScanReport:
    """The report on the file at ``path``, or on all files below it, under the names that they have in a version. Runs nothing of them.

    Raises PathMissing, PathEmpty, PathUnusable.
    """
    return scan_files({file.name: file.source for file in tree_of(path)}, budget=budget)


def scan_files(files: Mapping[str, Path], *, budget: Budget | None = None, raw_arrays: bool = True) -> ScanReport:
    """The report on these files, by the names that they are told by. ``raw_arrays``: see :class:`Inspection`."""
    seen = Inspection(Budget() if budget is None else budget, raw_arrays)
    for name, path in files.items():
        seen.file(name, path)
    worse = opinion.dangerous(one for one in seen.imports if judge(one.module, one.name) == "unknown")
    names = {shown(f"{one.module}.{one.name}") for one in worse}
    findings = [_worse(one) if one.imported in names and one.severity == "unknown" else one for one in seen.findings]
    return report_of(tool(), seen.files, findings, (f"{one.module}.{one.name}" for one in seen.imports if one.name))


def tool() -> str:
    """What scans here, and in which release: a report of an older one may be worth making anew."""
    theirs = opinion.version()
    return _ours() if theirs is None else f"{_ours()}, picklescan {theirs}"


@functools.cache
def _ours() -> str:
    return f"modelyard {metadata.version('modelyard')}"


def _worse(finding: Finding) -> Finding:
    return replace(
        finding, severity="dangerous", problem=f"imports {finding.imported}, which picklescan calls dangerous"
    )

"""What a scan found: a value that is kept with the version, and that gates read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from modelyard.core.errors import InvalidInput

FORMAT = 1
SHOWN = 400
LISTED = 500
"""So many findings, and four times as many imports, are written down; the rest is counted."""

Severity = Literal["dangerous", "failed", "unknown"]
Verdict = Literal["safe", "unknown", "failed", "dangerous"]
SEVERITIES: tuple[Severity, ...] = ("unknown", "failed", "dangerous")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not known to be safe. ``member`` is where in an archive, ``imported`` the name that a pickle would import."""

    file: str
    severity: Severity
    problem: str  # goes on after the name of the file: "imports os.system, which no model needs"
    member: str | None = None
    imported: str | None = None

    @property
    def place(self) -> str:
        return self.file if self.member is None else f"{self.file} > {self.member}"

    def to_json(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "member": self.member,
            "global": self.imported,
            "severity": self.severity,
            "problem": self.problem,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Finding:
        return cls(
            document["file"], document["severity"], document["problem"], document.get("member"), document.get("global")
        )


@dataclass(frozen=True)
class ScanReport:
    """``safe``: loading runs nothing but what is known. ``unknown``: something that is neither on our lists. ``failed``: it could not be looked
    into. ``dangerous``: it would run what no model needs. ``ScanReport.from_json(r.to_json()) == r``."""

    tool: str
    files: int  # looked at
    findings: tuple[Finding, ...] = ()
    imports: tuple[str, ...] = ()  # by any pickle in any file, sorted
    left_out: int = 0  # findings that are counted only
    counts: tuple[int, int, int] = (0, 0, 0)  # findings by severity, as in SEVERITIES

    @property
    def verdict(self) -> Verdict:
        worst = [severity for severity, count in zip(SEVERITIES, self.counts, strict=True) if count]
        return worst[-1] if worst else "safe"

    @property
    def issues(self) -> int:
        """How many findings are worse than unknown."""
        return self.counts[1] + self.counts[2]

    @property
    def worst(self) -> Finding | None:
        """The finding to tell first."""
        return max(self.findings, key=lambda one: SEVERITIES.index(one.severity), default=None)

    @property
    def sentence(self) -> str:
        """The worst finding in words; empty when there is none."""
        return "" if self.worst is None else f"{self.worst.place} {self.worst.problem}"

    def summary(self) -> dict[str, Any]:
        """What gates see of it, as ``scan.verdict``, ``scan.issues`` and so on."""
        unknown, failed, dangerous = self.counts
        return {
            "verdict": self.verdict,
            "issues": self.issues,
            "unknown": unknown,
            "failed": failed,
            "dangerous": dangerous,
            "files": self.files,
            "tool": self.tool,
            "finding": self.sentence,
        }

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            **self.summary(),
            "findings": [finding.to_json() for finding in self.findings],
            "left_out": self.left_out,
            "imports": list(self.imports),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ScanReport:
        """Raises InvalidInput for what is no report."""
        try:
            if document["format"] != FORMAT:
                raise ValueError(f"format {document['format']}")
            counts = tuple(document[severity] for severity in SEVERITIES)
            if not all(type(count) is int and count >= 0 for count in counts) or len(counts) != 3:
                raise ValueError("its counts are no numbers")
            return cls(
                document["tool"],
                document["files"],
                tuple(Finding.from_json(each) for each in document["findings"]),
                tuple(document["imports"]),
                document["left_out"],
                counts,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidInput(message=f"this is no report of a scan: {error}") from None


def shown(text: str) -> str:
    """Text out of a hostile file, as it may be printed and stored: no control characters, no half characters, and not too long."""
    told = text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
    return told if told.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in told)


def report_of(tool: str, files: int, findings: Iterable[Finding], imports: Iterable[str]) -> ScanReport:
    """The report over all findings, of which only the worst are listed when there are too many."""
    unique = dict.fromkeys(findings)
    ordered = sorted(unique, key=lambda one: (-SEVERITIES.index(one.severity), one.file, one.member or "", one.problem))
    found = [sum(1 for one in unique if one.severity == severity) for severity in SEVERITIES]
    return ScanReport(
        tool=tool,
        files=files,
        findings=tuple(ordered[:LISTED]),
        imports=tuple(sorted({shown(name) for name in imports})[: 4 * LISTED]),
        left_out=max(0, len(ordered) - LISTED),
        counts=(found[0], found[1], found[2]),
    )

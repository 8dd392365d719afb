"""What loading a file would run, found out without loading it."""

from modelyard.safety.scanning.report import Finding, ScanReport, Severity, Verdict
from modelyard.safety.scanning.scan import scan_files, scan_tree, tool

__all__ = ["Finding", "ScanReport", "Severity", "Verdict", "scan_files", "scan_tree", "tool"]

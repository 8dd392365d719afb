"""Where a deployment keeps its files in a yard."""

from __future__ import annotations

from pathlib import Path


def deployment_folder(root: Path, name: str) -> Path:
    """The folder of a deployment, with the lock of its replica."""
    return root / "deployments" / name


def traffic_folder(root: Path, name: str) -> Path:
    """The folder of its traffic log."""
    return deployment_folder(root, name) / "traffic"


def replica_log(root: Path, name: str) -> Path:
    """The file that its background replica writes to."""
    return deployment_folder(root, name) / "replica.log"

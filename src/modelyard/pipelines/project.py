"""A project: what ``modelyard.toml`` says, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelyard.registry.policies.policy import Policy


@dataclass(frozen=True)
class Stage:
    """One step of a pipeline: a command, run in the project's folder without a shell."""

    name: str
    command: tuple[str, ...]
    timeout: float | None  # seconds; None is no limit
    env: Mapping[str, str]
    needs: tuple[str, ...]  # stages that come before it when both run


@dataclass(frozen=True)
class Project:
    """A folder with stages, policies and the wish for a deployment; checked, and in running order."""

    folder: Path
    path: Path  # the file that says so: modelyard.toml, or model.py where convention says it
    model: str | None
    stages: tuple[Stage, ...]
    gates: Mapping[str, tuple[str, ...]]  # alias -> the gates of its policy, for an alias whose policy is set elsewhere
    deployment: Mapping[str, Any]  # as written; whoever deploys checks it
    yard: Path | None  # absolute; None when the yard is found as usual
    policies: Mapping[str, Policy] = field(default_factory=dict)  # alias -> all that must hold before it moves

"""Who runs: locks that end with their process, whatever ends it.

``flock`` and not a file with a process number: the kernel gives it back at ``kill -9`` too, and numbers are used again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from modelyard.core.errors import Locked
from modelyard.pipelines.process import Identity


class ProjectLock:
    """Held while a run of a project goes on; its file says who holds it, and which stage runs."""

    def __init__(self, file: Path, facts: dict[str, Any]) -> None:
        self._file = file
        self._facts = facts

    def runs_stage(self, stage: str | None, process: Identity | None) -> None:
        """Notes the stage's process, so that one that outlives its runner is known; None when the stage has ended."""
        self._facts = {**self._facts, "stage": stage, "process": process.to_json() if process else None}
        self._file.write_text(json.dumps(self._facts))


@contextmanager
def project_lock(root: Path, project: Path, run: str) -> Iterator[ProjectLock]:
    """The lock of a project in a yard. Raises Locked while another run of it, or a stage that outlived one, still goes on."""
    folder = root / "runs" / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{hashlib.sha256(os.fsencode(project.resolve())).hexdigest()[:16]}.lock"
    what = f"project {project}"
    with file.open("a+b") as handle:
        facts = _facts(file)
        if not _take(handle.fileno()):
            raise Locked(what=what, holder=f"run {facts.get('run', '?')} goes on in process {facts.get('pid', '?')}")
        facts = _facts(file)
        left = Identity.from_json(facts.get("process"))
        if left is not None and left.alive():
            stage = f"stage {facts.get('stage')!r} of run {facts.get('run')}"
            raise Locked(what=what, holder=f"{stage} outlived its runner and goes on in process {left.pid}")
        lock = ProjectLock(file, {"run": run, "pid": os.getpid(), "project": str(project)})
        lock.runs_stage(None, None)
        yield lock


@contextmanager
def run_lock(root: Path, run: str, model: str | None) -> Iterator[None]:
    """Makes the folder of a run and holds its lock while the run goes on, so that others can tell (:func:`goes_on`).

    Its file says which model the run is about, so that this is known when its runner is dead (:func:`model_of`).
    """
    file = _run_file(root, run)
    file.parent.mkdir()
    with file.open("xb") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        handle.write(json.dumps({"model": model}).encode())
        handle.flush()
        yield


def model_of(root: Path, run: str) -> str | None:
    """The model that a run was about; None when it was about none, or its folder is gone."""
    try:
        found = _facts(_run_file(root, run)).get("model")
    except OSError:
        return None
    return found if isinstance(found, str) else None


def goes_on(root: Path, run: str) -> bool:
    """Whether the process of a run still lives."""
    try:
        with _run_file(root, run).open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def _run_file(root: Path, run: str) -> Path:
    return root / "runs" / run / "lock"


def _take(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _facts(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_bytes())
    except ValueError:  # new, or cut short by a crash
        return {}
    return found if isinstance(found, dict) else {}

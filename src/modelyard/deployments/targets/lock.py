"""One replica a deployment on a machine: a lock that the kernel gives back when its process ends, however it ends."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from modelyard.core.errors import Locked
from modelyard.deployments.targets.target import Running
from modelyard.pipelines.process import Identity

FILE = "replica.lock"


class ReplicaLock:
    """Held by the process of a replica while it lives; the file says which it is. Raises Locked when another holds it."""

    def __init__(self, folder: Path, replica: str) -> None:
        self._path = folder / FILE
        self._replica = replica
        self._file: IO[bytes] | None = None

    def __enter__(self) -> ReplicaLock:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("a+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            found = holder(self._path.parent)
            process = f"process {found.pid}" if found else "another process"
            name = self._path.parent.name
            raise Locked(what=f"the replica of {name!r} on this machine", holder=f"it runs in {process}") from None
        identity = Identity.of(os.getpid())
        facts: dict[str, Any] = {"replica": self._replica, **(identity.to_json() if identity else {})}
        file.truncate(0)
        file.write(json.dumps(facts).encode())
        file.flush()
        self._file = file
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()


def holder(folder: Path) -> Running | None:
    """The replica that holds the lock. None when nobody does, or when the one that does has not said yet who it is."""
    try:
        with (folder / FILE).open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _said(file.read())
            return None
    except FileNotFoundError:
        return None


def _said(text: bytes) -> Running | None:
    try:
        facts = json.loads(text)
    except ValueError:
        return None
    identity = Identity.from_json(facts)
    # the words of a holder before, in the instant before the new one has written its own
    if identity is None or not identity.alive():
        return None
    return Running(str(facts.get("replica", "")), identity.pid)

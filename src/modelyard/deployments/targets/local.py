"""The replica as a background process of this machine; its log is ``deployments/<name>/replica.log`` in the yard."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from urllib.parse import urlsplit
from uuid import uuid4

from modelyard.client.workspace import Workspace
from modelyard.core.errors import ReplicaFailed
from modelyard.deployments.folder import deployment_folder, replica_log
from modelyard.deployments.replica_records import FAILED, READY, ReplicaRow, replicas_of
from modelyard.deployments.targets.lock import holder
from modelyard.deployments.targets.target import Running
from modelyard.pipelines.process import Identity
from modelyard.serving.listener import require_free

_POLL = 0.05  # seconds
_children: dict[int, subprocess.Popen[bytes]] = {}
"""Replicas started by this process: somebody must ask how they ended, or they stay as zombies."""


class LocalTarget:
    """A :class:`modelyard.deployments.targets.target.Target` on this machine.

    The process is detached and outlives this one, unless ``until_parent_ends``: then it ends when this process does, even by ``kill -9``,
    because it holds the other end of the child's standard input.
    """

    def __init__(self, workspace: Workspace, name: str, *, until_parent_ends: bool = False) -> None:
        self._workspace = workspace
        self._name = name
        self._bound = until_parent_ends
        self.folder = deployment_folder(workspace.root, name)
        self.log = replica_log(workspace.root, name)

    def check(self, host: str, port: int) -> None:
        if self.running() is None:
            require_free(host, port)

    def start(self, timeout: float = 60.0) -> Running:
        self.folder.mkdir(parents=True, exist_ok=True)
        before = self.log.stat().st_size if self.log.exists() else 0
        running = self.running() or self._spawn(f"{self._name[:80]}-{uuid4().hex[:8]}")
        try:
            return self._ready(running, time.monotonic() + timeout, timeout, before)
        except BaseException:
            if running.pid in _children:  # it was started here, and did not come up: nothing stays behind
                _end(running.pid, 2.0)
            raise

    def running(self) -> Running | None:
        return holder(self.folder)

    def stop(self, grace: float = 30.0) -> bool:
        running = self.running()
        if running is None:
            return False
        _end(running.pid, grace)
        return True

    def last_words(self, before: int = 0) -> str:
        """The last line that the replica wrote after the first ``before`` bytes of its log; empty when it wrote none."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(before, self.log.stat().st_size - 8192))
                lines = file.read().decode(errors="replace").split("\n")
        except FileNotFoundError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def _spawn(self, replica: str) -> Running:
        # -P: a file such as json.py left in the folder of the deployment must not stand in for a module
        command = [sys.executable, "-P", "-m", "modelyard.deployments.replica_process"]
        command += ["--deployment", self._name, "--id", replica]
        if port := self._last_port():
            command += ["--prefer-port", str(port)]
        if self._bound:
            command.append("--watch-stdin")
        # Where the yard is goes by the environment: a URL may hold a password, and everybody sees the arguments of a process.
        environ = {**os.environ, "MODELYARD_USER": self._workspace.actor, "MODELYARD_URL": self._workspace.url}
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=environ,
                stdin=subprocess.PIPE if self._bound else subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        _children[process.pid] = process
        return Running(replica, process.pid)

    def _ready(self, running: Running, until: float, timeout: float, before: int) -> Running:
        identity = Identity.of(running.pid)
        while True:
            gone = identity is None or not identity.alive()
            row = self._row(running.replica)
            if row is not None and row.state == READY and not gone:
                return running
            if row is not None and row.state == FAILED:
                raise ReplicaFailed(name=self._name, problem=row.problem, log=self.log)
            if gone:
                other = self.running()
                if other is not None and other.pid != running.pid:  # another was faster to start it
                    _reap(running.pid)
                    return self._ready(other, until, timeout, before)
                said = self.last_words(before).removeprefix("error: ")
                raise ReplicaFailed(name=self._name, problem=said or "its process ended without a word", log=self.log)
            if time.monotonic() > until:
                said = row.problem if row is not None and row.problem else self.last_words(before)
                words = f"it is not ready after {timeout:g} s" + (f" ({said})" if said else "")
                raise ReplicaFailed(name=self._name, problem=words, log=self.log)
            time.sleep(_POLL)

    def _row(self, replica: str) -> ReplicaRow | None:
        return next((row for row in self._rows() if row.id == replica), None)

    def _rows(self) -> list[ReplicaRow]:
        registry = self._workspace.registry
        with registry.read() as connection:
            return replicas_of(connection, registry.workspace, self._name)

    def _last_port(self) -> int | None:
        return next((port for row in self._rows() if (port := urlsplit(row.url).port)), None)


def _end(pid: int, grace: float) -> None:
    """Asks with SIGTERM, and after ``grace`` seconds kills; returns when the process is gone. A number that was given to another process
    meanwhile is left alone."""
    identity = Identity.of(pid)
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
        until = time.monotonic() + patience
        if identity is None or not identity.alive():
            break
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        while identity.alive() and time.monotonic() < until:
            time.sleep(_POLL)
    _reap(pid)


def _reap(pid: int) -> None:
    process = _children.get(pid)
    if process is not None and process.poll() is not None:
        if process.stdin is not None:
            process.stdin.close()
        del _children[pid]

"""MLflow's server with its defaults, on a database."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path

from benchmarks.store.stores import Failed

QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_ENABLE_DB_SDK": "false"}
PATIENCE = 180.0
"""Seconds that it gets to come up."""


class MlflowServer:
    """One server on a loopback port, in its own session of processes. Raises Failed when it does not come up."""

    def __init__(self, programs: Path, database: str, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.url = f"http://127.0.0.1:{_free_port()}"
        port = self.url.rpartition(":")[2]
        where = ["--backend-store-uri", database, "--artifacts-destination", folder / "artifacts"]
        with (folder / "server.log").open("wb") as log:
            self._process = subprocess.Popen(
                [programs / "mlflow", "server", *where, "--host", "127.0.0.1", "--port", port],
                stdout=log, stderr=log, start_new_session=True, env=environment(programs), cwd=folder,
            )  # fmt: skip
        try:
            self._await(folder / "server.log")
        except BaseException:
            self.stop()
            raise

    def _await(self, log: Path) -> None:
        until = time.monotonic() + PATIENCE
        while True:
            with suppress(OSError), urllib.request.urlopen(f"{self.url}/health", timeout=5):  # noqa: S310 - http, above
                break
            if self._process.poll() is not None or time.monotonic() > until:
                raise Failed(f"mlflow server did not come up: {log.read_text(errors='replace')[-500:]}")
            time.sleep(0.1)
        spent = self._cpu_seconds()
        while time.monotonic() < until:  # its processes go on importing after /health answers
            time.sleep(3)
            before, spent = spent, self._cpu_seconds()
            if spent - before < 0.25:
                return

    def _cpu_seconds(self) -> float:
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                fields = stat.read_text().rpartition(")")[2].split()
                if int(fields[3]) == self._process.pid:  # the session
                    ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """Ends all its processes."""
        for deadly in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, deadly)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(20)


def environment(programs: Path) -> Mapping[str, str]:
    """Of MLflow's processes: its programs first, and nothing sent anywhere."""
    return os.environ | QUIET | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}


def _free_port() -> int:
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port

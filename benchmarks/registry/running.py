"""All that a run starts: databases, workers, servers; and ends."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

from benchmarks.registry.filling import fill
from benchmarks.registry.mlflow_server import MlflowServer, environment
from benchmarks.registry.spread import Spread
from benchmarks.store.places import venv
from benchmarks.store.worker import Worker
from modelyard import Workspace

ROOT = Path(__file__).resolve().parents[2]
MLFLOW = ("mlflow==3.17.2", "psycopg2-binary")
sys.path.append(str(ROOT / "tests"))  # the server that the tests start


class Site:
    """A folder, and what runs in it until the stack is closed."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self._stack, self._count = folder, stack, 0

    @cached_property
    def postgres(self):  # type: ignore[no-untyped-def]
        """One server with PostgreSQL's own settings, so that what was acknowledged is on the disk; for all contenders. Raises NoPostgres."""
        from postgres_server import PostgresServer

        return self._stack.enter_context(PostgresServer(fast=False))

    @cached_property
    def mlflow(self) -> Path:
        """The programs of MLflow. Raises Missing."""
        return venv("mlflow", *MLFLOW)

    def place(self, name: str) -> Path:
        """A new folder."""
        self._count += 1
        made = self.folder / f"{self._count}-{name}"
        made.mkdir()
        return made

    def yard(self, dialect: str, versions: int = 0) -> str:
        """A new yard, filled with so many versions; the URL or folder of it."""
        folder = self.place(f"yard-{dialect}-{versions}")
        where = self.new_database() if dialect == "postgresql" else str(folder / "yard")
        workspace = Workspace(where, store=str(folder / "store") if dialect == "postgresql" else None)
        if versions:
            seconds = fill(workspace, Spread(versions))
            print(f"filled a yard in {dialect} with {versions:,} versions in {seconds:.0f} s", file=sys.stderr)
        workspace.close()
        return workspace.url

    def yard_worker(self, yard: str, *, versions: int = 0) -> Worker:
        """Our SDK on a yard; ``versions`` are what the yard was filled with."""
        command: list[Path | str] = [sys.executable, "-m", "benchmarks.registry.yard_worker", yard, str(versions)]
        return self._worker("modelyard", self.place("yard-worker"), command, {})

    def mlflow_worker(self, place: str) -> Worker:
        """MLflow's client on a database or a server. Raises Missing."""
        command = [self.mlflow / "python", "-m", "benchmarks.registry.mlflow_worker", place]
        return self._worker("MLflow", self.place("mlflow-worker"), command, dict(environment(self.mlflow)))

    def _worker(self, name: str, work: Path, command: list[Path | str], settings: dict[str, str]) -> Worker:
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        worker = Worker(name, work, command, settings | {"PYTHONPATH": path})
        self._stack.callback(worker.close)
        return worker

    def mlflow_server(self, database: str) -> str:
        """The URL of a new server of MLflow on a database. Raises Missing, Failed."""
        server = MlflowServer(self.mlflow, database, self.place("mlflow-server"))
        self._stack.callback(server.stop)
        return server.url

    def new_database(self) -> str:
        """The URL of an empty database of the server."""
        url: str = self.postgres.new_database()
        return url


def for_mlflow(url: str) -> str:
    """MLflow speaks to PostgreSQL through psycopg2."""
    return url.replace("postgresql:", "postgresql+psycopg2:", 1)

"""One serving process of a deployment: ``python -m modelyard.deployments.replica_process --yard … --deployment … --id …``."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from contextlib import suppress
from threading import Thread
from typing import IO

from modelyard.client.workspace import Workspace
from modelyard.core.errors import ModelyardError, PortInUse
from modelyard.deployments.agent import Agent
from modelyard.deployments.folder import deployment_folder, traffic_folder
from modelyard.deployments.records import deployment
from modelyard.deployments.targets.lock import ReplicaLock
from modelyard.monitoring.exporters.prometheus import MonitoringCollector
from modelyard.serving.app import create_app
from modelyard.serving.engine import Engine
from modelyard.serving.replica import Replica
from modelyard.serving.traffic_log import TrafficLog

_log = logging.getLogger("modelyard.replica")


def main(arguments: list[str] | None = None) -> int:
    """Serves until it is stopped. Exit code 0 after an orderly end, 1 when it could not begin (one line on stderr says why)."""
    asked = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        workspace = Workspace(asked.yard, create=False)
        with ReplicaLock(deployment_folder(workspace.root, asked.deployment), asked.id):
            serve(workspace, asked.deployment, asked.id, prefer_port=asked.prefer_port, watch_stdin=asked.watch_stdin)
    except (ModelyardError, OSError) as error:
        print(f"error: {error}", file=sys.stderr, flush=True)  # noqa: T201 - the last line of the log is what people are shown
        return 1
    return 0


def serve(workspace: Workspace, name: str, replica_id: str, *, prefer_port: int = 0, watch_stdin: bool = False) -> None:
    """One replica with its agent, until it is asked to stop. Raises DeploymentNotFound, PortInUse, AddressUnusable."""
    with workspace.registry.read() as connection:
        config = deployment(connection, workspace.registry.workspace, name).config
    log = TrafficLog(traffic_folder(workspace.root, name))
    engine = Engine(name, replica_id, recorder=log.open_writer(replica_id), clock=workspace.clock)
    app = create_app(engine)
    try:
        replica = _replica(engine, app, config.host, config.port or prefer_port, free=config.port == 0)
    except ModelyardError:
        engine.close()
        raise
    if watch_stdin:
        Thread(target=_stop_when_closed, args=(sys.stdin.buffer, replica), name="parent", daemon=True).start()
    agent = Agent(workspace, name, engine, url=replica.url, on_stopped=replica.stop)
    engine.metrics.registry.register(MonitoringCollector(lambda: [agent.watch.snapshot]))
    agent.adopt()
    agent.start()
    _log.info("replica %s of %s answers at %s (process %d)", replica_id, name, replica.url, os.getpid())
    try:
        replica.run()
    finally:
        agent.stop()
        _log.info("replica %s of %s has ended", replica_id, name)


def _replica(engine: Engine, app: object, host: str, port: int, *, free: bool) -> Replica:
    """On the port wanted; where any will do, on the one of before if it is still free, so that clients find it again."""
    try:
        return Replica(engine, app, host, port)
    except PortInUse:
        if not free:
            raise
        return Replica(engine, app, host, 0)


def _stop_when_closed(stdin: IO[bytes], replica: Replica) -> None:
    """The other end of stdin is held by the parent: however it dies, the kernel closes it."""
    with suppress(OSError, ValueError):
        while stdin.read(4096):
            pass
    _log.info("the parent process has ended")
    replica.stop(timeout=0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m modelyard.deployments.replica_process", description=__doc__)
    parser.add_argument("--yard", help="A folder; without it, what MODELYARD_URL names.")
    parser.add_argument("--deployment", required=True)
    parser.add_argument("--id", required=True, help="name of this replica in reports and in the traffic log")
    parser.add_argument(
        "--prefer-port", type=int, default=0, help="tried first when the deployment takes any free port"
    )
    parser.add_argument("--watch-stdin", action="store_true", help="end when standard input is closed")
    return parser


if __name__ == "__main__":
    sys.exit(main())

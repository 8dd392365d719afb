"""The loop beside one replica: makes what is served what is wanted, and says what is served.

A replica never decides what is live: its agent reads the alias (what is stable) and the rollout (what is canary, with which weight), loads what is
missing in the background, sets the routes, and reports the digests. One agent a deployment, the one that holds the lease, also steps the
rollout and runs the monitor.

When the registry cannot be reached, or what is wanted cannot be loaded, the replica keeps serving its last good version, and the agent
tries again at every tick.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from threading import Event, Thread

from modelyard.client.workspace import Workspace
from modelyard.core.errors import DeploymentNotFound
from modelyard.deployments import rollout_records
from modelyard.deployments.loader import Loader, load
from modelyard.deployments.records import (
    STOPPED,
    DeploymentRow,
    deployment,
    release_lease,
    stable_number,
    take_lease,
)
from modelyard.deployments.replica_records import FAILED, READY, STARTING, ReplicaRow, close, replicas_of, report
from modelyard.deployments.replica_records import STOPPED as REPLICA_STOPPED
from modelyard.deployments.rollout import State
from modelyard.deployments.rollout_records import RolloutRow
from modelyard.deployments.stepper import Stepper
from modelyard.deployments.watch import Watch
from modelyard.serving.engine import Engine
from modelyard.serving.routes import Routes, Served

_log = logging.getLogger(__name__)
_BEAT = timedelta(seconds=2)
"""A replica with no news reports this often."""
_SERVING = "serving goes on with what is loaded; the registry says"


@dataclass(frozen=True)
class Desired:
    """What is wanted of every replica of a deployment, read at one instant. ``rollout`` is None unless one is under way."""

    row: DeploymentRow
    stable: int | None
    rollout: RolloutRow | None

    @property
    def candidate(self) -> int | None:
        """The version to have beside the stable one."""
        if self.rollout is None or self.rollout.state in (State.PENDING, State.ABORTING):
            return None
        return self.rollout.candidate


def routes_for(desired: Desired, get: Callable[[int | None], Served | None], now: Routes) -> Routes:
    """The routes that come closest to what is wanted with what is loaded. What serves goes on serving until its successor is there."""
    stable = get(desired.stable) or now.stable
    candidate = get(desired.candidate)
    if stable is None or candidate is None or candidate.key == stable.key:
        return Routes(stable)
    return Routes(stable, candidate, desired.rollout.weight if desired.rollout else 0.0)


class Agent:
    """The agent of one replica. ``tick`` does one round; ``start`` makes a thread that ticks until ``stop``.

    ``url`` is where the replica answers; ``on_stopped`` is called when the deployment is no longer wanted.
    """

    def __init__(
        self,
        workspace: Workspace,
        name: str,
        engine: Engine,
        *,
        url: str,
        on_stopped: Callable[[], None] = lambda: None,
        loader: Loader | None = None,
    ) -> None:
        self._workspace = workspace
        self._registry = workspace.registry
        self._name = name
        self._engine = engine
        self._on_stopped = on_stopped
        self._desired: Desired | None = None
        self._loader = loader or Loader(self._load)
        self._stepper = Stepper(workspace, name)
        self.watch = Watch(workspace, name)
        self._ending = Event()
        self._thread: Thread | None = None
        self._told: dict[str, str] = {}
        now = workspace.clock.now()
        self._row = ReplicaRow(
            id=engine.replica,
            deployment=name,
            pid=os.getpid(),
            host=socket.gethostname(),
            url=url,
            state=STARTING,
            stable=None,
            stable_digest=None,
            candidate=None,
            candidate_digest=None,
            weight=0.0,
            problem="",
            started_time=now,
            heartbeat=now - _BEAT,
        )

    def start(self) -> None:
        """Ticks from a thread of its own."""
        self._thread = Thread(target=self._run, name="agent", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """Ends the thread, says goodbye, and lets another agent have the lease. Never raises."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join(timeout)
        self._loader.close()
        self.watch.close()
        try:
            row = replace(self._row, state=REPLICA_STOPPED, heartbeat=self._workspace.clock.now())
            report(self._registry, replace(row, candidate=None, candidate_digest=None, weight=0.0))
            release_lease(self._registry, self._name, self._row.id)
        except Exception as error:  # noqa: BLE001 - the process ends; its heartbeat will show that
            _log.warning("the goodbye of replica %s was not written: %s", self._row.id, error)

    def adopt(self) -> None:
        """Closes the reports of replicas of this machine whose process has ended without a goodbye, so that nobody waits for them."""
        from modelyard.pipelines.process import Identity

        with self._registry.read() as connection:
            rows = replicas_of(connection, self._registry.workspace, self._name)
        for row in rows:
            if row.state == REPLICA_STOPPED or row.host != self._row.host or row.id == self._row.id:
                continue
            if row.pid == self._row.pid or Identity.of(row.pid) is None:
                close(self._registry, row, f"process {row.pid} ended without a goodbye")
                release_lease(
                    self._registry, self._name, row.id
                )  # its rollout goes on now, not when the lease runs out

    def tick(self) -> float:
        """One round; the seconds until the next. Never raises: what fails is logged, once while it stays the same."""
        try:
            seconds = self._round()
        except Exception as error:  # noqa: BLE001 - serving must go on whatever happens to the registry
            self._tell(_SERVING, f"{type(error).__name__}: {error}")
            return self._desired.row.config.tick_seconds if self._desired else 2.0
        self._tell(_SERVING, "")
        return seconds

    def _try(self, what: str, work: Callable[[], bool]) -> bool:
        """Whether the work changed anything; it did not when it failed, which is told."""
        try:
            changed = work()
        except Exception as error:  # noqa: BLE001 - what fails is tried again at the next tick, and the rest goes on
            self._tell(what, f"{type(error).__name__}: {error}")
            return False
        self._tell(what, "")
        return changed

    def _run(self) -> None:
        while not self._ending.is_set():
            self._ending.wait(self.tick())

    def _round(self) -> float:
        for _ in range(4):  # what a step changed is carried out at once, not a tick later
            desired = self._read()
            if desired.row.state == STOPPED:
                self._on_stopped()
                return desired.row.config.tick_seconds
            self._sync(desired)
            if not take_lease(self._registry, self._name, self._row.id, max(10.0, 5 * desired.row.config.tick_seconds)):
                self.watch.release()
                break
            # each on its own: a rollout that cannot be measured must not keep an alert from rolling back
            changed = self._try("the rollout waits", self._stepper.tick)
            moved = self._try("monitoring waits", partial(self.watch.tick, desired.row, desired.stable))
            if not (moved or changed):
                break
        tick = desired.row.config.tick_seconds
        # while something is being loaded, look soon
        return min(tick, 0.1) if self._loading(desired) else tick

    def _read(self) -> Desired:
        with self._registry.read() as connection:
            workspace = self._registry.workspace
            row = deployment(connection, workspace, self._name)
            rollout = rollout_records.newest_rollout(connection, workspace, self._name)
            stable = stable_number(connection, workspace, row)
        self._desired = Desired(row, stable, rollout if rollout is not None and rollout.active else None)
        return self._desired

    def _sync(self, desired: Desired) -> None:
        now = self._workspace.clock.now()
        wanted = {number for number in (desired.stable, desired.candidate) if number is not None}
        self._loader.want(wanted, now)
        before = self._engine.routes
        routes = routes_for(desired, self._loader.get, before)
        if routes != before:
            self._engine.set_routes(routes)
        self._loader.keep(wanted | ({routes.stable.number} if routes.stable else set()))
        self._report(desired, routes, now)

    def _report(self, desired: Desired, routes: Routes, now: datetime) -> None:
        candidate = self._loader.get(desired.candidate)
        missing = desired.candidate is not None and candidate is None
        problem = self._loader.problem(desired.candidate if missing else desired.stable)
        state = READY if routes.stable else FAILED if self._loader.problem(desired.stable) else STARTING
        row = replace(
            self._row,
            state=state,
            stable=routes.stable.number if routes.stable else None,
            stable_digest=routes.stable.digest if routes.stable else None,
            candidate=desired.candidate,
            candidate_digest=candidate.digest if candidate else None,
            weight=routes.weight,
            problem=problem,
        )
        if row != self._row or now - self._row.heartbeat >= _BEAT:
            row = replace(row, heartbeat=now)
            report(self._registry, row)
            self._row = row

    def _loading(self, desired: Desired) -> bool:
        wanted = (desired.stable, desired.candidate)
        return any(n is not None and self._loader.get(n) is None and not self._loader.problem(n) for n in wanted)

    def _load(self, number: int) -> Served:
        if self._desired is None:
            raise DeploymentNotFound(name=self._name, found="none")
        return load(self._workspace, self._desired.row.model, number, self._desired.row.config.trust)

    def _tell(self, what: str, problem: str) -> None:
        """Logs what became of ``what``, when it is news."""
        if problem != self._told.get(what, ""):
            if problem:
                _log.warning("%s: %s", what, problem)
            else:
                _log.info("no longer: %s", what)
            self._told[what] = problem

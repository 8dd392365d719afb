"""What the monitoring of a deployment has found, whether or not a replica runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from modelyard.client.workspace import Workspace
from modelyard.core.clock import to_text
from modelyard.core.errors import Locked
from modelyard.core.references import Number, Reference
from modelyard.deployments.deployment import Deployment
from modelyard.deployments.folder import deployment_folder, traffic_folder
from modelyard.deployments.records import DeploymentRow
from modelyard.deployments.targets.lock import holder
from modelyard.monitoring.alerts import Alert
from modelyard.monitoring.config import MonitorConfig
from modelyard.monitoring.monitor import Monitor
from modelyard.monitoring.monitor import Reference as Held
from modelyard.monitoring.records import RegistryRecords
from modelyard.monitoring.windows import Window
from modelyard.serving.traffic_log import TrafficLog


@dataclass(frozen=True)
class Measurement:
    """Windows by their start and version, and the alerts that are pending, firing or were."""

    windows: tuple[Window, ...]
    alerts: tuple[Alert, ...]

    def to_json(self, limit: int | None = None) -> dict[str, Any]:
        """All alerts, and the newest ``limit`` windows."""
        return {
            "windows": [window.to_json() for window in self.windows[-limit if limit else 0 :]],
            "alerts": [
                {key: to_text(value) if isinstance(value, datetime) else value for key, value in asdict(alert).items()}
                for alert in self.alerts
            ],
        }


def monitored(deployment: Deployment, *, finish: bool = False) -> Measurement:
    """What is measured by now. While a replica runs, its agent measures; otherwise the rest of the traffic log is read here.

    With ``finish`` the windows that are still open are measured as if they had ended. A version without reference data has quality and
    errors, but no drift. Raises Locked when a replica runs meanwhile and ``finish`` is asked for.
    """
    workspace, row = deployment.workspace, deployment.row
    running = holder(deployment_folder(workspace.root, row.name))
    if running is not None:
        if finish:
            raise Locked(what=f"the monitoring of {row.name!r}", holder=f"its replica (process {running.pid}) does it")
        found = RegistryRecords(workspace.registry, row.name).load()
        return Measurement(found.windows, found.alerts)

    monitor = deployment_monitor(workspace, row)
    monitor.process(finish=finish)
    return Measurement(tuple(monitor.windows), tuple(monitor.alerts))


def deployment_monitor(workspace: Workspace, row: DeploymentRow) -> Monitor:
    """The monitor over the traffic of a deployment, with what was kept of earlier windows."""

    def held(number: int) -> Held:
        model = workspace.model(Reference(row.model, Number(number)))
        return Held(model.reference_profile, model.metrics)

    return Monitor(
        TrafficLog(traffic_folder(workspace.root, row.name)),
        held,
        MonitorConfig.from_json(row.config.monitor.settings),
        RegistryRecords(workspace.registry, row.name),
    )

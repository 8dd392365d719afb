"""Desired and actual state: deployments, rollouts, the agent beside each replica, and the targets that replicas run on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelyard.deployments.config import DeploymentConfig
    from modelyard.deployments.delivery import deploy
    from modelyard.deployments.deployment import Deployment, all_deployments
    from modelyard.deployments.foreground import serve_here
    from modelyard.deployments.measurement import Measurement, monitored

__all__ = [
    "Deployment",
    "DeploymentConfig",
    "Measurement",
    "all_deployments",
    "deploy",
    "monitored",
    "serve_here",
]

_HOMES = {
    "Deployment": "deployment",
    "DeploymentConfig": "config",
    "all_deployments": "deployment",
    "deploy": "delivery",
    "Measurement": "measurement",
    "monitored": "measurement",
    "serve_here": "foreground",
}


def __getattr__(name: str) -> Any:
    # The database library is loaded by the first use of a name, not by the import of the package.
    from importlib import import_module

    from modelyard.core.extras import needing

    if name in _HOMES:
        with needing("deploying and serving", "serve"):
            return getattr(import_module(f"modelyard.deployments.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'modelyard.deployments' has no attribute {name!r}")

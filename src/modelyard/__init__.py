"""Every version of every model: where it came from, what is in production, and when it goes wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelyard.core import errors

if TYPE_CHECKING:
    from modelyard import model_registry
    from modelyard.client.dataset import Dataset
    from modelyard.client.model import Model
    from modelyard.client.workspace import Workspace
    from modelyard.core.webhook_signature import verify_webhook

__version__ = "0.1.0"
__all__ = ["Dataset", "Model", "Workspace", "errors", "model_registry", "verify_webhook"]

_HOMES = {
    "Workspace": "client.workspace",
    "Model": "client.model",
    "Dataset": "client.dataset",
    "verify_webhook": "core.webhook_signature",
}


def __getattr__(name: str) -> Any:
    # The database library is loaded by the first use of a name, not by the import of the package.
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(f"modelyard.{_HOMES[name]}"), name)
    if name == "model_registry":
        return import_module("modelyard.model_registry")
    raise AttributeError(f"module 'modelyard' has no attribute {name!r}")

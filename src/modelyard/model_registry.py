"""Register, save and load by name, on the default workspace: the shape that TensorFlow and Keras users write.

>>> from modelyard import model_registry
>>> model_registry.save("my_model", model, "1.0")               # doctest: +SKIP
>>> loaded_model = model_registry.load("my_model", "1.0")       # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelyard.client.model import Model
from modelyard.client.workspace import Workspace
from modelyard.core.errors import InvalidInput
from modelyard.core.names import ModelName
from modelyard.core.references import Reference
from modelyard.core.tags import Tags


def register(
    name: str,
    path: str | Path | None = None,
    version: str | None = None,
    *,
    tags: Tags | None = None,
    properties: Tags | None = None,
    metrics: Mapping[str, float] | None = None,
    description: str | None = None,
) -> Model | None:
    """Makes ``name`` known; with a ``path``, keeps that file or folder as its next version, labelled ``version``.

    Without a path it returns None, and registering a name twice changes nothing.
    """
    workspace = Workspace()
    if path is None and (version or tags or properties or metrics or description):
        raise InvalidInput(message=f"a version of {name!r} needs its files: give path=, or use save() for a live model")
    if path is None:
        workspace.registry.claim("model", ModelName(name))
        return None
    return workspace.register(
        name, path, label=version, tags=tags, properties=properties, metrics=metrics, description=description
    )


def save(
    name: str,
    model: Any,
    version: str | None = None,
    *,
    tags: Tags | None = None,
    properties: Tags | None = None,
    metrics: Mapping[str, float] | None = None,
    description: str | None = None,
) -> Model:
    """Keeps a fitted model object as the next version of ``name``, labelled ``version``. Raises LabelTaken, UnknownFlavor."""
    return Workspace().save(
        name, model, label=version, tags=tags, properties=properties, metrics=metrics, description=description
    )


def load(name: str, version: str | int | None = None, *, trust: bool | None = None) -> Any:
    """The live model: the newest version, the one labelled ``version``, or number ``version`` when no label is so called."""
    reference = name if version is None else f"{name}/{version}" if isinstance(version, int) else f"{name}:{version}"
    return Workspace().model(Reference.parse(reference)).load(trust=trust)


def list_models() -> list[str]:
    """The names of all models, sorted."""
    return Workspace().models()


def list_versions(name: str) -> list[Model]:
    """The versions of a model, newest first. Raises ModelNotFound."""
    workspace = Workspace()
    workspace.registry.require("model", ModelName(name))
    return Model.list(workspace, name=name)

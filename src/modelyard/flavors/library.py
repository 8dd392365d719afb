"""Optional libraries: imported when a flavor needs them, and named for people when they are not there."""

from __future__ import annotations

import importlib
from importlib import metadata
from typing import Any

from modelyard.core.errors import FlavorMissing

# What to install for a module, where the two names differ; also the list of what may be advised without having been kept.
PACKAGES = {
    "cloudpickle": "cloudpickle",
    "h5py": "h5py",
    "joblib": "joblib",
    "keras": "keras",
    "lightgbm": "lightgbm",
    "numpy": "numpy",
    "onnx": "onnx",
    "onnxruntime": "onnxruntime",
    "pandas": "pandas",
    "safetensors": "safetensors",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "skops": "skops",
    "torch": "torch",
    "xgboost": "xgboost",
}


def library(flavor: str, module: str) -> Any:
    """The imported module; raises :class:`FlavorMissing` when it, or something that it needs, is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as problem:
        root = (getattr(problem, "name", None) or module).partition(".")[0]
        raise FlavorMissing(flavor=flavor, package=PACKAGES.get(root, root)) from problem


def version_of(module: Any) -> str:
    """The version of an imported library."""
    found = getattr(module, "__version__", None)
    return str(found) if found else metadata.version(PACKAGES.get(module.__name__, module.__name__))


def class_name(obj: object) -> str:
    """Module and name of the object's class, as people import it."""
    return f"{type(obj).__module__}.{type(obj).__qualname__}"


def libraries_of(obj: object) -> set[str]:
    """The top packages that the classes of an object come from; nothing is imported."""
    return {cls.__module__.partition(".")[0] for cls in type(obj).__mro__}

"""The configuration of a Keras model: what its layers would run and import. A configuration is data, but names functions, and may hold code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from modelyard.safety.scanning.imports import judge, keras_classes
from modelyard.safety.scanning.limits import Unreadable
from modelyard.safety.scanning.pickles import Seen

CONFIG_LIMIT = 64 * 1024 * 1024

CODE = ("Lambda", "__lambda__", "TorchModuleWrapper")
"""These hold marshalled code, or a pickle."""
ELSEWHERE = ("TFSMLayer", "JaxLayer", "FlaxLayer")
_FUNCTIONS = (
    "keras.activations",
    "keras.losses",
    "keras.metrics",
    "keras.initializers",
    "keras.src.activations",
    "keras.src.losses",
)
_HOMES = ("keras", "tensorflow.keras", "tf_keras", "tensorflow.python.keras", "builtins")


def look(data: bytes) -> list[Seen]:
    """What there is to tell of a configuration in JSON. Raises Unreadable when it cannot be read."""
    if len(data) > CONFIG_LIMIT:
        raise Unreadable("its configuration of Keras is too long")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise Unreadable("its configuration of Keras cannot be read") from None
    return list(dict.fromkeys(_in(document)))


def _in(document: Any) -> Iterator[Seen]:
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            waiting += value.values()
            if "class_name" in value:
                yield from _object(value)
            if value.get("function_type") == "lambda":
                yield Seen("dangerous", "holds code in a layer of Keras", "Lambda")


def _object(value: dict[str, Any]) -> Iterator[Seen]:
    name, module = value["class_name"], value.get("module")
    if not isinstance(name, str) or not isinstance(module, str | None):
        yield Seen("unknown", "names a class of Keras in a way that cannot be read")
        return
    last = name.rpartition(">")[2]
    if last in CODE:
        yield Seen("dangerous", f"holds code in a layer of Keras ({last})", last)
    elif last in ELSEWHERE:
        yield Seen("dangerous", f"loads another model while it is loaded ({last})", last)
    elif last == "function":
        config = value.get("config")
        yield from _function(module, config if isinstance(config, str) else str(value.get("registered_name")))
    elif module is not None and not _is_home(module):
        yield _foreign(module, name)
    elif last not in keras_classes():
        yield Seen("unknown", f"needs the class {name}, which is not on the list of what is known to be safe", name)


def _function(module: str | None, name: str) -> Iterator[Seen]:
    if module in _FUNCTIONS and name.isidentifier():
        return
    if module is None or (_is_home(module) and module not in ("keras.utils", "keras.src.utils")):
        yield Seen("unknown", f"calls the function {name}, which is not on the list of what is known to be safe", name)
        return
    yield _foreign(module, name)


def _foreign(module: str, name: str) -> Seen:
    """Something that Keras would import from another module."""
    if judge(module, name) == "dangerous":
        return Seen("dangerous", f"imports {module}.{name}, which no model needs", f"{module}.{name}")
    problem = f"imports {module}.{name}, which is not on the list of what is known to be safe"
    return Seen("unknown", problem, f"{module}.{name}")


def _is_home(module: str) -> bool:
    return any(module == home or module.startswith(home + ".") for home in _HOMES)

"""What it means that a pickle imports a name: three lists, and no guessing.

A name is *safe* only when it stands in the lists of ``known/``, module and name in full: lists of what is forbidden are got round over
and over, since any function of any installed library is within reach. *Dangerous* is what ``known/denied.txt`` names. All else is
*unknown*: most models with code of their own are.
"""

from __future__ import annotations

import functools
from importlib import resources
from typing import Literal

Judgement = Literal["safe", "unknown", "dangerous"]

ALLOWED = ("numpy", "python", "scikit-learn", "scipy", "tables", "torch")

BY_VALUE = ("cloudpickle.cloudpickle", "cloudpickle.cloudpickle_fast", "dill._dill", "torch.fx.graph_module")
"""How code comes along in a pickle by value. modelyard itself keeps classes of the user's own like that: no reason to cry wolf, none to call it safe."""

_HIDES = {
    "sys",
    "os",
    "posix",
    "builtins",
    "subprocess",
    "importlib",
    "shutil",
    "socket",
    "modules",
    "ctypes",
    "pickle",
    "io",
}
"""As a part of a dotted name: the way from a harmless module to one that is not."""


UNSEEN = ("(a name that is put together while it is loaded)", "")
BY_NUMBER = ("(a number that only the reader's process can resolve)", "")
"""These stand for names that cannot be told from the pickle; no pickler leaves any."""


def judge(module: str, name: str) -> Judgement:
    """The judgement of one name. A dotted name is never safe: it leads on from where it begins."""
    if name in _known().get(module, ()):
        return "safe"
    if (module, name) in (UNSEEN, BY_NUMBER) or _is_denied(module, name):
        return "dangerous"
    return "unknown"


def why(module: str, name: str) -> str:
    """The judgement in words, for a name that is not safe."""
    if (module, name) in (UNSEEN, BY_NUMBER):
        return f"imports by {module.strip('()')}"
    if judge(module, name) == "dangerous":
        return f"imports {module}.{name}, which no model needs"
    if holds_code(module, name):
        return f"holds code by value ({module}.{name})"
    return f"imports {module}.{name}, which is not on the list of what is known to be safe"


def holds_code(module: str, name: str) -> bool:
    """Whether the name makes a function or a class out of what the pickle itself holds."""
    return module in BY_VALUE and name.isidentifier() and name not in _denied().get(module, ())


def _is_denied(module: str, name: str) -> bool:
    parts, denied = name.split("."), _denied()
    if holds_code(module, name):
        return False
    if len(parts) > 1 and any(part.startswith("__") or part.strip("_") in _HIDES for part in parts[1:]):
        return True
    if parts[0].strip("_") in _HIDES and parts[0] not in _known().get(module, ()):
        return True  # a module that another module has imported
    if name in denied.get(module, ()) or parts[0] in denied.get(module, ()):
        return True
    steps = module.split(".")
    return any("*" in denied.get(".".join(steps[:count]), ()) for count in range(1, len(steps) + 1))


@functools.cache
def _known() -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for name in ALLOWED:
        for module, names in _lines(name):
            found[module] = found.get(module, frozenset()) | names
    return found


@functools.cache
def _denied() -> dict[str, frozenset[str]]:
    return dict(_lines("denied"))


@functools.cache
def keras_classes() -> frozenset[str]:
    """The classes that a configuration of Keras may name."""
    return frozenset(_text("keras").split())


def _lines(name: str) -> list[tuple[str, frozenset[str]]]:
    listed = [line.split() for line in _text(name).splitlines() if line]
    return [(module, frozenset(names)) for module, *names in listed]


def _text(name: str) -> str:
    text = resources.files("modelyard.safety.scanning").joinpath(f"known/{name}.txt").read_text("utf-8")
    return "\n".join(line for line in text.splitlines() if not line.startswith("#"))

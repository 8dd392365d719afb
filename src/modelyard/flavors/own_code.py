"""Pickles that take the user's own modules along, so that they load without his code and beside other versions of it.

A pickle names the classes it needs. For libraries that is right: the environment of the version brings them. The user's own
modules (``features.py`` beside ``train.py``) are not installed anywhere and change between versions, so their classes and
functions go into the pickle by value. Each version then has its own copy, even in one process.
"""

from __future__ import annotations

import pickle
import site
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from modelyard.core.errors import ModelyardError, ObjectUnusable
from modelyard.flavors.library import class_name, library
from modelyard.flavors.reading import first_line

_ONE_AT_A_TIME = threading.Lock()  # the registry of cloudpickle belongs to the whole process
_CODE = (b"_make_function", b"_make_skeleton_class", b"dynamic_subimport")


def dump(flavor: str, obj: Any, path: Path, persistent_id: Callable[[Any], Any] | None = None) -> dict[str, Any]:
    """Writes the pickle; the facts say whether it holds code, and for which Python that was compiled.

    ``persistent_id`` is that of :class:`pickle.Pickler`. Raises :class:`ObjectUnusable` for what cannot be pickled.
    """
    cloudpickle = library(flavor, "cloudpickle")
    pickler: Any = cloudpickle.Pickler
    if persistent_id is not None:
        pickler = type("_Pickler", (pickler,), {"persistent_id": staticmethod(persistent_id)})
    try:
        with path.open("wb") as file, _by_value(cloudpickle):
            pickler(file, protocol=5).dump(obj)
    except (OSError, ModelyardError):
        raise
    except Exception as problem:
        raise ObjectUnusable(type_name=class_name(obj), problem=first_line(problem)) from problem
    data = path.read_bytes()
    holds_code = any(word in data for word in _CODE)
    return {"holds_code": holds_code, "python": f"{sys.version_info.major}.{sys.version_info.minor}"}


def load(path: Path, persistent_load: Callable[[Any], Any] | None = None) -> Any:
    """The object back. Runs code from the file: ask :mod:`modelyard.flavors.trust` first."""
    with path.open("rb") as file:
        reader = pickle.Unpickler(file)  # noqa: S301 - allowed by the rule of trust
        if persistent_load is not None:
            reader.persistent_load = persistent_load  # type: ignore[method-assign]
        return reader.load()


def python_mismatch(facts: Any) -> str | None:
    """Why this Python cannot run the code in the pickle; ``None`` when it can. Compiled code is of one minor version."""
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    kept = facts.get("python")
    if not facts.get("holds_code") or kept in (None, here):
        return None
    return f"it holds code that was compiled by Python {kept}, and this is Python {here}; load it with Python {kept}"


@contextmanager
def _by_value(cloudpickle: Any) -> Iterator[None]:
    with _ONE_AT_A_TIME:
        already = cloudpickle.list_registry_pickle_by_value()
        mine = [module for module in own_modules() if module.__name__ not in already]
        for module in mine:
            cloudpickle.register_pickle_by_value(module)
        try:
            yield
        finally:
            for module in mine:
                cloudpickle.unregister_pickle_by_value(module)


def own_modules() -> list[ModuleType]:
    """The imported modules that are the user's: written in Python, and neither of the standard library nor installed."""
    installed = _installed()
    return [
        module
        for name, module in sorted(sys.modules.items(), key=lambda pair: str(pair[0]))
        if isinstance(module, ModuleType)
        and name == module.__name__ != "__main__"  # cloudpickle takes __main__ along by itself
        and name.partition(".")[0] != "modelyard"
        and _is_own(getattr(module, "__file__", None), installed)
    ]


def _is_own(file: Any, installed: tuple[Path, ...]) -> bool:
    if not isinstance(file, str) or not file.endswith(".py"):
        return False
    path = Path(file).resolve()
    return "dist-packages" not in path.parts and not any(path.is_relative_to(place) for place in installed)


def _installed() -> tuple[Path, ...]:
    named = sysconfig.get_paths()
    places = {named[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    places |= {*site.getsitepackages(), site.getusersitepackages()}
    return tuple(sorted(Path(place).resolve() for place in places))

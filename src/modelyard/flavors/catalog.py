"""All flavors, and which one an object or a version belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelyard.core.errors import InvalidInput, UnknownFlavor
from modelyard.flavors.file_formats import FORMATS
from modelyard.flavors.files import FilesFlavor
from modelyard.flavors.flavor import Facts, Flavor
from modelyard.flavors.keras import KerasFlavor
from modelyard.flavors.library import class_name
from modelyard.flavors.lightgbm import LightGBMFlavor
from modelyard.flavors.onnx import OnnxFlavor
from modelyard.flavors.pytorch import PyTorchFlavor
from modelyard.flavors.sklearn import SklearnFlavor
from modelyard.flavors.skops import SkopsFlavor
from modelyard.flavors.xgboost import XGBoostFlavor

_FILES = FilesFlavor()
_SKOPS = SkopsFlavor()

# The first owner counts: xgboost and lightgbm estimators are scikit-learn's too, and Keras models may be torch modules.
_FLAVORS: tuple[Flavor, ...] = (
    XGBoostFlavor(),
    LightGBMFlavor(),
    KerasFlavor(),
    PyTorchFlavor(),
    OnnxFlavor(),
    SklearnFlavor(),
    _SKOPS,
    _FILES,
)
_BY_NAME = {flavor.name: flavor for flavor in _FLAVORS}


def flavor_of(obj: object, format: str | None = None) -> Flavor:  # noqa: A002 - the word that users write
    """The flavor that keeps such an object, in the ``format`` that was asked for: ``"skops"`` for models of scikit-learn, else the flavor's own.

    Raises :class:`UnknownFlavor`; :class:`InvalidInput` for a format that there is not, or not for such an object.
    """
    found = next((flavor for flavor in _FLAVORS if flavor.owns(obj)), None)
    if found is None:
        live = ", ".join(flavor.name for flavor in _FLAVORS if flavor not in (_FILES, _SKOPS))
        raise UnknownFlavor(type_name=class_name(obj), known=live)
    if format in (None, found.format):
        return found
    if format != "skops":
        raise InvalidInput(
            message=f"there is no format {format!r} to save a {class_name(obj)} in; leave it out, or use skops"
        )
    if not isinstance(found, SklearnFlavor):
        raise InvalidInput(
            message=f"a {class_name(obj)} is kept as {found.format}; skops is for models of scikit-learn"
        )
    return _SKOPS


def flavor_named(name: str) -> Flavor:
    """The flavor of a manifest; raises :class:`UnknownFlavor`."""
    if name not in _BY_NAME:
        raise UnknownFlavor(type_name=f"model of the flavor {name!r}", known=", ".join(known_flavors()))
    return _BY_NAME[name]


def known_flavors() -> tuple[str, ...]:
    """The names of all flavors."""
    return tuple(_BY_NAME)


def flavor_of_files(path: Path) -> tuple[str, Facts]:
    """``"files"`` and the facts of a file or a folder that is registered as it is; the file is not opened by any library."""
    return _FILES.name, _FILES.facts_of(Path(path))


def runs_code(name: str, facts: Mapping[str, Any]) -> bool:
    """Whether loading a version with this flavor and these facts can run code from its files.

    Follows from the flavor and the format, never from what the facts claim: they were written by the version's author.
    """
    flavor = flavor_named(name)
    if flavor is not _FILES:
        return flavor.runs_code
    form = FORMATS.get(str(facts.get("format")))
    return form is None or form.runs_code


def format_of(name: str, facts: Mapping[str, Any]) -> str:
    """The format of such a version in words for people."""
    flavor = flavor_named(name)
    form = FORMATS.get(str(facts.get("format")))
    return form.words if flavor is _FILES and form is not None else flavor.format


def predicts(name: str, facts: Mapping[str, Any]) -> bool:
    """Whether such a version becomes something that answers predictions; a file that no library loads does not."""
    if flavor_named(name) is not _FILES:
        return True
    form = FORMATS.get(str(facts.get("format")))
    return form is not None and form.loads and facts.get("file") is not None

"""Keras models as ``.keras``, read in safe mode: an architecture in JSON and weights, and no code.

The bytes differ from one save to the next, because Keras writes the time into the archive. A layer with a Python lambda cannot
be kept that way and is refused when it is saved; a named function or class of the user's own must be registered with
``keras.saving.register_keras_serializable`` and be imported where the model is loaded.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelyard.core.errors import ModelUnreadable, ObjectUnusable
from modelyard.flavors.flavor import Facts, Predictor
from modelyard.flavors.library import class_name, library, version_of
from modelyard.flavors.reading import file_in, first_line, reading
from modelyard.profiles.signature import Field, Signature

FILE = "model.keras"
_LAMBDA = (
    "it holds a Python lambda, which only loads by running code; use a named function that is registered with Keras"
)


class KerasFlavor:
    name = "keras"
    runs_code = False
    format = "Keras archive"

    def owns(self, obj: object) -> bool:
        return any(c.__module__.startswith("keras.") and c.__name__ == "Model" for c in type(obj).__mro__)

    def save(self, obj: Any, folder: Path) -> Facts:
        keras = library(self.name, "keras")
        path = folder / FILE
        try:
            obj.save(path)
            with zipfile.ZipFile(path) as archive:
                holds_lambda = b'"__lambda__"' in archive.read("config.json")
        except Exception as problem:
            raise ObjectUnusable(type_name=class_name(obj), problem=first_line(problem)) from problem
        if holds_lambda:
            path.unlink()
            raise ObjectUnusable(type_name=class_name(obj), problem=_LAMBDA)
        return {
            "backend": str(keras.backend.backend()),
            "class": class_name(obj),
            "file": FILE,
            "format": self.format,
            "library": "keras",
            "library_version": version_of(keras),
            "runs_code": False,
        }

    def load(self, folder: Path, facts: Mapping[str, Any]) -> Any:
        path = file_in(folder, facts)
        if (
            not zipfile.is_zipfile(path) or path.suffix != ".keras"
        ):  # Keras takes other endings for older, unsafe formats
            raise ModelUnreadable(file=path.name, format=self.format, problem="it is not a .keras archive")
        keras = library(self.name, "keras")
        try:
            with reading(self.name, path, facts):
                return keras.saving.load_model(path, safe_mode=True)
        except ModelUnreadable as problem:
            if "lambda" in str(problem.__cause__).lower():
                raise ModelUnreadable(file=path.name, format=self.format, problem=_LAMBDA) from problem.__cause__
            raise

    def predictor(self, obj: Any, facts: Mapping[str, Any]) -> Predictor:
        from modelyard.flavors import outputs, tables

        names = _one_column_inputs(obj)

        def inputs(columns: tables.Columns) -> Any:
            if names is None:
                return tables.numbers(columns)
            tables.require(columns, names)
            return {name: tables.numbers({name: columns[name]}) for name in names}

        def answers(found: Any) -> outputs.Answers:
            given = obj.predict_on_batch(found)
            if isinstance(given, Mapping):
                named = [(str(name), value) for name, value in given.items()]
            elif isinstance(given, tuple | list):
                named = [(f"output_{i}", value) for i, value in enumerate(given)]
            else:
                return outputs.values(given)
            return {k: v for name, value in named for k, v in outputs.values(value, name).items()}

        return outputs.FunctionPredictor(inputs, answers)

    def signature(self, obj: Any) -> Signature | None:
        names = _one_column_inputs(obj)
        if names is None:
            shapes = [tuple(i.shape) for i in getattr(obj, "inputs", None) or []]
            if len(shapes) != 1 or len(shapes[0]) != 2 or shapes[0][1] is None:
                return None
            names = [f"x{i}" for i in range(shapes[0][1])]
        return Signature(tuple(Field(name, "number") for name in names))


def _one_column_inputs(obj: Any) -> list[str] | None:
    """The names of the inputs of a model that has several, each of one column; ``None`` for a model of one input."""
    found = getattr(obj, "inputs", None) or []
    if len(found) < 2 or any(tuple(i.shape)[1:] not in ((), (1,)) for i in found):
        return None
    return [str(i.name) for i in found]

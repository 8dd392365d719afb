"""What models answer, under the names that every predictor uses. Needs numpy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.profiles.columns import array_of
from modelyard.profiles.signature import Field, FieldType

Answers = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class FunctionPredictor:
    """A :class:`~modelyard.flavors.flavor.Predictor` of two functions: columns to what the model takes, and that to answers."""

    inputs: Callable[[Mapping[str, NDArray[Any]]], Any]
    answers: Callable[[Any], Answers]

    def predict(self, columns: Mapping[str, NDArray[Any]]) -> Answers:
        return self.answers(self.inputs(columns))


def values(found: Any, name: str = "prediction") -> Answers:
    """``prediction``, or ``output_0`` … for an array of several columns; more dimensions are laid out in C order."""
    array = np.asarray(found)
    flat = array.reshape(len(array), -1) if array.ndim > 1 else array.reshape(-1, 1)
    if flat.shape[1] == 1:
        return {name: array_of(flat[:, 0])}
    stem = "output" if name == "prediction" else name
    return {f"{stem}_{i}": array_of(flat[:, i]) for i in range(flat.shape[1])}


def classified(labels: Any, probabilities: Any, classes: NDArray[Any]) -> Answers:
    """``label`` and ``probability``, or ``probability_<class>`` for other than two classes.

    ``labels`` has the shape (rows,) or is ``None``, then the likeliest class, the first of equals, is the label;
    ``probabilities`` has the shape (rows, classes) or is ``None``, then only labels are known.
    """
    if labels is None:
        labels = classes[np.argmax(probabilities, axis=1)]
    labels = np.asarray(labels)
    if labels.ndim > 1 and labels.shape[1:] != (1,):  # several answers a row: each is an output of its own
        return values(labels)
    found = {"label": array_of(labels.reshape(-1))}
    if probabilities is None or len(classes) < 2:
        return found
    if len(classes) == 2:
        return found | {"probability": array_of(probabilities[:, 1])}
    return found | {f"probability_{name}": array_of(probabilities[:, i]) for i, name in enumerate(classes.tolist())}


def fields(classes: Any = None, *, probabilities: bool = True) -> tuple[Field, ...]:
    """The output fields of a classifier with these classes, or of a regressor for ``None``."""
    if classes is None:
        return (Field("prediction", "number"),)
    found = np.asarray(classes)
    kinds: dict[str, FieldType] = {"b": "boolean", "i": "integer", "u": "integer", "f": "number", "U": "string"}
    kind = kinds.get(found.dtype.kind, "any")
    if kind == "any" and all(isinstance(name, str) for name in found.tolist()):
        kind = "string"
    label = (Field("label", kind),)
    if not probabilities or len(found) < 2:
        return label
    if len(found) == 2:
        return (*label, Field("probability", "number"))
    return (*label, *(Field(f"probability_{name}", "number") for name in found.tolist()))

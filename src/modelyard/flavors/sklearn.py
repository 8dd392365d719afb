"""Everything with the manners of scikit-learn: pipelines, searches, estimators of third parties and of the user.

Kept as a pickle with the user's own modules inside (:mod:`modelyard.flavors.own_code`), since scikit-learn has no other form
for all of them. Equal bytes for the same object in one process; not across processes when the user's classes are inside,
which cloudpickle numbers at random.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from modelyard.core.errors import ModelUnreadable
from modelyard.flavors import own_code
from modelyard.flavors.flavor import Facts, Predictor
from modelyard.flavors.library import class_name, libraries_of, library, version_of
from modelyard.flavors.reading import file_in, reading, require_admission
from modelyard.profiles.signature import Field, Signature

FILE = "model.pkl"


class SklearnFlavor:
    name = "sklearn"
    runs_code = True
    format = "pickle"

    def owns(self, obj: object) -> bool:
        able = hasattr(type(obj), "predict") or hasattr(type(obj), "transform")
        return able and hasattr(type(obj), "fit") and "sklearn" in libraries_of(obj)

    def save(self, obj: Any, folder: Path) -> Facts:
        sklearn = library(self.name, "sklearn")
        code = own_code.dump(self.name, obj, folder / FILE)
        return {
            "class": class_name(obj),
            "file": FILE,
            "format": self.format,
            "library": "scikit-learn",
            "library_version": version_of(sklearn),
            "runs_code": True,
            **code,
        }

    def load(self, folder: Path, facts: Mapping[str, Any]) -> Any:
        path = file_in(folder, facts)
        require_admission(path.name, facts)
        if problem := own_code.python_mismatch(facts):
            raise ModelUnreadable(file=path.name, format=self.format, problem=problem)
        library(self.name, "sklearn")
        with reading(self.name, path, facts, any_package=True), one_version_warning(path.name):
            return own_code.load(path)

    def predictor(self, obj: Any, facts: Mapping[str, Any]) -> Predictor:
        from modelyard.flavors import outputs, tables

        names = feature_names(obj)
        width = getattr(obj, "n_features_in_", None)
        before, last = _shared_steps(obj)
        classes = _classes(obj)
        certain = hasattr(last, "predict_proba")

        def inputs(columns: tables.Columns) -> Any:
            # An estimator that tells neither names nor a width (the user's own first step) was most likely given a table.
            table = names is not None or width is None
            found = tables.frame(self.name, columns, names) if table else tables.matrix(columns, width)
            for step in before:
                found = step.transform(found)
            return found

        def answers(found: Any) -> outputs.Answers:
            if not hasattr(last, "predict"):
                return outputs.values(last.transform(found))
            if classes is None:
                return outputs.values(last.predict(found))
            return outputs.classified(last.predict(found), last.predict_proba(found) if certain else None, classes)

        return outputs.FunctionPredictor(inputs, answers)

    def signature(self, obj: Any) -> Signature | None:
        names = feature_names(obj)
        if names is None:
            width = getattr(obj, "n_features_in_", None)
            if width is None:
                return None
            names = [f"x{i}" for i in range(int(width))]
        inputs = tuple(Field(name, "any") for name in names)
        if not hasattr(obj, "predict"):
            return Signature(inputs)
        from modelyard.flavors import outputs

        classes = _classes(obj)
        if classes is None and not _regresses(obj):
            return Signature(inputs)
        return Signature(inputs, outputs.fields(classes, probabilities=hasattr(obj, "predict_proba")))


def feature_names(obj: Any) -> list[str] | None:
    """The columns that the estimator was fitted on, in order; ``None`` when it was fitted on an array."""
    names = getattr(obj, "feature_names_in_", None)
    return None if names is None else [str(name) for name in names]


@contextmanager
def one_version_warning(file: str) -> Iterator[None]:
    """One warning in place of the one for each estimator that scikit-learn gives when a pickle is of another version."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    versions = set()
    for warning in caught:
        kept = getattr(warning.message, "original_sklearn_version", None)
        if kept is None:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        else:
            versions.add((str(kept), str(warning.message.current_sklearn_version)))  # type: ignore[union-attr]
    for kept, here in sorted(versions):
        text = f"{file} was kept by scikit-learn {kept} and this is {here}; compare some predictions before you rely on them"
        warnings.warn(text, UserWarning, stacklevel=4)


def _classes(obj: Any) -> Any:
    """The classes of a classifier of one output; ``None`` for everything else."""
    try:
        classes = getattr(obj, "classes_", None)
    except Exception:  # noqa: BLE001 - a property of a third party may raise anything, and then the object tells nothing
        return None
    return classes if getattr(classes, "ndim", None) == 1 and hasattr(obj, "predict") else None


def _regresses(obj: Any) -> bool:
    is_regressor = library("sklearn", "sklearn.base").is_regressor
    return bool(is_regressor(obj))


def _shared_steps(obj: Any) -> tuple[list[Any], Any]:
    """The steps that lead to ``predict`` and ``predict_proba`` alike, to be run once, and the last one.

    Only for scikit-learn's own pipeline, of which it is known that both take just this way. A slice of the pipeline would
    not do: it takes a last step of the user's own that has nothing to fit for one that is not fitted.
    """
    if f"{type(obj).__module__}.{type(obj).__name__}" != "sklearn.pipeline.Pipeline":
        return [], obj
    *before, last = [step for _, step in obj.steps]
    if last in (None, "passthrough"):
        return [], obj
    return [step for step in before if step not in (None, "passthrough")], last

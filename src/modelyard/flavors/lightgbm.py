"""lightgbm in its own text form, which runs no code: boosters, and the estimators of its scikit-learn face.

The same object gives the same bytes. An estimator with an objective function, or a class, of the user's own goes to the sklearn
flavor. The library ends the whole process on a model text that is cut short, so the text is looked through before it gets it.
A text that was bent on purpose can still end it; damage does not come this far, because the store checks every digest first.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelyard.core.errors import ModelUnreadable, ObjectUnusable
from modelyard.flavors import lightgbm_text, wrapper
from modelyard.flavors.flavor import Facts, Predictor
from modelyard.flavors.library import class_name, library, version_of
from modelyard.flavors.reading import file_in, first_line, reading
from modelyard.profiles.signature import Field, Signature

FILE = "model.txt"
_FACES = frozenset({"LGBMClassifier", "LGBMRegressor", "LGBMRanker", "LGBMModel"})
_REBUILT = frozenset({"_Booster", "_le", "_class_map"})  # what load makes again from the text and the classes


class LightGBMFlavor:
    name = "lightgbm"
    runs_code = False
    format = "lightgbm text"

    def owns(self, obj: object) -> bool:
        cls = type(obj)
        if cls.__module__.partition(".")[0] != "lightgbm":
            return False
        return cls.__name__ == "Booster" or (cls.__name__ in _FACES and not callable(getattr(obj, "objective", None)))

    def save(self, obj: Any, folder: Path) -> Facts:
        lightgbm = library(self.name, "lightgbm")
        facts: Facts = {
            "class": class_name(obj),
            "file": FILE,
            "format": self.format,
            "library": "lightgbm",
            "library_version": version_of(lightgbm),
            "runs_code": False,
        }
        try:
            booster = _booster(obj)
            text = booster.model_to_string(num_iteration=-1)  # all of them; which is the best is kept beside
        except Exception as problem:
            raise ObjectUnusable(type_name=class_name(obj), problem=first_line(problem)) from problem
        (folder / FILE).write_text(text, encoding="utf-8", newline="")
        document: dict[str, Any] = {"best_iteration": int(booster.best_iteration)}
        if booster is not obj:
            names = set(obj.get_params())
            params, without = wrapper.params(obj)
            held = {k: v for k, v in vars(obj).items() if k not in names | _REBUILT}
            state, lost = wrapper.plain_part(held)
            document |= {"params": params, "state": state}
            facts["left_out"] = sorted(without + lost)
        wrapper.write(folder, document)
        return facts

    def load(self, folder: Path, facts: Mapping[str, Any]) -> Any:
        path = file_in(folder, facts)
        beside = file_in(folder, {"file": wrapper.FILE, "format": self.format})
        kind = str(facts.get("class", "Booster")).rpartition(".")[2]
        if kind not in _FACES | {"Booster"}:
            raise ModelUnreadable(file=path.name, format=self.format, problem=f"lightgbm has no class {kind!r}")
        booster = self.load_text(path, facts)
        with reading(self.name, path, facts):
            document = wrapper.read(beside)
            booster.best_iteration = int(document["best_iteration"])
            if kind == "Booster":
                return booster
            lightgbm = library(self.name, "lightgbm")
            params = {k: wrapper.restored(v) for k, v in document["params"].items()}
            obj = getattr(lightgbm, kind)(**params)
            vars(obj).update({k: wrapper.restored(v) for k, v in document["state"].items()})
            obj._Booster = booster
            if (classes := getattr(obj, "_classes", None)) is not None:
                encoder = library(self.name, "sklearn.preprocessing").LabelEncoder().fit(classes)
                obj._le = encoder
                obj._class_map = dict(zip(encoder.classes_, encoder.transform(encoder.classes_), strict=True))
            return obj

    def load_text(self, path: Path, facts: Mapping[str, Any]) -> Any:
        """The booster of a model text alone; raises as :meth:`load` does."""
        lightgbm = library(self.name, "lightgbm")
        with reading(self.name, path, facts):
            text = path.read_bytes()
            if problem := lightgbm_text.problem_of(text):
                raise ModelUnreadable(file=path.name, format=self.format, problem=problem)
            return lightgbm.Booster(model_str=text.decode())

    def predictor(self, obj: Any, facts: Mapping[str, Any]) -> Predictor:
        import numpy as np

        from modelyard.flavors import outputs, tables

        booster = _booster(obj)
        names, named = _names(booster)
        categories = _categories(booster, names)
        classes = obj.classes_ if hasattr(obj, "predict_proba") else None

        def inputs(columns: tables.Columns) -> Any:
            if not named:
                return tables.numbers(columns, len(names), "float64")
            kept = {name.replace(" ", "_"): column for name, column in columns.items()}  # as the library renames them
            return tables.frame(self.name, kept, names, categories)

        def answers(found: Any) -> outputs.Answers:
            if classes is not None:
                return outputs.classified(None, obj.predict_proba(found), classes)
            raw = obj.predict(found)
            if booster is obj and _objective(booster) == "binary":
                return outputs.classified(None, np.column_stack([1 - raw, raw]), np.arange(2))
            if booster is obj and _objective(booster) in ("multiclass", "multiclassova"):
                return outputs.classified(None, raw, np.arange(raw.shape[1]))
            return outputs.values(raw)

        return outputs.FunctionPredictor(inputs, answers)

    def signature(self, obj: Any) -> Signature | None:
        booster = _booster(obj)
        names, named = _names(booster)
        text = set(_categories(booster, names))
        names = names if named else [f"x{i}" for i in range(len(names))]
        inputs = tuple(Field(name, "any" if name in text else "number") for name in names)
        if booster is obj:
            return Signature(inputs)
        from modelyard.flavors import outputs

        return Signature(inputs, outputs.fields(obj.classes_ if hasattr(obj, "predict_proba") else None))


def _booster(obj: Any) -> Any:
    return obj.booster_ if hasattr(type(obj), "booster_") else obj


def _names(booster: Any) -> tuple[list[str], bool]:
    """The features in order, and whether they had names: an array's are called ``Column_0``, ``Column_1`` …."""
    names = [str(name) for name in booster.feature_name()]
    return names, names != [f"Column_{i}" for i in range(len(names))]


def _objective(booster: Any) -> str:
    return lightgbm_text.header(booster.model_to_string(num_iteration=1)).get("objective", "").partition(" ")[0]


def _categories(booster: Any, names: list[str]) -> dict[str, list[Any]]:
    """The categories of training by column. The text keeps them in order, and the columns that have some apart."""
    kept = booster.pandas_categorical
    if not kept:
        return {}
    columns = lightgbm_text.categorical_columns(booster.model_to_string(num_iteration=1))
    if len(columns) != len(kept):
        problem = "it does not tell which of its columns are categorical"
        raise ModelUnreadable(file=FILE, format="lightgbm text", problem=problem)
    return {names[i]: list(values) for i, values in zip(columns, kept, strict=True)}

"""xgboost in its own binary JSON, which runs no code: boosters, and the estimators of its scikit-learn face.

The same object gives the same bytes. An estimator with a class of the user's own goes to the sklearn flavor. The parser of the
library is C++ and takes a file on trust: a cut one is refused, but one that was bent on purpose can end the process. Damage
does not come this far, because the store checks every digest first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from modelyard.core.errors import InvalidInput, ModelUnreadable, ObjectUnusable
from modelyard.flavors import wrapper
from modelyard.flavors.flavor import Facts, Predictor
from modelyard.flavors.library import class_name, library, version_of
from modelyard.flavors.reading import file_in, first_line, reading
from modelyard.profiles.signature import Field, FieldType, Signature

FILE = "model.ubj"
_FACES = frozenset({"XGBClassifier", "XGBRegressor", "XGBRanker", "XGBRFClassifier", "XGBRFRegressor"})
_TYPES: dict[str, FieldType] = {"i": "boolean", "c": "any"}  # trees take any number where they were trained on integers


class XGBoostFlavor:
    name = "xgboost"
    runs_code = False
    format = "xgboost UBJSON"

    def owns(self, obj: object) -> bool:
        cls = type(obj)
        return cls.__module__.partition(".")[0] == "xgboost" and cls.__name__ in _FACES | {"Booster"}

    def save(self, obj: Any, folder: Path) -> Facts:
        xgboost = library(self.name, "xgboost")
        facts: Facts = {
            "class": class_name(obj),
            "file": FILE,
            "format": self.format,
            "library": "xgboost",
            "library_version": version_of(xgboost),
            "runs_code": False,
        }
        try:
            booster = _booster(obj)
            _categories(booster)
            booster.save_model(folder / FILE)
        except InvalidInput:
            raise
        except Exception as problem:
            raise ObjectUnusable(type_name=class_name(obj), problem=first_line(problem)) from problem
        if booster is not obj:
            params, left_out = wrapper.params(obj)
            state, _ = wrapper.plain_part({k: v for k, v in vars(obj).items() if k == "evals_result_"})
            wrapper.write(folder, {"params": params, "state": state})
            facts["left_out"] = left_out
        return facts

    def load(self, folder: Path, facts: Mapping[str, Any]) -> Any:
        path = file_in(folder, facts)
        xgboost = library(self.name, "xgboost")
        kind = str(facts.get("class", "Booster")).rpartition(".")[2]
        with reading(self.name, path, facts):
            if kind == "Booster":
                return xgboost.Booster(model_file=str(path))
            if kind not in _FACES:
                raise ModelUnreadable(file=path.name, format=self.format, problem=f"xgboost has no class {kind!r}")
            document = wrapper.read(file_in(folder, {"file": wrapper.FILE, "format": self.format}))
            obj = getattr(xgboost, kind)(**{k: wrapper.restored(v) for k, v in document["params"].items()})
            obj.load_model(path)
            # which has also written what training found (base score, feature types) into the arguments
            asked = set(document["params"]) | set(facts.get("left_out", ()))
            for name, value in getattr(xgboost, kind)().get_params().items():
                if name not in asked:
                    setattr(obj, name, value)
            for name, value in document["state"].items():
                setattr(obj, name, wrapper.restored(value))
            return obj

    def predictor(self, obj: Any, facts: Mapping[str, Any]) -> Predictor:
        import numpy as np

        from modelyard.flavors import outputs, tables

        xgboost = library(self.name, "xgboost")
        booster = _booster(obj)
        names, width = booster.feature_names, booster.num_features()
        types = booster.feature_types or None
        categories = _categories(booster)
        learner = json.loads(booster.save_config())["learner"]
        objective = learner["objective"]["name"]
        several = int(learner["learner_model_param"].get("num_target", 1)) > 1

        def inputs(columns: tables.Columns) -> Any:
            if names is None:
                found = tables.numbers(columns, width)
            else:
                found = tables.frame(self.name, columns, names, categories)
            if booster is not obj:
                return found
            return xgboost.DMatrix(found, feature_names=names, feature_types=types, enable_categorical=True)

        def answers(found: Any) -> outputs.Answers:
            if booster is not obj and hasattr(obj, "predict_proba"):
                if several:
                    return outputs.values(obj.predict(found))
                return outputs.classified(None, obj.predict_proba(found), obj.classes_)
            raw = obj.predict(found)
            if booster is obj and objective == "binary:logistic" and not several:
                return outputs.classified(None, np.column_stack([1 - raw, raw]), np.arange(2))
            if booster is obj and objective == "multi:softprob":
                return outputs.classified(None, raw, np.arange(raw.shape[1]))
            return outputs.values(raw)

        return outputs.FunctionPredictor(inputs, answers)

    def signature(self, obj: Any) -> Signature | None:
        booster = _booster(obj)
        width = booster.num_features()
        names = booster.feature_names or [f"x{i}" for i in range(width)]
        types = booster.feature_types or ["float"] * width
        inputs = tuple(Field(n, _TYPES.get(t, "number")) for n, t in zip(names, types, strict=True))
        if booster is obj:
            return Signature(inputs)
        from modelyard.flavors import outputs

        classes = obj.classes_ if hasattr(obj, "predict_proba") else None
        return Signature(inputs, outputs.fields(classes))


def _booster(obj: Any) -> Any:
    return obj.get_booster() if hasattr(obj, "get_booster") else obj


def _categories(booster: Any) -> dict[str, list[Any]]:
    """The categories of training by column, out of the model's own JSON; the public way to them needs pyarrow.

    A column of texts is written as the bytes of all of them and the offsets between them. xgboost 3.2 counts characters where
    it should count bytes, so that texts beyond ASCII run into each other, in predicting too. Raises :class:`InvalidInput` for
    such a column.
    """
    if "c" not in (booster.feature_types or []):
        return {}
    model = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]
    model = model.get("gbtree", model)["model"]  # dart keeps its trees one level deeper
    found: dict[str, list[Any]] = {}
    for name, kind, kept in zip(booster.feature_names, booster.feature_types, model["cats"]["enc"], strict=True):
        if kind != "c":
            continue
        if "offsets" not in kept:
            found[name] = kept["values"]
        elif min(kept["values"], default=0) < 0:
            problem = "which xgboost (as of 3.2) mistakes for each other; encode them as ASCII text or as numbers"
            raise InvalidInput(message=f"column {name!r} has categories with letters beyond ASCII, {problem}")
        else:
            text = bytes(kept["values"]).decode("ascii")
            found[name] = [text[a:b] for a, b in pairwise(kept["offsets"])]
    return found

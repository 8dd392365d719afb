"""Files that are registered as they are: kept unopened, and loaded by the library of their format where there is one."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelyard.core.errors import ModelUnreadable, UnknownFlavor
from modelyard.flavors.file_formats import FORMATS, format_of
from modelyard.flavors.flavor import Facts, Flavor, Predictor
from modelyard.flavors.keras import KerasFlavor
from modelyard.flavors.library import class_name, library
from modelyard.flavors.lightgbm import LightGBMFlavor
from modelyard.flavors.onnx import OnnxFlavor
from modelyard.flavors.reading import file_in, reading, require_admission
from modelyard.flavors.sklearn import one_version_warning
from modelyard.flavors.skops import SkopsFlavor
from modelyard.profiles.signature import Signature


class FilesFlavor:
    name = "files"
    runs_code = True  # of the worst of its formats; `runs_code` of a version asks for its own
    format = "files"

    def owns(self, obj: object) -> bool:
        return False  # a path is no live object

    def save(self, obj: Any, folder: Path) -> Facts:
        raise UnknownFlavor(type_name=class_name(obj), known="objects of a library; files are registered by their path")

    def facts_of(self, path: Path) -> Facts:
        """What the file or folder is. ``file`` is where the one file lies below the folder that holds it, or ``None``.

        A folder of a single file counts as that file; one of several is a ``folder``.
        """
        file, root = path, path.parent
        if path.is_dir():
            found = [p for p in sorted(path.rglob("*")) if p.is_file()]
            if len(found) != 1:
                return {"file": None, "format": "folder", "runs_code": False}
            file, root = found[0], path
        form = format_of(file)
        return {"file": file.relative_to(root).as_posix(), "format": form.name, "runs_code": form.runs_code}

    def load(self, folder: Path, facts: Mapping[str, Any]) -> Any:
        """The loaded object, or for a format that no library is asked to load the path of the file, or of the folder.

        A version of a single file may be given by that file instead of the folder that holds it.
        """
        if folder.is_file():
            folder = folder.parent
        form = FORMATS.get(str(facts.get("format")))
        if form is None:
            problem = "this release does not know the format; install a newer modelyard: pip install -U modelyard"
            raise ModelUnreadable(file=str(facts.get("file")), format=str(facts.get("format")), problem=problem)
        if form.runs_code:
            require_admission(str(facts.get("file")), facts)
        if facts.get("file") is None:
            return folder
        words = {**facts, "format": form.words}
        path = file_in(folder, words)
        if not form.loads:
            return path
        if form.name == "lightgbm-text":
            return LightGBMFlavor().load_text(path, words)
        if form.name == "keras":
            return KerasFlavor().load(folder, words)
        if form.name == "onnx":
            return OnnxFlavor().load(folder, words)
        if form.name == "skops":
            return SkopsFlavor().load(folder, words)
        with reading(self.name, path, words), one_version_warning(path.name):
            return self._load(form.name, path)

    def _load(self, form: str, path: Path) -> Any:
        if form == "pickle":
            with path.open("rb") as file:
                return pickle.load(file)  # noqa: S301 - allowed by the rule of trust
        if form == "joblib":
            return library(self.name, "joblib").load(path)
        if form in ("xgboost-json", "xgboost-ubjson"):
            # by content, since the library goes by the ending
            return library(self.name, "xgboost").Booster(model_file=bytearray(path.read_bytes()))
        if form == "keras-hdf5":
            return library(self.name, "keras").saving.load_model(path, compile=False)
        torch = library(self.name, "torch")
        if form == "torch-export":
            return torch.export.load(path).module()
        return torch.load(path, map_location="cpu", weights_only=form == "torch-weights")

    def predictor(self, obj: Any, facts: Mapping[str, Any]) -> Predictor:
        return _flavor_of(obj).predictor(obj, facts)

    def signature(self, obj: Any) -> Signature | None:
        return _flavor_of(obj).signature(obj)


def _flavor_of(obj: Any) -> Flavor:
    from modelyard.flavors.catalog import flavor_of

    return flavor_of(obj)

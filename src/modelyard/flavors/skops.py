"""scikit-learn models in the format of skops, which load without running code: no pickle, and only types that are on a list.

The list is that of skops itself and :data:`TRUSTED` here, never what the file says. Not on it are the user's own classes, which would have to
bring code along, and trees: of those the content counts too, and a crafted one crashes the process that predicts with it. Whoever wants the
format asks for it (``docs/decisions/skops.md`` has what it costs), and is told what keeps a model out of it.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelyard.core.errors import ModelUnreadable, ModelyardError, ObjectUnusable
from modelyard.flavors.flavor import Facts, Predictor
from modelyard.flavors.library import class_name, library, version_of
from modelyard.flavors.reading import file_in, first_line, reading
from modelyard.flavors.sklearn import SklearnFlavor, one_version_warning
from modelyard.profiles.signature import Signature

FILE = "model.skops"
SCHEMA = "schema.json"

TRUSTED = frozenset(
    {
        "numpy.dtype",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.feature_selection._mutual_info.mutual_info_classif",
        "sklearn.feature_selection._mutual_info.mutual_info_regression",
        "sklearn.feature_selection._univariate_selection.chi2",
        "sklearn.feature_selection._univariate_selection.f_classif",
        "sklearn.feature_selection._univariate_selection.f_regression",
        "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
        "sklearn.gaussian_process.kernels.ConstantKernel",
        "sklearn.gaussian_process.kernels.Matern",
        "sklearn.gaussian_process.kernels.Product",
        "sklearn.gaussian_process.kernels.RBF",
        "sklearn.gaussian_process.kernels.Sum",
        "sklearn.gaussian_process.kernels.WhiteKernel",
        "sklearn.metrics._scorer._PassthroughScorer",
        "sklearn.metrics._scorer._Scorer",
        "sklearn.model_selection._split.KFold",
        "sklearn.model_selection._split.StratifiedKFold",
        "sklearn.multiclass._ConstantPredictor",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.utils._bunch.Bunch",
        "sklearn.utils._metadata_requests.MetadataRequest",
        "sklearn.utils._metadata_requests.MethodMetadataRequest",
    }
)
"""What models are made of that skops itself leaves to its caller, and that only holds values."""

_OLDEST = (1980, 1, 1, 0, 0, 0)


class SkopsFlavor:
    name = "skops"
    runs_code = False
    format = "skops archive"

    def __init__(self) -> None:
        self._sklearn = SklearnFlavor()

    def owns(self, obj: object) -> bool:
        return False  # by itself; whoever wants it says format="skops"

    def save(self, obj: Any, folder: Path) -> Facts:
        """As :meth:`Flavor.save`. Raises ObjectUnusable also for an object with types that do not load by the list."""
        sklearn, skops = library(self.name, "sklearn"), library(self.name, "skops.io")
        try:
            data = skops.dumps(obj)
            foreign = _foreign(skops, data=data)
        except ModelyardError:
            raise
        except Exception as error:
            raise ObjectUnusable(type_name=class_name(obj), problem=f"skops says: {first_line(error)}") from error
        if foreign:
            problem = f"it holds {', '.join(foreign)}, which skops cannot load without trusting them; save it without a format"
            raise ObjectUnusable(type_name=class_name(obj), problem=problem)
        (folder / FILE).write_bytes(_settled(data))
        return {
            "class": class_name(obj),
            "file": FILE,
            "format": "skops",
            "library": "scikit-learn",
            "library_version": version_of(sklearn),
            "runs_code": False,
        }

    def load(self, folder: Path, facts: Mapping[str, Any]) -> Any:
        path = file_in(folder, facts)
        library(self.name, "sklearn")
        skops = library(self.name, "skops.io")
        untrusted = library(self.name, "skops.io.exceptions").UntrustedTypesFoundException
        with reading(self.name, path, facts), one_version_warning(path.name):
            try:
                return skops.load(path, trusted=sorted(TRUSTED))
            except untrusted:
                foreign = _foreign(skops, file=path)
            problem = f"it holds {', '.join(foreign[:5])}, not on the list of what loads without running code"
            raise ModelUnreadable(file=path.name, format=self.format, problem=problem)

    def predictor(self, obj: Any, facts: Mapping[str, Any]) -> Predictor:
        return self._sklearn.predictor(obj, facts)

    def signature(self, obj: Any) -> Signature | None:
        return self._sklearn.signature(obj)


def _foreign(skops: Any, **place: Any) -> list[str]:
    """The types in a file or in bytes that are on neither list."""
    return sorted(set(map(str, skops.get_untrusted_types(**place))) - TRUSTED)


def _settled(data: bytes) -> bytes:
    """The same archive without what changes from save to save: addresses in memory as identities and names, times, and white space."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        schema = json.loads(archive.read(SCHEMA))
        names: dict[str, str] = {}
        _renumber(schema, {}, names)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as settled:
            for old, new in names.items():
                settled.writestr(zipfile.ZipInfo(new, _OLDEST), archive.read(old))
            text = json.dumps(schema, separators=(",", ":"))
            settled.writestr(zipfile.ZipInfo(SCHEMA, _OLDEST), text)
    return buffer.getvalue()


def _renumber(schema: Any, numbers: dict[int, int], names: dict[str, str]) -> None:
    waiting = [schema]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += reversed(value)
        elif isinstance(value, dict):
            if isinstance(value.get("__id__"), int):
                value["__id__"] = numbers.setdefault(value["__id__"], len(numbers) + 1)
            if isinstance(value.get("file"), str) and "__loader__" in value:
                ending = value["file"].rpartition(".")[2]
                value["file"] = names.setdefault(value["file"], f"{len(names) + 1}.{ending}")
            waiting += reversed(value.values())

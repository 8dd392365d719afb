"""The scikit-learn face of xgboost and lightgbm as plain JSON, so that a model needs no pickle.

Only what JSON can hold exactly is kept: a callback, a random generator or a metric function has no part in predicting and is
named in ``left_out``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILE = "wrapper.json"


class NotPlain(Exception):
    """A value that JSON cannot hold exactly."""


def plain(value: Any) -> Any:
    """The value as JSON; ``restored(plain(v)) == v``, but numpy scalars come back as Python's. Raises :class:`NotPlain`."""
    if hasattr(value, "dtype") and hasattr(value, "tolist"):  # numpy, which need not be imported for this
        if value.ndim == 0:
            return plain(value.item())
        if value.ndim != 1 or value.dtype.kind not in "biufUO":
            raise NotPlain
        dtype = "O" if value.dtype.kind == "O" else value.dtype.str
        return {"kind": "array", "dtype": dtype, "items": [plain(item) for item in value.tolist()]}
    if isinstance(value, float) and not math.isfinite(value):
        return {"kind": "float", "text": repr(value)}
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, tuple):
        return {"kind": "tuple", "items": [plain(item) for item in value]}
    if isinstance(value, Mapping):  # as pairs: keys may be numbers, and the order is kept
        return {"kind": "mapping", "items": [[plain(key), plain(item)] for key, item in value.items()]}
    raise NotPlain


def restored(value: Any) -> Any:
    """The inverse of :func:`plain`; raises ``KeyError`` or ``ValueError`` on anything else."""
    if isinstance(value, list):
        return [restored(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value["kind"] == "float":
        return float(value["text"])
    items = [restored(item) for item in value["items"]]
    if value["kind"] == "tuple":
        return tuple(items)
    if value["kind"] == "mapping":
        return dict(items)
    if value["kind"] == "array":
        import numpy as np

        if value["dtype"] == "O":
            array = np.empty(len(items), dtype=object)
            array[:] = items
            return array
        return np.array(items, dtype=np.dtype(value["dtype"]))
    raise ValueError(f"unknown kind {value['kind']!r}")


def plain_part(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """What of the values JSON can hold, and the names of the rest."""
    kept: dict[str, Any] = {}
    left_out = []
    for name, value in sorted(values.items()):
        try:
            kept[name] = plain(value)
        except NotPlain:
            left_out.append(name)
    return kept, left_out


def params(obj: Any) -> tuple[dict[str, Any], list[str]]:
    """The constructor's arguments of a scikit-learn estimator where they differ from the defaults, and what was left out."""
    default = type(obj)().get_params()
    return plain_part({k: v for k, v in obj.get_params().items() if k not in default or not _same(v, default[k])})


def write(folder: Path, document: Mapping[str, Any]) -> None:
    text = json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / FILE).write_text(text + "\n", encoding="utf-8")


def read(path: Path) -> dict[str, Any]:
    """The document; raises ``ValueError`` when it is not a JSON object."""
    document = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(document, dict):
        raise ValueError("it is not a JSON object")
    return document


def _same(one: Any, other: Any) -> bool:
    return one is other or (type(one) is type(other) and repr(one) == repr(other))

"""The Open Inference Protocol (V2), REST, as KServe, Triton and MLServer speak it.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md

Each input tensor is one column, of shape [n] or [n, 1]. ``parameters`` of a request may hold ``ids`` (one a row, to join labels by),
``event_time`` (ISO 8601) and ``routing_key`` (who stays on one side of a canary).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from modelyard.core.errors import InvalidRequest
from modelyard.profiles.signature import Field
from modelyard.serving.bodies import ids_of, only_keys, text_of, time_of
from modelyard.serving.requests import Prediction, PredictionRequest
from modelyard.serving.routes import Routes, Served

_NOTHING = type(None)
_INTEGERS = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
_PYTHON_TYPES: dict[str, set[type]] = {
    "BOOL": {bool},
    "BYTES": {str},
    **{name: {int} for name in _INTEGERS},
    **{name: {int, float} for name in ("FP16", "FP32", "FP64")},
}
_BY_FIELD = {
    "boolean": "BOOL",
    "integer": "INT64",
    "number": "FP64",
    "string": "BYTES",
    "datetime": "BYTES",
    "any": "BYTES",
}
_BY_KIND = {"b": "BOOL", "i": "INT64", "u": "UINT64", "f": "FP64"}
_PARAMETERS = ("ids", "event_time", "routing_key")


def decode(document: dict[str, Any], new_id: Callable[[], str], number: int | None) -> PredictionRequest:
    """The request in a V2 inference document; raises :class:`InvalidRequest` with the field at fault."""
    only_keys(document, ("id", "inputs", "outputs", "parameters"), "the request")
    inputs = document.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise InvalidRequest(problem="'inputs' must be a list of tensors, one for each column")
    columns: dict[str, list[Any]] = {}
    for i, tensor in enumerate(inputs):
        name, values = _column(tensor, i)
        if name in columns:
            raise InvalidRequest(problem=f"'inputs[{i}].name': there are two tensors named {name!r}")
        columns[name] = values
    return PredictionRequest(
        id=text_of(document["id"], "id") if "id" in document else new_id(),
        columns=columns,
        number=number,
        **facts(document.get("parameters"), "parameters"),
    )


def facts(parameters: Any, field: str) -> dict[str, Any]:
    """What the client said beside the data: ``ids``, ``event_time``, ``routing_key``."""
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise InvalidRequest(problem=f"{field!r} must be an object")
    only_keys(parameters, _PARAMETERS, repr(field))
    found: dict[str, Any] = {}
    if "ids" in parameters:
        found["ids"] = ids_of(parameters["ids"])
    if "event_time" in parameters:
        found["event_time"] = time_of(parameters["event_time"], "event_time")
    if "routing_key" in parameters:
        found["routing_key"] = text_of(parameters["routing_key"], "routing_key")
    return found


def wanted_outputs(document: dict[str, Any]) -> list[str] | None:
    """The names of the outputs that the client wants, or ``None`` for all of them."""
    outputs = document.get("outputs")
    if outputs is None:
        return None
    if not isinstance(outputs, list):
        raise InvalidRequest(problem="'outputs' must be a list of objects with a name")
    return [
        text_of(output.get("name") if isinstance(output, dict) else None, f"outputs[{i}].name")
        for i, output in enumerate(outputs)
    ] or None


def encode(prediction: Prediction, wanted: list[str] | None) -> dict[str, Any]:
    """The V2 response; raises :class:`InvalidRequest` for a wanted output that the version does not give."""
    names = wanted or list(prediction.outputs)
    for name in names:
        if name not in prediction.outputs:
            known = ", ".join(map(repr, prediction.outputs))
            raise InvalidRequest(problem=f"'outputs': there is no output {name[:60]!r}; the model gives {known}")
    return {
        "model_name": prediction.served.name,
        "model_version": str(prediction.served.number),
        "id": prediction.request,
        "outputs": [_tensor(name, prediction.outputs[name], prediction.values[name]) for name in names],
    }


def server_metadata(version: str) -> dict[str, Any]:
    return {"name": "modelyard", "version": version, "extensions": []}


def model_metadata(routes: Routes, served: Served) -> dict[str, Any]:
    """What the version takes and gives; shapes are [-1], any number of rows."""
    signature = served.signature
    return {
        "name": served.name,
        "versions": [str(other.number) for _, other in routes.loaded],
        "platform": "modelyard",
        "inputs": [_described(field) for field in signature.inputs] if signature else [],
        "outputs": [_described(field) for field in signature.outputs] if signature else [],
        "parameters": {"version": str(served.number), "digest": served.digest},
    }


def _described(field: Field) -> dict[str, Any]:
    parameters = {"type": field.type, "required": field.required}
    return {"name": field.name, "datatype": _BY_FIELD[field.type], "shape": [-1], "parameters": parameters}


def _column(tensor: Any, i: int) -> tuple[str, list[Any]]:
    if not isinstance(tensor, dict):
        raise InvalidRequest(problem=f"'inputs[{i}]' must be an object with name, shape, datatype and data")
    only_keys(tensor, ("name", "shape", "datatype", "data", "parameters"), f"'inputs[{i}]'")
    name = tensor.get("name")
    if not isinstance(name, str) or not name:
        raise InvalidRequest(problem=f"'inputs[{i}].name' must be the name of a column")
    datatype = tensor.get("datatype")
    types = _PYTHON_TYPES.get(datatype) if isinstance(datatype, str) else None
    if types is None:
        known = "BOOL, INT64, FP64 or BYTES"
        raise InvalidRequest(problem=f"'inputs[{i}].datatype' of {name!r} is {str(datatype)[:60]!r}; use {known}")
    data = tensor.get("data")
    if not isinstance(data, list):
        raise InvalidRequest(problem=f"'inputs[{i}].data' of {name!r} must be a list")
    if data and all(type(row) is list and len(row) == 1 for row in data):
        data = [row[0] for row in data]
    shape = tensor.get("shape")
    if shape not in ([len(data)], [len(data), 1]):
        raise InvalidRequest(
            problem=f"'inputs[{i}].shape' of {name!r} is {str(shape)[:60]} and its data has {len(data)} values; one column has "
            f"the shape [{len(data)}] or [{len(data)}, 1]"
        )
    if not set(map(type, data)) <= types | {_NOTHING}:
        row = next(row for row, value in enumerate(data) if type(value) not in types | {_NOTHING})
        raise InvalidRequest(
            problem=f"column {name!r}, row {row}: {str(data[row])[:60]!r} is not of the datatype {datatype}"
        )
    return name, data


def _tensor(name: str, array: NDArray[Any], values: list[Any]) -> dict[str, Any]:
    for _ in array.shape[1:]:  # data is flat, row by row
        values = [value for row in values for value in row]
    datatype = _BY_KIND.get(array.dtype.kind, "BYTES")
    return {"name": name, "shape": list(array.shape), "datatype": datatype, "data": values}

"""The scoring protocol of MLflow: ``POST /invocations`` with a table in one of four forms, or CSV.

https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/

``params`` may hold ``ids``, ``event_time`` and ``routing_key``, as in the other protocol.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

from modelyard.core.errors import InvalidBody, InvalidRequest
from modelyard.profiles.signature import Signature
from modelyard.serving.bodies import only_keys
from modelyard.serving.protocols.open_inference import facts
from modelyard.serving.requests import Prediction, PredictionRequest

_FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")


def decode(document: dict[str, Any], new_id: Callable[[], str], signature: Signature | None) -> PredictionRequest:
    """The request in an MLflow document. Rows without names take the names of the signature, in order.

    Raises :class:`InvalidRequest` with the field at fault.
    """
    only_keys(document, (*_FORMS, "params"), "the request")
    forms = [form for form in _FORMS if form in document]
    if len(forms) != 1:
        found = f"it has {' and '.join(forms)}" if forms else "it has none"
        raise InvalidRequest(problem=f"a request holds exactly one of {', '.join(_FORMS)}; {found}")
    form = forms[0]
    columns = _split(document[form]) if form == "dataframe_split" else _table(document[form], form, signature)
    return PredictionRequest(id=new_id(), columns=columns, **facts(document.get("params"), "params"))


def decode_csv(body: bytes, new_id: Callable[[], str], signature: Signature | None) -> PredictionRequest:
    """The request in a CSV table with a header. An empty cell is missing; cells become what the signature says.

    Without a signature a cell is a number where it reads as one, else text. Raises :class:`InvalidBody`, :class:`InvalidRequest`.
    """
    try:
        rows = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True))
    except (ValueError, csv.Error) as problem:
        raise InvalidBody(expected="CSV", problem=str(problem)) from None
    rows = [row for row in rows if row]
    if not rows:
        raise InvalidBody(expected="CSV", problem="it is empty; the first line names the columns")
    columns = _named(rows[0], rows[1:], "the CSV")
    types = {field.name: field.type for field in signature.inputs} if signature else {}
    read = {name: [_cell(cell, types.get(name, "")) for cell in cells] for name, cells in columns.items()}
    return PredictionRequest(id=new_id(), columns=read)


def encode(prediction: Prediction) -> dict[str, Any]:
    """``{"predictions": […]}``: the values of the one output, or one object a row when there are several."""
    values = prediction.values
    if len(values) == 1:
        return {"predictions": next(iter(values.values()))}
    return {"predictions": [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]}


def _split(table: Any) -> dict[str, list[Any]]:
    if not isinstance(table, dict):
        raise InvalidRequest(problem="'dataframe_split' must be an object with columns and data")
    only_keys(table, ("columns", "data", "index"), "'dataframe_split'")
    names, rows = table.get("columns"), table.get("data")
    if not isinstance(names, list) or not isinstance(rows, list):
        raise InvalidRequest(
            problem="'dataframe_split' must have 'columns', a list of names, and 'data', a list of rows"
        )
    return _named(names, rows, "'dataframe_split'")


def _table(table: Any, form: str, signature: Signature | None) -> dict[str, list[Any]]:
    """Rows as objects, rows as lists, single values, or an object of columns."""
    if form == "inputs" and isinstance(table, dict):
        return table
    if not isinstance(table, list) or not table:
        raise InvalidRequest(problem=f"{form!r} must be a list of rows")
    if all(isinstance(row, dict) for row in table):
        names = list(dict.fromkeys(name for row in table for name in row))
        if form != "dataframe_records":
            _same_names(table, names, form)
        # a record without a column is how pandas writes a missing value
        return {name: [row.get(name) for row in table] for name in names}
    if form == "dataframe_records":
        raise InvalidRequest(problem="'dataframe_records' must be a list of objects, one for each row")
    rows = [row if isinstance(row, list) else [row] for row in table]
    width = len(rows[0])
    named = [field.name for field in signature.inputs] if signature else [f"x{i}" for i in range(width)]
    return _named(named, rows, repr(form))


def _same_names(rows: list[dict[str, Any]], names: list[str], form: str) -> None:
    for i, row in enumerate(rows):
        if len(row) != len(names):
            absent = next(name for name in names if name not in row)
            raise InvalidRequest(problem=f"'{form}[{i}]' has no {absent!r}, which another row has")


def _named(names: list[Any], rows: list[Any], where: str) -> dict[str, list[Any]]:
    if len(set(map(str, names))) != len(names):
        raise InvalidRequest(problem=f"{where} names a column twice")
    for i, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(names):
            found = f"{len(row)} values" if isinstance(row, list) else "no list"
            raise InvalidRequest(problem=f"{where}, row {i}: {len(names)} columns, but {found}")
    return {str(name): [row[i] for row in rows] for i, name in enumerate(names)}


def _cell(cell: str, kind: str) -> Any:
    if cell == "":
        return None
    if kind in ("string", "datetime"):
        return cell
    if kind == "boolean":
        return {"true": True, "false": False}.get(cell.strip().lower(), cell)
    for read in (int, float):
        try:
            return read(cell)
        except ValueError:
            continue
    return cell

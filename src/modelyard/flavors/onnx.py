"""ONNX graphs, which run no code of the user; predictions come from onnxruntime on the CPU. The same graph gives the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelyard.core.errors import InvalidRequest, ModelUnreadable, ObjectUnusable
from modelyard.flavors.flavor import Facts, Predictor
from modelyard.flavors.library import class_name, library, version_of
from modelyard.flavors.reading import file_in, first_line, reading
from modelyard.profiles.signature import Field, Signature

FILE = "model.onnx"
_NUMBERS = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(int64)": "int64", "tensor(int32)": "int32"}


class OnnxFlavor:
    name = "onnx"
    runs_code = False
    format = "ONNX graph"

    def owns(self, obj: object) -> bool:
        return type(obj).__name__ == "ModelProto" and type(obj).__module__.partition(".")[0] == "onnx"

    def save(self, obj: Any, folder: Path) -> Facts:
        onnx = library(self.name, "onnx")
        try:
            (folder / FILE).write_bytes(obj.SerializeToString(deterministic=True))
        except Exception as problem:  # a graph above 2 GiB, or an incomplete one
            raise ObjectUnusable(type_name=class_name(obj), problem=first_line(problem)) from problem
        return {
            "class": class_name(obj),
            "file": FILE,
            "format": self.format,
            "library": "onnx",
            "library_version": version_of(onnx),
            "runs_code": False,
        }

    def load(self, folder: Path, facts: Mapping[str, Any]) -> Any:
        path = file_in(folder, facts)
        onnx = library(self.name, "onnx")
        with reading(self.name, path, facts):
            model = onnx.load(str(path))
            onnx.checker.check_model(model)
            return model

    def predictor(self, obj: Any, facts: Mapping[str, Any]) -> Predictor:
        import numpy as np

        from modelyard.flavors import outputs, tables

        runtime = library(self.name, "onnxruntime")
        with reading(self.name, Path(FILE), {"format": self.format}):
            session = runtime.InferenceSession(obj.SerializeToString(), providers=["CPUExecutionProvider"])
        takes = session.get_inputs()
        odd = [i for i in takes if i.type not in _NUMBERS and i.type != "tensor(string)"]
        if odd:
            problem = (
                f"its input {odd[0].name!r} is a {odd[0].type}, and only tensors of numbers or text can be asked for"
            )
            raise ModelUnreadable(file=FILE, format=self.format, problem=problem)

        def tensor(given: Any, columns: tables.Columns) -> Any:
            if given.type == "tensor(string)":
                return tables.matrix(columns).astype(object)
            return tables.numbers(columns, None, _NUMBERS[given.type])

        def inputs(columns: tables.Columns) -> Any:
            if len(takes) == 1:
                return {takes[0].name: tensor(takes[0], columns)}
            tables.require(columns, [given.name for given in takes])
            return {given.name: tensor(given, {given.name: columns[given.name]}) for given in takes}

        def answers(found: Any) -> outputs.Answers:
            try:
                given = dict(zip([o.name for o in session.get_outputs()], session.run(None, found), strict=True))
            except Exception as problem:  # the classes of the runtime's errors are not public
                raise InvalidRequest(
                    problem=f"the graph does not take this request: {first_line(problem)}"
                ) from problem
            label, chances = _classifier(given)
            if label is not None:
                classes = np.array(list(chances[0])) if isinstance(chances, list) else np.arange(chances.shape[1])
                table = np.array([list(row.values()) for row in chances]) if isinstance(chances, list) else chances
                return outputs.classified(label, table, classes)
            if len(given) == 1:
                return outputs.values(next(iter(given.values())))
            return {k: v for name, value in given.items() for k, v in outputs.values(value, name).items()}

        return outputs.FunctionPredictor(inputs, answers)

    def signature(self, obj: Any) -> Signature | None:
        weights = {tensor.name for tensor in obj.graph.initializer}
        found = [i for i in obj.graph.input if i.name not in weights]
        widths = [[d.dim_value for d in i.type.tensor_type.shape.dim] for i in found]
        if len(found) == 1 and len(widths[0]) == 2 and widths[0][1] > 0:
            return Signature(tuple(Field(f"x{i}", "any") for i in range(widths[0][1])))
        if len(found) > 1 and all(width[1:] in ([], [1]) for width in widths):
            return Signature(tuple(Field(i.name, "any") for i in found))
        return None


def _classifier(given: dict[str, Any]) -> tuple[Any, Any]:
    """Label and probabilities where the outputs are those of a converted scikit-learn classifier."""
    names = list(given)
    if len(names) == 2 and names[0].endswith("label") and names[1].endswith(("probabilities", "probability")):
        return given[names[0]], given[names[1]]
    return None, None

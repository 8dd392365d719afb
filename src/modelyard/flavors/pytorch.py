"""PyTorch modules: the tensors as safetensors, and everything else of the module as a pickle with the user's classes inside.

So the weights can be read without running code and stored tensor by tensor, while loading gives a module that needs none of
the user's files. Loading runs code from the pickle. ``torch.export`` archives would need example inputs, and torch reads them
with pickle too, so they would be no safer. The same object gives the same bytes in one process.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelyard.core.errors import InvalidRequest, ModelUnreadable, ObjectUnusable
from modelyard.flavors import own_code
from modelyard.flavors.flavor import Facts, Predictor
from modelyard.flavors.library import class_name, library, version_of
from modelyard.flavors.reading import file_in, first_line, reading, require_admission
from modelyard.profiles.signature import Signature

if TYPE_CHECKING:
    from numpy.typing import NDArray

FILE = "module.pkl"
WEIGHTS = "weights.safetensors"


class PyTorchFlavor:
    name = "pytorch"
    runs_code = True
    format = "PyTorch pickle"

    def owns(self, obj: object) -> bool:
        return any(f"{c.__module__}.{c.__qualname__}" == "torch.nn.modules.module.Module" for c in type(obj).__mro__)

    def save(self, obj: Any, folder: Path) -> Facts:
        torch = library(self.name, "torch")
        safetensors = library(self.name, "safetensors.torch")
        tensors = _Tensors(torch, obj)
        code = own_code.dump(self.name, obj, folder / FILE, tensors.persistent_id)
        try:
            safetensors.save_file(tensors.kept, folder / WEIGHTS, metadata={"format": "pt"})
        except Exception as problem:
            raise ObjectUnusable(type_name=class_name(obj), problem=first_line(problem)) from problem
        return {
            "class": class_name(obj),
            "file": FILE,
            "format": self.format,
            "library": "torch",
            "library_version": version_of(torch),
            "runs_code": True,
            "weights": WEIGHTS,
            **code,
        }

    def load(self, folder: Path, facts: Mapping[str, Any]) -> Any:
        path, weights = file_in(folder, facts), file_in(folder, facts, "weights")
        require_admission(path.name, facts)
        if problem := own_code.python_mismatch(facts):
            raise ModelUnreadable(file=path.name, format=self.format, problem=problem)
        torch = library(self.name, "torch")
        safetensors = library(self.name, "safetensors.torch")
        with reading(self.name, weights, {"format": "safetensors file"}):
            tensors = safetensors.load_file(weights)
        made: dict[str, Any] = {}

        def tensor(key: tuple[str, bool, bool]) -> Any:
            name, is_parameter, requires_grad = key
            if name not in made:  # one tensor used in two places stays one
                found = tensors[name]
                if is_parameter:
                    made[name] = torch.nn.Parameter(found, requires_grad=requires_grad)
                else:
                    made[name] = found.requires_grad_(requires_grad)
            return made[name]

        with reading(self.name, path, facts, any_package=True):
            return own_code.load(path, tensor)

    def predictor(self, obj: Any, facts: Mapping[str, Any]) -> Predictor:
        from modelyard.flavors import outputs, tables

        torch = library(self.name, "torch")
        obj.eval()
        first = next(obj.parameters(), None)
        looks_up = next(
            (isinstance(m, torch.nn.Embedding) for m in obj.modules() if list(m.parameters(recurse=False))), False
        )
        dtype = torch.int64 if looks_up else torch.float32 if first is None else first.dtype

        def inputs(columns: tables.Columns) -> Any:
            return torch.from_numpy(tables.numbers(columns, None, "float64")).to(dtype)

        def answers(found: Any) -> outputs.Answers:
            try:
                with torch.inference_mode():
                    given = obj(found if first is None else found.to(first.device))
            except RuntimeError as problem:
                raise InvalidRequest(
                    problem=f"the module does not take this request: {first_line(problem)}"
                ) from problem
            return _answers(torch, given)

        return outputs.FunctionPredictor(inputs, answers)

    def signature(self, obj: Any) -> Signature | None:
        return None  # a module does not tell the shape of its inputs


class _Tensors:
    """Puts the tensors of a module aside while the rest is pickled, under their names in ``state_dict``."""

    def __init__(self, torch: Any, module: Any) -> None:
        self.kept: dict[str, Any] = {}
        self._torch = torch
        self._names: dict[int, str] = {}
        self._alive: list[Any] = []  # ids stay unique while the objects live
        self._storages: set[int] = set()
        owners = {**dict(module.named_parameters()), **dict(module.named_buffers())}
        for name, tensor in owners.items():
            self._names.setdefault(id(tensor), name)

    def persistent_id(self, obj: Any) -> tuple[str, bool, bool] | None:
        torch = self._torch
        plain = type(obj) in (torch.Tensor, torch.nn.Parameter) and obj.layout == torch.strided
        if not plain or obj.is_quantized or obj.is_meta or obj.is_complex():
            return None  # safetensors has no room for these: they stay in the pickle
        self._alive.append(obj)
        name = self._names.setdefault(id(obj), f"unnamed:{len(self._names)}")
        if name not in self.kept:
            self.kept[name] = self._alone(obj.detach().cpu())
        return name, type(obj) is torch.nn.Parameter, bool(obj.requires_grad)

    def _alone(self, tensor: Any) -> Any:
        """The tensor in memory of its own, which safetensors wants; copied only where it shares some."""
        storage = tensor.untyped_storage()
        whole = tensor.is_contiguous() and storage.nbytes() == tensor.nbytes
        if whole and storage.data_ptr() not in self._storages:
            self._storages.add(storage.data_ptr())
            return tensor
        return tensor.clone(memory_format=self._torch.contiguous_format)


def _answers(torch: Any, given: Any) -> dict[str, NDArray[Any]]:
    from modelyard.flavors import outputs

    if isinstance(given, torch.Tensor):
        return outputs.values(given.float().cpu().numpy() if given.dtype == torch.bfloat16 else given.cpu().numpy())
    if isinstance(given, Mapping):
        named = list(given.items())
    elif isinstance(given, tuple | list):
        named = [(f"output_{i}", value) for i, value in enumerate(given)]
    else:
        raise InvalidRequest(problem=f"the module answers with a {type(given).__name__}, which is not a tensor")
    return {k: v for name, value in named for k, v in outputs.values(value.cpu().numpy(), str(name)).items()}

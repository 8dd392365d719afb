"""What a model takes and gives: the named, typed columns of its inputs and outputs.

A signature is a plain value that needs only the standard library; numpy is loaded by :meth:`Signature.infer` and
:meth:`Signature.conform` alone, so that a yard without it can still show what a model takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from modelyard.core.errors import InvalidInput

if TYPE_CHECKING:
    from modelyard.profiles.columns import Columns

FieldType = Literal["boolean", "integer", "number", "string", "datetime", "any"]
FIELD_TYPES: tuple[str, ...] = get_args(FieldType)


@dataclass(frozen=True, slots=True)
class Field:
    """One column: its name, the type of its values, and whether a request must bring it."""

    name: str
    type: FieldType
    required: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise InvalidInput(message=f"{self.name!r} is not a column name; give non-empty text")
        if self.type not in FIELD_TYPES:
            raise InvalidInput(
                message=f"column {self.name!r} has the type {self.type!r}; use one of {', '.join(FIELD_TYPES)}"
            )

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "type": self.type, "required": self.required}


@dataclass(frozen=True, slots=True)
class Signature:
    """The input and output columns of a model, in order. ``Signature.from_json(s.to_json()) == s``."""

    inputs: tuple[Field, ...]
    outputs: tuple[Field, ...] = ()

    def __post_init__(self) -> None:
        for part in (self.inputs, self.outputs):
            names = [field.name for field in part]
            for name in names:
                if names.count(name) > 1:
                    raise InvalidInput(message=f"two columns of the signature are named {name!r}")

    @classmethod
    def infer(cls, inputs: Any, outputs: Any = None) -> Signature:
        """The signature of example data, in any form that :func:`modelyard.profiles.columns.columns_of` reads.

        A column with no value at all, or with values of several types, is ``any``. Raises :class:`InvalidInput`.
        """
        from modelyard.profiles.columns import columns_of

        def fields(data: Any) -> tuple[Field, ...]:
            return tuple(Field(name, _type_of(column)) for name, column in columns_of(data).items())

        return cls(fields(inputs), () if outputs is None else fields(outputs))

    def conform(self, columns: Mapping[str, Any]) -> Columns:
        """The columns of a prediction request as arrays, in the order of ``inputs``.

        ``boolean`` comes out as ``bool``, ``integer`` as ``int64``, ``number`` as ``float64`` (missing is NaN),
        ``datetime`` as ``datetime64[us]`` in UTC (missing is NaT), ``string`` and ``any`` as ``object`` (missing is
        ``None``). Integers pass as numbers, and floats without a fraction as integers, since JSON writes them alike.
        A column that is not required and not there is filled with missing. Raises :class:`InvalidRequest`, with the
        column, the row and the value at fault.
        """
        from modelyard.profiles.conformance import conform

        return conform(self.inputs, columns)

    def to_json(self) -> dict[str, Any]:
        """``{"inputs": [{"name", "type", "required"}, …], "outputs": […]}``."""
        return {"inputs": [f.to_json() for f in self.inputs], "outputs": [f.to_json() for f in self.outputs]}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Signature:
        """The inverse of :meth:`to_json`; raises :class:`InvalidInput` on anything else."""
        try:
            parts = [
                tuple(Field(f["name"], f["type"], bool(f.get("required", True))) for f in document.get(part, ()))
                for part in ("inputs", "outputs")
            ]
        except (KeyError, TypeError, AttributeError) as problem:
            raise InvalidInput(message=f"this is not a signature document: {problem!r}") from None
        return cls(*parts)


def _type_of(column: Any) -> FieldType:
    by_kind: dict[str, FieldType] = {"b": "boolean", "i": "integer", "f": "number", "M": "datetime"}
    if column.dtype.kind in by_kind:
        return by_kind[column.dtype.kind]
    kinds = set(map(type, column.tolist())) - {type(None)}
    return "string" if kinds == {str} else "any"  # true, false and missing is "any": a boolean has no room for missing

"""NumPy's ``.npy``, and ``.npz``, which is a zip of them.

The format: ``numpy.lib.format`` (versions 1.0 to 3.0). Its header is a Python literal; numpy writes it in one way only, and that is matched as text,
so that nothing is ever parsed as Python.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import prod

from modelyard.store.layouts.archive import Entry
from modelyard.store.layouts.layout import Layout, ReadAt, Tensor, Unsound, naturals, read_exactly

MAGIC = b"\x93NUMPY"
HEADER_LIMIT = 16 * 1024

HEADER = re.compile(
    r"""\{ ?['"]descr['"]: ?['"]([^'"\\]{2,64})['"], ?['"]fortran_order['"]: ?(True|False), ?"""
    r"""['"]shape['"]: ?\( ?((?:\d{1,19}L?, ?)*(?:\d{1,19}L?)?) ?\),? ?\}"""
)
TYPE = re.compile(r"([<>|])([biufcSUVmM])(\d{1,9})(?:\[\w{1,32}\])?")

# The types that others have a name for. Big-endian ones and all the rest are named by numpy's own word for them.
NAMES = {
    "<f8": "F64",
    "<f4": "F32",
    "<f2": "F16",
    "<i8": "I64",
    "<i4": "I32",
    "<i2": "I16",
    "|i1": "I8",
    "<u8": "U64",
    "<u4": "U32",
    "<u2": "U16",
    "|u1": "U8",
    "|b1": "BOOL",
    "<c8": "C64",
}


def npy_layout(read_at: ReadAt, size: int) -> Layout:
    """One tensor, named ``array``. Raises Unsound for objects (a pickle), records, and a header that is not numpy's."""
    return Layout("npy", (_array(read_at, "array", 0, size),))


def npz_layout(read_at: ReadAt, entries: Sequence[Entry]) -> Layout:
    """A tensor for each entry ``*.npy`` that is one, by its name without the suffix. Raises Unsound when there is none."""
    tensors = []
    for entry in entries:
        if entry.name.endswith(".npy"):
            try:
                tensors.append(_array(read_at, entry.name.removesuffix(".npy"), entry.offset, entry.length))
            except Unsound:  # an array of objects beside arrays of numbers
                continue
    if not tensors:
        raise Unsound
    return Layout("npz", tuple(tensors))


def _array(read_at: ReadAt, name: str, start: int, size: int) -> Tensor:
    """The array that the ``size`` bytes from ``start`` are."""
    head = read_at(start, min(size, 12))
    width = {1: 2, 2: 4, 3: 4}.get(head[6] if len(head) == 12 and head.startswith(MAGIC) else 0)
    if width is None:
        raise Unsound
    length = int.from_bytes(head[8 : 8 + width], "little")
    if length > min(HEADER_LIMIT, size - 8 - width):
        raise Unsound
    header = read_exactly(read_at, start + 8 + width, length)
    dtype, shape, bytes_each = _meaning(header.decode("latin-1"))
    offset, count = 8 + width + length, prod(shape) * bytes_each
    if count > size - offset:
        raise Unsound
    return Tensor(name, dtype, shape, start + offset, count)


def _meaning(header: str) -> tuple[str, tuple[int, ...], int]:
    """Name of the type, shape, and bytes an element."""
    found = HEADER.fullmatch(header.strip(" \n"))
    if found is None:
        raise Unsound
    descr, columns, axes = found.groups()
    kind = TYPE.fullmatch(descr)
    if kind is None:
        raise Unsound
    name, width = NAMES.get(descr), int(kind[3]) * (4 if kind[2] == "U" else 1)
    if columns == "True":
        name = f"NUMPY_F_{descr}"
    shape = naturals([int(axis.rstrip("L")) for axis in re.findall(r"\d+L?", axes)])
    return name or f"NUMPY_{descr.removeprefix('|')}", shape, width

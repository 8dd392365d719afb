"""What ``torch.save`` writes since torch 1.6: a zip of one pickle (``data.pkl``) and the storages (``data/0`` …) that its tensors are views of.

The pickle is read and never run (:mod:`modelyard.store.layouts.pickles`). A tensor is named by its path in the saved object: keys and positions joined
by dots, the dicts in which a module keeps its parts left out, so that a module's tensors have the names of its ``state_dict``.
Source: ``torch/serialization.py``, ``torch/_utils.py`` of torch 2.13.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from modelyard.store.layouts.archive import Entry
from modelyard.store.layouts.layout import (
    TENSORS_LIMIT,
    Layout,
    ReadAt,
    Tensor,
    Unsound,
    natural,
    naturals,
    read_exactly,
)
from modelyard.store.layouts.pickles import DICT, Global, Made, Persistent, inert

PICKLE_LIMIT = 64 * 1024 * 1024
NAME_LIMIT = 4096
NAMES_LIMIT = 64 * 1024 * 1024
"""Characters of the longest name, and of all names together."""

# By the class of the storage, which a view of it shares, and by dtype, which newer views name. Bytes an element beside the name.
STORAGES = {
    "DoubleStorage": ("F64", 8),
    "FloatStorage": ("F32", 4),
    "HalfStorage": ("F16", 2),
    "BFloat16Storage": ("BF16", 2),
    "LongStorage": ("I64", 8),
    "IntStorage": ("I32", 4),
    "ShortStorage": ("I16", 2),
    "CharStorage": ("I8", 1),
    "ByteStorage": ("U8", 1),
    "BoolStorage": ("BOOL", 1),
    "ComplexFloatStorage": ("C64", 8),
    "ComplexDoubleStorage": ("TORCH_COMPLEX128", 16),
    "QInt8Storage": ("TORCH_QINT8", 1),
    "QUInt8Storage": ("TORCH_QUINT8", 1),
    "QInt32Storage": ("TORCH_QINT32", 4),
    "UntypedStorage": ("U8", 1),
}
DTYPES = {
    "float64": ("F64", 8),
    "float32": ("F32", 4),
    "float16": ("F16", 2),
    "bfloat16": ("BF16", 2),
    "int64": ("I64", 8),
    "int32": ("I32", 4),
    "int16": ("I16", 2),
    "int8": ("I8", 1),
    "uint64": ("U64", 8),
    "uint32": ("U32", 4),
    "uint16": ("U16", 2),
    "uint8": ("U8", 1),
    "bool": ("BOOL", 1),
    "complex64": ("C64", 8),
    "complex128": ("TORCH_COMPLEX128", 16),
    "float8_e4m3fn": ("F8_E4M3", 1),
    "float8_e5m2": ("F8_E5M2", 1),
    "float8_e8m0fnu": ("F8_E8M0", 1),
    "float8_e4m3fnuz": ("F8_E4M3FNUZ", 1),
    "float8_e5m2fnuz": ("F8_E5M2FNUZ", 1),
    "float4_e2m1fn_x2": ("TORCH_FLOAT4_E2M1FN_X2", 1),
}
REBUILD_2, REBUILD_3 = "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3"
VIEWS = {"torch._utils._rebuild_tensor", REBUILD_2, REBUILD_3, "torch._utils._rebuild_qtensor"}
PARAMETERS = {"torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"}
SUBCLASS = "torch._tensor._rebuild_from_type_v2"
WRAPPERS_LIMIT = 8
UNNAMED = {"_parameters", "_buffers", "_modules"}


def is_pytorch(entries: Sequence[Entry]) -> bool:
    """Whether a zip with these entries is one that torch wrote."""
    return _root(entries) is not None


def pytorch_layout(read_at: ReadAt, entries: Sequence[Entry]) -> Layout:
    """The tensors of the storages.

    A storage has the tensors that are plain parts of it; of those that share bytes the first stands for all, by offset, then the longest, then by
    name. A storage with a view that is not row-major, or has no such tensor type, is one tensor in itself, named by its entry. When the pickle can
    not be read, or the bytes are big-endian, every storage is a tensor of bytes (``U8``) named by its entry.
    """
    root = _root(entries) or ""
    named = {entry.name.removeprefix(root): entry for entry in entries if entry.name.startswith(root)}
    storages = {name: entry for name, entry in named.items() if name.startswith("data/")}
    try:
        tensors = list(_unique(_tensors(_views(read_at, named), storages)))
    except Unsound:
        tensors = [_whole(name, entry, "U8", 1) for name, entry in storages.items()]
    return Layout("pytorch", tuple(tensors))


def _root(entries: Sequence[Entry]) -> str | None:
    """The folder, with its slash, in which torch keeps everything."""
    for entry in entries:
        root = entry.name.removesuffix("data.pkl")
        if root != entry.name and (not root or root.find("/") == len(root) - 1):
            return root
    return None


@dataclass(frozen=True)
class _View:
    """A tensor as the pickle describes it; ``offset`` and ``steps`` (its strides) count elements. ``plain`` is False where a value is not simply
    what the bytes say: conjugated, negated, of an unknown type."""

    storage: str
    dtype: str
    width: int
    offset: int
    shape: tuple[int, ...]
    steps: tuple[int, ...]
    plain: bool

    @property
    def contiguous(self) -> bool:
        """Whether the elements lie row-major and without gaps; the step of an axis of one element says nothing."""
        expected = 1
        if 0 in self.shape:
            return True
        for length, step in zip(reversed(self.shape), reversed(self.steps), strict=True):
            if length != 1 and step != expected:
                return False
            expected *= length
        return True


def _views(read_at: ReadAt, named: Mapping[str, Entry]) -> list[tuple[str, _View]]:
    """Every tensor of the pickle with its path. Raises Unsound when the pickle can not be read or the bytes are not little-endian."""
    order = named.get("byteorder")
    if order is not None and (order.length != 6 or read_exactly(read_at, order.offset, 6) != b"little"):
        raise Unsound
    script = named["data.pkl"]
    if script.length > PICKLE_LIMIT:
        raise Unsound
    return list(_walk(inert(read_exactly(read_at, script.offset, script.length))))


def _walk(found: object) -> Iterator[tuple[str, _View]]:
    """Depth first, in the order of the pickle; a container that is there twice is walked once."""
    seen: set[int] = set()
    views, characters = 0, 0
    waiting: list[tuple[str, str, object]] = [("", "", found)]
    while waiting:
        parent, part, value = waiting.pop()
        name = f"{parent}.{part}" if parent and part else parent or part
        value = _unwrapped(value)
        if isinstance(value, _View):
            views, characters = views + 1, characters + len(name)
            if views > TENSORS_LIMIT or characters > NAMES_LIMIT:
                raise Unsound
            yield name, value
        elif isinstance(value, Made | list | tuple) and id(value) not in seen and len(name) <= NAME_LIMIT:
            seen.add(id(value))
            waiting.extend((name, part, child) for part, child in reversed(list(_parts(value))))


def _parts(value: Made | list[object] | tuple[object, ...]) -> Iterator[tuple[str, object]]:
    """What a container holds, each by its key or position; the state of an object by no name of its own."""
    if not isinstance(value, Made):
        yield from ((str(position), part) for position, part in enumerate(value))
        return
    yield from ((str(position), part) for position, part in enumerate(value.args))
    yield from ((str(position), part) for position, part in enumerate(value.elements))
    for position, (key, part) in enumerate(value.items):
        if isinstance(key, str) and len(key) <= NAME_LIMIT:
            yield "" if key in UNNAMED else key, part
        else:
            yield str(key if type(key) is int and abs(key) < 2**63 else position), part
    yield "", value.state


def _unwrapped(value: object) -> object:
    """A tensor as a view, out of the parameter or the subclass that wraps it; anything else as it is."""
    if not isinstance(value, Made):
        return value
    function, args = value.function, value.args
    for _ in range(WRAPPERS_LIMIT):
        called = f"{function.module}.{function.name}" if isinstance(function, Global) else ""
        if called in VIEWS:
            return _view(called, args)
        if called in PARAMETERS and args and isinstance(args[0], Made):
            function, args = args[0].function, args[0].args
        elif called == SUBCLASS and len(args) > 2 and isinstance(args[2], tuple):
            function, args = args[0], args[2]
        else:
            break
    return value


def _view(called: str, args: tuple[object, ...]) -> _View:
    """The view that a call of torch's rebuilding functions describes: ``storage, offset, size, stride``, then what differs. Raises Unsound."""
    if len(args) < 4 or not isinstance(args[0], Persistent):
        raise Unsound
    match args[0].id:
        case ("storage", Global() as kind, str() as key, *_):
            known = STORAGES.get(kind.name)
        case _:
            raise Unsound
    if called == REBUILD_3:
        known = DTYPES.get(args[6].name) if len(args) > 6 and isinstance(args[6], Global) else None
    dtype, width = known or ("U8", 1)
    flags = args[-1] if called in (REBUILD_2, REBUILD_3) and len(args) > 6 else None
    plain = known is not None and not (isinstance(flags, Made) and flags.function is DICT and flags.items)
    shape, steps = naturals(args[2]), naturals(args[3])
    if len(shape) != len(steps):
        raise Unsound
    return _View(f"data/{key}", dtype, width, natural(args[1]), shape, steps, plain)


def _tensors(views: Sequence[tuple[str, _View]], storages: Mapping[str, Entry]) -> Iterator[Tensor]:
    """The tensors of each storage in turn. Raises Unsound when a view reaches beyond its storage."""
    by_storage: dict[str, list[tuple[str, _View]]] = {}
    for name, view in views:
        by_storage.setdefault(view.storage, []).append((name, view))
    for storage, found in by_storage.items():
        entry = storages.get(storage)
        if entry is None:
            raise Unsound
        if all(view.plain and view.contiguous for _, view in found):
            yield from _apart([_tensor(name or storage, view, entry) for name, view in found])
        else:
            dtype, width = (found[0][1].dtype, found[0][1].width)
            alike = all(view.plain and view.dtype == dtype for _, view in found) and entry.length % width == 0
            yield _whole(storage, entry, dtype, width) if alike else _whole(storage, entry, "U8", 1)


def _tensor(name: str, view: _View, entry: Entry) -> Tensor:
    length = prod(view.shape) * view.width
    begin = view.offset * view.width if length else 0  # an empty one stands at the start, where it is in nobody's way
    if begin + length > entry.length:
        raise Unsound
    return Tensor(name, view.dtype, view.shape, entry.offset + begin, length)


def _whole(name: str, entry: Entry, dtype: str, width: int) -> Tensor:
    return Tensor(name, dtype, (entry.length // width,), entry.offset, entry.length)


def _apart(tensors: Sequence[Tensor]) -> Iterator[Tensor]:
    """Those that share no byte with one before them."""
    end = 0
    for tensor in sorted(tensors, key=lambda t: (t.offset, -t.length, t.name)):
        if tensor.length == 0 or tensor.offset >= end:
            yield tensor
            end = max(end, tensor.offset + tensor.length)


def _unique(tensors: Iterator[Tensor]) -> Iterator[Tensor]:
    """``{"a.b": …, "a": {"b": …}}`` has two tensors of one path: the first keeps it, the bytes of the second are nobody's."""
    names: set[str] = set()
    for tensor in tensors:
        if tensor.name not in names:
            names.add(tensor.name)
            yield tensor

"""Files of each format, written here byte by byte, so that the tests need none of the libraries that write them."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelyard.store.layouts import Layout, layout_of


def layout(data: bytes) -> Layout | None:
    """The layout of ``data``, held to what Layout promises; no read may reach outside of the file."""

    def read_at(offset: int, length: int) -> bytes:
        assert 0 <= offset <= offset + length <= len(data)
        return data[offset : offset + length]

    found = layout_of(read_at, len(data))
    if found is not None:
        end = 0
        for tensor in found.tensors:
            assert tensor.offset >= end, "sorted, and no two overlap"
            assert tensor.length >= 0
            end = tensor.offset + tensor.length
            assert all(type(axis) is int and axis >= 0 for axis in tensor.shape)
            tensor.name.encode()
        assert end <= len(data)
        assert len({t.name for t in found.tensors}) == len(found.tensors)
    return found


def parts(data: bytes) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """Of each tensor its type, shape and bytes."""
    found = layout(data)
    assert found is not None
    return {t.name: (t.dtype, t.shape, data[t.offset : t.offset + t.length]) for t in found.tensors}


# --- safetensors --------------------------------------------------------------------------------------------------


def safetensors(header: object, payload: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + payload


def safetensors_of(arrays: dict[str, tuple[str, np.ndarray[Any, Any]]]) -> bytes:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    payload = b""
    for name, (dtype, array) in arrays.items():
        end = len(payload) + array.nbytes
        header[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": [len(payload), end]}
        payload += array.tobytes()
    return safetensors(header, payload)


# --- NumPy --------------------------------------------------------------------------------------------------------


def npy(array: np.ndarray[Any, Any], **options: Any) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, **options)
    return file.getvalue()


def npz(**arrays: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


# --- GGUF ---------------------------------------------------------------------------------------------------------


def text(value: str | bytes) -> bytes:
    value = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(value)) + value


def gguf(
    tensors: list[tuple[str, tuple[int, ...], int, int]],
    payload: bytes = b"",
    *,
    metadata: tuple[bytes, ...] = (),
    version: int = 3,
    alignment: int = 32,
) -> bytes:
    """``tensors``: name, sizes with the fastest first, number of the type, offset from the start of ``payload``."""
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(metadata)) + b"".join(metadata)
    for name, sizes, kind, offset in tensors:
        head += text(name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, kind, offset)
    return head + bytes(-len(head) % alignment) + payload


# --- PyTorch ------------------------------------------------------------------------------------------------------


@dataclass
class Call:
    """What a pickle calls: ``module`` and name with a blank between, and the arguments."""

    function: str
    args: tuple[object, ...]
    state: object = None


@dataclass
class Stored:
    """A storage beside the pickle."""

    key: str
    kind: str
    count: int


@dataclass
class Name:
    """A name that a pickle imports."""

    function: str


def view(
    key: str,
    shape: tuple[int, ...],
    *,
    kind: str = "torch FloatStorage",
    offset: int = 0,
    steps: tuple[int, ...] | None = None,
    count: int = 0,
) -> Call:
    if steps is None:
        steps = tuple(int(np.prod(shape[i + 1 :])) for i in range(len(shape)))
    hooks = Call("collections OrderedDict", ())
    return Call("torch._utils _rebuild_tensor_v2", (Stored(key, kind, count), offset, shape, steps, False, hooks))


def pickled(value: object) -> bytes:
    """``value`` as a pickle of protocol 2 that calls what Call, Stored and Name say."""
    return b"\x80\x02" + _spelled(value) + b"."


def _spelled(value: object) -> bytes:
    match value:
        case None:
            return b"N"
        case bool():
            return b"\x88" if value else b"\x89"
        case int():
            return b"I%d\n" % value
        case str():
            return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
        case tuple():
            return b"(" + b"".join(map(_spelled, value)) + b"t"
        case list():
            return b"](" + b"".join(map(_spelled, value)) + b"e"
        case dict():
            return b"}(" + b"".join(_spelled(k) + _spelled(v) for k, v in value.items()) + b"u"
        case Name():
            return b"c" + value.function.replace(" ", "\n").encode() + b"\n"
        case Stored():
            return _spelled(("storage", Name(value.kind), value.key, "cpu", value.count)) + b"Q"
        case Call():
            made = _spelled(Name(value.function)) + _spelled(value.args) + b"R"
            return made if value.state is None else made + _spelled(value.state) + b"b"
    raise AssertionError(value)


def torch_file(value: object, storages: dict[str, bytes], *, byteorder: bytes = b"little") -> bytes:
    """What torch.save writes; ``value`` is the saved object, or the pickle as bytes."""
    script = value if isinstance(value, bytes) else pickled(value)
    entries = {"model/data.pkl": script, "model/byteorder": byteorder}
    entries |= {f"model/data/{key}": data for key, data in storages.items()} | {"model/version": b"3\n"}
    return zipped(entries)


def zipped(entries: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return file.getvalue()

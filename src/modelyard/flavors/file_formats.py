"""What a file is, from its name and its first bytes. Nothing is loaded or unpickled, and no library is imported."""

from __future__ import annotations

import json
import mmap
import pickletools
import zipfile
from dataclasses import dataclass
from pathlib import Path

_HEAD = 65536
_COMPRESSED = (b"\x1f\x8b", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda", b"BZh", b"\xfd7zXZ")


@dataclass(frozen=True)
class FileFormat:
    """One format; ``loads`` is false for what :func:`modelyard.flavors.files` hands out as a path."""

    name: str
    words: str
    runs_code: bool = False
    loads: bool = True


FORMATS = {
    form.name: form
    for form in (
        FileFormat("joblib", "joblib pickle", runs_code=True),
        FileFormat("pickle", "pickle", runs_code=True),
        FileFormat("keras", "Keras archive"),
        FileFormat("keras-hdf5", "Keras HDF5 file", runs_code=True),  # safe mode does not reach the older format
        FileFormat("xgboost-json", "xgboost JSON"),
        FileFormat("xgboost-ubjson", "xgboost UBJSON"),
        FileFormat("lightgbm-text", "lightgbm text"),
        FileFormat("onnx", "ONNX graph"),
        FileFormat("skops", "skops archive"),
        FileFormat("torch-weights", "PyTorch weights"),
        FileFormat("torch-pickle", "PyTorch pickle", runs_code=True),
        FileFormat("torch-export", "torch.export archive", runs_code=True),  # torch reads parts of it with pickle
        FileFormat("torchscript", "TorchScript archive", loads=False),
        FileFormat("safetensors", "safetensors file", loads=False),
        FileFormat("hdf5", "HDF5 file", loads=False),
        FileFormat("file", "plain file", loads=False),
        FileFormat("folder", "folder of files", loads=False),
    )
}


def format_of(path: Path) -> FileFormat:
    """The format of one file; ``file`` when nothing is recognised. Raises ``OSError`` when it cannot be read."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    return FORMATS[_name_of(path, head)]


def _name_of(path: Path, head: bytes) -> str:
    suffix = path.suffix.lower()
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return "keras-hdf5" if b"keras_version" in head and b"model_config" in head else "hdf5"
    if head.startswith(b"PK\x03\x04"):
        return _archive(path, suffix)
    if suffix == ".safetensors":
        return "safetensors" if _is_safetensors(head) else "file"
    if head.startswith(b"tree\nversion="):
        return "lightgbm-text"
    if head.startswith(b"{L") and b"learner" in head[:64]:
        return "xgboost-ubjson"
    if suffix == ".json" and head.lstrip().startswith(b'{"learner"'):
        return "xgboost-json"
    if suffix in (".joblib", ".jl") and head:
        return "joblib"
    if _is_pickle(head):
        # before 1.6 torch wrote bare pickles, with a magic number of its own in front
        if suffix in (".pt", ".pth"):
            return "torch-pickle"
        return "joblib" if _names_joblib(path) else "pickle"
    if suffix in (".pkl", ".pickle") and head.startswith(_COMPRESSED):
        return "joblib"  # a compressed pickle, whatever its name says
    if suffix == ".onnx" and head[:1] == b"\x08":  # the first field of a ModelProto, its version
        return "onnx"
    return "file"


def _archive(path: Path, suffix: str) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if suffix == ".skops" and "schema.json" in names:
                return "skops"
            if suffix == ".keras" or {"config.json", "metadata.json", "model.weights.h5"} <= set(names):
                return "keras"
            if any(name.endswith("/archive_format") or name == "archive_format" for name in names):
                return "torch-export"
            if any(name.endswith("/constants.pkl") for name in names):
                return "torchscript"
            data = next((name for name in names if name.endswith("/data.pkl")), None)
            if data is not None:
                return "torch-weights" if _only_tensors(archive.read(data)) else "torch-pickle"
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError):
        return "file"
    return "file"


def _only_tensors(data: bytes) -> bool:
    """Whether a pickle of torch names nothing but tensors. A hint only: torch itself enforces it when it loads weights."""
    try:
        named = [str(arg) for op, arg, _ in pickletools.genops(data) if op.name in ("GLOBAL", "STACK_GLOBAL", "INST")]
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is not known to be harmless
        return False
    plain = ("torch._utils _rebuild_", "torch ", "collections OrderedDict")
    return all(name.startswith(plain) for name in named)


def _is_pickle(head: bytes) -> bool:
    """Protocols 2 to 5 begin with their number and the first opcode; older ones cannot be told from text."""
    return len(head) > 2 and head[0] == 0x80 and 2 <= head[1] <= 5


def _names_joblib(path: Path) -> bool:
    """Whether joblib wrote it: its arrays lie between the opcodes, where only joblib finds them."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return data.find(b"joblib.numpy_pickle") >= 0


def _is_safetensors(head: bytes) -> bool:
    size = int.from_bytes(head[:8], "little")
    if len(head) < 10 or head[8:9] != b"{":
        return False
    if size > len(head) - 8:
        return True
    try:
        return isinstance(json.loads(head[8 : 8 + size]), dict)
    except ValueError:
        return False

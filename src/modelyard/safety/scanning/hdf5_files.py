"""HDF5 files of Keras: their configuration lies in an attribute. With h5py it is read; without it nothing is said to be safe."""

from __future__ import annotations

import io
from typing import Any, cast

from modelyard.safety.scanning import keras_configs
from modelyard.safety.scanning.limits import Unreadable
from modelyard.safety.scanning.pickles import Seen
from modelyard.safety.scanning.source import BLOCK, Slice

MAGIC = b"\x89HDF\r\n\x1a\n"


def begins_later(source: Slice) -> bool:
    """Whether HDF5 begins behind a block of the user's own, which is 512 bytes long or twice, four times … as much."""
    at = 512
    while at < source.length:
        if source.read_at(at, len(MAGIC)) == MAGIC:
            return True
        at *= 2
    return False


def look(source: Slice) -> list[Seen]:
    """What there is to tell. Raises Unreadable for a file that h5py cannot open."""
    try:
        import h5py
    except ImportError:
        return _unopened(source)
    try:
        with h5py.File(_Reader(source), "r") as file:
            config = file.attrs.get("model_config")
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise Unreadable(f"it cannot be read as HDF5: {error}") from None
    if config is None:
        return []  # weights, or data
    return keras_configs.look(config.encode() if isinstance(config, str) else bytes(cast(Any, config)))


def _unopened(source: Slice) -> list[Seen]:
    before = b""
    while block := source.read(BLOCK):
        text = before + block
        if b'"Lambda"' in text or b"function_type" in text:
            return [Seen("dangerous", "holds code in a layer of Keras (Lambda)", "Lambda")]
        before = block[-32:]
    return [Seen("unknown", "is HDF5, and is looked into only where h5py is installed: pip install h5py")]


class _Reader(io.RawIOBase):
    """The slice as a file for h5py."""

    def __init__(self, source: Slice) -> None:
        self._source, self._at = source, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._source.length)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        data = self._source.read_at(self._at, len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

"""Zstandard as the store uses it. In Python's own library from 3.14 on, before that the same code as ``backports.zstd``."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING or sys.version_info < (3, 14):
    from backports import zstd
else:
    from compression import zstd

Bytes = bytes | bytearray | memoryview

_Parameter = zstd.CompressionParameter
_GENERAL: dict[int, int] = {_Parameter.compression_level: 3}
_ENTROPY: dict[int, int] = {
    _Parameter.compression_level: 1,
    _Parameter.strategy: zstd.Strategy.fast,
    _Parameter.hash_log: 6,
    _Parameter.min_match: 7,
}
_local = threading.local()


def compressed(data: Bytes) -> bytes:
    """Data of any kind."""
    return _compressor("general", _GENERAL).compress(data, zstd.ZstdCompressor.FLUSH_FRAME)


def entropy_coded(data: Bytes, block: int) -> bytes:
    """Bytes without repetition: each ``block`` bytes get a code of their own, and almost no time is spent on looking for matches."""
    compressor = _compressor("entropy", _ENTROPY)
    if len(data) <= block:
        return compressor.compress(data, compressor.FLUSH_FRAME)
    view = memoryview(data)
    last = (len(data) - 1) // block * block
    parts = [compressor.compress(view[at : at + block], compressor.FLUSH_BLOCK) for at in range(0, last, block)]
    parts.append(compressor.compress(view[last:], compressor.FLUSH_FRAME))
    return b"".join(parts)


def compressed_with(base: bytes, data: Bytes) -> bytes:
    """Data that shares stretches with ``base``."""
    options = {**_GENERAL, _Parameter.window_log: max(10, (len(base) + len(data)).bit_length())}
    return zstd.compress(data, options=options, zstd_dict=zstd.ZstdDict(base, is_raw=True).as_prefix)


def decompressed(data: Bytes, length: int, base: bytes | None = None) -> bytes:
    """The inverse of each of the above. Never makes more than ``length`` bytes; raises ``ValueError`` for anything else."""
    decompressor = zstd.ZstdDecompressor(None if base is None else zstd.ZstdDict(base, is_raw=True).as_prefix)
    try:
        plain = decompressor.decompress(data, max_length=length)
        if len(plain) == length and not decompressor.eof:
            plain += decompressor.decompress(b"", max_length=1)
    except zstd.ZstdError as error:
        raise ValueError(str(error)) from error
    if len(plain) != length or not decompressor.eof or decompressor.unused_data:
        raise ValueError(f"compressed data does not hold {length} bytes")
    return plain


def _compressor(name: str, options: dict[int, int]) -> zstd.ZstdCompressor:
    # one a thread, and used again: making one costs more than coding a small chunk
    found = getattr(_local, name, None)
    if found is None:
        found = zstd.ZstdCompressor(options=options)
        setattr(_local, name, found)
    return found

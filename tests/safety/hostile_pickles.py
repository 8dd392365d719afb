"""Pickles written opcode by opcode, as no pickler writes them."""

from __future__ import annotations

import struct


def text(value: str, *, binary: bool = False) -> bytes:
    """A string on the stack; ``binary`` as before protocol 4."""
    data = value.encode()
    if binary or len(data) > 255:
        return b"X" + struct.pack("<I", len(data)) + data
    return b"\x8c" + bytes([len(data)]) + data


def stack_global(module: str, name: str) -> bytes:
    return text(module) + text(name) + b"\x93"


get_global = stack_global


def call(module: str, name: str, *arguments: bytes) -> bytes:
    """What calls a global with arguments that are on the stack already."""
    return stack_global(module, name) + b"(" + b"".join(arguments) + b"tR"


def put(value: bytes, index: int) -> bytes:
    """A value that is noted under a number as well."""
    return value + b"q" + bytes([index])

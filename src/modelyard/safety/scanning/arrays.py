"""Where the elements begin in a file of ``numpy.save``: an array of objects is a pickle behind a header."""

from __future__ import annotations

from modelyard.safety.scanning.limits import Unreadable
from modelyard.safety.scanning.source import Source

MAGIC = b"\x93NUMPY"
HEADER_LIMIT = 1024 * 1024


def pass_header(source: Source) -> bool:
    """Moves behind the header; whether it says that the elements are objects. Raises Unreadable."""
    head = source.read(8)
    width = {1: 2, 2: 4, 3: 4}.get(head[6] if len(head) == 8 else 0)
    if width is None:
        raise Unreadable("its version of numpy's format is not known")
    length = int.from_bytes(source.read(width), "little")
    if length > HEADER_LIMIT:
        raise Unreadable("its header is too long")
    header = source.read(length)
    if len(header) < length:
        raise Unreadable("it breaks off")
    return b"O" in header.replace(b"fortran_order", b"").upper()

"""A second list: what the scanner ``picklescan`` calls dangerous, where it is installed. A newer release of it knows more.

It is asked only about names. Its own reading of files is not relied on: it passes over what joblib wrote, over most archives, and stops at
the first byte that surprises it (``docs/decisions/scanning.md``).
"""

from __future__ import annotations

import functools
import importlib
import io
import logging
from collections.abc import Iterable
from importlib import metadata

from modelyard.safety.scanning.imports import holds_code
from modelyard.safety.scanning.values import Global

NAME_LIMIT = 255
HOLDERS = frozenset({("functools", "partial")})
"""What only holds a function until somebody calls it. Many an honest transformer does; what it holds is imported too, and judged by itself."""


@functools.cache
def version() -> str | None:
    """Which release is installed; None without it."""
    try:
        return metadata.version("picklescan")
    except metadata.PackageNotFoundError:
        return None


def dangerous(names: Iterable[Global]) -> set[Global]:
    """Those of the names that it calls dangerous; what brings code along by value is not cried over. Nothing without the package."""
    asked = [one for one in names if _askable(one)]
    if not asked or version() is None:
        return set()
    scanner = importlib.import_module("picklescan.scanner")
    logger = logging.getLogger("picklescan")
    before, logger.disabled = logger.disabled, True  # it warns of each name, and we tell of them ourselves
    try:
        found = scanner.scan_pickle_bytes(io.BytesIO(_imports(asked)), "imports").globals
    finally:
        logger.disabled = before
    bad = {(one.module, one.name) for one in found if one.safety is scanner.SafetyLevel.Dangerous}
    return {one for one in asked if (one.module, one.name) in bad and one.module != "unknown" and one.name != "unknown"}


def _askable(one: Global) -> bool:
    """What cannot be a name in its list is not asked, nor what it is known to be wrong about."""
    if (one.module, one.name) in HOLDERS:
        return False
    whole = one.module + one.name
    return whole.isprintable() and len(whole.encode()) <= NAME_LIMIT and not holds_code(one.module, one.name)


def _imports(names: Iterable[Global]) -> bytes:
    """A pickle that only imports; it is read, never loaded."""
    parts = [b"\x80\x04"]
    for one in names:
        for text in (one.module, one.name):
            data = text.encode()
            parts.append(b"\x8c" + bytes([len(data)]) + data)
        parts.append(b"\x930")
    return b"".join(parts) + b"N."

"""Untracked files as one tar: the same files give the same bytes, whoever packs them, whenever."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from modelyard.provenance.secrecy import holds_secret, looks_secret


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that differs from the commit and is not kept, with the reason for people."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Packed:
    """The archive (no bytes when it would be empty), the names in it, and what is not in it."""

    archive: bytes
    names: tuple[str, ...]
    left_out: tuple[LeftOut, ...]


def pack(root: Path, names: Sequence[bytes], limit: int) -> Packed:
    """A tar of the files of these names below ``root``, at most ``limit`` bytes long.

    Small files go first, so that sources are kept and data is left out. Symbolic links are kept as links. Owner and time are
    not kept, of the mode only whether it can be executed. Names are kept byte for byte (GNU format).
    """
    left_out: list[LeftOut] = []
    sized: list[tuple[int, bytes]] = []
    for name in sorted(names):
        reason, size = _look(root, name)
        if reason:
            left_out.append(LeftOut(_shown(name), reason))
        else:
            sized.append((size, name))
    room = limit - tarfile.RECORDSIZE  # the end of a tar is at most one record of zeros
    entries: list[tuple[bytes, tarfile.TarInfo, bytes]] = []
    for size, name in sorted(sized):
        cost = _cost(name, size)
        if cost > room:
            left_out.append(LeftOut(_shown(name), f"{size} bytes, and the archive is bounded to {limit}"))
            continue
        found = _read(root, name, size)
        if isinstance(found, str):
            left_out.append(LeftOut(_shown(name), found))
            continue
        room -= cost
        entries.append((name, *found))
    entries.sort(key=lambda entry: entry[0])
    return Packed(
        archive=_tar([(info, data) for _, info, data in entries]) if entries else b"",
        names=tuple(_shown(name) for name, _, _ in entries),
        left_out=tuple(sorted(left_out, key=lambda item: item.name)),
    )


def _look(root: Path, name: bytes) -> tuple[str, int]:
    """A reason to leave the file out, or ``""``; and its size in bytes."""
    if name.endswith(b"/"):
        return "a repository of its own", 0
    if looks_secret(_shown(name)):
        return "looks like a secret", 0
    try:
        found = os.lstat(_path(root, name))
    except OSError as error:
        return f"could not be read: {error.strerror}", 0
    plain = stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode)
    return ("", found.st_size) if plain else ("not a plain file", 0)


def _read(root: Path, name: bytes, size: int) -> tuple[tarfile.TarInfo, bytes] | str:
    """The tar entry and its bytes, or the reason why there is none."""
    path = _path(root, name)
    info = tarfile.TarInfo(name.decode("utf-8", "surrogateescape"))
    data = b""
    try:
        mode = os.lstat(path).st_mode
        if stat.S_ISLNK(mode):
            info.type, info.mode = tarfile.SYMTYPE, 0o777
            info.linkname = os.readlink(path).decode("utf-8", "surrogateescape")  # noqa: PTH115  a Path cannot hold bytes
            return info, b""
        # Without following: what was a file when it was listed may be a link to anywhere by now.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            data = file.read(size + 1)
    except OSError as error:
        return f"could not be read: {error.strerror}"
    if len(data) > size:
        return "grew while it was read"
    if holds_secret(data):
        return "holds what looks like a key or an access token"
    info.mode = 0o755 if mode & stat.S_IXUSR else 0o644
    info.size = len(data)
    return info, data


def _cost(name: bytes, size: int) -> int:
    """An upper bound of the bytes that an entry takes: its header, its data in blocks, and the extra header and blocks
    that the GNU format spends on a long name or a long link target (whose length is the ``size`` of a link)."""
    blocks = 1 - (-size // tarfile.BLOCKSIZE) + 2
    if len(name) >= tarfile.LENGTH_NAME:
        blocks += 2 + len(name) // tarfile.BLOCKSIZE
    return blocks * tarfile.BLOCKSIZE


def _tar(entries: Sequence[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(
        fileobj=target, mode="w", format=tarfile.GNU_FORMAT, encoding="utf-8", errors="surrogateescape"
    ) as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data))
    return target.getvalue()


def _path(root: Path, name: bytes) -> bytes:
    return os.path.join(os.fsencode(root), name)  # noqa: PTH118  a Path cannot hold bytes


def _shown(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")

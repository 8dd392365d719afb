"""The files below a path, as they will stand in a manifest: regular files only, each by a safe relative name."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modelyard.core.errors import PathEmpty, PathMissing, PathUnusable


@dataclass(frozen=True)
class TreeFile:
    """A file on disk and the relative name, with ``/``, that it will have."""

    source: Path
    name: str
    size: int


def tree_of(path: Path) -> tuple[TreeFile, ...]:
    """The file at ``path``, or every file below the folder ``path``, sorted by name.

    The folders of git and of yards are passed over. A link to a file counts as the file (caches of model hubs are made of such links); a link to a folder, a device, a socket, an
    unreadable file or a name that is not UTF-8 raises PathUnusable; nothing there raises PathMissing, an empty folder PathEmpty.
    """
    try:
        kind = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise PathMissing(path=path) from None
    except (OSError, ValueError) as error:
        raise PathUnusable(path=path, problem=getattr(error, "strerror", None) or error) from error
    if stat.S_ISDIR(kind):
        files = tuple(sorted(_below(path, path), key=lambda f: f.name))
        if not files:
            raise PathEmpty(path=path)
        return files
    return (_file(path, path.name),)


def _below(folder: Path, root: Path) -> Iterator[TreeFile]:
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise PathUnusable(path=folder, problem=error.strerror) from error
    for entry in entries:
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            if not _keeps_itself(path):
                yield from _below(path, root)
        elif _leads_to_folder(entry):
            raise PathUnusable(
                path=path, problem="it is a link to a folder; copy the folder there, or register it by itself"
            )
        else:
            yield _file(path, path.relative_to(root).as_posix())


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:  # such as a link to itself
        raise PathUnusable(path=entry.path, problem=error.strerror) from error


def _keeps_itself(folder: Path) -> bool:
    """A git repository's own folder, or a yard: a keeper of versions is not part of what it keeps, and changes with every version."""
    try:
        return folder.name == ".git" or (folder / "yard.toml").is_file()
    except OSError:  # a folder that may not be entered: whoever lists it says so
        return False


def _file(path: Path, name: str) -> TreeFile:
    try:
        status = path.stat()
    except OSError as error:
        raise PathUnusable(path=path, problem=error.strerror) from error
    if not stat.S_ISREG(status.st_mode):
        raise PathUnusable(path=path, problem="it is neither a file nor a folder")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise PathUnusable(path=repr(path), problem="its name is not valid UTF-8; rename it") from None
    return TreeFile(path, name, status.st_size)

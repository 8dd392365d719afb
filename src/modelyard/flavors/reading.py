"""Reading a model's file: where it may lie, and one typed sentence for whatever a library says about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from modelyard.core.errors import FlavorMissing, ModelUnreadable, ModelyardError
from modelyard.flavors.library import PACKAGES


def file_in(folder: Path, facts: Mapping[str, Any], key: str = "file") -> Path:
    """The file that the facts name. The facts were written by somebody: a name that leads out of the folder is refused.

    Raises :class:`ModelUnreadable`.
    """
    name = facts.get(key)
    if not isinstance(name, str) or not name or "\0" in name:
        raise ModelUnreadable(file=folder.name, format=_format(facts), problem=f"its manifest names no {key}")
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\\" in name:
        raise ModelUnreadable(file=name, format=_format(facts), problem="its name leads out of the version's folder")
    path = folder / pure
    if not path.is_file():
        raise ModelUnreadable(file=name, format=_format(facts), problem="the file is not there")
    return path


def require_admission(file: str, facts: Mapping[str, Any]) -> None:
    """Raises :class:`ModelUnreadable` unless the facts admit that loading runs code.

    Every flavor that runs code writes so. Facts that deny it, of a format that does, were written by someone else, to get
    past a rule of trust that took them at their word.
    """
    if facts.get("runs_code") is not True:
        problem = "its manifest denies that loading it runs code"
        raise ModelUnreadable(file=file, format=_format(facts), problem=problem)


@contextmanager
def reading(flavor: str, path: Path, facts: Mapping[str, Any], *, any_package: bool = False) -> Iterator[None]:
    """What a library raises inside becomes :class:`ModelUnreadable`, or :class:`FlavorMissing` for a module that is not there.

    ``any_package``: whether a missing module of an unknown name is a package to install. It is for objects that were kept
    with the user's own modules inside; elsewhere the name may well be a module of his project, or a trap.
    """
    try:
        yield
    except ModelyardError:
        raise
    except ModuleNotFoundError as problem:
        root = (problem.name or "").partition(".")[0]
        if root and (any_package or root in PACKAGES):
            raise FlavorMissing(flavor=flavor, package=PACKAGES.get(root, root)) from problem
        needed = f"it needs the module {problem.name!r}, which cannot be imported here"
        raise ModelUnreadable(file=path.name, format=_format(facts), problem=needed) from problem
    except MemoryError as problem:
        raise ModelUnreadable(file=path.name, format=_format(facts), problem="it asks for too much memory") from problem
    except Exception as problem:
        raise ModelUnreadable(file=path.name, format=_format(facts), problem=first_line(problem)) from problem


def first_line(problem: BaseException) -> str:
    """The first line that a library has to say, short enough for a sentence."""
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    text = lines[0] if lines else type(problem).__name__
    return text if len(text) <= 200 else text[:199] + "…"


def _format(facts: Mapping[str, Any]) -> str:
    return str(facts.get("format", "model"))

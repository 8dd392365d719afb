"""The Python environment of this process: interpreter, machine, and every installed distribution."""

from __future__ import annotations

import functools
import importlib.metadata
import json
import os
import platform
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelyard.provenance.secrecy import without_credentials

_HEAD = 4096  # bytes of METADATA that are read; Name and Version stand in its first lines
_FIELD = re.compile(r"^(name|version):[ \t]*(\S+)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Distribution:
    """An installed distribution; ``url`` and ``commit`` when it did not come from an index (PEP 610)."""

    name: str  # normalized as in PEP 503
    version: str
    url: str | None = None
    commit: str | None = None
    editable: bool = False

    def to_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {"name": self.name, "version": self.version}
        if self.url:
            document |= {"url": self.url, "commit": self.commit, "editable": self.editable}
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Distribution:
        return cls(
            document["name"],
            document["version"],
            document.get("url"),
            document.get("commit"),
            document.get("editable", False),
        )

    def requirement(self) -> str:
        """A line that pip installs; a comment when what was installed lies in a folder of one machine only."""
        pinned = f"{self.name}=={self.version}"
        if self.url is None:
            return pinned
        if self.commit:
            return f"{self.name} @ {self.url}@{self.commit}"
        if self.url.startswith("file:"):
            how = "as editable " if self.editable else ""
            return f"# {pinned} was installed {how}from {self.url}"
        return f"{self.name} @ {self.url}"


@dataclass(frozen=True, slots=True)
class Environment:
    """What ran; ``distributions`` are sorted by name, one a name (the one that an import finds)."""

    python: str
    implementation: str
    system: str
    release: str
    machine: str
    cpus: int
    distributions: tuple[Distribution, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "python": self.python,
            "implementation": self.implementation,
            "system": self.system,
            "release": self.release,
            "machine": self.machine,
            "cpus": self.cpus,
            "distributions": [distribution.to_json() for distribution in self.distributions],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Environment:
        fields = {key: document[key] for key in ("python", "implementation", "system", "release", "machine", "cpus")}
        return cls(**fields, distributions=tuple(map(Distribution.from_json, document["distributions"])))

    def requirements(self) -> str:
        """A lock for ``pip install -r``: one pinned line a distribution, ending in a newline."""
        head = f"# {self.implementation} {self.python} on {self.system} {self.machine}"
        return "\n".join([head, *(d.requirement() for d in self.distributions)]) + "\n"


def environment() -> Environment:
    """The environment of this process; measured once for each ``sys.path``."""
    return _measured(tuple(sys.path))


@functools.lru_cache(maxsize=4)
def _measured(path: tuple[str, ...]) -> Environment:
    machine = os.uname()
    return Environment(
        python=platform.python_version(),
        implementation=platform.python_implementation(),
        system=machine.sysname,
        release=machine.release,
        machine=machine.machine,
        cpus=os.cpu_count() or 1,
        distributions=installed(path),
    )


def installed(path: tuple[str, ...]) -> tuple[Distribution, ...]:
    """The distributions along an import path, sorted by name; the first of a name wins, as it does in an import.

    Reads the heads of the metadata files itself: ``importlib.metadata`` parses each file whole, which takes ten times longer.
    """
    found: dict[str, Distribution] = {}
    for entry in path:
        for distribution in _in_folder(Path(entry or ".")):
            found.setdefault(distribution.name, distribution)
    return tuple(found[name] for name in sorted(found))


def _in_folder(folder: Path) -> Iterator[Distribution]:
    if folder.is_file():  # a zip on the path
        for packed in importlib.metadata.distributions(path=[str(folder)]):
            yield Distribution(_normalized(packed.name), packed.version)
        return
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.name.endswith((".dist-info", ".egg-info")))
    except OSError:
        return
    for name in names:
        file = {".dist-info": "METADATA", ".egg-info": "PKG-INFO"}[name[name.rindex(".") :]]
        # `.egg-info` may be a file itself (distutils).
        text = _head(folder / name / file) or _head(folder / name)
        fields = {key.lower(): value for key, value in reversed(_FIELD.findall(text))}
        stem, _, version = name.rpartition(".")[0].partition("-")
        distribution = fields.get("name") or stem
        # A folder without a readable version is what an interrupted install leaves behind.
        if distribution and (known := fields.get("version") or version):
            yield Distribution(_normalized(distribution), known, **_origin(folder / name / "direct_url.json"))


def _head(file: Path) -> str:
    try:
        with file.open("rb") as handle:
            return handle.read(_HEAD).decode("utf-8", "replace")
    except OSError:
        return ""


def _origin(file: Path) -> dict[str, Any]:
    """The fields of a distribution that PEP 610's ``direct_url.json`` gives; none when there is no such file."""
    try:
        document = json.loads(file.read_bytes())
        url = without_credentials(document["url"])
        vcs = document.get("vcs_info")
        return {
            "url": f"{vcs['vcs']}+{url}" if vcs else url,
            "commit": vcs["commit_id"] if vcs else None,
            "editable": bool(document.get("dir_info", {}).get("editable", False)),
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _normalized(name: str) -> str:
    """PEP 503.

    >>> _normalized("Foo.Bar__baz")
    'foo-bar-baz'
    """
    return re.sub(r"[-_.]+", "-", name).lower()

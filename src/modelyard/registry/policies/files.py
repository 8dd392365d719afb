"""Policies in a file, TOML or JSON: one policy alone, or a table of them by alias as in ``modelyard.toml``."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelyard.core.errors import InvalidName, InvalidPolicy, PathMissing
from modelyard.core.names import ModelName
from modelyard.registry.policies.document import tables
from modelyard.registry.policies.policy import Policy

SIZE_LIMIT = 1 << 20


@dataclass(frozen=True)
class PolicyFile:
    """What a file says: policies ``by_alias`` (of a ``model``, where it names one), or one ``alone``, of no alias in particular."""

    path: Path
    model: str | None = None
    by_alias: Mapping[str, Policy] = field(default_factory=dict)
    alone: Policy | None = None

    def of(self, alias: str) -> Policy:
        """The policy for an alias. Raises InvalidPolicy when the file has none."""
        if self.alone is not None:
            return self.alone
        if alias not in self.by_alias:
            known = ", ".join(self.by_alias) or "none"
            raise InvalidPolicy(place=self.path, problem=f"it has no policy for the alias {alias}; it has {known}")
        return self.by_alias[alias]


def read_policies(path: Path) -> PolicyFile:
    """Reads a file. Raises PathMissing, and InvalidPolicy with the key and the mistake."""
    document = _document(path)
    if not isinstance(document, dict):
        raise InvalidPolicy(place=path, problem="it holds no keys; a policy is a table such as gates = […]")
    if "policy" in document or isinstance(document.get("gates"), dict):
        return PolicyFile(path, _model(path, document), tables(document, str(path)))
    return PolicyFile(path, alone=Policy.from_json(document, str(path)))


def _document(path: Path) -> Any:
    try:
        if not path.is_file():
            raise PathMissing(path=path)
        if (size := path.stat().st_size) > SIZE_LIMIT:
            raise InvalidPolicy(place=path, problem=f"it has {size} bytes, {SIZE_LIMIT} are the most")
        text = path.read_bytes().decode()
        return json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise InvalidPolicy(place=path, problem=f"it is not UTF-8 at byte {error.start}") from None
    except (ValueError, RecursionError) as error:  # both kinds of document raise a ValueError
        if isinstance(error, InvalidPolicy | PathMissing):
            raise
        kind = "JSON" if path.suffix == ".json" else "TOML"
        told = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise InvalidPolicy(place=path, problem=f"it is not {kind}: {told}") from None
    except OSError as error:
        raise InvalidPolicy(place=path, problem=f"it cannot be read: {error.strerror}") from None


def _model(path: Path, document: Mapping[str, Any]) -> str | None:
    """The model of the project that the file is of."""
    project = document.get("project")
    named = project.get("model") if isinstance(project, dict) else None
    try:
        return None if named is None else str(ModelName(named))
    except InvalidName as error:
        raise InvalidPolicy(place=path, problem=f"project.model: {error}") from None

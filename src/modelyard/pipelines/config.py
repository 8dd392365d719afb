"""Reading ``modelyard.toml``: every mistake is one InvalidConfig that names the key and the closest one that exists.

::

    [project]
    model = "flights-delay"                  # the model that gates and runs are about

    [stages.build]                           # run in order of appearance, or as `needs` says
    command = "python model.py --build"      # words as in a shell, but no shell; or a list
    timeout = 600                            # seconds
    needs = []
    env = { OMP_NUM_THREADS = "2" }

    [policy.production]                      # what must hold before the alias moves: see docs/policies.md
    gates = ["metrics.auc >= 0.65"]
    approvals = 1

    [gates]                                  # gates alone, and the rest of the policy as it is
    staging = ["metrics.auc >= 0.6"]         # alias = what a version must meet

    [deployment]                             # read by `modelyard deploy`
    [yard]
    path = ".modelyard"                      # relative to this file

Without the file, a ``model.py`` has the stages ``--build``, ``--test`` and ``--deploy``.
"""

from __future__ import annotations

import difflib
import math
import re
import shlex
import tomllib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from modelyard.core.errors import InvalidConfig, InvalidName, InvalidPolicy
from modelyard.core.names import ModelName
from modelyard.pipelines.project import Project, Stage
from modelyard.pipelines.stages import CONVENTION, IMPLIED, in_order
from modelyard.registry.policies.document import tables
from modelyard.registry.policies.policy import Policy

FILE = "modelyard.toml"
SCRIPT = "model.py"

_TABLES = ("project", "stages", "policy", "gates", "trust", "deployment", "yard")
_STAGE_KEYS = ("command", "timeout", "env", "needs")
_STAGE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def find_project(start: Path) -> Project | None:
    """The project that a folder belongs to: the nearest ``modelyard.toml`` upward, else the nearest ``model.py``; or None.

    Raises InvalidConfig.
    """
    start = start.absolute()
    for name in (FILE, SCRIPT):
        for folder in (start, *start.parents):
            if (folder / name).is_file():
                return read_project(folder / name)
    return None


def read_project(path: Path) -> Project:
    """The project of a ``modelyard.toml`` or of a ``model.py`` without one. Raises InvalidConfig."""
    path = path.absolute()
    if path.name == SCRIPT:
        return Project(path.parent, path, None, _conventional(), {}, {}, None)
    try:
        document = tomllib.loads(path.read_bytes().decode())
    except tomllib.TOMLDecodeError as error:
        raise InvalidConfig(path=path, problem=f"it is not TOML: {error}") from None
    except UnicodeDecodeError as error:
        raise InvalidConfig(path=path, problem=f"it is not UTF-8 at byte {error.start}") from None
    except OSError as error:
        raise InvalidConfig(path=path, problem=f"it cannot be read: {error.strerror}") from None
    return _Reader(path).project(document)


def _conventional() -> tuple[Stage, ...]:
    return tuple(Stage(name, ("python", SCRIPT, f"--{name}"), None, {}, IMPLIED.get(name, ())) for name in CONVENTION)


class _Reader:
    """Checks one document; knows the path, so that each refusal can name it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def project(self, document: Mapping[str, Any]) -> Project:
        self.keys("", document, _TABLES)
        facts = self.table("project", document)
        self.keys("project", facts, ("model",))
        model = self.named("project.model", facts["model"], ModelName) if "model" in facts else None
        tables = self.table("stages", document)
        stages = [self.stage(name, table, tables) for name, table in tables.items()]
        if "stages" not in document and (self.path.parent / SCRIPT).is_file():
            stages = list(_conventional())
        policies = self.policies(document)
        old = {alias: policies.pop(alias).gates for alias in document.get("gates", {})}
        for key, found in (("policies", policies), ("gates", old)):
            if found and model is None:
                raise self.wrong(f"{key} are set, but not for which model; add model = … under [project]")
        yard = self.table("yard", document)
        self.keys("yard", yard, ("path",))
        place = self.text("yard.path", yard["path"]) if "path" in yard else None
        return Project(
            folder=self.path.parent,
            path=self.path,
            model=model,
            stages=in_order(stages, self.path),
            policies=policies,
            gates=old,
            deployment=self.table("deployment", document),
            yard=self.path.parent / Path(place).expanduser() if place else None,
        )

    def stage(self, name: str, table: Any, names: Collection[str]) -> Stage:
        where = f"stages.{name}"
        if not _STAGE_NAME.fullmatch(name):
            raise self.wrong(
                f"{where}: a stage's name has letters, digits, '-' and '_', starts with a letter, at most 64"
            )
        if not isinstance(table, dict):
            raise self.wrong(f'{where} is {_kind(table)}, not a table; write [{where}] and command = "…" below it')
        self.keys(where, table, _STAGE_KEYS)
        if "command" not in table:
            raise self.wrong(f'{where} has no command; add command = "python {SCRIPT} --{name}"')
        implied = tuple(need for need in IMPLIED.get(name, ()) if need in names)
        return Stage(
            name=name,
            command=self.command(f"{where}.command", table["command"]),
            timeout=self.seconds(f"{where}.timeout", table["timeout"]) if "timeout" in table else None,
            env=self.variables(f"{where}.env", table.get("env", {})),
            needs=self.needs(f"{where}.needs", table["needs"], names) if "needs" in table else implied,
        )

    def needs(self, where: str, value: Any, names: Collection[str]) -> tuple[str, ...]:
        needs = self.texts(where, value)
        for need in needs:
            if need not in names:
                raise self.wrong(f"{where} names {need!r}, which is no stage{_closest(need, names)}")
        return needs

    def command(self, where: str, value: Any) -> tuple[str, ...]:
        if isinstance(value, str):
            try:
                words = tuple(shlex.split(value))
            except ValueError as error:
                raise self.wrong(f"{where} cannot be split into words: {str(error).lower()}") from None
        else:
            words = self.texts(where, value)
        if not words or not words[0]:
            raise self.wrong(f"{where} is empty")
        if any("\0" in word for word in words):
            raise self.wrong(f"{where} holds a zero byte")
        return words

    def seconds(self, where: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong(f"{where} is {_kind(value)}, not a number of seconds")
        if not math.isfinite(value) or value <= 0:
            raise self.wrong(f"{where} is {value}, and must be more than 0 seconds")
        return float(value)

    def variables(self, where: str, value: Any) -> dict[str, str]:
        if not isinstance(value, dict):
            raise self.wrong(f"{where} is {_kind(value)}, not a table of variables")
        for key, text in value.items():
            if not _VARIABLE.fullmatch(key):
                raise self.wrong(f"{where}.{key} is no name for a variable")
            if "\0" in self.text(f"{where}.{key}", text):
                raise self.wrong(f"{where}.{key} holds a zero byte")
        return dict(value)

    def policies(self, document: Mapping[str, Any]) -> dict[str, Policy]:
        try:
            return tables(document, str(self.path))
        except InvalidPolicy as error:
            raise self.wrong(str(error).removeprefix(f"{self.path}: ")) from None

    def named(self, where: str, value: Any, rule: type[ModelName]) -> str:
        try:
            return str(rule(self.text(where, value)))
        except InvalidName as error:
            raise self.wrong(f"{where}: {error}") from None

    def table(self, key: str, document: Mapping[str, Any]) -> dict[str, Any]:
        value = document.get(key, {})
        if not isinstance(value, dict):
            raise self.wrong(f"{key} is {_kind(value)}, not a table; write [{key}] and its keys below it")
        return value

    def text(self, where: str, value: Any) -> str:
        if not isinstance(value, str):
            raise self.wrong(f"{where} is {_kind(value)}, not text; put it in quotes")
        return value

    def texts(self, where: str, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise self.wrong(f"{where} is {_kind(value)}, not a list of texts")
        return tuple(self.text(f"{where}[{place}]", item) for place, item in enumerate(value))

    def keys(self, where: str, table: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
        for key in table:
            if key not in allowed:
                full = f"{where}.{key}" if where else key
                raise self.wrong(f"{full} is not a key{_closest(key, allowed)}; there are {', '.join(allowed)}")

    def wrong(self, problem: str) -> InvalidConfig:
        return InvalidConfig(path=self.path, problem=problem)


def _closest(word: str, known: Iterable[str]) -> str:
    found = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {found[0]!r}?)" if found else ""


def _kind(value: Any) -> str:
    kinds = {bool: "true or false", str: "text", int: "a number", float: "a number", list: "a list", dict: "a table"}
    return kinds.get(type(value), "a time")

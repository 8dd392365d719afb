"""Reading a policy from a document: every mistake is one InvalidPolicy that names the key and what is wrong with it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from modelyard.core.clock import parse_duration
from modelyard.core.errors import InvalidDuration, InvalidGate, InvalidName, InvalidPolicy
from modelyard.core.names import AliasName
from modelyard.core.tags import is_text
from modelyard.registry import gates
from modelyard.registry.policies.actors import ANY, person
from modelyard.registry.policies.policy import KEYS, Policy

LIST_LIMIT = 200
NAME_LIMIT = 255  # characters of an actor's name, as the database keeps them
APPROVALS_LIMIT = 100


def read(document: Any, place: str, prefix: str = "") -> dict[str, Any]:
    """The checked values of the keys that a policy document has. Raises InvalidPolicy, which names a key with the ``prefix`` that it has there."""
    if not isinstance(document, Mapping):
        what = (
            f"{prefix[:-1]} is {_kind(document)}, not a table"
            if prefix
            else f"a policy is a table of keys and values, not {_kind(document)}"
        )
        raise InvalidPolicy(place=place, problem=what)
    reader = _Reader(place, prefix)
    given = {key: reader.value(key, value) for key, value in document.items()}
    reader.agree(given)
    return given


def tables(document: Any, place: str) -> dict[str, Policy]:
    """The policies of a document by alias: of its table ``policy``, and of the table ``gates``, which is how gates alone are written.

    Raises InvalidPolicy.
    """
    found: dict[str, Policy] = {}
    for table in ("policy", "gates"):
        listed = document.get(table, {})
        if not isinstance(listed, Mapping):
            told = f"{table} is {_kind(listed)}, not a table; write [{table}] and its aliases below it"
            raise InvalidPolicy(place=place, problem=told)
        for alias, value in listed.items():
            where = f"{table}.{alias}"
            try:
                name = str(AliasName(alias))
            except InvalidName as error:
                raise InvalidPolicy(place=place, problem=f"{where}: {error}") from None
            if name in found:
                told = f"{where} and policy.{alias} are both there; write the gates into [policy.{alias}]"
                raise InvalidPolicy(place=place, problem=told)
            if table == "gates":
                found[name] = Policy(gates=_Reader(place, "").texts(where, value, gate=True))
            else:
                found[name] = Policy(**read(value, place, f"{where}."))
    return found


class _Reader:
    """Checks the values of one document; knows where it is, so that each refusal can say so."""

    def __init__(self, place: str, prefix: str) -> None:
        self.place = place
        self.prefix = prefix

    def value(self, key: Any, value: Any) -> Any:
        if key not in KEYS:
            told = f"{self.prefix}{_plain(key)} is not a key{_closest(key)}; there are {', '.join(KEYS)}"
            raise self.wrong(told)
        default, where = KEYS[key], f"{self.prefix}{key}"
        if isinstance(default, tuple):
            return self.texts(where, value, gate=key == "gates")
        if isinstance(default, bool):
            if not isinstance(value, bool):
                raise self.wrong(f"{where} is {_kind(value)}, not true or false")
            return value
        if isinstance(default, int):
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= APPROVALS_LIMIT:
                raise self.wrong(f"{where} is {_short(value)}, not a whole number from 0 to {APPROVALS_LIMIT}")
            return value
        return self.duration(where, value)

    def texts(self, where: str, value: Any, *, gate: bool) -> tuple[str, ...]:
        if not isinstance(value, list | tuple):
            key = where.rpartition(".")[2]
            raise self.wrong(f'{where} is {_kind(value)}, not a list of texts; write {key} = ["…"]')
        if len(value) > LIST_LIMIT:
            raise self.wrong(f"{where} has {len(value)} entries, {LIST_LIMIT} are the most")
        for number, item in enumerate(value):
            if not isinstance(item, str):
                raise self.wrong(f"{where}[{number}] is {_kind(item)}, not text; put it in quotes")
            if item in value[:number]:
                raise self.wrong(f"{where} has {_short(item)} twice")
            if gate:
                self.gate(where, item)
            elif problem := _of_actor(item):
                raise self.wrong(f"{where}[{number}] {problem}")
        return tuple(value)

    def gate(self, where: str, expression: str) -> None:
        if len(expression) > gates.LENGTH_LIMIT:
            told = f"a gate has {len(expression)} characters, and {gates.LENGTH_LIMIT} are the most"
            raise self.wrong(f"{where}: {told}")
        try:
            gates.parse(expression)
        except InvalidGate as error:
            raise self.wrong(f"{where}: {error}") from None

    def duration(self, where: str, value: Any) -> str:
        if value == "":
            return ""
        try:
            parse_duration(value)
        except InvalidDuration as error:
            raise self.wrong(f"{where}: {error}") from None
        return str(value)

    def agree(self, given: Mapping[str, Any]) -> None:
        """Refuses keys that together can never be met, or never matter."""
        needed, approvers = given.get("approvals", 0), given.get("approvers", ())
        if needed and approvers and not any(ANY in name for name in approvers):
            persons = len({person(name) for name in approvers})
            if persons < needed:
                told = f"approvers names only {persons}, so no version could ever pass"
                raise self.wrong(f"{self.prefix}approvals is {needed}, but {told}")
        for key in ("separate_author", "separate_mover", "approvals_expire"):
            if given.get(key) and not needed:
                raise self.wrong(f"{self.prefix}{key} is set, but no approval is asked for; add approvals = 1")

    def wrong(self, problem: str) -> InvalidPolicy:
        return InvalidPolicy(place=self.place, problem=problem)


def _of_actor(name: str) -> str:
    """What is wrong with the name or pattern of an actor; nothing is empty."""
    if not name.strip():
        return "is empty; leave the key out for the default"
    if name != name.strip():
        return "begins or ends with a space, so it would mean nobody"
    if len(name) > NAME_LIMIT:
        return f"has {len(name)} characters, {NAME_LIMIT} are the most"
    return "" if is_text(name) and name.isprintable() else "holds a character that cannot be printed"


def _closest(key: Any) -> str:
    found = difflib.get_close_matches(str(key)[:60].replace("-", "_"), list(KEYS), n=1)
    return f" (did you mean {found[0]!r}?)" if found else ""


def _short(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**20:
        return "a huge number"  # Python writes no more than 4300 digits
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."


def _plain(key: Any) -> str:
    return key if isinstance(key, str) and len(key) <= 60 and key.isprintable() else _short(key)


def _kind(value: Any) -> str:
    kinds: dict[type, str] = {bool: "true or false", str: "text", int: "a number", float: "a number"}
    kinds |= {list: "a list", dict: "a table", type(None): "nothing"}
    return kinds.get(type(value), f"a {type(value).__name__}")

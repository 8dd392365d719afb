"""Names of models, data sets, aliases, labels and tag keys: checked once, here, and safe everywhere after.

A name is plain ASCII and never a path: it cannot start with a dot and cannot hold ``..``, ``/``, ``@``, ``:`` or a control character, so
that ``name/3``, ``name:1.0`` and ``name@alias`` are unambiguous. The rule for model names is the one of Azure ML SDK v1.
"""

from __future__ import annotations

import re
from typing import Literal, TypeVar

from modelyard.core.errors import InvalidName

Kind = Literal["model", "dataset"]

_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_RESERVED_ALIAS = re.compile(r"latest|v[0-9]+", re.IGNORECASE)

MODEL_NAME_LIMIT = 255
ALIAS_LIMIT = 100
LABEL_LIMIT = 128
WEBHOOK_LIMIT = 100


class _Name(str):
    """A ``str`` that is known to have passed its rule."""

    __slots__ = ()


_N = TypeVar("_N", bound=_Name)


class ModelName(_Name):
    """The name of a model or a data set; raises :class:`InvalidName`.

    >>> ModelName("flights-delay")
    'flights-delay'
    >>> ModelName("../etc")
    Traceback (most recent call last):
    ...
    modelyard.core.errors.invalid.InvalidName: name '../etc' is not usable: '.' cannot stand first; use letters, digits, '-', '_' and '.', starting with a letter or digit
    """

    __slots__ = ()

    def __new__(cls, text: object) -> ModelName:
        allowed = "letters, digits, '-', '_' and '.', starting with a letter or digit"
        return str.__new__(cls, _checked(text, "name", _MODEL, MODEL_NAME_LIMIT, allowed))


class AliasName(_Name):
    """A movable pointer's name; ``latest`` and ``v3`` are refused because other tools give them a meaning."""

    __slots__ = ()

    def __new__(cls, text: object) -> AliasName:
        allowed = "letters, digits, '-' and '_', starting with a letter"
        checked = _checked(text, "alias", _ALIAS, ALIAS_LIMIT, allowed)
        if _RESERVED_ALIAS.fullmatch(checked):
            raise InvalidName(what="alias", name=checked, problem="it is reserved", allowed="another word")
        return str.__new__(cls, checked)


class LabelName(_Name):
    """A free version name such as ``1.0`` or ``2024.3``, unique in its model."""

    __slots__ = ()

    def __new__(cls, text: object) -> LabelName:
        allowed = "letters, digits, '-', '_', '+' and '.', starting with a letter or digit"
        return str.__new__(cls, _checked(text, "label", _LABEL, LABEL_LIMIT, allowed))


def stored(kind: type[_N], text: str) -> _N:
    """A name that was checked before it was stored, without checking it again."""
    return str.__new__(kind, text)


class WebhookName(_Name):
    """The name of a webhook."""

    __slots__ = ()

    def __new__(cls, text: object) -> WebhookName:
        allowed = "letters, digits, '-', '_' and '.', starting with a letter or digit"
        return str.__new__(cls, _checked(text, "webhook", _MODEL, WEBHOOK_LIMIT, allowed))


def _checked(text: object, what: str, pattern: re.Pattern[str], limit: int, allowed: str) -> str:
    def refuse(problem: str) -> InvalidName:
        shown = text if isinstance(text, str) and len(text) <= 60 else (str(text)[:57] + "...")
        return InvalidName(what=what, name=shown, problem=problem, allowed=allowed)

    if not isinstance(text, str):
        raise refuse(f"it is a {type(text).__name__}, not text")
    if not text:
        raise refuse("it is empty")
    if len(text) > limit:
        raise refuse(f"it has {len(text)} characters, and {limit} are the most")
    if ".." in text and not text.startswith("."):
        raise refuse("'..' cannot stand in it")
    if not pattern.fullmatch(text):
        bad = next((c for i, c in enumerate(text) if not pattern.fullmatch(("a" if i else "") + c)), text[0])
        raise refuse(f"{bad!r} cannot stand {'first' if bad == text[0] else 'in it'}")
    return text

"""One way to write which version is meant, in the SDK, the CLI, URLs and configuration.

========================  ==================================================================
``fraud``                 the latest: highest number that is not archived
``fraud/3``               number 3
``fraud:1.0``             the version labelled ``1.0`` (or number 3 for ``fraud:3``, Azure's id, when no label ``3`` exists)
``fraud@production``      where the alias ``production`` points
``models:/fraud/3``       MLflow's spelling of the same, on input only
========================  ==================================================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from modelyard.core.errors import InvalidReference
from modelyard.core.names import AliasName, LabelName, ModelName

_NUMBER = re.compile(r"[1-9][0-9]{0,17}")


@dataclass(frozen=True)
class Latest:
    """The newest version that is not archived."""

    def __str__(self) -> str:
        return ""


@dataclass(frozen=True)
class Number:
    value: int

    def __str__(self) -> str:
        return f"/{self.value}"


@dataclass(frozen=True)
class Label:
    value: LabelName

    def __str__(self) -> str:
        return f":{self.value}"


@dataclass(frozen=True)
class Alias:
    value: AliasName

    def __str__(self) -> str:
        return f"@{self.value}"


Selector = Latest | Number | Label | Alias


@dataclass(frozen=True)
class Reference:
    """A model (or data set) and which of its versions; ``Reference.parse(str(r)) == r`` for every ``r``."""

    name: ModelName
    selector: Selector = Latest()

    def __str__(self) -> str:
        return f"{self.name}{self.selector}"

    @classmethod
    def parse(cls, text: object) -> Reference:
        """Reads any accepted spelling; raises :class:`InvalidReference` or :class:`InvalidName`.

        >>> Reference.parse("models:/fraud@production")
        Reference(name='fraud', selector=Alias(value='production'))
        """
        if isinstance(text, Reference):
            return text
        if not isinstance(text, str):
            raise InvalidReference(reference=text, problem=f"it is a {type(text).__name__}, not text")
        rest = text.removeprefix("models:/").lstrip("/") if text.startswith("models:/") else text
        for sign in "@/:":
            name, found, selector = rest.partition(sign)
            if found:
                return cls(ModelName(name), _selector(text, sign, selector))
        return cls(ModelName(rest))


def _selector(text: str, sign: str, word: str) -> Selector:
    if word.lower() == "latest" and sign in "/@":
        return Latest()
    if sign == "@":
        return Alias(AliasName(word))
    if sign == ":":
        return Label(LabelName(word))
    if not _NUMBER.fullmatch(word):
        raise InvalidReference(reference=text, problem=f"{word!r} is not a version number (1, 2, 3 …)")
    return Number(int(word))

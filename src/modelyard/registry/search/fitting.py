"""``like`` and ``ilike`` in SQL: each database has its own, and both are made to answer as :mod:`modelyard.registry.language.patterns` says."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Boolean, ColumnElement, Text, literal

from modelyard.registry.language import patterns


def fits(
    dialect: str, text: ColumnElement[str], wanted: Sequence[patterns.Part], *, insensitive: bool
) -> ColumnElement[bool]:
    """Whether text is as the pattern says; null where there is none."""
    if not insensitive and dialect == "sqlite":  # whose LIKE does not tell a from A
        return text.op("GLOB", is_comparison=True, return_type=Boolean())(literal(_glob(wanted), Text))
    pattern = literal("".join(_escaped(part) for part in wanted), Text)
    return text.ilike(pattern, escape="/") if insensitive else text.like(pattern, escape="/")


def _glob(wanted: Sequence[patterns.Part]) -> str:
    signs = {patterns.Wild.MANY: "*", patterns.Wild.ONE: "?", "*": "[*]", "?": "[?]", "[": "[[]"}
    return "".join(signs.get(part, str(part)) for part in wanted)


def _escaped(part: patterns.Part) -> str:
    signs = {patterns.Wild.MANY: "%", patterns.Wild.ONE: "_", "%": "/%", "_": "/_", "/": "//"}
    return signs.get(part, str(part))

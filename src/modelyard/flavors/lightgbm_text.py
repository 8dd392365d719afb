"""The text form of a lightgbm model, as far as it must be understood before the library may have it.

A header of ``key=value`` lines (``tree_sizes``: the bytes of each tree), then the trees, ``end of trees``, the importances,
``parameters:`` … ``end of parameters`` and ``pandas_categorical:<JSON>``. See ``GBDT::SaveModelToString`` in lightgbm's source.
"""

from __future__ import annotations

import re

START = b"tree\nversion="


def header(text: str) -> dict[str, str]:
    """The header's keys and values; a key without ``=`` has an empty value."""
    head = text.partition("\nTree=0\n")[0]
    return {key: value for key, _, value in (line.partition("=") for line in head.splitlines())}


def problem_of(text: bytes) -> str | None:
    """Why this is not a whole model text; ``None`` when it is. Every tree must be where the header says."""
    if not text.startswith(START):
        return "it does not begin as a lightgbm model does"
    start = text.find(b"\nTree=0\n") + 1
    if not start:
        return None if b"\nend of trees\n" in text else "it ends before its first tree"
    try:
        sizes = [int(size) for size in header(text[:start].decode())["tree_sizes"].split()]
    except (KeyError, ValueError):
        return "its header does not tell the sizes of its trees"
    at = start
    for number, size in enumerate(sizes):
        tree = text[at : at + size]
        if not tree.startswith(b"Tree=%d\n" % number) or len(tree) != size or b"\nleaf_value=" not in tree:
            return f"its tree {number} is damaged or cut short"
        at += size
    if not text[at:].startswith(b"end of trees\n"):
        return "its trees do not end where its header says"
    if b"\nparameters:" in text[at:] and b"\nend of parameters\n" not in text[at:]:
        return "it ends within its parameters"
    return None


def categorical_columns(text: str) -> list[int]:
    """The numbers of the categorical columns. Of the numeric ones the header keeps a range, of these the values seen."""
    named = re.search(r"^\[categorical_feature: ([\d,]+)\]$", text, re.MULTILINE)
    if named:
        return [int(number) for number in named[1].split(",")]
    infos = header(text).get("feature_infos", "").split(" ")
    return [i for i, info in enumerate(infos) if ":" in info and not info.startswith("[")]

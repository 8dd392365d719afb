"""In which order labels stand: as Semantic Versioning 2.0.0 says (section 11), and what is no semantic version before those, by its bytes."""

from __future__ import annotations

import re

_SEMVER = re.compile(
    r"v?(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(?:\.(0|[1-9][0-9]*))?(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+([0-9A-Za-z.-]+))?"
)
_DIGITS = 3  # digits of the length of a number, which is written before it


def order(label: str) -> str:
    """Text that compares, byte by byte, as the label is to be ordered. ``1.0`` stands for ``1.0.0``, and a leading ``v`` is left out.

    >>> sorted(["1.10.0", "1.9.0", "2.0.0", "2.0.0-rc.10", "2.0.0-rc.2", "nightly"], key=order)
    ['nightly', '1.9.0', '1.10.0', '2.0.0-rc.2', '2.0.0-rc.10', '2.0.0']
    """
    found = _SEMVER.fullmatch(label)
    if found is None:
        return f"0{label}"
    major, minor, patch, before, build = found.groups()
    core = "".join(_number(part) for part in (major, minor, patch or "0"))
    # A version without a pre-release comes after those with one; an identifier ends lower than any letter, so that a shorter list comes first.
    rest = "~" if before is None else "".join(_identifier(part) for part in before.split(".")) + "!"
    return f"1{core}{rest}{f'+{build}' if build else ''}"


def _number(digits: str) -> str:
    return f"{len(digits):0{_DIGITS}}{digits}"


def _identifier(text: str) -> str:
    """Numbers by their value, before words."""
    return f"#{_number(text.lstrip('0') or '0')}" if text.isdigit() else f"${text}!"

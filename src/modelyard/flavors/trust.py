"""Whether loading may run code from a file. A pure rule: nothing runs by being loaded unless its reader trusts it.

===================================  =================  =================  ============
the file                             trust not said     trust=True         trust=False
===================================  =================  =================  ============
runs no code                         loads              loads              loads
runs code, the reader's              loads              loads              refused
runs code, vouched for by a policy   loads              loads              refused
runs code, someone else's            refused            loads              refused
===================================  =================  =================  ============

What a policy vouches for, and what a scan refuses whoever made it, is in :mod:`modelyard.safety.trust`.
"""

from __future__ import annotations

from modelyard.core.errors import Untrusted


def may_run(runs_code: bool, author: str, reader: str, trust: bool | None, vouched: bool = False) -> bool:
    """The table above. An author or a reader without a name is nobody, and nobody trusts nobody."""
    if not runs_code:
        return True
    if trust is None:
        return vouched or (bool(author) and author == reader)
    return trust is True


def require_trust(
    reference: str,
    format: str,  # noqa: A002 - the word of the sentence
    author: str,
    reader: str,
    trust: bool | None,
    runs_code: bool,
    vouched: bool = False,
) -> None:
    """Raises :class:`Untrusted` when :func:`may_run` says no; returns nothing when it says yes."""
    if not may_run(runs_code, author, reader, trust, vouched):
        raise Untrusted(reference=reference, format=format, author=author, reader=reader)

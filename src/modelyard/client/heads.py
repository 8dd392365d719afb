"""Heads of the ledger, to be kept where nobody who can write the database can reach: what they prove is in docs/ledger.md."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from modelyard.core.clock import to_text
from modelyard.core.digests import canonical_json
from modelyard.core.errors import InvalidHead, LedgerRewritten, PathMissing, SignatureInvalid
from modelyard.registry import ledger
from modelyard.registry.schema import ledger as table

if TYPE_CHECKING:
    from modelyard.client.seat import Seat

FORMAT = 1


def head(workspace: Seat, *, key: str | Path | None = None, password: str | None = None) -> dict[str, Any]:
    """The last row of the ledger: ``format``, ``yard``, ``sequence``, ``hash``, ``time``; with a private ``key`` also ``key`` and ``signature``.

    The signature is over the canonical JSON of the document without these two. Raises KeyUnusable, ExtraMissing.
    """
    with workspace.registry.read() as connection:
        sequence, last = ledger.head(connection)
    document: dict[str, Any] = {
        "format": FORMAT,
        "yard": workspace.yard_id,
        "sequence": sequence,
        "hash": last,
        "time": to_text(workspace.clock.now()),
    }
    if key is not None:
        from modelyard.safety.signing import fingerprint, load_private_key, sign_bytes

        private = load_private_key(key, password)
        signature = b64encode(sign_bytes(private, canonical_json(document))).decode()
        document |= {"key": fingerprint(private.public_key()), "signature": signature}
    return document


def require_head(workspace: Seat, noted: str | Path | Mapping[str, Any], *, key: str | Path | None = None) -> int:
    """That the ledger still has the row of a head that was noted, and an unbroken chain up to it; its sequence.

    With the public ``key``, that the head was signed with it. Raises InvalidHead, SignatureInvalid, LedgerRewritten, PathMissing, KeyUnusable.
    """
    document = dict(noted) if isinstance(noted, Mapping) else _read(Path(noted))
    signature = document.pop("signature", None)
    document.pop("key", None)
    try:
        sequence, known, yard = int(document["sequence"]), str(document["hash"]), str(document["yard"])
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidHead(problem=f"it has no proper {error}") from None
    if key is not None:
        from modelyard.safety.signing import load_public_key, verify_bytes

        if not isinstance(signature, str):
            raise SignatureInvalid(what="this head of a ledger", problem="it is not signed")
        verify_bytes(load_public_key(key), canonical_json(document), b64decode(signature))
    if yard != workspace.yard_id:
        raise InvalidHead(problem=f"it is of the yard {yard}, and this one is {workspace.yard_id}")
    with workspace.registry.read() as connection:
        found = ledger.GENESIS if sequence == 0 else None
        if sequence:
            found = connection.execute(select(table.c.hash).where(table.c.sequence == sequence)).scalar()
        broken = next(ledger.broken_rows(connection), None)
    if found != known:
        told = "is not there" if found is None else f"has the hash {found[:12]}…, not {known[:12]}…"
        raise LedgerRewritten(sequence=sequence, found=told)
    if broken:
        raise LedgerRewritten(sequence=sequence, found=f"is there, but {broken}")
    return sequence


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        raise PathMissing(path=path) from None
    except (OSError, ValueError) as error:
        raise InvalidHead(problem=f"{path} is not JSON ({error})") from None
    if not isinstance(found, dict):
        raise InvalidHead(problem=f"{path} is not a JSON object")
    return found

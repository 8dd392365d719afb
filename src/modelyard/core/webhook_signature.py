"""Signing what a webhook sends, and checking it where it arrives, as the Standard Webhooks specification says.

What is signed is ``id.timestamp.body``, with HMAC-SHA256 and the bytes that stand in base64 behind ``whsec_`` in the secret. The signature is
``v1,`` and the base64 of that; a header may hold several, separated by spaces. See https://www.standardwebhooks.com.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Iterable, Mapping
from typing import Any

from modelyard.core.errors import InvalidWebhookSecret, WebhookNotGenuine

PREFIX = "whsec_"
KEY_BYTES = range(24, 65)
TOLERANCE_SECONDS = 300
ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"


def new_secret() -> str:
    """A secret of 32 random bytes."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def key_of(secret: str) -> bytes:
    """The key that a secret stands for. Raises InvalidWebhookSecret, which does not show it."""
    if not isinstance(secret, str) or not secret.startswith(PREFIX):
        raise InvalidWebhookSecret(problem=f"it does not begin with {PREFIX}")
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidWebhookSecret(problem=f"what follows {PREFIX} is not base64") from None
    if len(key) not in KEY_BYTES:
        raise InvalidWebhookSecret(
            problem=f"it stands for {len(key)} bytes, and {KEY_BYTES[0]} to {KEY_BYTES[-1]} are needed"
        )
    return key


def signature(secret: str, identity: str, timestamp: int, body: bytes) -> str:
    """What the header ``webhook-signature`` says. Raises InvalidWebhookSecret."""
    content = f"{identity}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key_of(secret), content, hashlib.sha256)).decode()


def signed_headers(secret: str, identity: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers that go with a body. Raises InvalidWebhookSecret."""
    return {ID: identity, TIMESTAMP: str(timestamp), SIGNATURE: signature(secret, identity, timestamp, body)}


def verify_webhook(
    secret: str | Iterable[str],
    headers: Mapping[str, str],
    body: bytes | str,
    *,
    now: float | None = None,
    tolerance: float = TOLERANCE_SECONDS,
) -> Any:
    """What a genuine webhook says: its body, parsed. For whoever receives one.

    ``secret`` is what ``webhook add`` showed, or several while one replaces another. ``headers`` are those of the request, in any case;
    ``body`` is as it came, before anything parsed it. A request that was signed more than ``tolerance`` seconds before or after ``now`` (the time of this
    machine) is refused, so that a recorded one cannot be sent again later; the same row may still arrive twice, with the same ``webhook-id``. Raises
    WebhookNotGenuine, InvalidWebhookSecret.
    """
    found = {name.lower(): value for name, value in headers.items()}
    raw = body.encode() if isinstance(body, str) else bytes(body)
    missing = [name for name in (ID, TIMESTAMP, SIGNATURE) if not found.get(name)]
    if missing:
        raise WebhookNotGenuine(problem=f"it has no header {missing[0]}")
    identity, told = found[ID], found[TIMESTAMP]
    if not (told.isascii() and told.isdigit() and len(told) <= 12):
        raise WebhookNotGenuine(problem="its timestamp is not a number of seconds")
    timestamp = int(told)
    # The signature first: what is not signed by us has no say in anything else.
    given = [text.encode(errors="replace") for text in found[SIGNATURE].split() if text.startswith("v1,")]
    wanted = [
        signature(each, identity, timestamp, raw).encode() for each in ([secret] if isinstance(secret, str) else secret)
    ]
    if not any(hmac.compare_digest(one, other) for one in wanted for other in given):
        raise WebhookNotGenuine(problem="its signature is not that of this secret and this body")
    age = (time.time() if now is None else now) - timestamp
    if abs(age) > tolerance:
        told = f"{abs(age):.0f} s {'ago' if age > 0 else 'in the future'}"
        raise WebhookNotGenuine(problem=f"it was signed {told}, and {tolerance:g} s are allowed")
    try:
        return json.loads(raw)
    except ValueError:
        raise WebhookNotGenuine(problem="its body is not JSON") from None

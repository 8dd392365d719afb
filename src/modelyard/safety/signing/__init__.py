"""Signatures: of bytes with a key, and of the files of a version in the format of OpenSSF model signing."""

from modelyard.safety.signing.keys import (
    fingerprint,
    is_locked,
    load_private_key,
    load_public_key,
    public_key_of,
    public_pem,
    sign_bytes,
    verify_bytes,
    write_key_pair,
)

__all__ = [
    "fingerprint",
    "is_locked",
    "load_private_key",
    "load_public_key",
    "public_key_of",
    "public_pem",
    "sign_bytes",
    "verify_bytes",
    "write_key_pair",
]

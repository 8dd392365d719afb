"""Signatures of a bundle: of its identity, the SHA-256 of its index, which has the SHA-256 of everything else."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from typing import Any

from modelyard.core.errors import BundleSignatureInvalid, SignatureInvalid
from modelyard.transfer.bundle.reading import BundleFile
from modelyard.transfer.bundle.writing import Sign

ALGORITHM = "ecdsa"


def signer(key: str | os.PathLike[str], password: str | None = None) -> Sign:
    """Signs with the private key in a PEM file. Raises KeyUnusable, ExtraMissing."""
    from modelyard.safety.signing import fingerprint, load_private_key, sign_bytes

    private = load_private_key(key, password)

    def sign(identity: str) -> Mapping[str, Any]:
        made = sign_bytes(private, _signed(identity))
        return {
            "algorithm": ALGORITHM,
            "key": fingerprint(private.public_key()),
            "signature": base64.b64encode(made).decode(),
        }

    return sign


def signers(bundle: BundleFile) -> list[str]:
    """The fingerprints of the keys that are said to have signed it; not checked."""
    return [str(each.get("key"))[:80] for each in bundle.signatures]


def require_signed(bundle: BundleFile, key: str | os.PathLike[str]) -> str:
    """The fingerprint of the public key in a PEM file, if its owner signed the bundle. Raises BundleSignatureInvalid, KeyUnusable, ExtraMissing."""
    from modelyard.safety.signing import fingerprint, load_public_key, verify_bytes

    public = load_public_key(key)
    name = fingerprint(public)
    mine = [each for each in bundle.signatures if each.get("key") == name]
    if not mine:
        others = ", ".join(signers(bundle))
        problem = f"it is signed by {others}, not by {name}" if others else "it is not signed"
        raise BundleSignatureInvalid(path=bundle.path, problem=problem)
    for each in mine:
        try:
            if each.get("algorithm") != ALGORITHM:
                raise ValueError
            signature = base64.b64decode(str(each.get("signature")), validate=True)
            verify_bytes(public, _signed(bundle.id), signature)
        except (SignatureInvalid, ValueError, binascii.Error):
            problem = f"it is not one that the owner of {name} made of this bundle"
            raise BundleSignatureInvalid(path=bundle.path, problem=problem) from None
    return name


def _signed(identity: str) -> bytes:
    """What is signed: it says what it is, so that a signature of something else is never one of a bundle."""
    return b"modelyard bundle 1 sha256:" + identity.encode()

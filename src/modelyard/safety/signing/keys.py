"""Keys for signing: elliptic curve keys in PEM, the one kind that OpenSSF model signing knows.

The hash goes with the curve as the sigstore bundle format says: SHA-256 for P-256, SHA-384 for P-384, SHA-512 for P-521. A key is
known by its fingerprint, the SHA-256 of its public half in PEM, which is also the hint in a bundle.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelyard.core.errors import KeyUnusable, SignatureInvalid, TargetExists, TargetUnwritable
from modelyard.core.extras import needing

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

KEY_LIMIT = 64 * 1024
"""No PEM of one key is longer; what is, is another file."""

CURVES = {"secp256r1": "SHA256", "secp384r1": "SHA384", "secp521r1": "SHA512"}
KINDS = "an elliptic curve key (P-256, P-384 or P-521) in PEM, such as modelyard keygen makes"


def load_private_key(path: str | os.PathLike[str], password: str | bytes | None = None) -> EllipticCurvePrivateKey:
    """The private key in a PEM file. Raises KeyUnusable for a file that is no such key, or that the password does not open."""
    with needing("signing", "sign"):
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data = _read(path)
    if b"PRIVATE KEY" not in data:
        what = "it is a public key; sign with the private one" if b"PUBLIC KEY" in data else f"it is not {KINDS}"
        raise KeyUnusable(key=os.fspath(path), problem=what)
    secret = password.encode() if isinstance(password, str) else password
    if secret and b"ENCRYPTED" not in data:
        secret = None  # a password for a key that has none opens it as well; the library refuses that
    try:
        key = load_pem_private_key(data, secret or None)
    except TypeError:
        problem = "it is protected by a password; set MODELYARD_KEY_PASSWORD, or type it when asked"
        raise KeyUnusable(key=os.fspath(path), problem=problem) from None
    except (ValueError, UnsupportedAlgorithm):
        problem = "the password does not open it" if secret else f"it is damaged, or not {KINDS}"
        raise KeyUnusable(key=os.fspath(path), problem=problem) from None
    if not isinstance(key, EllipticCurvePrivateKey) or key.curve.name not in CURVES:
        raise KeyUnusable(key=os.fspath(path), problem=f"it is {_kind(key)}; use {KINDS}")
    return key


def is_locked(path: str | os.PathLike[str]) -> bool:
    """Whether the key in a file needs a password. Raises KeyUnusable for a file that cannot be read."""
    return b"ENCRYPTED" in _read(path)


def load_public_key(path: str | os.PathLike[str]) -> EllipticCurvePublicKey:
    """The public key in a PEM file. Raises KeyUnusable."""
    return public_key_of(_read(path), os.fspath(path))


def public_key_of(data: bytes, named: str) -> EllipticCurvePublicKey:
    """The public key in the bytes of a PEM; ``named`` is what people know it by. Raises KeyUnusable."""
    with needing("signing", "sign"):
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if b"PRIVATE KEY" in data:
        raise KeyUnusable(key=named, problem="it is a private key; give out and verify with the public one")
    try:
        key = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise KeyUnusable(key=named, problem=f"it is not {KINDS}") from None
    if not isinstance(key, EllipticCurvePublicKey) or key.curve.name not in CURVES:
        raise KeyUnusable(key=named, problem=f"it is {_kind(key)}; use {KINDS}")
    return key


def public_pem(public: EllipticCurvePublicKey) -> bytes:
    """The public key as PEM text; :func:`public_key_of` reads it back."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def fingerprint(public: EllipticCurvePublicKey) -> str:
    """What the key is known by: ``sha256:`` and 64 hexadecimal digits."""
    return "sha256:" + hashlib.sha256(public_pem(public)).hexdigest()


def sign_bytes(private: EllipticCurvePrivateKey, data: bytes) -> bytes:
    """An ECDSA signature of the bytes, in DER; differs from call to call."""
    return private.sign(data, _algorithm(private.curve.name))


def verify_bytes(public: EllipticCurvePublicKey, data: bytes, signature: bytes, what: str = "this") -> None:
    """Returns when ``signature`` is one that the owner of the key made of just these bytes; raises SignatureInvalid."""
    from cryptography.exceptions import InvalidSignature

    try:
        public.verify(signature, data, _algorithm(public.curve.name))
    except InvalidSignature:
        raise SignatureInvalid(what=what, problem="it is not one that this key made of these bytes") from None


def write_key_pair(private_path: Path, public_path: Path, password: str | None = None) -> str:
    """Makes a new P-256 key; the private half is readable by its owner only. The fingerprint.

    Raises TargetExists, and then nothing is written: a key that is overwritten is gone. Raises TargetUnwritable.
    """
    with needing("making a key", "sign"):
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

    for path in (private_path, public_path):
        if os.path.lexists(path):
            raise TargetExists(path=path)
    key = ec.generate_private_key(ec.SECP256R1())
    lock: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        lock = serialization.BestAvailableEncryption(password.encode())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)
    _write_new(private_path, pem, 0o600)
    _write_new(public_path, public_pem(key.public_key()), 0o644)
    return fingerprint(key.public_key())


def _write_new(path: Path, data: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
    except FileExistsError:
        raise TargetExists(path=path) from None
    except OSError as error:
        raise TargetUnwritable(path=path, problem=error.strerror) from error


def _read(path: str | os.PathLike[str]) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe would hold us
        with os.fdopen(descriptor, "rb") as file:
            data = file.read(KEY_LIMIT + 1)
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or "its path is no path"
        raise KeyUnusable(key=os.fspath(path), problem=problem) from None
    if len(data) > KEY_LIMIT:
        raise KeyUnusable(key=os.fspath(path), problem=f"it is too large to be {KINDS}")
    return data


def _algorithm(curve: str) -> Any:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.ECDSA(getattr(hashes, CURVES[curve])())


def _kind(key: Any) -> str:
    curve = getattr(key, "curve", None)
    if curve is not None:
        return f"of the curve {curve.name}"
    word = type(key).__name__.lstrip("_").removesuffix("PrivateKey").removesuffix("PublicKey")
    return f"an {word} key" if word[:1] in "AEIOU" else f"a {word} key"

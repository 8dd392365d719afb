from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from modelyard.core.errors import KeyUnusable, SignatureInvalid, TargetExists
from modelyard.safety.signing import (
    fingerprint,
    load_private_key,
    load_public_key,
    sign_bytes,
    verify_bytes,
    write_key_pair,
)

CURVES = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}


def pem(key, lock=None) -> bytes:
    lock = lock or serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)


@pytest.mark.parametrize("curve", CURVES)
def test_what_one_key_signs_its_public_half_verifies_and_no_other_bytes(curve, tmp_path):
    key = ec.generate_private_key(CURVES[curve])
    (tmp_path / "key.pem").write_bytes(pem(key))
    private = load_private_key(tmp_path / "key.pem")
    signature = sign_bytes(private, b"the head of a ledger")
    verify_bytes(private.public_key(), b"the head of a ledger", signature)
    other = ec.generate_private_key(CURVES[curve]).public_key()
    for public, data, found in (
        (private.public_key(), b"the head of a ledgeR", signature),
        (private.public_key(), b"the head of a ledger", signature[:-1] + bytes([signature[-1] ^ 1])),
        (private.public_key(), b"the head of a ledger", b""),
        (other, b"the head of a ledger", signature),
    ):
        with pytest.raises(SignatureInvalid):
            verify_bytes(public, data, found)


def test_a_new_key_is_readable_by_its_owner_alone_and_is_never_written_over(tmp_path):
    private, public = tmp_path / "release.pem", tmp_path / "release.pub"
    named = write_key_pair(private, public, "secret")
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert (
        fingerprint(load_public_key(public)) == named == fingerprint(load_private_key(private, "secret").public_key())
    )
    before = private.read_bytes()
    with pytest.raises(TargetExists):
        write_key_pair(private, tmp_path / "other.pub")
    assert private.read_bytes() == before
    assert not (tmp_path / "other.pub").exists()


def test_the_fingerprint_is_the_one_that_openssl_users_can_compute(tmp_path):
    import hashlib

    write_key_pair(tmp_path / "k.pem", tmp_path / "k.pub")
    public = tmp_path / "k.pub"
    assert fingerprint(load_public_key(public)) == "sha256:" + hashlib.sha256(public.read_bytes()).hexdigest()


def test_a_locked_key_opens_with_its_password_only(tmp_path):
    write_key_pair(tmp_path / "k.pem", tmp_path / "k.pub", "secret")
    load_private_key(tmp_path / "k.pem", b"secret")
    with pytest.raises(KeyUnusable, match="MODELYARD_KEY_PASSWORD"):
        load_private_key(tmp_path / "k.pem")
    with pytest.raises(KeyUnusable, match="password does not open"):
        load_private_key(tmp_path / "k.pem", "Secret")


def test_a_password_for_a_key_without_one_does_no_harm(tmp_path):
    write_key_pair(tmp_path / "k.pem", tmp_path / "k.pub")
    load_private_key(tmp_path / "k.pem", "secret")


BAD = {
    "an RSA key": pem(rsa.generate_private_key(65537, 2048)),
    "an Ed25519 key": pem(ed25519.Ed25519PrivateKey.generate()),
    "another curve": pem(ec.generate_private_key(ec.SECP256K1())),
    "garbage": b"\x00\xff garbage",
    "empty": b"",
    "half a key": pem(ec.generate_private_key(ec.SECP256R1()))[:120],
    "a lying header": b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    "a large file": b"PRIVATE KEY" * 100_000,
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_elliptic_curve_key_is_refused_by_its_path(case, tmp_path):
    (tmp_path / "key.pem").write_bytes(BAD[case])
    for load in (load_private_key, load_public_key):
        with pytest.raises(KeyUnusable) as refusal:
            load(tmp_path / "key.pem")
        assert str(tmp_path / "key.pem") in str(refusal.value)
        assert "\n" not in str(refusal.value)


def test_a_key_file_that_is_not_there_or_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "none.pem", tmp_path, tmp_path / "pipe", Path("a\0b")):
        for load in (load_private_key, load_public_key):
            with pytest.raises(KeyUnusable):
                load(place)


def test_the_two_halves_are_not_taken_for_each_other(tmp_path):
    write_key_pair(tmp_path / "k.pem", tmp_path / "k.pub")
    with pytest.raises(KeyUnusable, match="public key; sign with the private one"):
        load_private_key(tmp_path / "k.pub")
    with pytest.raises(KeyUnusable, match="private key; give out"):
        load_public_key(tmp_path / "k.pem")

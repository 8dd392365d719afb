"""Signatures over the files of a version as OpenSSF model signing writes and reads them: key mode, version 1.0 of the predicate.

A signature is a sigstore bundle in JSON: a DSSE envelope around an in-toto statement that lists every file with its SHA-256, and the hint
of the key. The digests are those that the manifest has, so that nothing is read again. What stands below ``modelyard`` in the predicate is
ours: the digest of the manifest, which covers the flavor and the signature of the columns too. Other verifiers pass it over, as the
format asks them to.

The format: https://github.com/sigstore/model-transparency, https://github.com/secure-systems-lab/dsse and the sigstore bundle 0.3.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from modelyard.core.digests import Digest, canonical_json, is_digest
from modelyard.core.errors import SignatureInvalid, WrongKey
from modelyard.safety.signing.keys import fingerprint, sign_bytes, verify_bytes

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

TOOL = "OpenSSF model signing 1.0"

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://model_signing/signature/v1.0"

NOT_SIGNED = (".git", ".gitattributes", ".github", ".gitignore")
"""What belongs to a git repository and not to the model: other verifiers leave it out unless told otherwise, so it cannot be signed for them."""

SIZE_LIMIT = 256 * 1024 * 1024
"""Of a bundle: a million files."""


@dataclass(frozen=True)
class Signed:
    """What the owner of a key has signed: files by path with their digests, and where he had it from us the digest of the manifest."""

    name: str
    files: Mapping[str, str]  # 64 hexadecimal digits
    ignored: tuple[str, ...]
    manifest: str | None
    digest: str  # over all files: what the statement is about

    def covers(self, manifest_digest: str, files: Mapping[str, str]) -> bool:
        """Whether a version is, whole, what was signed: its manifest, or at least each of its files with nothing left out."""
        return self.manifest == manifest_digest or self._single(files) == dict(files)

    def require(self, files: Mapping[str, str], what: str) -> tuple[str, ...]:
        """The files of ``files`` that the signature leaves out on purpose. Raises SignatureInvalid, naming the first that differs."""
        signed = self._single(files)
        left_out = [path for path in files if path not in signed and self._ignores(path)]
        for path in sorted({*files, *signed} - set(left_out)):
            if path not in signed:
                raise SignatureInvalid(what=what, problem=f"{path} was not there when it was signed")
            if path not in files:
                raise SignatureInvalid(what=what, problem=f"{path} was signed and is not there")
            if signed[path] != files[path]:
                raise SignatureInvalid(what=what, problem=f"{path} is not what was signed")
        return tuple(sorted(left_out))

    def _single(self, files: Mapping[str, str]) -> dict[str, str]:
        """The signed files; where one file was signed by itself, it has no name, and is the one file of the version."""
        if self.files.keys() == {"."} and len(files) == 1:
            return dict(zip(files, self.files.values(), strict=True))
        return dict(self.files)

    def _ignores(self, path: str) -> bool:
        return any(PurePosixPath(path).is_relative_to(place) for place in self.ignored if place not in (".", ""))


def sign(private: EllipticCurvePrivateKey, name: str, files: Mapping[str, str], manifest: str) -> bytes:
    """The bundle over ``files`` (64 hexadecimal digits by path) of the model ``name``, whose manifest has that digest."""
    payload = canonical_json(_statement(name, files, manifest))
    signature = sign_bytes(private, _encoded(payload))
    bundle = {
        "mediaType": BUNDLE,
        "verificationMaterial": {
            "publicKey": {"hint": fingerprint(private.public_key()).removeprefix("sha256:")},
            "tlogEntries": [],
        },
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD,
            "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
        },
    }
    return json.dumps(bundle, separators=(",", ":")).encode()


def read(public: EllipticCurvePublicKey, bundle: bytes, what: str) -> Signed:
    """What the owner of the key has signed. Raises WrongKey for a bundle of another key, SignatureInvalid for what does not hold or is no bundle."""
    try:
        document = _object(bundle)
        if document["mediaType"] != BUNDLE:
            raise ValueError(f"it is a {document['mediaType']}")
        material, envelope = document["verificationMaterial"], document["dsseEnvelope"]
        if "publicKey" not in material:
            raise SignatureInvalid(what=what, problem="it was made with a certificate, and here signatures are by key")
        hint = material["publicKey"].get("hint")
        payload = base64.b64decode(envelope["payload"], validate=True)
        [one] = envelope["signatures"]
        signature = base64.b64decode(one["sig"], validate=True)
        kind = envelope["payloadType"]
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error) as error:
        raise SignatureInvalid(what=what, problem=f"it is no bundle of OpenSSF model signing ({_say(error)})") from None
    asked = fingerprint(public)
    if hint and f"sha256:{hint}" != asked:
        raise WrongKey(what=what, found=f"sha256:{hint}"[:80], asked=asked)
    verify_bytes(public, _encoded(payload), signature, what)
    if kind != PAYLOAD:
        raise SignatureInvalid(what=what, problem="what was signed is not a statement about a model")
    return _signed(payload, what)


def hint_of(bundle: bytes) -> str | None:
    """The fingerprint of the key that a bundle says it was made with; None when it says nothing that can be read. No proof of anything."""
    try:
        hint = _object(bundle)["verificationMaterial"]["publicKey"]["hint"]
    except (KeyError, TypeError, ValueError):
        return None
    return f"sha256:{hint}" if is_digest(f"sha256:{hint}") else None


def _statement(name: str, files: Mapping[str, str], manifest: str) -> dict[str, Any]:
    signed = {path: digest for path, digest in files.items() if PurePosixPath(path).parts[0] not in NOT_SIGNED}
    ordered = sorted(signed, key=PurePosixPath)
    whole = hashlib.sha256(b"".join(bytes.fromhex(signed[path]) for path in ordered)).hexdigest()
    return {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": whole}}],
        "predicateType": PREDICATE,
        "predicate": {
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                "ignore_paths": list(NOT_SIGNED),
            },
            "resources": [{"name": path, "algorithm": "sha256", "digest": signed[path]} for path in ordered],
            "modelyard": {"manifest": manifest},
        },
    }


def _signed(payload: bytes, what: str) -> Signed:
    """The statement as a value. It was signed by whoever owns the key, and still need not make sense."""
    try:
        document = _object(payload)
        predicate = document["predicate"]
        serialization = predicate["serialization"]
        if (document["_type"], document["predicateType"]) != (STATEMENT, PREDICATE):
            raise ValueError("a statement of another kind")
        if (serialization["method"], serialization["hash_type"]) != ("files", "sha256"):
            problem = "it is not over whole files by SHA-256; verify the downloaded files with model_signing"
            raise SignatureInvalid(what=what, problem=problem)
        [subject] = document["subject"]
        files: dict[str, str] = {}
        whole = hashlib.sha256()
        for resource in predicate["resources"]:
            path, digest = resource["name"], Digest("sha256:" + resource["digest"]).hex
            if not isinstance(path, str) or path in files or resource["algorithm"] != "sha256":
                raise ValueError(f"the file {path!r}")
            files[path] = digest
            whole.update(bytes.fromhex(digest))
        if subject["digest"]["sha256"] != whole.hexdigest():
            raise ValueError("its digest is not that of its files")
        ours = predicate.get("modelyard") or {}
        manifest = ours.get("manifest")
        ignored = tuple(str(path) for path in serialization.get("ignore_paths") or ())
        return Signed(str(subject["name"]), files, ignored, manifest, f"sha256:{whole.hexdigest()}")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SignatureInvalid(what=what, problem=f"what was signed cannot be read ({_say(error)})") from None


def _encoded(payload: bytes) -> bytes:
    """What is signed: DSSE's encoding, which takes the type along."""
    return b" ".join((b"DSSEv1", b"%d" % len(PAYLOAD), PAYLOAD.encode(), b"%d" % len(payload), payload))


def _object(data: bytes) -> dict[str, Any]:
    if len(data) > SIZE_LIMIT:
        raise ValueError("it is too large")
    try:
        found = json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("it is no object")
    return found


def _say(error: Exception) -> str:
    text = str(error).partition("\n")[0][:80]
    return f"{text} is missing" if isinstance(error, KeyError) else text

"""Signatures of versions: made with a key, kept as reports, verified against the manifest. Not one byte of the files is read for it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelyard.core.digests import Digest
from modelyard.core.errors import (
    Damaged,
    KeyUnusable,
    PathMissing,
    PathUnusable,
    SignatureInvalid,
    SignatureMissing,
    WrongKey,
)
from modelyard.registry import reports
from modelyard.registry.reports import Report
from modelyard.registry.versions import NewReport
from modelyard.safety.signing import fingerprint, load_private_key, load_public_key, openssf, public_key_of, public_pem
from modelyard.safety.trust import Keyring

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

    from modelyard.client.entry import Entry

NO_KEYS: Keyring = {}
KeyPath = str | os.PathLike[str]


@dataclass(frozen=True)
class Signature:
    """A signature that was made: by which key, over what, by whom; ``bundle`` is what a ``.sig`` file holds."""

    reference: str
    key: str  # fingerprint
    digest: str  # over the signed files
    signer: str
    bundle: bytes

    def write(self, path: KeyPath) -> None:
        """Writes the bundle to a file, as ``model_signing`` does."""
        Path(path).write_bytes(self.bundle)


@dataclass(frozen=True)
class Verified:
    """A signature that holds. ``not_signed`` are files that its maker left out, as other tools do with those of git."""

    reference: str
    key: str
    digest: str
    files: int
    not_signed: tuple[str, ...] = ()


def sign(entry: Entry, key: KeyPath, password: str | bytes | None = None) -> Signature:
    """Signs the files of a version as OpenSSF model signing does, and keeps the signature with it. Raises KeyUnusable, ExtraMissing."""
    private = load_private_key(key, password)
    workspace, public = entry.workspace, private.public_key()
    bundle = openssf.sign(private, entry.name, _files(entry), entry.digest)
    digest = openssf.read(public, bundle, entry.reference).digest
    summary = {
        "key": fingerprint(public),
        "public_key": public_pem(public).decode(),
        "method": "openssf",
        "digest": digest,
        "who": workspace.actor,
    }
    with workspace.store.intake() as intake:
        document = intake.put_bytes(bundle).digest
        intake.commit()
        with workspace.registry.begin(alone=False) as tx:
            reports.add(tx, entry.row, NewReport(reports.SIGNATURE, openssf.TOOL, summary, document))
    return Signature(entry.reference, summary["key"], digest, workspace.actor, bundle)


def verify(
    entry: Entry, *, key: KeyPath | None = None, trusted: Keyring = NO_KEYS, bundle: bytes | None = None
) -> Verified:
    """Whether somebody signed just this version: the owner of the public ``key``, or without it of one of the ``trusted`` keys.

    ``bundle`` is a signature from elsewhere; without it those that are kept with the version count. Raises SignatureMissing, WrongKey,
    SignatureInvalid (which names the first file that differs), KeyUnusable, ExtraMissing.
    """
    if key is not None:
        public = load_public_key(key)
        return _by_key(entry, public) if bundle is None else _verified(entry, public, bundle)
    if bundle is None:
        return _by_trusted(entry, trusted)
    found = openssf.hint_of(bundle)
    known = trusted.get(found) if found else None
    if known is None:
        raise WrongKey(what=entry.reference, found=found or "unknown", asked="one whose file your trust policy names")
    return _verified(entry, known, bundle)


def signatures(entry: Entry) -> list[Report]:
    """The signatures that are kept with a version, the last one first; whether they hold is not looked at."""
    with entry.workspace.registry.read() as connection:
        return reports.of_version(connection, entry.row.id, reports.SIGNATURE)


def is_signed_by(entry: Entry, trusted: Keyring) -> bool:
    """Whether one of the kept signatures was made by a trusted key, holds, and covers the version whole."""
    files = _files(entry)
    for report in signatures(entry):
        try:
            public = _trusted_key(report.summary, trusted)
            if public is None:
                continue
            signed = openssf.read(public, _bundle(entry, report), entry.reference)
        except (Damaged, KeyUnusable):  # SignatureInvalid too: one that does not hold vouches for nothing
            continue
        if signed.covers(entry.digest, files):
            return True
    return False


def read_bundle(path: KeyPath) -> bytes:
    """A signature file. Raises PathMissing, PathUnusable."""
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise PathMissing(path=path) from None
    except OSError as error:
        raise PathUnusable(path=path, problem=error.strerror) from error


def _by_key(entry: Entry, public: EllipticCurvePublicKey) -> Verified:
    made, asked = _made(entry), fingerprint(public)
    mine = [report for report in made if report.summary.get("key") == asked]
    if not mine:
        others = ", ".join(dict.fromkeys(str(report.summary.get("key")) for report in made))
        raise WrongKey(what=entry.reference, found=others, asked=asked)
    return _verified(entry, public, _bundle(entry, mine[0]))


def _by_trusted(entry: Entry, trusted: Keyring) -> Verified:
    problem: SignatureInvalid | None = None
    for report in _made(entry):
        public = _trusted_key(report.summary, trusted)
        if public is None:
            continue
        try:
            return _verified(entry, public, _bundle(entry, report))
        except SignatureInvalid as error:
            problem = error
    raise problem or SignatureMissing(reference=entry.reference, by=" by a key that your trust policy names")


def _made(entry: Entry) -> list[Report]:
    made = signatures(entry)
    if not made:
        raise SignatureMissing(reference=entry.reference, by="")
    return made


def _trusted_key(summary: Mapping[str, Any], trusted: Keyring) -> EllipticCurvePublicKey | None:
    """The trusted key that a signature says it was made with; where only its fingerprint is known, the one kept beside the signature, if it has it."""
    name, text = summary.get("key"), summary.get("public_key")
    if not isinstance(name, str) or name not in trusted:
        return None
    known = trusted[name]
    if known is not None or not isinstance(text, str):
        return known
    public = public_key_of(text.encode(), name)
    return public if fingerprint(public) == name else None


def _verified(entry: Entry, public: EllipticCurvePublicKey, bundle: bytes) -> Verified:
    signed, files = openssf.read(public, bundle, entry.reference), _files(entry)
    left_out: tuple[str, ...] = ()
    if signed.manifest != entry.digest:
        left_out = signed.require(files, entry.reference)
        if signed.manifest is not None:
            problem = "its files are what was signed, but what the manifest says of them (how to load them) is not"
            raise SignatureInvalid(what=entry.reference, problem=problem)
    return Verified(entry.reference, fingerprint(public), signed.digest, len(files) - len(left_out), left_out)


def _files(entry: Entry) -> dict[str, str]:
    return {file.path: file.digest.hex for file in entry.manifest.files}


def _bundle(entry: Entry, report: Report) -> bytes:
    if report.document is None:
        raise SignatureInvalid(what=entry.reference, problem="the report on it names no document")
    return entry.workspace.store.read(Digest(report.document), "a signature")


def summary_json(signature: Signature) -> dict[str, Any]:
    """For machines: everything but the bundle, which is given as the JSON that it is."""
    facts = {
        "reference": signature.reference,
        "key": signature.key,
        "digest": signature.digest,
        "who": signature.signer,
    }
    return {**facts, "bundle": json.loads(signature.bundle)}

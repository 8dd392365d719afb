"""Stored bytes or history do not verify."""

from __future__ import annotations

from modelyard.core.errors.base import ModelyardError


class Damaged(ModelyardError):
    http_status = 500


class CorruptBlob(Damaged):
    sentence = (
        "the stored bytes of {file} are damaged at offset {offset}: expected {expected}, found {found}; "
        "nothing was returned; run: modelyard check --read"
    )


class MissingBlob(Damaged):
    sentence = "the stored bytes of {file} are missing ({digest}); run: modelyard check"


class CorruptYard(Damaged):
    sentence = "the yard at {path} is damaged: {problem}"


class CollectionRefused(Damaged):
    """What cannot be read may need what looks unused: unknown is never deleted."""

    sentence = (
        "nothing was removed, because {problem}; what cannot be read may need what looks unused; run: modelyard check"
    )


class SignatureInvalid(Damaged):
    """What was signed is not what is here, or the signature is not one of this key."""

    sentence = "the signature of {what} does not hold: {problem}"


class WrongKey(SignatureInvalid):
    """The signature may be good, but another key made it."""

    sentence = "the signature of {what} was made with the key {found}, not with {asked}; verify it with that key if you trust its owner"


class ModelUnreadable(Damaged):
    """The bytes are those that were stored, and still do not make a model."""

    sentence = "{file} cannot be loaded as a {format}: {problem}"


class BundleDamaged(Damaged):
    sentence = "bundle {path} is damaged: {problem}; have it sent or made again; nothing was changed"


class HistoryAltered(Damaged):
    """A ledger row does not have the hash that it says."""

    sentence = (
        "row {sequence} of the ledger of yard {yard} ({action} {subject}) was changed after it was written; "
        "run there: modelyard check; nothing was changed"
    )


class DatabaseHalfMigrated(Damaged):
    sentence = (
        "the database is not of one schema: {problem}; nothing was changed; restore the copy that was made before the upgrade, "
        "registry.db.before-…, or a backup"
    )


class LedgerRewritten(Damaged):
    sentence = "the ledger is not the one that was noted: row {sequence} {found}; somebody changed history"

"""What was asked is malformed: the same call will never work."""

from __future__ import annotations

from modelyard.core.errors.base import ModelyardError


class InvalidInput(ModelyardError, ValueError):
    """What was asked is malformed; the same call will never work."""

    exit_code = 2
    http_status = 400


class InvalidName(InvalidInput):
    sentence = "{what} {name!r} is not usable: {problem}; use {allowed}"


class InvalidReference(InvalidInput):
    sentence = (
        "{reference!r} does not name a version: {problem}; write name, name/3 (number), name:1.0 (label) or name@alias"
    )


class InvalidTag(InvalidInput):
    sentence = "{what} {key!r} is not usable: {problem}; give text keys with text values, such as build_number=42"


class InvalidTime(InvalidInput):
    sentence = "{text!r} is not a time: write 2026-03-01, 2026-03-01T12:00, 2026-03-01T12:00Z, 'now' or '2h ago'"


class InvalidMetric(InvalidInput):
    sentence = "metric {key!r} has the value {value!r}, which is not a finite number"


class InvalidDigest(InvalidInput):
    sentence = "{text!r} is not a digest: expected 'sha256:' and 64 hexadecimal digits"


class InvalidGate(InvalidInput):
    sentence = "gate {expression!r:.200} cannot be read at column {column}: {problem}"


class InvalidFilter(InvalidInput):
    """What is searched for cannot be understood; ``column`` of ``expression`` (from 1) is where."""

    sentence = "filter {expression!r:.200} cannot be used at column {column}: {problem}"


class InvalidOrder(InvalidInput):
    """The order that is asked for cannot be understood; ``column`` of ``expression`` (from 1) is where."""

    sentence = "order {expression!r:.200} cannot be used at column {column}: {problem}"


class InvalidPageToken(InvalidInput):
    sentence = "the page token {token!r:.60} cannot be used: {problem}; begin again without a token"


class InvalidPageSize(InvalidInput):
    sentence = "a page of {size!r} is not possible; ask for 1 to {limit}"


class InvalidPolicy(InvalidInput):
    sentence = "{place}: {problem}"


class InvalidDuration(InvalidInput):
    sentence = "{text!r} is not a length of time: write 90s, 30min, 12h, 30d or 4w"


class InvalidConfig(InvalidInput):
    sentence = "{path}: {problem}"


class PathMissing(InvalidInput):
    sentence = "there is nothing to read at {path}: the path does not exist"


class PathEmpty(InvalidInput):
    sentence = "there is nothing to keep at {path}: the folder holds no files"


class NothingToRepairFrom(InvalidInput):
    sentence = (
        "there is no store at {place}; give a yard, the URL of a store, a folder or a file that has the lost bytes"
    )


class PathUnusable(InvalidInput):
    sentence = "{path} cannot be kept: {problem}"


class UnknownFlavor(InvalidInput):
    sentence = (
        "no flavor knows how to keep a {type_name}; known are {known}; or write it to a file and register the file"
    )


class ObjectUnusable(InvalidInput):
    sentence = "this {type_name} cannot be kept: {problem}"


class FlavorMissing(InvalidInput):
    sentence = "the {flavor} flavor needs the package {package}, which is not installed; run: pip install {package}"


class NotServable(InvalidInput):
    sentence = (
        "{reference} cannot answer predictions: it holds {format}; save the live model with Workspace.save, "
        "or register a file that a library loads (joblib, xgboost, lightgbm, onnx, keras)"
    )


class ExtraMissing(InvalidInput):
    sentence = "{what} needs the package {package}, which is not installed; run: pip install 'modelyard[{extra}]'"


class NotAnArray(InvalidInput):
    sentence = (
        "tensor {name!r} of type {dtype} cannot be an array: {problem}; its stored bytes are at tensors().raw({name!r})"
    )


class KeyUnusable(InvalidInput):
    """A key file that is missing, no key, of another kind, or locked by a password; ``key`` is its path or what was given."""

    sentence = "the key {key} cannot be used: {problem}"


class InvalidRequest(InvalidInput):
    """A prediction request that does not fit the signature of the model."""

    http_status = 422
    sentence = "{problem}"


class InvalidBody(InvalidInput):
    """The bytes of a request cannot even be read."""

    sentence = "the body of the request is not {expected}: {problem}"


class BodyTooLarge(InvalidInput):
    http_status = 413
    sentence = "the body of the request is larger than {limit} bytes; send fewer rows in one request"


class UnsupportedContent(InvalidInput):
    http_status = 415
    sentence = "{field} {found!r} is not understood here; send {expected}"


class MethodNotAllowed(InvalidInput):
    http_status = 405
    sentence = "{path} does not answer to {method}; it answers to {allowed}"


class UnsupportedUrl(InvalidInput):
    sentence = "a yard at {url!r} is not supported by this release; use a folder, or postgresql://…"


class UnsupportedStoreUrl(UnsupportedUrl):
    sentence = "a store cannot be at {url!r}: {problem}; use {supported}"


class SecretInUrl(InvalidInput):
    """``url`` is what is left of it without the secret."""

    sentence = "the URL {url} carries a secret, which would end up in logs; leave it out and set {variables} in the environment"


class NotABundle(InvalidInput):
    sentence = "{path} is not a bundle: {found}; a bundle is made with: modelyard bundle create"


class NothingToMove(InvalidInput):
    sentence = (
        "nothing was chosen to be moved: {problem}; give references such as fraud@production or fraud/3, or --all"
    )


class SameYard(InvalidInput):
    sentence = "{path} is this very yard; give another one"


class InvalidInventory(InvalidInput):
    sentence = "{path} is not an inventory of a yard: {problem}; make one there with: modelyard bundle inventory"


class InvalidDatabaseUrl(InvalidInput):
    """``url`` is what can be shown of it, without a password."""

    sentence = "{url!r} is not the URL of a database: {problem}; write postgresql://user@host:5432/name"


class SecretInWebhookUrl(SecretInUrl):
    sentence = "the URL {url} carries a user name or a password; leave them out: what is sent is signed, and that is how the receiver knows us"


class InvalidWebhookUrl(InvalidInput):
    sentence = "a webhook cannot send to {url}: {problem}"


class InvalidWebhookSecret(InvalidInput):
    """The secret is in no sentence."""

    sentence = "this cannot be the secret of a webhook: {problem}; leave it out, and one is made"


class CursorAhead(InvalidInput):
    """The reader was further than the ledger is, as after a restore of an older backup."""

    sentence = (
        "there is nothing after ledger row {after} to wait for: the ledger ends at row {head}; "
        "was an older copy of the yard put back? look with modelyard history, then go on after a row that is there"
    )


class StoreNeeded(InvalidInput):
    sentence = (
        "there is no yard at {url} yet, and a new one needs a place for its bytes: give a store, such as s3://bucket/prefix or a shared folder "
        "(modelyard --yard {url} init --store …)"
    )


class InvalidHead(InvalidInput):
    sentence = "this is not a head of the ledger of this yard: {problem}; make one with: modelyard ledger head"


class InvalidParameter(InvalidInput):
    sentence = "the parameter {name!r} of {path} cannot be used: {problem}"


class RangeNotSatisfiable(InvalidInput):
    http_status = 416
    sentence = "{asked!r} is no range of {file}, which has {size} bytes; ask for bytes=FIRST-LAST, bytes=FIRST- or bytes=-COUNT"

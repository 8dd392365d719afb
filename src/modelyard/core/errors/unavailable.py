"""The machine says no: a disk, a port, a process, a format."""

from __future__ import annotations

from modelyard.core.errors.base import ModelyardError


class Unavailable(ModelyardError):
    http_status = 503


class YardUnwritable(Unavailable):
    sentence = "the yard at {path} cannot be written: {problem}; nothing was changed"


class StoreUnreachable(Unavailable):
    """The place did not answer, or not in full; the same call may succeed later."""

    sentence = "the store at {url} cannot be reached: {problem}"


class StoreForbidden(Unavailable):
    """The place answered, and lets us not in; trying again does not help."""

    sentence = "access to the store at {url} is denied: {problem}; check the credentials and their rights"


class TargetUnwritable(Unavailable):
    sentence = "{path} cannot be written: {problem}"


class YardTooNew(Unavailable):
    sentence = (
        "the yard at {path} has format {found}, and this modelyard reads up to format {known}; "
        "install a newer modelyard: pip install -U modelyard"
    )


class YardTooOld(Unavailable):
    sentence = (
        "the yard at {path} has format {found}, which was never part of a release, and this modelyard reads format {known}; "
        "get its versions out with the modelyard that made it, then register them in a new yard"
    )


class PortInUse(Unavailable):
    sentence = "port {port} on {host} is in use by another process; choose another with --port, or stop that process"


class StageFailed(Unavailable):
    sentence = "stage {stage!r} failed with exit code {code} after {seconds:.1f} s; its log is in {log}"


class ReplicaFailed(Unavailable):
    sentence = "the replica of {name!r} did not become ready: {problem}; its log is in {log}"


class AddressUnusable(Unavailable):
    sentence = "cannot listen on {host} port {port}: {problem}"


class NotReady(Unavailable):
    sentence = "no version is loaded yet; ask /ready until it answers 200"


class Overloaded(Unavailable):
    sentence = "{waiting} requests are already waiting for {reference}; try again in {retry_after} s"


class PredictionFailed(Unavailable):
    """A version raised, or answered nonsense, on a request that fits its signature: the fault is the model's."""

    http_status = 500
    sentence = "{reference} could not answer this request: {problem}"


class StageTimedOut(StageFailed):
    sentence = "stage {stage!r} did not end within its timeout of {timeout:g} s and was stopped; its log is in {log}"


class GitUnreadable(Unavailable):
    sentence = "git cannot read the repository at {path}: {problem}"


class ToolMissing(Unavailable):
    sentence = "{tool} is needed for this and was not found; install it: {install}"


class BundleTooNew(Unavailable):
    sentence = (
        "bundle {path} has format {found}, and this modelyard reads up to format {known}; "
        "install a newer modelyard: pip install -U modelyard"
    )


class BundleUnreadable(Unavailable):
    sentence = "bundle {path} cannot be read: {problem}"


class SchemaTooNew(Unavailable):
    sentence = (
        "the database at {place} has schema {found}, and this modelyard works with schema {known}; "
        "install a newer modelyard: pip install -U modelyard"
    )


class SchemaTooOld(Unavailable):
    sentence = "the database at {place} has schema {found}, and this modelyard works with schema {known}; run: modelyard upgrade"


class DatabaseUnreachable(Unavailable):
    """The database did not answer, or not in full; the same call may succeed later."""

    sentence = "the database at {url} cannot be reached: {problem}"


class DatabaseForbidden(Unavailable):
    sentence = "access to the database at {url} is denied: {problem}; check the user, the password (PGPASSWORD, ~/.pgpass) and its rights"


class YardNotReady(Unavailable):
    sentence = "the yard cannot be read now: {problem}"

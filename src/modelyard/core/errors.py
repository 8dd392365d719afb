"""The one error tree. The type says what the caller can do; the facts are attributes; the sentence is made here.

::

    ModelyardError
    ├── InvalidInput      what was asked is malformed: change the call            (CLI exit 2, HTTP 4xx)
    ├── NotFound          well-formed, but nothing answers to it                  (CLI exit 1, HTTP 404)
    ├── Conflict          someone or something is already there: look, then retry (CLI exit 1, HTTP 409)
    ├── Refused           a rule says no: meet the rule, or change it             (CLI exit 1, HTTP 403)
    ├── Damaged           stored bytes or history do not verify: run `check`      (CLI exit 1, HTTP 500)
    └── Unavailable       the machine says no: disk, port, process, format        (CLI exit 1, HTTP 503)

Every class below has a ``sentence``: a format string over its facts that says what was asked, what was found and what
to do next. ``str(error)`` is always one line.
"""

from __future__ import annotations

from typing import Any, ClassVar


class ModelyardError(Exception):
    """Base of everything modelyard raises on purpose; ``facts`` are readable as attributes too."""

    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500
    sentence: ClassVar[str] = "{message}"

    def __init__(self, **facts: Any) -> None:
        self.facts: dict[str, Any] = facts
        super().__init__(facts)

    def __str__(self) -> str:
        line = self.sentence.format_map(self.facts)
        return "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __getattr__(self, name: str) -> Any:
        facts = self.__dict__.get("facts", {})
        if name in facts:
            return facts[name]
        raise AttributeError(name)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.facts))


def _rebuild(cls: type[ModelyardError], facts: dict[str, Any]) -> ModelyardError:
    return cls(**facts)


# --- the call is malformed ----------------------------------------------------------------------------------------


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
    sentence = "gate {expression!r} cannot be read at column {column}: {problem}"


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
    sentence = "a yard at {url!r} is not supported by this release; use a folder"


class UnsupportedStoreUrl(UnsupportedUrl):
    sentence = "a store cannot be at {url!r}: {problem}; use {supported}"


class SecretInUrl(InvalidInput):
    """``url`` is what is left of it without the secret."""

    sentence = "the URL {url} carries a secret, which would end up in logs; leave it out and set {variables} in the environment"


# --- nothing answers to it ----------------------------------------------------------------------------------------


class NotFound(ModelyardError, LookupError):
    http_status = 404


class YardNotFound(NotFound):
    sentence = "there is no yard at {path}; make one with: modelyard init"


class StoreMissing(NotFound):
    sentence = "there is no bucket for the store at {url}; make the bucket, or correct the URL"


class ModelNotFound(NotFound):
    sentence = "there is no {kind} {name!r} in this yard{closest}; list them with: modelyard list{flag}"


class VersionNotFound(NotFound):
    sentence = "{kind} {name!r} has no version {asked}; it has {found}"


class AliasNotFound(NotFound):
    sentence = "{kind} {name!r} has no alias {alias!r}; it has {found}"


class LabelNotFound(NotFound):
    sentence = "{kind} {name!r} has no version labelled {label!r}; it has {found}"


class NoVersionMatches(NotFound):
    sentence = "no version of {kind} {name!r} matches {filters}"


class NoEarlierVersion(NotFound):
    sentence = "{name}@{alias} cannot go back: {found}"


class ProjectNotFound(NotFound):
    sentence = (
        "there is no project at {path} or above it: write a modelyard.toml with [stages.build] command = …, "
        "or a model.py that takes --build, --test and --deploy"
    )


class DeploymentNotFound(NotFound):
    sentence = "there is no deployment {name!r}; there are {found}; make one with: modelyard deploy MODEL/VERSION"


class RolloutNotFound(NotFound):
    sentence = "deployment {name!r} has no rollout under way; start one with: modelyard deploy MODEL/VERSION"


class TensorNotFound(NotFound, KeyError):
    sentence = "there is no tensor {name!r} here; {found}; list them with: modelyard show NAME/VERSION --tensors"


class RouteNotFound(NotFound):
    sentence = "there is nothing at {path}; GET / says what this replica serves"


class ModelNotServed(NotFound):
    sentence = "model {name!r} is not served here; {found}"


class VersionNotServed(NotFound):
    sentence = "version {asked} of {name!r} is not loaded here; loaded: {found}"


# --- someone or something is there already ------------------------------------------------------------------------


class Conflict(ModelyardError):
    http_status = 409


class LabelTaken(Conflict):
    sentence = "label {label!r} of {kind} {name!r} already belongs to version {number}; choose another"


class PropertyExists(Conflict):
    sentence = "property {key!r} of {reference} is already {value!r}, and properties are write-once; use a tag instead"


class AliasMoved(Conflict):
    sentence = (
        "{name}@{alias} is at {current}, not at {expected} as expected; somebody moved it: look with "
        "modelyard history {name}@{alias}, then decide again"
    )


class FilterMismatch(Conflict):
    sentence = "{reference} exists but does not match {filters}; it has {found}"


class TargetExists(Conflict):
    sentence = "{path} already exists and would be overwritten; choose an empty place, or allow it with exist_ok"


class StoreDiffers(Conflict):
    sentence = (
        "the yard at {path} keeps its bytes in {found}, not in {asked!r}; leave the store out, or make a new yard"
    )


class RegistrationOvertaken(Conflict):
    """It was silent for so long, as a machine asleep is, that it counted as dead."""

    sentence = (
        "this registration was silent for more than {hours:g} h and counted as dead, so what it builds on may be gone; "
        "nothing was registered; register again"
    )


class RolloutInProgress(Conflict):
    sentence = "deployment {name!r} is already rolling out {candidate} ({state}); finish or abort it first"


class DeploymentTaken(Conflict):
    sentence = "deployment {name!r} serves model {model!r}, not {asked!r}; choose another name with --name"


class Locked(Conflict):
    sentence = "{what} is busy: {holder}; wait, or stop that process"


# --- a rule says no -----------------------------------------------------------------------------------------------


class Refused(ModelyardError):
    http_status = 403


class GateRefused(Refused):
    sentence = "{reference} may not become {alias}: {failures}"


class StoreShared(Refused):
    """Bytes that this yard does not refer to may be another's."""

    sentence = (
        "the store at {url} also keeps the bytes of {others}, and this yard cannot know what they need; nothing was "
        "removed; give each yard a store of its own, or, if that yard is no more, delete {keys}"
    )


class Untrusted(Refused):
    sentence = (
        "loading {reference} runs code from a {format} made by {author}, and you are {reader}; if you trust it, "
        "load with trust=True"
    )


class InvalidTransition(Refused):
    sentence = "a rollout that is {state} cannot {event}; possible now: {possible}"


class RolloutStopped(Refused):
    sentence = "the rollout of {candidate} is {state}: {reason}"


# --- stored things do not verify ----------------------------------------------------------------------------------


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


class ModelUnreadable(Damaged):
    """The bytes are those that were stored, and still do not make a model."""

    sentence = "{file} cannot be loaded as a {format}: {problem}"


# --- the machine says no ------------------------------------------------------------------------------------------


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

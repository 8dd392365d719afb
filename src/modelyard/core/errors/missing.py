"""Well-formed, but nothing answers to it."""

from __future__ import annotations

from modelyard.core.errors.base import ModelyardError


class NotFound(ModelyardError, LookupError):
    http_status = 404


class YardNotFound(NotFound):
    sentence = "there is no yard at {path}; make one with: {how}"


class StoreMissing(NotFound):
    sentence = "there is no bucket for the store at {url}; make the bucket, or correct the URL"


class ModelNotFound(NotFound):
    sentence = "there is no {kind} {name!r} in this yard{closest}; list them with: modelyard list{flag}"


class VersionNotFound(NotFound):
    sentence = "{kind} {name!r} has no version {asked}; it has {found}"


class AliasNotFound(NotFound):
    sentence = "{kind} {name!r} has no alias {alias!r}; it has {found}"


class PolicyNotFound(NotFound):
    sentence = "there is no policy for {subject}; there are {found}"


class DecisionNotFound(NotFound):
    sentence = "{actor} has neither approved nor rejected {reference} for {alias}; see: modelyard approvals {reference}"


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


class SignatureMissing(NotFound):
    sentence = "{reference} has no signature{by}; sign it with: modelyard sign {reference} --key private.pem"


class RouteNotFound(NotFound):
    sentence = "there is nothing at {path}; GET / says what this replica serves"


class ModelNotServed(NotFound):
    sentence = "model {name!r} is not served here; {found}"


class VersionNotServed(NotFound):
    sentence = "version {asked} of {name!r} is not loaded here; loaded: {found}"


class BundleIncomplete(NotFound):
    """It was made for a yard that has something already, and this one has not. ``needs`` are the versions that it counts on and that are not here."""

    sentence = (
        "bundle {path} leaves out {chunks} chunks that this yard does not have; it was made for one that has {needs}{since}; "
        "import that first, or make the bundle anew without --since, --have and --base; nothing was changed"
    )


class VersionDeleted(NotFound):
    sentence = "{kind} {reference} was deleted{when}; {then}"


class ModelDeleted(NotFound):
    sentence = "{kind} {name!r} was deleted; bring it back with: modelyard restore {name} --all{flag}"


class WebhookNotFound(NotFound):
    sentence = "there is no webhook {name!r}; there are {found}; make one with: modelyard webhook add NAME URL"


class FieldNotFound(NotFound):
    sentence = "nothing says {field!r} of {reference}; there is {found}"


class EndpointNotFound(NotFound):
    sentence = "there is nothing at {path}; the API begins at /api/v1"


class FileNotInVersion(NotFound):
    sentence = "{kind} {reference} has no file {path!r}; {found}"

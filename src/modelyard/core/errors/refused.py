"""A rule says no: meet the rule, or change it."""

from __future__ import annotations

from modelyard.core.errors.base import ModelyardError


class Refused(ModelyardError):
    http_status = 403


class PolicyRefused(Refused):
    """The policy of an alias does not let it move. ``clauses`` are all that do not hold, each with the values that were found."""

    sentence = "{reference} may not become {alias}: {failures}"


class GateRefused(PolicyRefused):
    """As PolicyRefused, and at least one clause that does not hold is a gate."""


class BreakGlassRefused(Refused):
    sentence = "{actor} may not break the glass of {subject}: {problem}"


class DecisionRefused(Refused):
    """An approval or a rejection that could not count."""

    sentence = "{actor} may not {decision} {reference} for {alias}: {problem}"


class RemovalRefused(Refused):
    sentence = "{subject} may not be removed: {failures}"


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


class Dangerous(Untrusted):
    """A scan found what no model needs. Not even its author loads it without saying so."""

    sentence = (
        "loading {reference} is refused: {finding}; look with modelyard scan {reference}, and if you still trust it, "
        "load with trust=True"
    )


class Unscanned(Untrusted):
    """Its author is trusted, but the policy asks for a scan too, and the scan does not call it safe."""

    sentence = (
        "loading {reference} is refused: your trust policy asks for a safe scan, and the scan says {verdict}{why}; "
        "if you trust it, load with trust=True"
    )


class InvalidTransition(Refused):
    sentence = "a rollout that is {state} cannot {event}; possible now: {possible}"


class RolloutStopped(Refused):
    sentence = "the rollout of {candidate} is {state}: {reason}"


class BundleSignatureInvalid(Refused):
    sentence = "the signature of bundle {path} does not hold: {problem}; nothing was changed"


class AliasProtected(Refused):
    sentence = (
        "{name}@{alias} is protected in {place} by a rule of its own, so it does not follow from {here} to {there}; import with --keep-mine or "
        "--no-aliases, then move it there with: modelyard promote{more}; nothing was changed"
    )


class WebhookNotGenuine(Refused):
    """For receivers: what came was not sent by the yard, or not now."""

    http_status = 401
    sentence = "this webhook is not genuine: {problem}; answer 401, and do nothing that it says"


class AddressRefused(Refused):
    exit_code = 2
    sentence = "the server does not listen on {host}: it knows no users yet and answers everybody who reaches it; use 127.0.0.1, ::1 or localhost, and a proxy that signs users in"


class HostRefused(Refused):
    sentence = "this server does not answer for the host {host!r}, so that no web page can ask it under a name of its own; name the host with --allow-host when a proxy passes it on"

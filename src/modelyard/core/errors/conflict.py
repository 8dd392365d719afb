"""Someone or something is there already: look, then decide again."""

from __future__ import annotations

from modelyard.core.errors.base import ModelyardError


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


class NumberConflict(Conflict):
    """Two yards gave the same number to different versions."""

    sentence = (
        "version {number} of {kind} {name!r} is {here} in {place}, made on {since} by {author}, and what comes is {there}; "
        "two yards have given the same number, so one of them must register its version anew under another name{more}; nothing was changed"
    )


class LabelConflict(Conflict):
    sentence = "label {label!r} of {kind} {name!r} is version {here} in {place}, and version {there} in what comes{more}; nothing was changed"


class PropertyConflict(Conflict):
    sentence = (
        "property {key!r} of {reference} is {here!r} in {place}, and {there!r} in what comes, and properties are write-once{more}; "
        "nothing was changed"
    )


class AliasConflict(Conflict):
    """It was moved in both yards since they last agreed."""

    sentence = (
        "{name}@{alias} is at {here} in {place}, moved on {since} by {author}, and at {there} in what comes, moved on {moved} by {mover}; both were "
        "moved since they last agreed: decide with --keep-mine or --take-theirs, or leave the aliases out with --no-aliases{more}; nothing was changed"
    )


class RemovalConflict(Conflict):
    """It is gone in one yard, and needed in the other."""

    sentence = (
        "{reference} was {state} {where}, and it is used by {needed} {elsewhere}; change one of them first, or keep all as it is in {place} with "
        "--keep-mine{more}; nothing was changed"
    )


class HistoryConflict(Conflict):
    """One yard has two histories: its database was put back to an earlier state and went on from there."""

    sentence = (
        "row {sequence} of the ledger of yard {yard} is {here} here, and another row in what comes: that yard was put back to an earlier "
        "state and went on from there; to keep both, import into a new yard; nothing was changed"
    )


class VersionInUse(Conflict):
    """``referrers`` are those that it is used by, in words."""

    sentence = "{subject} cannot be {action}: {found}; {then}"


class VersionArchived(Conflict):
    sentence = "{kind} {reference} is archived; restore it with: modelyard restore {reference}{flag}; or choose another version"


class StateConflict(Conflict):
    sentence = "{subject} is {state} and cannot be {action}; possible now: {possible}"


class WebhookExists(Conflict):
    sentence = (
        "there is a webhook {name!r} already; choose another name, or remove it with: modelyard webhook remove {name}"
    )


class VersionLabelled(Conflict):
    sentence = "{reference} already has the label {label!r} and cannot get {asked!r}: a label stays; use a tag or an alias for what changes"

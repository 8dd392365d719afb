"""Policies of aliases: setting, explaining and trying them out; and approvals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from modelyard.core.clock import parse_duration, parse_when
from modelyard.core.errors import InvalidDuration, InvalidInput
from modelyard.core.names import AliasName, ModelName
from modelyard.core.references import Alias, Latest, Reference
from modelyard.registry import versions
from modelyard.registry.facts.documents import Documents
from modelyard.registry.policies import approvals, rows
from modelyard.registry.policies.admission import hear
from modelyard.registry.policies.decisions import Decision, Word
from modelyard.registry.policies.policy import Policy, Rule
from modelyard.registry.policies.replay import Replayed, replay
from modelyard.registry.policies.rows import ALL_MODELS, PolicyRow
from modelyard.registry.policies.verdict import Verdict
from modelyard.registry.transaction import Transaction
from modelyard.registry.versions import VersionRow

if TYPE_CHECKING:
    from datetime import datetime

    from modelyard.client.seat import Seat

Given = Policy | Mapping[str, Any]
"""A policy, or the document of one: ``{"approvals": 2, "approvers": ["lead-*"]}``."""


class Policies:
    """The policies of a workspace: ``ws.policies``. A model of None stands for all models; where both have a policy, both must hold."""

    def __init__(self, workspace: Seat) -> None:
        self._registry = workspace.registry

    def set(
        self, model: str | None, alias: str, policy: Given | None = None, *, reason: str = "", **changes: Any
    ) -> Policy:
        """Gives an alias a policy, in place of the one that it has; without ``policy``, changes only the keys that are given.

        ``ws.policies.set("fraud", "production", approvals=2, approvers=["lead-*"])``. What it is then; one that says nothing takes the policy away.
        Raises InvalidPolicy.
        """
        name, pointer = _named(model), AliasName(alias)
        place = f"the policy of {rows.subject_of(name, pointer)}"
        if policy is None and not changes:
            raise InvalidInput(message=f"nothing is said about {place}; give at least one key, such as approvals=1")
        with self._registry.begin() as tx:
            if policy is None:
                base = rows.of_alias(tx.connection, tx.workspace, "model", name, pointer) or Policy()
            else:
                base = _policy(policy, place)
            wanted = Policy.from_json({**base.to_json(), **changes}, place)
            rows.put(tx, "model", name, pointer, wanted, reason)
        return wanted

    def remove(self, model: str | None, alias: str, *, reason: str = "") -> None:
        """Takes the policy of an alias away. Raises PolicyNotFound."""
        with self._registry.begin() as tx:
            rows.remove(tx, "model", _named(model), AliasName(alias), reason)

    def get(self, model: str | None, alias: str) -> Policy | None:
        """The policy of just this alias of this model, or None."""
        with self._registry.read() as connection:
            return rows.of_alias(connection, self._registry.workspace, "model", _named(model), AliasName(alias))

    def list(self, model: str | None = None) -> list[PolicyRow]:
        """All policies of the workspace; with ``model`` those that it must meet."""
        name = None if model is None else _named(model)
        with self._registry.read() as connection:
            return rows.listing(connection, self._registry.workspace, "model", name=name)

    def explain(
        self, reference: str | Reference, alias: str, *, policy: Given | None = None, reason: str = ""
    ) -> Verdict:
        """What would be said now if you moved ``alias`` to a version: every clause with the values that were found. Nothing moves.

        With ``policy`` that one alone is asked, and not those that are set.
        """
        parsed, pointer, registry = Reference.parse(reference), AliasName(alias), self._registry
        asked = None if policy is None else (Rule(f"{parsed.name}@{pointer}", _policy(policy, "the given policy")),)

        def heard(documents: Documents) -> Verdict:
            with registry.read() as connection:
                version = versions.find(connection, registry.workspace, "model", parsed, {})
                return hear(
                    connection,
                    registry.workspace,
                    version,
                    pointer,
                    versions.alias_number(connection, version.model_id, pointer),
                    mover=registry.actor,
                    reason=reason,
                    now=registry.clock.now(),
                    documents=documents,
                    policies=asked,
                )

        return registry.with_documents(heard)

    def test(
        self,
        subject: str | None = None,
        *,
        policy: Given | Mapping[str, Policy] | None = None,
        since: datetime | str | None = None,
    ) -> Sequence[Replayed]:
        """Judges the moves of the past anew, each on what was known just before it, the oldest first.

        ``subject`` is an alias (``fraud@production``), or a model; everything without it. ``policy`` stands in place of the one that the model has
        (a policy, or several by alias); without it, those that are set now. Those for all models hold in either case. ``since`` is a length of time
        (``90d``) or an instant. A rollback is judged as one: by who may move the alias and the reason. Moves of aliases without a policy are left out.
        """
        name, pointer = (None, None) if subject is None else _subject(subject)
        registry, rules = self._registry, self._rules(policy, name, pointer)
        start = None if since is None else _start(since, registry.clock.now())

        def judged(documents: Documents) -> Sequence[Replayed]:
            with registry.read() as connection:
                return replay(
                    connection, registry.workspace, "model", rules, documents, since=start, name=name, alias=pointer
                )

        return registry.with_documents(judged, bear_damage=True)

    def _rules(
        self, policy: Given | Mapping[str, Policy] | None, name: str | None, pointer: str | None
    ) -> Callable[[str, str], Sequence[Rule]]:
        proposed = _proposed(policy, pointer)
        listed = {(row.name, row.alias): row for row in self.list()}

        def rules(model: str, alias: str) -> Sequence[Rule]:
            found = [listed[ALL_MODELS, alias]] if (ALL_MODELS, alias) in listed else []
            told = [Rule(row.subject, row.policy) for row in found]
            if alias in proposed:
                return [*told, Rule(f"{model}@{alias}", proposed[alias])]
            if policy is None and (model, alias) in listed:
                return [*told, Rule(f"{model}@{alias}", listed[model, alias].policy)]
            return told if policy is None else []

        return rules


def decide(
    workspace: Seat,
    reference: str | Reference,
    alias: str,
    word: Word,
    *,
    reason: str = "",
    expires: str | None = None,
) -> Decision:
    """Keeps that the actor approves or rejects a version for an alias. See :func:`modelyard.registry.policies.approvals.give`."""
    length = None if expires is None else parse_duration(expires)
    with workspace.registry.begin(alone=False) as tx:
        version = _locked(tx, reference)
        return approvals.give(tx, version, AliasName(alias), word, reason=reason, expires=length)


def withdraw(workspace: Seat, reference: str | Reference, alias: str, *, reason: str = "") -> list[Decision]:
    """Takes back what the actor has said of a version for an alias. Raises DecisionNotFound."""
    with workspace.registry.begin(alone=False) as tx:
        return approvals.withdraw(tx, _locked(tx, reference), AliasName(alias), reason=reason)


def decisions(workspace: Seat, reference: str | Reference, alias: str | None = None) -> list[Decision]:
    """All that was said of a version, the oldest first."""
    registry = workspace.registry
    version = registry.version("model", Reference.parse(reference))
    pointer = None if alias is None else AliasName(alias)
    with registry.read() as connection:
        return approvals.of_version(connection, version.model_id, version.number, pointer)


def _locked(tx: Transaction, reference: str | Reference) -> VersionRow:
    parsed = Reference.parse(reference)
    versions.lock(tx, versions.model_id(tx.connection, tx.workspace, "model", parsed.name))
    return versions.find(tx.connection, tx.workspace, "model", parsed, {})


def _named(model: str | None) -> str:
    return ALL_MODELS if model is None else ModelName(model)


def _policy(given: Given, place: str) -> Policy:
    return given if isinstance(given, Policy) else Policy.from_json(given, place)


def _proposed(policy: Given | Mapping[str, Policy] | None, pointer: str | None) -> dict[str, Policy]:
    """The policies to try out, by alias."""
    if policy is None:
        return {}
    if isinstance(policy, Mapping) and policy and all(isinstance(each, Policy) for each in policy.values()):
        return {str(AliasName(alias)): each for alias, each in policy.items()}
    if pointer is None:
        raise InvalidInput(message="say of which alias the policy is to be: name@alias, or a table [policy.production]")
    return {pointer: _policy(policy, "the given policy")}


def _subject(subject: str) -> tuple[ModelName, AliasName | None]:
    parsed = Reference.parse(subject)
    match parsed.selector:
        case Alias(value):
            return parsed.name, value
        case Latest():
            return parsed.name, None
    raise InvalidInput(message=f"{subject!r} is not an alias; write name@alias, or a model's name")


def _start(since: datetime | str, now: datetime) -> datetime:
    if isinstance(since, str):
        try:
            return now - parse_duration(since)
        except InvalidDuration:
            pass
        except OverflowError:
            raise InvalidDuration(text=since) from None
    return parse_when(since, now)

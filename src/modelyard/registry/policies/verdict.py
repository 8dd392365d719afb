"""Whether an alias may move, by all of its policies: pure, and every answer carries its reasons.

The order is who may move it, the reason, the gates, the approvals. All clauses are looked at, also after one that does not hold, so that a
refusal says at once everything that is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from modelyard.core.clock import to_text
from modelyard.registry.gates import GateResult, evaluate
from modelyard.registry.policies.actors import listed, person
from modelyard.registry.policies.decisions import Decision, expired, last_words, persons
from modelyard.registry.policies.policy import Rule

Part = Literal["movers", "reason", "gate", "approvals", "rejection"]


@dataclass(frozen=True)
class Request:
    """A move that is asked for. ``facts`` are those of the version, ``alias`` among them; ``author`` is who registered it."""

    mover: str
    reason: str
    author: str
    digest: str
    now: datetime
    decisions: Sequence[Decision]
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Clause:
    """One condition of one policy: whether it holds, and why, with the values that were found."""

    policy: str  # of what: fraud@production, *@production
    part: Part
    rule: str
    passed: bool
    explanation: str

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True)
class Verdict:
    """All clauses of all policies of an alias, and the decisions that were counted."""

    clauses: tuple[Clause, ...] = ()
    counted: tuple[Decision, ...] = ()
    policies: tuple[Rule, ...] = ()

    @property
    def passed(self) -> bool:
        return all(clause.passed for clause in self.clauses)

    @property
    def failed(self) -> tuple[Clause, ...]:
        """The clauses that do not hold."""
        return tuple(clause for clause in self.clauses if not clause.passed)

    @property
    def gates(self) -> tuple[GateResult, ...]:
        return tuple(
            GateResult(clause.rule, clause.passed, clause.explanation)
            for clause in self.clauses
            if clause.part == "gate"
        )

    @property
    def failures(self) -> str:
        """The failed clauses in words; which policy they are of is said where there are several."""
        several = len({clause.policy for clause in self.failed}) > 1
        told = [clause.explanation + (f" (policy of {clause.policy})" if several else "") for clause in self.failed]
        return "; ".join(dict.fromkeys(told))

    def evidence(self) -> dict[str, Any]:
        """What the ledger keeps of it: gates with their values, approvals with the bytes they are of, and which policies these were."""
        told: dict[str, Any] = {}
        if self.gates:
            told["gates"] = [vars(result) for result in self.gates]
        if self.counted:
            told["approvals"] = [
                {"id": one.id, "actor": one.actor, "digest": one.digest, "time": to_text(one.time)}
                for one in self.counted
            ]
        if self.policies:
            told["policies"] = {rule.subject: rule.policy.digest for rule in self.policies}
        return told

    def to_json(self) -> dict[str, Any]:
        return {"passed": self.passed, "clauses": [clause.to_json() for clause in self.clauses], **self.evidence()}


Evaluation = Callable[[str, Mapping[str, Any], datetime], GateResult]
"""What says whether a gate holds, as :func:`modelyard.registry.gates.evaluate` does."""


def judge(
    rules: Iterable[Rule], request: Request, *, retreat: bool = False, evaluation: Evaluation = evaluate
) -> Verdict:
    """The verdict of all policies on a move: each must hold by itself. ``retreat`` is a rollback to where the alias was before: gates and
    approvals let that version through once and do not hold it up."""
    clauses: list[Clause] = []
    counted: dict[int, Decision] = {}
    policies = tuple(rules)
    for rule in policies:
        policy = rule.policy
        if policy.movers:
            clauses.append(_movers(rule, request.mover))
        if policy.require_reason:
            clauses.append(_reason(rule, request.reason))
        if retreat:
            continue
        for expression in policy.gates:
            result = evaluation(expression, request.facts, request.now)
            clauses.append(Clause(rule.subject, "gate", expression, result.passed, result.explanation))
        if policy.asks_for_approval:
            found, good = _approvals(rule, request)
            clauses += found
            counted |= {decision.id: decision for decision in good}
    return Verdict(tuple(clauses), tuple(counted[key] for key in sorted(counted)), policies)


def may_break_glass(verdict: Verdict, actor: str) -> str:
    """Why an actor may not move the alias past the policies that do not hold; empty when they may: then each of these lists them."""
    broken = {clause.policy for clause in verdict.failed}
    for rule in verdict.policies:
        allowed = rule.policy.break_glass
        if rule.subject in broken and not listed(allowed, actor):
            return f"the policy of {rule.subject} allows it to {', '.join(allowed) or 'nobody'}; it does not hold: {verdict.failures}"
    return ""


def removal(rules: Iterable[Rule], actor: str, reason: str) -> Verdict:
    """The verdict of all policies on the removal of an alias: movers and reason as for a move, and ``allow_remove``."""
    policies = tuple(rules)
    clauses: list[Clause] = []
    for rule in policies:
        if rule.policy.movers:
            clauses.append(_movers(rule, actor))
        if rule.policy.require_reason:
            clauses.append(_reason(rule, reason))
        if not rule.policy.allow_remove:
            told = f"the policy of {rule.subject} has allow_remove = false"
            clauses.append(Clause(rule.subject, "movers", "allow_remove", False, told))
    return Verdict(tuple(clauses), (), policies)


def _movers(rule: Rule, actor: str) -> Clause:
    movers = ", ".join(rule.policy.movers)
    passed = listed(rule.policy.movers, actor)
    told = f"{actor} may move it" if passed else f"{actor} may not move it; movers are {movers}"
    return Clause(rule.subject, "movers", f"movers = {movers}", passed, told)


def _reason(rule: Rule, reason: str) -> Clause:
    passed = bool(reason.strip())
    return Clause(
        rule.subject,
        "reason",
        "require_reason",
        passed,
        "a reason is given" if passed else "no reason is given, and one is required",
    )


def _approvals(rule: Rule, request: Request) -> tuple[list[Clause], list[Decision]]:
    policy, good, told = rule.policy, [], []
    clauses: list[Clause] = []
    for decision in last_words(request.decisions, request.digest):
        if policy.approvers and not listed(policy.approvers, decision.actor):
            told.append(f"{decision.actor} is no approver")
        elif decision.word == "reject":
            why = f": {decision.reason}" if decision.reason else ""
            explanation = f"{decision.actor} rejected it{why} (until {decision.actor} withdraws that or approves)"
            clauses.append(Clause(rule.subject, "rejection", "no rejection stands", False, explanation))
        elif since := expired(decision, request.now, policy.expiry):
            told.append(f"that of {decision.actor} expired on {to_text(since)}")
        elif policy.separate_author and person(decision.actor) == person(request.author):
            told.append(f"{decision.actor} registered the version")
        elif policy.separate_mover and person(decision.actor) == person(request.mover):
            told.append(f"{decision.actor} moves the alias")
        else:
            good.append(decision)
    told += [f"{decision.actor} is counted already" for decision in good if decision not in persons(good)]
    good = persons(good)
    others = sum(decision.digest != request.digest and decision.withdrawn is None for decision in request.decisions)
    if others:
        told.append(f"{others} of other bytes than these")
    if policy.approvals:
        names = f" ({', '.join(decision.actor for decision in good)})" if good else ""
        lost = f"; not counted: {', '.join(told)}" if told else ""
        explanation = f"{len(good)} of {policy.approvals} approvals{names}{lost}"
        passed = len(good) >= policy.approvals
        clauses.insert(0, Clause(rule.subject, "approvals", f"approvals = {policy.approvals}", passed, explanation))
    return clauses, good

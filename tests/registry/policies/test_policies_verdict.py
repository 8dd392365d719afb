"""The verdict on a move: pure, from policies, facts and decisions."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from modelyard.registry.policies.decisions import Decision, Word, state
from modelyard.registry.policies.policy import Policy, Rule
from modelyard.registry.policies.verdict import Request, Verdict, judge, may_break_glass, removal

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DIGEST = "sha256:" + "a" * 64
FACTS: dict[str, Any] = {"metrics": {"auc": 0.7}, "tags": {}, "alias": None}


def said(number: int, actor: str, word: Word = "approve", **facts: Any) -> Decision:
    base = Decision(number, 3, DIGEST, "production", word, actor, "", NOW - timedelta(days=10))
    return replace(base, **facts)


def verdict(policy: Policy, *decisions: Decision, retreat: bool = False, **facts: Any) -> Verdict:
    request = Request("ana", "because", "ben", DIGEST, NOW, decisions, FACTS)
    return judge([Rule("fraud@production", policy)], replace(request, **facts), retreat=retreat)


def test_without_policies_everything_passes_and_there_is_nothing_to_tell() -> None:
    found = judge([], Request("ana", "", "ben", DIGEST, NOW, (), FACTS))
    assert found.passed
    assert found.evidence() == {}


@pytest.mark.parametrize(
    ("policy", "facts", "told"),
    [
        (Policy(movers=("ci-*", "ben")), {}, "ana may not move it; movers are ci-*, ben"),
        (Policy(movers=("Ana",)), {}, "ana may not move it; movers are Ana"),
        (Policy(require_reason=True), {"reason": " \n"}, "no reason is given, and one is required"),
        (Policy(gates=("metrics.auc >= 0.9",)), {}, "metrics.auc >= 0.9 is false (metrics.auc is 0.7)"),
        (Policy(gates=("metrics.f1 >= 0",)), {}, "metrics.f1 >= 0 is unknown"),
        (Policy(approvals=1), {}, "0 of 1 approvals"),
    ],
)
def test_what_does_not_hold_is_told_with_what_was_found(policy: Policy, facts: dict[str, Any], told: str) -> None:
    found = verdict(policy, **facts)
    assert not found.passed
    assert told in found.failures


def test_all_that_does_not_hold_is_told_at_once_in_the_order_of_the_check() -> None:
    policy = Policy(gates=("metrics.auc > 1", "size > 5"), movers=("ben",), approvals=1, require_reason=True)
    found = verdict(policy, reason="")
    assert [clause.part for clause in found.failed] == ["movers", "reason", "gate", "gate", "approvals"]
    for word in ("may not move", "no reason", "metrics.auc > 1", "size > 5", "0 of 1 approvals"):
        assert word in found.failures


def test_two_policies_must_each_hold_and_the_refusal_says_whose_it_is() -> None:
    rules = [Rule("*@production", Policy(approvals=1)), Rule("fraud@production", Policy(movers=("ben",)))]
    found = judge(rules, Request("ana", "", "ben", DIGEST, NOW, (), FACTS))
    assert "0 of 1 approvals (policy of *@production)" in found.failures
    assert "(policy of fraud@production)" in found.failures
    only = judge(rules, Request("ben", "", "ben", DIGEST, NOW, (), FACTS))
    assert [clause.policy for clause in only.failed] == ["*@production"]


def test_a_retreat_asks_who_and_why_and_nothing_else() -> None:
    policy = Policy(gates=("metrics.auc > 1",), approvals=2, movers=("ana",), require_reason=True)
    assert verdict(policy, said(1, "cleo", "reject"), retreat=True).passed
    assert not verdict(policy, retreat=True, reason="").passed
    assert not verdict(policy, retreat=True, mover="dan").passed


# --- approvals ---

TWO = Policy(approvals=2)


@pytest.mark.parametrize(
    ("policy", "decisions", "count"),
    [
        (TWO, [said(1, "cleo"), said(2, "dan")], 2),
        (TWO, [said(1, "cleo"), said(2, "cleo")], 1),
        (TWO, [said(1, "cleo"), said(2, "Cleo "), said(3, "CLEO")], 1),
        (TWO, [said(1, "cleo"), said(2, "dan", digest="sha256:" + "b" * 64)], 1),
        (TWO, [said(1, "cleo"), said(2, "dan", withdrawn=NOW)], 1),
        (TWO, [said(1, "cleo"), said(2, "dan", expires=NOW)], 1),  # at the very instant it no longer counts
        (TWO, [said(1, "cleo"), said(2, "dan", expires=NOW + timedelta(microseconds=1))], 2),
        (replace(TWO, approvals_expire="10d"), [said(1, "cleo"), said(2, "dan")], 0),
        (replace(TWO, approvals_expire="240h"), [said(1, "cleo", time=NOW - timedelta(days=10, microseconds=-1))], 1),
        (replace(TWO, approvals_expire="11d"), [said(1, "cleo"), said(2, "dan", expires=NOW - timedelta(days=1))], 1),
        (replace(TWO, approvers=("c*",)), [said(1, "cleo"), said(2, "dan")], 1),
        (replace(TWO, approvers=("cleo",)), [said(1, "Cleo")], 0),
        (replace(TWO, separate_author=True), [said(1, "cleo"), said(2, "ben")], 1),
        (replace(TWO, separate_author=True), [said(1, "cleo"), said(2, "BEN")], 1),
        (replace(TWO, separate_mover=True), [said(1, "cleo"), said(2, "ana")], 1),
        (TWO, [said(1, "ben"), said(2, "ana")], 2),
        (TWO, [said(1, "cleo"), said(2, "dan", "reject"), said(3, "dan")], 2),
        (TWO, [said(1, "cleo"), said(3, "dan"), said(2, "dan", "reject")], 2),  # the newest word counts, in any order
    ],
)
def test_approvals_are_counted_by_person_bytes_and_time(policy: Policy, decisions: list[Decision], count: int) -> None:
    found = verdict(policy, *decisions)
    [clause] = [clause for clause in found.clauses if clause.part == "approvals"]
    assert clause.explanation.startswith(f"{count} of 2 approvals")
    assert found.passed is (count == 2)
    assert len(found.counted) == count


def test_why_an_approval_does_not_count_is_told() -> None:
    policy = Policy(approvals=3, approvers=("c*", "b*", "a*"), separate_author=True, separate_mover=True)
    told = verdict(
        policy,
        said(1, "cleo"),
        said(2, "ben"),
        said(3, "ana"),
        said(4, "dan"),
        said(5, "c2", expires=NOW),
        said(6, "c3", digest="sha256:" + "b" * 64),
        said(7, "Cleo"),
        said(8, "cLEO"),
    ).failures
    assert told == (
        "1 of 3 approvals (cleo); not counted: ben registered the version, ana moves the alias, dan is no approver, "
        "that of c2 expired on 2026-03-01T12:00:00Z, Cleo is no approver, cLEO is counted already, 1 of other bytes than these"
    )


def test_a_rejection_takes_back_the_approval_of_the_same_actor_and_blocks() -> None:
    found = verdict(Policy(approvals=1), said(1, "cleo"), said(2, "dan"), said(3, "dan", "reject", reason="slow"))
    assert [clause.part for clause in found.failed] == ["rejection"]
    assert "dan rejected it: slow (until dan withdraws that or approves)" in found.failures
    assert [decision.actor for decision in found.counted] == ["cleo"]


def test_a_rejection_blocks_until_it_is_withdrawn_and_never_expires() -> None:
    policy = Policy(approvals=1, approvals_expire="1d")
    fresh = said(1, "cleo", time=NOW)
    assert not verdict(policy, fresh, said(2, "dan", "reject")).passed
    assert verdict(policy, fresh, said(2, "dan", "reject", withdrawn=NOW)).passed


def test_a_rejection_of_who_is_no_approver_or_of_other_bytes_does_not_block() -> None:
    policy = Policy(approvals=1, approvers=("cleo",))
    assert verdict(policy, said(1, "cleo"), said(2, "dan", "reject")).passed
    assert verdict(policy, said(1, "cleo"), said(2, "cleo", "reject", digest="sha256:" + "b" * 64)).passed


def test_nobody_takes_back_the_rejection_of_another_by_a_name_that_looks_like_theirs() -> None:
    policy = Policy(approvals=1, approvers=("cleo", "dan"))
    assert not verdict(policy, said(1, "dan"), said(2, "cleo", "reject"), said(3, "Cleo")).passed


def test_a_rejection_stands_where_it_is_not_sure_that_the_approval_came_later() -> None:
    merged = said(2, "cleo", time=NOW - timedelta(days=20))  # of another yard, kept here after the rejection
    assert not verdict(Policy(approvals=1), said(1, "cleo", "reject"), merged).passed
    assert not verdict(Policy(approvals=1), said(1, "cleo", time=NOW), said(2, "cleo", "reject")).passed
    assert verdict(Policy(approvals=1), said(1, "cleo", "reject"), merged, said(3, "cleo")).passed


def test_a_veto_needs_no_approvals_and_a_policy_of_gates_alone_has_none() -> None:
    rejection = said(1, "cleo", "reject")
    assert not verdict(Policy(approvers=("cleo",)), rejection).passed
    assert verdict(Policy(gates=("metrics.auc > 0",)), rejection).passed


def test_the_author_may_reject_what_they_may_not_approve() -> None:
    policy = Policy(approvals=1, separate_author=True)
    assert not verdict(policy, said(1, "cleo"), said(2, "ben", "reject")).passed


def test_what_has_become_of_a_decision_is_told() -> None:
    listed = [
        said(1, "cleo"),
        said(2, "cleo"),
        said(3, "dan", expires=NOW),
        said(4, "eli", withdrawn=NOW),
        said(5, "fay", digest="sha256:" + "b" * 64),
        said(6, "gil", "reject"),
    ]
    told = [state(each, listed, DIGEST, NOW) for each in listed]
    assert told == ["replaced", "stands", "expired", "withdrawn", "of other bytes", "stands"]


def test_the_longest_expiry_is_not_too_long() -> None:
    assert verdict(Policy(approvals=1, approvals_expire="999999w"), said(1, "cleo")).passed


def test_the_evidence_names_gates_approvals_and_policies() -> None:
    policy = Policy(gates=("metrics.auc > 0",), approvals=1)
    told = verdict(policy, said(4, "cleo")).evidence()
    assert told["gates"][0]["passed"] is True
    assert told["approvals"] == [{"id": 4, "actor": "cleo", "digest": DIGEST, "time": "2026-02-19T12:00:00Z"}]
    assert told["policies"] == {"fraud@production": policy.digest}


# --- the glass, and removal ---


def test_the_glass_is_broken_only_by_those_whom_each_failed_policy_lists() -> None:
    rules = [
        Rule("*@production", Policy(approvals=1, break_glass=("ana", "ben"))),
        Rule("fraud@production", Policy(movers=("cleo",), break_glass=("ana",))),
    ]
    found = judge(rules, Request("dan", "", "ben", DIGEST, NOW, (), FACTS))
    assert may_break_glass(found, "ana") == ""
    assert "policy of fraud@production allows it to ana" in may_break_glass(found, "ben")
    assert "policy of *@production allows it to ana, ben" in may_break_glass(found, "cleo")
    holds = judge(rules, Request("cleo", "", "ben", DIGEST, NOW, (), FACTS))  # but for the approval
    assert may_break_glass(holds, "ben") == ""


def test_an_empty_list_lets_nobody_break_the_glass() -> None:
    found = judge([Rule("fraud@production", Policy(approvals=1))], Request("a", "", "b", DIGEST, NOW, (), FACTS))
    assert "allows it to nobody" in may_break_glass(found, "ana")


def test_a_removal_asks_who_why_and_whether() -> None:
    rules = [Rule("fraud@production", Policy(movers=("ben",), require_reason=True, allow_remove=False))]
    found = removal(rules, "ana", "")
    assert len(found.failed) == 3
    assert "allow_remove = false" in found.failures
    assert removal([Rule("fraud@production", Policy(gates=("size > 1",)))], "ana", "").passed

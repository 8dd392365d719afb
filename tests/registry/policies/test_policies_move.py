"""Moves of protected aliases, on both databases."""

import pickle
from typing import Any

import pytest
from policies_yard import People

from modelyard import errors
from modelyard.core.names import AliasName, ModelName
from modelyard.core.references import Reference
from modelyard.registry.policies.policy import Policy

FRAUD, PRODUCTION = ModelName("fraud"), AliasName("production")


def test_a_move_that_a_policy_refuses_changes_nothing_and_says_all_that_does_not_hold(people: People) -> None:
    ana, ben = people("ana"), people("ben")
    people.version(metrics={"auc": 0.6})
    ana.policies.set(
        "fraud", "production", gates=["metrics.auc >= 0.9"], movers=["ana"], approvals=2, require_reason=True
    )
    before = len(ana.history())
    with pytest.raises(errors.GateRefused) as caught:
        ben.promote("fraud/1", to="production")
    told = str(caught.value)
    for part in ("ben may not move it", "no reason is given", "metrics.auc is 0.6", "0 of 2 approvals"):
        assert part in told
    assert [clause["part"] for clause in caught.value.clauses] == ["movers", "reason", "gate", "approvals"]
    assert str(pickle.loads(pickle.dumps(caught.value))) == told  # noqa: S301 - our own
    assert len(ana.history()) == before
    assert ana.registry.aliases("model", "fraud") == {}


def test_a_refusal_without_a_failed_gate_is_no_gate_refused(people: People) -> None:
    people.version()
    people("ana").policies.set("fraud", "production", approvals=1)
    with pytest.raises(errors.PolicyRefused) as caught:
        people("ana").promote("fraud/1", to="production")
    assert not isinstance(caught.value, errors.GateRefused)
    assert isinstance(caught.value, errors.Refused)


def test_a_move_that_passes_keeps_gates_approvals_and_policies_as_evidence(people: People) -> None:
    version = people.version(metrics={"auc": 0.9})
    made = people("ana").policies.set("fraud", "production", gates=["metrics.auc >= 0.9"], approvals=1)
    given = people("ben").approve("fraud/1", for_alias="production")
    move = people("ana").promote("fraud/1", to="production", evidence={"ticket": 7})
    assert move.row is not None
    assert move.row.evidence["ticket"] == 7
    assert [gate["passed"] for gate in move.row.evidence["gates"]] == [True]
    [counted] = move.row.evidence["approvals"]
    assert (counted["id"], counted["actor"], counted["digest"]) == (given.id, "ben", version.digest)
    assert move.row.evidence["policies"] == {"fraud@production": made.digest}


@pytest.mark.parametrize("key", ["gates", "approvals", "policies", "broken"])
def test_nobody_can_forge_the_evidence_of_policies(people: People, key: str) -> None:
    people.version()
    with pytest.raises(errors.InvalidInput, match=f"tells '{key}' by itself"):
        people("ana").promote("fraud/1", to="production", evidence={key: []})


def test_the_policy_of_all_models_and_that_of_the_model_must_both_hold(people: People) -> None:
    ana = people("ana")
    people.version(tags={"scanned": "yes"})
    people.version("churn")
    ana.policies.set(None, "production", gates=["tags.scanned = 'yes'"])
    ana.policies.set("fraud", "production", movers=["ben"])
    with pytest.raises(errors.PolicyRefused, match="ana may not move it"):
        ana.promote("fraud/1", to="production")
    assert people("ben").promote("fraud/1", to="production").after == 1
    with pytest.raises(errors.GateRefused, match=r"tags\.scanned is unknown"):
        people("ben").promote("churn/1", to="production")
    assert people("ben").promote("churn/1", to="staging").after == 1


def test_a_change_of_a_policy_is_a_row_of_the_ledger_with_before_and_after(people: People) -> None:
    ana = people("ana")
    ana.policies.set("fraud", "production", approvals=1, reason="rule 4")
    ana.policies.set("fraud", "production", movers=["ci-*"])
    ana.policies.set("fraud", "production", movers=["ci-*"])  # says nothing new
    ana.policies.set("fraud", "production", {"approvals": 2})
    ana.policies.set(None, "production", require_reason=True)
    ana.policies.remove("fraud", "production", reason="no longer")
    rows = [(r.action, r.subject, r.before, r.after, r.reason) for r in reversed(ana.history())]
    assert rows == [
        ("policy.set", "fraud@production", None, {"approvals": 1}, "rule 4"),
        ("policy.set", "fraud@production", {"approvals": 1}, {"approvals": 1, "movers": ["ci-*"]}, ""),
        ("policy.set", "fraud@production", {"approvals": 1, "movers": ["ci-*"]}, {"approvals": 2}, ""),
        ("policy.set", "*@production", None, {"require_reason": True}, ""),
        ("policy.remove", "fraud@production", {"approvals": 2}, None, "no longer"),
    ]
    assert ana.policies.get("fraud", "production") is None
    assert [row.subject for row in ana.policies.list("fraud")] == ["*@production"]
    assert people.problems() == []


def test_a_policy_that_says_nothing_is_none(people: People) -> None:
    ana = people("ana")
    ana.policies.set("fraud", "production", approvals=1)
    assert ana.policies.set("fraud", "production", approvals=0) == Policy()
    assert ana.policies.list() == []
    assert ana.history()[0].action == "policy.remove"
    with pytest.raises(errors.InvalidInput, match="give at least one key"):
        ana.policies.set("fraud", "production")
    with pytest.raises(errors.PolicyNotFound, match=r"no policy for fraud@production; there are none"):
        ana.policies.remove("fraud", "production")


def test_a_policy_of_a_reserved_alias_or_a_name_that_is_none_is_refused(people: People) -> None:
    ana = people("ana")
    for model, alias in (("fraud", "latest"), ("fraud", "v3"), (None, "latest"), ("../x", "production"), ("", "p")):
        with pytest.raises(errors.InvalidName):
            ana.policies.set(model, alias, approvals=1)
    with pytest.raises(errors.InvalidPolicy, match="did you mean 'approvals'"):
        ana.policies.set("fraud", "production", aprovals=1)
    assert ana.history() == []


def test_gates_set_the_old_way_leave_the_rest_of_the_policy(people: People) -> None:
    ana = people("ana")
    ana.policies.set("fraud", "production", movers=["ben"])
    ana.set_gates("fraud", "production", ["metrics.auc > 0.5", "metrics.auc > 0.5"])
    assert ana.policies.get("fraud", "production") == Policy(gates=("metrics.auc > 0.5",), movers=("ben",))
    assert ana.gates("fraud", "production") == ["metrics.auc > 0.5"]
    ana.set_gates("fraud", "production", [])
    assert ana.policies.get("fraud", "production") == Policy(movers=("ben",))
    with pytest.raises(errors.InvalidGate):
        ana.set_gates("fraud", "production", ["metrics.auc >"])


def test_a_policy_that_this_release_does_not_understand_lets_nothing_pass(people: People) -> None:
    from sqlalchemy import update

    from modelyard.registry.schema import policies

    ana = people("ana")
    people.version()
    ana.policies.set("fraud", "production", approvals=1, break_glass=["ana"])
    with ana.registry.database.write() as connection:
        connection.execute(update(policies).values(document={"approvals": 1, "quorum": "half"}))
    for break_glass in (None, "incident 1"):
        with pytest.raises(
            errors.InvalidPolicy, match="the policy of fraud@production in this yard: quorum is not a key"
        ):
            ana.promote("fraud/1", to="production", break_glass=break_glass)


def test_a_rollback_is_held_up_by_who_and_why_but_not_by_gates_and_approvals(people: People) -> None:
    ana, ben = people("ana"), people("ben")
    for number in (1, 2, 3):
        people.version(metrics={"auc": 0.5 + number / 100})
        if number < 3:
            ana.promote(f"fraud/{number}", to="production")
    ana.policies.set(
        "fraud", "production", gates=["metrics.auc > 0.9"], approvals=2, movers=["ana"], require_reason=True
    )
    with pytest.raises(errors.PolicyRefused, match="ben may not move it"):
        ben.rollback("fraud@production", reason="wrong")
    with pytest.raises(errors.PolicyRefused, match="no reason is given"):
        ana.rollback("fraud@production")
    with pytest.raises(errors.GateRefused, match="0 of 2 approvals"):
        ana.rollback("fraud@production", to=3, reason="it never was there")
    assert ana.rollback("fraud@production", reason="wrong").after == 1


def test_the_removal_of_a_protected_alias_is_held_up(people: People) -> None:
    ana, ben = people("ana"), people("ben")
    people.version()
    ana.promote("fraud/1", to="production")
    ana.policies.set("fraud", "production", movers=["ana"], require_reason=True)
    with pytest.raises(errors.RemovalRefused, match="ben may not move it"):
        ben.registry.remove_alias("model", FRAUD, PRODUCTION, reason="tidy")
    with pytest.raises(errors.RemovalRefused, match="no reason is given"):
        ana.registry.remove_alias("model", FRAUD, PRODUCTION)
    ana.policies.set("fraud", "production", allow_remove=False)
    with pytest.raises(errors.RemovalRefused, match="allow_remove = false"):
        ana.registry.remove_alias("model", FRAUD, PRODUCTION, reason="tidy")
    ana.policies.set("fraud", "production", allow_remove=True)
    assert ana.registry.remove_alias("model", FRAUD, PRODUCTION, reason="tidy").after is None


def test_the_conflict_of_a_move_carries_the_current_version(people: People) -> None:
    ana = people("ana")
    people.version()
    people.version()
    ana.promote("fraud/1", to="production")
    with pytest.raises(errors.AliasMoved) as caught:
        ana.promote("fraud/2", to="production", expected=2)
    assert caught.value.current_version == 1
    assert ana.promote("fraud/2", to="production", expected=caught.value.current_version).after == 2


def test_a_conflict_is_told_before_the_policies_are_asked(people: People) -> None:
    ana = people("ana")
    people.version()
    ana.policies.set("fraud", "production", movers=["ben"])
    with pytest.raises(errors.AliasMoved):
        ana.promote("fraud/1", to="production", expected=1)


# --- the glass ---


def _glass(people: People, **more: Any) -> None:
    people.version(metrics={"auc": 0.6})
    people("ana").policies.set(
        "fraud", "production", gates=["metrics.auc >= 0.9"], movers=["ci-*"], approvals=2, break_glass=["ana"], **more
    )


def test_who_is_listed_breaks_the_glass_and_the_ledger_says_all_that_did_not_hold(people: People) -> None:
    _glass(people)
    move = people("ana").promote("fraud/1", to="production", break_glass="incident 12", evidence={"call": 3})
    assert move.broke_glass
    row = move.row
    assert row is not None
    assert (row.action, row.actor, row.reason, row.after["version"]) == ("alias.break_glass", "ana", "incident 12", 1)
    assert [clause["part"] for clause in row.evidence["broken"]] == ["movers", "gate", "approvals"]
    assert row.evidence["gates"][0]["passed"] is False
    assert row.evidence["call"] == 3
    assert people.problems() == []


def test_who_is_not_listed_cannot_break_the_glass(people: People) -> None:
    _glass(people)
    for actor in ("ben", "Ana", "ci-1", "ana "):
        with pytest.raises(errors.BreakGlassRefused, match="allows it to ana; it does not hold"):
            people(actor).promote("fraud/1", to="production", break_glass="incident 12")
    assert people("ana").registry.aliases("model", "fraud") == {}


@pytest.mark.parametrize("reason", ["", " \t", None, 7, "\ud800"])
def test_breaking_the_glass_takes_a_reason(people: People, reason: Any) -> None:
    _glass(people)
    if reason is None:
        with pytest.raises(errors.PolicyRefused):
            people("ana").promote("fraud/1", to="production", break_glass=reason)
        return
    with pytest.raises(errors.InvalidInput, match="needs a reason"):
        people("ana").promote("fraud/1", to="production", break_glass=reason)


def test_the_reason_for_breaking_the_glass_is_a_reason_and_another_one_is_kept_beside_it(people: People) -> None:
    _glass(people, require_reason=True)
    move = people("ana").promote("fraud/1", to="production", reason="hotfix", break_glass="incident 12")
    assert move.row is not None
    assert move.row.reason == "hotfix; incident 12"
    assert "reason" not in [clause["part"] for clause in move.row.evidence["broken"]]


def test_where_everything_holds_no_glass_is_broken(people: People) -> None:
    people.version()
    people("ana").policies.set("fraud", "production", movers=["ben"], break_glass=["ana"])
    move = people("ben").promote("fraud/1", to="production", break_glass="just in case")
    assert not move.broke_glass
    assert move.row is not None
    assert move.row.action == "alias.move"


def test_breaking_the_glass_still_compares_and_sets(people: People) -> None:
    _glass(people)
    with pytest.raises(errors.AliasMoved):
        people("ana").promote("fraud/1", to="production", break_glass="incident 12", expected=4)


def test_a_move_past_the_policies_is_a_move_like_others_for_the_past_and_for_rollback(people: People) -> None:
    ana = people("ana")
    people.version()
    ana.promote("fraud/1", to="production")
    people.clock.go_on(hours=1)
    people.version(metrics={"auc": 0.1})
    ana.policies.set("fraud", "production", gates=["metrics.auc > 0.5"], break_glass=["ana"])
    ana.promote("fraud/2", to="production", break_glass="incident 12")
    people.clock.go_on(hours=1)
    assert ana.model("fraud@production", at="30min ago").version == 2
    assert ana.model("fraud@production", at="90min ago").version == 1
    assert ana.rollback("fraud@production").after == 1
    assert people.problems() == []


def test_provenance_that_cannot_be_read_does_not_keep_the_glass_from_being_broken(people: People) -> None:
    from modelyard.core.digests import Digest

    people.version(provenance=Digest.of(b"not in the store"))
    people("ana").policies.set("fraud", "production", gates=["provenance.git.dirty == false"], break_glass=["ana"])
    with pytest.raises(errors.Damaged):
        people("ana").promote("fraud/1", to="production")
    move = people("ana").promote("fraud/1", to="production", break_glass="incident 12")
    assert move.row is not None
    assert "provenance.git.dirty is unknown" in move.row.evidence["broken"][0]["explanation"]


def test_a_move_reads_documents_outside_of_its_transaction_and_only_those_it_needs(people: People) -> None:
    ana = people("ana")
    people.whole(provenance={"git": {"dirty": False}}, metrics={"auc": 0.9})
    read, registry = [], ana.registry
    inside = []
    begin, source = registry.begin, registry._read_file

    def reading(digest: Any) -> bytes:
        read.append(digest)
        assert not inside, "a store was read while a transaction was open"
        return source(digest)

    from contextlib import contextmanager

    @contextmanager
    def watched(**options: Any) -> Any:
        inside.append(1)
        try:
            with begin(**options) as tx:
                yield tx
        finally:
            inside.pop()

    registry._read_file, registry.begin = reading, watched  # type: ignore[method-assign]
    ana.policies.set("fraud", "production", gates=["metrics.auc > 0.5"])
    ana.promote("fraud/1", to="production")
    assert read == []
    ana.policies.set("fraud", "staging", gates=["metrics.auc > 0.5 and provenance.git.dirty == false"])
    move = registry.move_alias("model", Reference.parse("fraud/1"), "staging")  # type: ignore[arg-type]
    assert move.gates[0].passed
    assert len(read) == 1


# --- explaining ---


def test_an_explanation_is_what_a_move_would_meet_and_moves_nothing(people: People) -> None:
    ana = people("ana")
    people.version(metrics={"auc": 0.6})
    ana.policies.set("fraud", "production", gates=["metrics.auc >= 0.9"], approvals=1, require_reason=True)
    before = len(ana.history())
    found = ana.policies.explain("fraud/1", "production", reason="why not")
    assert [(clause.part, clause.passed) for clause in found.clauses] == [
        ("reason", True),
        ("gate", False),
        ("approvals", False),
    ]
    assert ana.policies.explain("fraud/1", "production", policy={"gates": ["metrics.auc > 0.5"]}).passed
    assert ana.policies.explain("fraud", "shadow").passed
    assert len(ana.history()) == before
    with pytest.raises(errors.VersionNotFound):
        ana.policies.explain("fraud/9", "production")
    with pytest.raises(errors.InvalidPolicy):
        ana.policies.explain("fraud/1", "production", policy={"gate": []})

"""Approvals in the registry: of bytes, for one alias, once a person, until they end."""

import pytest
from policies_yard import People
from sqlalchemy import update

from modelyard import errors
from modelyard.core.digests import Digest
from modelyard.registry.schema import approvals, versions

FAR = "999999999d"


@pytest.fixture
def protected(people: People) -> People:
    """fraud/1 of ana, which needs two approvals of leads or ops, none of them ana's."""
    people.version()
    people("ana").policies.set(
        "fraud", "production", approvals=2, approvers=["lead-*", "ops", "ana"], separate_author=True
    )
    return people


def _moves(people: People) -> bool:
    try:
        people("ana").promote("fraud/1", to="production")
    except errors.PolicyRefused:
        return False
    return True


def test_two_approvals_let_the_alias_move_and_the_ledger_has_each(protected: People) -> None:
    first = protected("lead-1").approve("fraud/1", for_alias="production", reason="checked", expires="30d")
    assert not _moves(protected)
    protected("ops").approve("fraud/1", for_alias="production")
    assert _moves(protected)
    rows = [row for row in protected("ana").history("fraud/1") if row.action == "approval.give"]
    assert [(row.actor, row.reason) for row in rows] == [("ops", ""), ("lead-1", "checked")]
    assert rows[1].after["digest"] == first.digest
    assert rows[1].after["expires"] == "2026-03-31T12:00:00Z"
    assert protected.problems() == []


def test_one_person_counts_once(protected: People) -> None:
    for _ in range(3):
        protected("lead-1").approve("fraud/1", for_alias="production")
    protected("lead-1 ").approve("fraud/1", for_alias="production")  # lead-* means this name too
    assert not _moves(protected)


def test_an_approval_ends_at_its_very_instant(protected: People) -> None:
    protected("lead-1").approve("fraud/1", for_alias="production", expires="1h")
    protected("ops").approve("fraud/1", for_alias="production")
    protected.clock.go_on(hours=1, microseconds=-1)
    assert protected("ana").policies.explain("fraud/1", "production").passed
    protected.clock.go_on(microseconds=1)
    assert not _moves(protected)


def test_a_policy_may_let_approvals_end_too(protected: People) -> None:
    protected("ana").policies.set("fraud", "production", approvals_expire="2h")
    for actor in ("lead-1", "ops"):
        protected(actor).approve("fraud/1", for_alias="production", expires="30d")
    protected.clock.go_on(hours=2, microseconds=-1)
    assert protected("ana").policies.explain("fraud/1", "production").passed
    protected.clock.go_on(microseconds=1)
    assert not _moves(protected)


def test_an_approval_for_another_alias_or_of_another_version_counts_for_nothing(protected: People) -> None:
    protected.version()
    protected("lead-1").approve("fraud/1", for_alias="staging")
    protected("lead-1").approve("fraud/2", for_alias="production")
    protected("ops").approve("fraud/1", for_alias="production")
    assert not _moves(protected)


def test_an_approval_whose_digest_was_altered_counts_for_nothing(protected: People) -> None:
    for actor in ("lead-1", "ops"):
        protected(actor).approve("fraud/1", for_alias="production")
    ana = protected("ana")
    assert ana.policies.explain("fraud/1", "production").passed
    with ana.registry.database.write() as connection:
        connection.execute(update(approvals).where(approvals.c.actor == "ops").values(digest=Digest.of(b"other")))
    with pytest.raises(errors.PolicyRefused, match=r"1 of 2 approvals \(lead-1\); not counted: 1 of other bytes"):
        ana.promote("fraud/1", to="production")
    assert any("approve 2 of fraud/1 for production by ops" in problem for problem in protected.problems())


def test_approvals_do_not_carry_over_to_bytes_that_were_put_in_place_of_those_approved(protected: People) -> None:
    for actor in ("lead-1", "ops"):
        protected(actor).approve("fraud/1", for_alias="production")
    with protected("ana").registry.database.write() as connection:
        connection.execute(update(versions).values(digest=Digest.of(b"swapped")))
    assert not _moves(protected)


def test_who_could_not_count_is_told_at_once(protected: People) -> None:
    with pytest.raises(
        errors.DecisionRefused, match=r"ben may not approve fraud/1 for production: approvers are lead-\*"
    ):
        protected("ben").approve("fraud/1", for_alias="production")
    with pytest.raises(errors.DecisionRefused, match="ana registered it, and author and approver must differ"):
        protected("ana").approve("fraud/1", for_alias="production")
    with pytest.raises(errors.DecisionRefused, match="ben may not reject"):
        protected("ben").reject("fraud/1", for_alias="production")
    assert protected("ana").reject("fraud/1", for_alias="production").word == "reject"
    assert len(protected("ana").approvals("fraud/1")) == 1


def test_an_author_who_approved_before_the_policy_came_does_not_count(people: People) -> None:
    people.version()
    for actor in ("ana", "ben"):
        people(actor).approve("fraud/1", for_alias="production")
    people("ana").policies.set("fraud", "production", approvals=2, separate_author=True)
    with pytest.raises(
        errors.PolicyRefused, match=r"1 of 2 approvals \(ben\); not counted: ana registered the version"
    ):
        people("ana").promote("fraud/1", to="production")


def test_rejected_then_approved_then_rejected(protected: People) -> None:
    lead, ops = protected("lead-1"), protected("ops")
    ops.approve("fraud/1", for_alias="production")
    protected("lead-2").approve("fraud/1", for_alias="production")
    lead.reject("fraud/1", for_alias="production", reason="slow")
    with pytest.raises(errors.PolicyRefused, match="lead-1 rejected it: slow"):
        protected("ana").promote("fraud/1", to="production")
    lead.approve("fraud/1", for_alias="production")
    assert protected("ana").policies.explain("fraud/1", "production").passed
    lead.reject("fraud/1", for_alias="production")
    assert not _moves(protected)
    lead.withdraw("fraud/1", for_alias="production", reason="leaves")
    assert _moves(protected)


def test_who_withdraws_takes_back_all_they_said_and_nothing_of_others(protected: People) -> None:
    lead = protected("lead-1")
    lead.approve("fraud/1", for_alias="production")
    lead.approve("fraud/1", for_alias="staging")
    lead.approve("fraud/1", for_alias="production")
    protected("ops").approve("fraud/1", for_alias="production")
    assert len(lead.withdraw("fraud/1", for_alias="production")) == 2
    left = [(each.actor, each.alias) for each in lead.approvals("fraud/1") if each.withdrawn is None]
    assert left == [("lead-1", "staging"), ("ops", "production")]
    assert [each.actor for each in lead.approvals("fraud/1", for_alias="staging")] == ["lead-1"]
    with pytest.raises(
        errors.DecisionNotFound, match="lead-1 has neither approved nor rejected fraud/1 for production"
    ):
        lead.withdraw("fraud/1", for_alias="production")
    assert lead.history("fraud/1")[0].action == "approval.withdraw"
    assert protected.problems() == []


def test_an_approval_may_be_of_a_label_or_of_the_latest_and_is_of_that_version(people: People) -> None:
    people.version()
    people.version(label="2.0")
    assert people("ben").approve("fraud", for_alias="production").number == 2
    assert people("ben").approve("fraud:2.0", for_alias="production").number == 2
    for reference, error in (
        ("fraud/9", errors.VersionNotFound),
        ("nope", errors.ModelNotFound),
        ("fraud/0", errors.InvalidReference),
    ):
        with pytest.raises(error):
            people("ben").approve(reference, for_alias="production")
    with pytest.raises(errors.InvalidName):
        people("ben").approve("fraud/1", for_alias="latest")


@pytest.mark.parametrize("expires", ["", "0d", "soon", "-1d", FAR])
def test_an_end_that_is_none_is_refused(people: People, expires: str) -> None:
    people.version()
    with pytest.raises(errors.InvalidInput):
        people("ben").approve("fraud/1", for_alias="production", expires=expires)
    assert people("ben").approvals("fraud/1") == []


@pytest.mark.parametrize(
    "actor", ["ben@example.org", "Ben Ö'Neil", "ben; DROP TABLE approvals", "日本", "x" * 255, "%", "*"]
)
def test_a_name_may_have_any_sign_and_means_itself(people: People, actor: str) -> None:
    people.version()
    people("ana").policies.set("fraud", "production", approvals=1, approvers=[actor.replace("*", "") or "star"])
    if actor == "*":  # a name that looks like a pattern gives no rights
        with pytest.raises(errors.DecisionRefused):
            people(actor).approve("fraud/1", for_alias="production")
        return
    people(actor).approve("fraud/1", for_alias="production")
    assert _moves(people)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"actor": "eve"}, "approve 1 of fraud/1 for production by eve is in no row of the ledger"),
        ({"decision": "reject"}, "reject 1 of fraud/1 for production by ben is in no row of the ledger"),
        ({"time": 1}, "is in no row of the ledger"),
        ({"expires": None}, "is in no row of the ledger"),
        ({"alias": "staging"}, "for staging by ben is in no row of the ledger"),
        ({"withdrawn": 1}, "the ledger says that approve 1 of fraud/1 for production by ben was not withdrawn"),
    ],
)
def test_an_approval_that_was_changed_past_the_registry_is_named_by_check(
    people: People, values: dict[str, object], told: str
) -> None:
    people.version()
    ben = people("ben")
    ben.approve("fraud/1", for_alias="production", expires="1d")
    assert people.problems() == []
    with ben.registry.database.write() as connection:
        connection.execute(update(approvals).values(**values))
    assert any(told in problem for problem in people.problems())


def test_a_policy_that_was_changed_past_the_registry_is_named_by_check(people: People) -> None:
    from sqlalchemy import delete

    from modelyard.registry.schema import policies

    ana = people("ana")
    ana.policies.set("fraud", "production", approvals=2)
    ana.policies.set(None, "production", movers=["ana"])
    with ana.registry.database.write() as connection:
        connection.execute(update(policies).where(policies.c.name == "fraud").values(document={"approvals": 0}))
        connection.execute(delete(policies).where(policies.c.name == ""))
    problems = people.problems()
    assert "the policy of fraud@production is not what the ledger says" in problems
    assert "the policy of *@production was set in ledger row 2 and is gone without a row" in problems

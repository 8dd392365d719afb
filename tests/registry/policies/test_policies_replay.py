"""What a policy would have said of the past: judged on what was known just before each move, and nothing else."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from policies_yard import People
from test_policies_facts import _deployed, _measured, _score

from modelyard import errors
from modelyard.registry.policies.policy import Policy
from modelyard.registry.policies.replay import Replayed


def _test(people: People, subject: str | None = "fraud@production", **options: Any) -> Sequence[Replayed]:
    return people("ana").policies.test(subject, **options)


def _blocked(found: Sequence[Replayed]) -> list[int]:
    return [each.row.after["version"] for each in found if each.blocked]


def test_moves_are_judged_by_the_metrics_of_their_time(people: People) -> None:
    ana = people("ana")
    for auc in (0.6, 0.7, 0.8):
        version = people.version(metrics={"auc": auc})
        people.clock.go_on(hours=1)
        ana.promote(version.reference, to="production")
        ana.registry.add_metrics(version, {"auc": 0.99})  # found out later
    found = _test(people, policy={"gates": ["metrics.auc >= 0.7 and metrics.auc >= alias.metrics.auc"]})
    # as of the second move the first version was known to have 0.99, and the third was held against the 0.99 of the second
    assert _blocked(found) == [1, 2, 3]
    assert "metrics.auc is 0.6" in found[0].verdict.failures
    assert "metrics.auc is 0.7, alias.metrics.auc is 0.99" in found[1].verdict.failures
    assert _blocked(_test(people, policy={"gates": ["metrics.auc >= 0.7"]})) == [1]


def test_tags_label_and_description_are_those_of_the_time(people: People) -> None:
    ana = people("ana")
    version = people.version(tags={"reviewed": "no", "old": "x"}, description="first")
    ana.registry.set_tags(version, {"reviewed": "yes"})
    ana.registry.remove_tags(version, ["old"])
    ana.promote("fraud/1", to="production")
    ana.registry.set_tags(version, {"reviewed": "no", "late": "x"})
    ana.registry.describe(version, description="second", card=None)
    ana.registry.add_properties(version, {"later": "x"})
    holds = "tags.reviewed = 'yes' and missing(tags.old) and missing(tags.late) and missing(properties.later)"
    assert _blocked(_test(people, policy={"gates": [holds, "description = 'first'", "missing(label)"]})) == []


def test_approvals_are_those_of_the_time(people: People) -> None:
    ana = people("ana")
    for _ in range(4):
        people.version()
    people("ben").approve("fraud/1", for_alias="production", expires="1h")
    people("ben").approve("fraud/2", for_alias="production")
    people("ben").approve("fraud/3", for_alias="production")
    people("cleo").reject("fraud/3", for_alias="production")
    people("ben").approve("fraud/4", for_alias="staging")
    people.clock.go_on(hours=1)
    for number in (1, 2, 3, 4):
        ana.promote(f"fraud/{number}", to="production")
    people("ben").withdraw("fraud/2", for_alias="production")
    people("cleo").withdraw("fraud/3", for_alias="production")
    people("ben").approve("fraud/4", for_alias="production")
    found = _test(people, policy={"approvals": 1})
    assert _blocked(found) == [1, 3, 4]
    assert "that of ben expired on 2026-03-01T13:00:00Z" in found[0].verdict.failures
    assert "cleo rejected it" in found[2].verdict.failures
    assert [decision.actor for decision in found[1].verdict.counted] == ["ben"]


def test_who_moved_and_why_and_who_made_it_are_those_of_the_ledger(people: People) -> None:
    people.version(actor="ben")
    people("ben").approve("fraud/1", for_alias="production")
    people("cleo").promote("fraud/1", to="production", reason="because")
    for policy, told in (
        ({"movers": ["cleo"], "require_reason": True}, ""),
        ({"movers": ["ben"]}, "cleo may not move it"),
        ({"approvals": 1, "separate_author": True}, "ben registered the version"),
    ):
        [found] = _test(people, policy=policy)
        assert told in found.verdict.failures
        assert found.blocked is bool(told)


def test_the_policies_as_they_are_are_tried_without_another(people: People) -> None:
    ana = people("ana")
    for name in ("fraud", "churn"):
        people.version(name)
        ana.promote(f"{name}/1", to="production")
        ana.promote(f"{name}/1", to="staging")
    assert _test(people, None) == []
    ana.policies.set(None, "production", require_reason=True)
    ana.policies.set("fraud", "production", gates=["size > 100"])
    assert [each.row.subject for each in _test(people, None)] == ["fraud@production", "churn@production"]
    [found] = _test(people)
    assert "no reason is given, and one is required" in found.verdict.failures
    assert "size > 100" in found.verdict.failures
    [found] = _test(people, policy={"gates": ["size > 1"]})  # in place of the model's, beside that of all models
    assert [clause.part for clause in found.verdict.failed] == ["reason"]


def test_policies_by_alias_are_tried_on_these_aliases_alone(people: People) -> None:
    ana = people("ana")
    people.version()
    for alias in ("production", "staging"):
        ana.promote("fraud/1", to=alias)
    found = _test(people, None, policy={"staging": Policy(gates=("size > 100",))})
    assert [(each.row.subject, each.blocked) for each in found] == [("fraud@staging", True)]
    with pytest.raises(errors.InvalidInput, match="say of which alias"):
        _test(people, "fraud", policy={"gates": ["size > 100"]})
    for subject in ("fraud/1", "fraud:1.0"):
        with pytest.raises(errors.InvalidInput, match="is not an alias"):
            _test(people, subject)


def test_only_moves_since_then_are_judged_but_on_all_that_came_before(people: People) -> None:
    ana = people("ana")
    for number in (1, 2):
        people.version(metrics={"auc": 0.5 + number / 10})
        ana.promote(f"fraud/{number}", to="production")
        people.clock.go_on(days=50)
    gate = {"gates": ["metrics.auc > alias.metrics.auc"]}
    assert [each.row.after["version"] for each in _test(people, policy=gate)] == [1, 2]
    for since in ("90d", "2026-04-01", "12w", people.clock.now() - timedelta(days=51)):
        [found] = _test(people, policy=gate, since=since)
        assert (found.row.after["version"], found.blocked) == (2, False)
    assert _test(people, policy=gate, since="2d") == []
    for since in ("soon", "-3d", "999999999w", ""):
        with pytest.raises(errors.InvalidInput):
            _test(people, since=since)


def test_a_rollback_is_judged_as_a_retreat_and_one_to_elsewhere_as_a_move(people: People) -> None:
    ana = people("ana")
    for number in (1, 2, 3):
        people.version()
        if number < 3:
            ana.promote(f"fraud/{number}", to="production")
    ana.rollback("fraud@production")
    ana.rollback("fraud@production", to=3)
    found = _test(people, policy={"gates": ["size > 100"]})
    assert [(each.row.after["version"], each.blocked) for each in found] == [
        (1, True),
        (2, True),
        (1, False),
        (3, True),
    ]


def test_a_move_past_the_policies_is_judged_like_any_other(people: People) -> None:
    people.version()
    people("ana").policies.set("fraud", "production", gates=["size > 100"], break_glass=["ana"])
    people("ana").promote("fraud/1", to="production", break_glass="incident 12")
    [found] = _test(people)
    assert (found.row.action, found.blocked) == ("alias.break_glass", True)


def test_provenance_and_signature_do_not_change_and_are_known(people: People) -> None:
    signature = {"inputs": [{"name": "a", "type": "number"}], "outputs": []}
    people.whole(provenance={"git": {"dirty": False}}, signature=signature)
    people("ana").promote("fraud/1", to="production")
    people.whole(provenance={"git": {"dirty": True}}, signature={"inputs": [], "outputs": []}, tags={"n": "2"})
    people("ana").promote("fraud/2", to="production")
    found = _test(people, policy={"gates": ["provenance.git.dirty == false", "signature.compatible == true"]})
    assert [len(each.verdict.failed) for each in found] == [0, 2]


def test_what_nobody_can_read_any_more_is_unknown_and_never_passes(people: People) -> None:
    people.version()  # its manifest is nowhere
    people("ana").promote("fraud/1", to="production")
    for gate in ("signature.compatible == true", "missing(signature.compatible)", "not has(signature.compatible)"):
        [found] = _test(people, policy={"gates": [gate]})
        assert found.blocked
        assert found.unknown == ("signature.compatible",)
        assert "as of then nobody can know signature.compatible" in found.verdict.failures
    [found] = _test(people, policy={"gates": ["size > 1 or signature.compatible == true"]})
    assert not found.blocked


def test_live_traffic_is_known_as_of_then_while_it_was_not_measured_since(people: People) -> None:
    people.version()
    _deployed(people)
    people.clock.go_on(days=2)
    _measured(people, 1, 0, drift=[_score(0.1)])
    people.clock.go_on(hours=1)
    people("ana").promote("fraud/1", to="production")
    gate = {"gates": ["drift.score < 0.2 and drift.alerts = 0"]}
    assert _blocked(_test(people, policy=gate)) == []
    assert _blocked(_test(people, policy={"gates": ["drift.alerts = 0 and drift.quality.auc > 0.5"]})) == [1]
    people.clock.go_on(hours=1)
    _measured(people, 1, 1, drift=[_score(0.9, True)])  # of a day before the move, measured after it
    [found] = _test(people, policy=gate)
    assert found.blocked
    assert set(found.unknown) == {"drift.score", "drift.alerts"}


def test_alerts_are_those_that_fired_then(people: People) -> None:
    people.version()
    _deployed(people)
    people.clock.go_on(days=2)
    _measured(people, 1, 0)

    def alert(action: str) -> None:
        with people("ana").registry.begin() as tx:
            told = {"rule": "drift", "subject": "a"}
            facts = {"kind": "deployment", "name": "fraud", "subject": "fraud", "after": told}
            tx.record(f"alert.{action}", evidence={"version": 1}, **facts)  # type: ignore[arg-type]

    alert("fire")
    people("ana").promote("fraud/1", to="production")
    alert("resolve")
    people("ana").promote("fraud/1", to="staging")
    for alias, firing in (("production", 1), ("staging", 0)):
        [found] = _test(people, f"fraud@{alias}", policy={"gates": [f"drift.alerts = {firing}"]})
        assert not found.blocked, found.verdict.failures


def test_a_version_that_was_deleted_since_is_judged_as_it_was(people: People) -> None:
    ana = people("ana")
    for number in (1, 2):
        people.version(metrics={"auc": number / 10})
        ana.promote(f"fraud/{number}", to="production")
    ana.registry.change_state(ana.registry.any_version("model", "fraud", 1), "delete")  # type: ignore[arg-type]
    assert _blocked(_test(people, policy={"gates": ["metrics.auc > 0.15"]})) == [1]


def test_trying_out_changes_nothing(people: People) -> None:
    people.version()
    people("ana").promote("fraud/1", to="production")
    before = len(people("ana").history())
    _test(people, policy={"approvals": 2})
    assert len(people("ana").history()) == before

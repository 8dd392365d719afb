"""The facts that gates see of a version, on both databases."""

from datetime import timedelta
from typing import Any

import pytest
from policies_yard import START, People
from sqlalchemy import insert

from modelyard import errors
from modelyard.core.clock import to_micros
from modelyard.core.names import LabelName
from modelyard.registry.facts.lazy import Facts
from modelyard.registry.schema import alerts, deployments, reports, windows

SIGNATURE = {"inputs": [{"name": "a", "type": "integer", "required": True}], "outputs": []}
WIDER = {"inputs": [{"name": "a", "type": "number", "required": True}], "outputs": []}
NARROW = {"inputs": [{"name": "a", "type": "string", "required": True}], "outputs": []}


def _holds(people: People, gate: str, reference: str = "fraud", alias: str = "production") -> bool:
    return people("ana").policies.explain(reference, alias, policy={"gates": [gate]}).passed


def test_a_fact_is_looked_up_when_it_is_asked_for_and_once() -> None:
    asked: list[str] = []
    facts = Facts({"a": lambda: asked.append("a") or 1, "b": lambda: asked.append("b")})  # type: ignore[func-returns-value]
    assert "a" in facts
    assert list(facts) == ["a", "b"]
    assert len(facts) == 2
    assert asked == []
    assert (facts["a"], facts["a"], asked) == (1, 1, ["a"])
    more = facts.with_facts({"b": lambda: 2})
    assert (more["a"], more["b"], asked) == (1, 2, ["a"])
    with pytest.raises(KeyError):
        facts["c"]


@pytest.mark.parametrize(
    ("gate", "holds"),
    [
        ("name = 'fraud' and number = 1 and flavor = 'files' and size = 7 and files = 1", True),
        ("label >= '1.9' and label < '1.10.1'", True),
        ("created_by = 'ana' and created_time <= '1h ago'", True),
        ("created_time <= '3h ago'", False),
        ("description like '%weekends%'", True),
        ("tags.type = 'shadow' and tags.`build number` = '7'", True),
        ("properties.author = 'x'", True),
        ("metrics.auc >= 0.7 and metrics.`a.b` = 2", True),
        ("measured_on['flights/3'].auc = 0.6", True),
        ("measured_on['flights/3'].auc = 0.7", False),
        ("measured_on['flights/4'].auc > 0", False),
        ("has(alias.metrics.auc)", False),
        ("metrics.auc >= alias.metrics.auc", True),
        ("drift.score < 1", False),
        ("missing(drift.alerts)", True),
        ("drift.alerts = 0", False),
        ("scan.issues = 0", False),
        ("signatures.count = 0", True),
        ("approvals.count = 0 and approvals.rejections = 0", True),
        ("signature.compatible = true", False),
        ("provenance.git.dirty = false", False),
        ("nothing.of.that = 1", False),
    ],
)
def test_what_is_known_of_a_version_by_itself(people: People, gate: str, holds: bool) -> None:
    ana = people("ana")
    version = people.whole(
        label=LabelName("1.10.0"),
        description="good on weekends",
        tags={"type": "shadow", "build number": "7"},
        properties={"author": "x"},
        metrics={"a.b": 2.0},
    )
    ana.registry.add_metrics(version, {"auc": 0.5}, dataset="flights/3")
    ana.registry.add_metrics(version, {"auc": 0.6}, dataset="flights/3")
    ana.registry.add_metrics(version, {"auc": 0.7})
    people.clock.go_on(hours=2)
    assert _holds(people, gate) is holds


def test_provenance_is_the_whole_document(people: People) -> None:
    people.whole(provenance={"git": {"dirty": False, "commit": "abc"}, "build": {"number": "7"}})
    assert _holds(people, "provenance.git.dirty == false and provenance.build.number = '7'")
    assert not _holds(people, "provenance.git.dirty == true")


def test_the_example_of_the_issue(people: People) -> None:
    gate = "metrics.auc >= alias.metrics.auc - 0.005 and provenance.git.dirty == false"
    ana = people("ana")
    ana.policies.set("fraud", "production", gates=[gate])
    clean, dirty = {"git": {"dirty": False}}, {"git": {"dirty": True}}
    for auc, provenance in ((0.7, clean), (0.696, clean), (0.690, clean), (0.8, dirty)):
        people.whole(metrics={"auc": auc}, provenance=provenance)
    ana.promote("fraud/1", to="production")
    ana.promote("fraud/2", to="production")
    with pytest.raises(errors.GateRefused, match=r"metrics\.auc is 0\.69, alias\.metrics\.auc is 0\.696"):
        ana.promote("fraud/3", to="production")
    with pytest.raises(errors.GateRefused, match=r"provenance\.git\.dirty is true"):
        ana.promote("fraud/4", to="production")


@pytest.mark.parametrize(
    ("now", "then", "holds"),
    [
        (None, SIGNATURE, True),
        (SIGNATURE, SIGNATURE, True),
        (SIGNATURE, WIDER, True),
        (WIDER, SIGNATURE, False),
        (SIGNATURE, NARROW, False),
        (SIGNATURE, {}, False),
    ],
)
def test_a_signature_is_held_against_that_of_the_alias(people: People, now: Any, then: Any, holds: bool) -> None:
    if now is not None:
        people.whole(signature=now)
        people("ana").promote("fraud/1", to="production")
    people.whole(signature=then, tags={"n": "2"})
    assert _holds(people, "signature.compatible == true") is holds


def test_what_is_wrong_with_a_signature_can_be_asked(people: People) -> None:
    people.whole(signature=SIGNATURE)
    people("ana").promote("fraud/1", to="production")
    people.whole(signature=NARROW)
    assert _holds(people, """ "input 'a' was integer and is string" in signature.problems """)
    assert _holds(people, "signature.inputs.a = 'string' and alias.signature.inputs.a = 'integer'")


def test_approvals_are_facts_too_whoever_may_approve(people: People) -> None:
    people.version()
    for actor in ("ben", "Ben", "cleo"):
        people(actor).approve("fraud/1", for_alias="production", expires="1h")
    people("dan").reject("fraud/1", for_alias="production")
    assert _holds(people, "approvals.count = 2 and 'cleo' in approvals.actors and approvals.rejections = 1")
    assert _holds(people, "approvals.count = 0", alias="staging")
    people.clock.go_on(hours=1)
    assert _holds(people, "approvals.count = 0 and 'dan' in approvals.rejected_by")


def test_the_last_scan_counts_and_all_signatures_of_these_bytes(people: People) -> None:
    version = people.version()
    with people("ana").registry.database.write() as connection:
        for kind, summary in (
            ("scan", {"issues": 3}),
            ("signature", {"key": "a", "digest": version.digest}),
            ("scan", {"issues": 0}),
            ("signature", {"key": "b", "digest": version.digest}),
            ("signature", {"key": "c", "digest": "sha256:other"}),
        ):
            row = {"version_id": version.id, "kind": kind, "tool": "t", "summary": summary, "time": 1, "actor": "ana"}
            connection.execute(insert(reports).values(**row))
    assert _holds(people, "scan.issues = 0")
    assert _holds(people, "signatures.count = 2 and 'b' in signatures.keys and 'c' not in signatures.keys")


def _measured(people: People, number: int, day: int, deployment: str = "fraud", **results: Any) -> None:
    start, base = START + timedelta(days=day), {"drift": [], "quality": {}}
    row = {"workspace": "default", "deployment": deployment, "version": number, "rows": 10, "labelled": 0}
    row |= {"start": to_micros(start), "end": to_micros(start + timedelta(days=1)), "results": {**base, **results}}
    with people("ana").registry.database.write() as connection:
        connection.execute(insert(windows).values(**row, measured_time=to_micros(people.clock.now())))


def _deployed(people: People, name: str = "fraud", model: str = "fraud") -> None:
    row = {"workspace": "default", "name": name, "model": model, "alias": "production", "target": "local"}
    row |= {"state": "running", "config": {}, "created_time": 1, "created_by": "ana"}
    with people("ana").registry.database.write() as connection:
        connection.execute(insert(deployments).values(**row))


def _score(value: float | None, drifted: bool | None = False) -> dict[str, Any]:
    return {"feature": "a", "value": value, "drifted": drifted}


def test_live_traffic_is_what_the_newest_window_of_each_deployment_says(people: People) -> None:
    people.version()
    _deployed(people)
    _deployed(people, "shadow")
    _deployed(people, "other", "churn")
    _measured(people, 1, 0, drift=[_score(0.9, True)], quality={"auc": {"value": 0.5}, "mae": {"value": 3.0}})
    _measured(people, 1, 1, drift=[_score(0.1), _score(0.2)], quality={"auc": {"value": 0.8}})
    _measured(people, 1, 1, "shadow", drift=[_score(0.3)])
    _measured(people, 2, 2, drift=[_score(0.95, True)])
    _measured(people, 1, 3, "other", drift=[_score(0.99, True)])
    assert _holds(people, "drift.score = 0.3 and drift.drifted = 0 and drift.rows = 20")
    assert _holds(people, "drift.quality.auc = 0.8 and drift.quality.mae = 3")
    assert _holds(people, "drift.alerts = 0 and drift.end = '2026-03-03T12:00:00Z'")


@pytest.mark.parametrize("scores", [[], [_score(None, None), _score(0.1)]])
def test_drift_that_could_not_be_measured_is_unknown(people: People, scores: list[dict[str, Any]]) -> None:
    people.version()
    _deployed(people)
    _measured(people, 1, 0, drift=scores)
    assert not _holds(people, "drift.score < 1")
    assert not _holds(people, "drift.drifted < 1")


def test_alerts_that_fire_about_the_version_are_counted(people: People) -> None:
    people.version()
    people.version()
    _deployed(people)
    for number in (1, 2):
        _measured(people, number, 0)
    with people("ana").registry.database.write() as connection:
        for state, number in (("firing", 1), ("resolved", 1), ("pending", 1), ("firing", 2), ("firing", 2)):
            row = {"workspace": "default", "deployment": "fraud", "rule": "drift", "subject": "a", "state": state}
            connection.execute(insert(alerts).values(**row, since=1, evidence={"version": number}))
    assert _holds(people, "drift.alerts = 1", "fraud/1")
    assert _holds(people, "drift.alerts = 2", "fraud/2")

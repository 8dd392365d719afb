"""Gates: what holds, what does not, what is unknown, and what cannot be read."""

import contextlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.core.errors import InvalidGate
from modelyard.registry.gates import evaluate, parse

FACTS: dict[str, Any] = {
    "metrics": {"auc": 0.7, "rows": 100.0},
    "tags": {"type": "shadow", "build number": "7"},
    "provenance": {"git": {"dirty": False, "commit": "abc"}},
    "label": None,
    "alias": {"metrics": {"auc": 0.69}},
}


@pytest.mark.parametrize(
    ("gate", "holds"),
    [
        ("metrics.auc >= 0.65", True),
        ("metrics.auc >= 0.75", False),
        ("metrics.auc >= alias.metrics.auc - 0.005", True),
        ("metrics.auc >= alias.metrics.auc + 0.05", False),
        ("metrics.auc >= 0.65 and provenance.git.dirty == false", True),
        ("provenance.git.dirty == true", False),
        ("metrics.f1 >= 0", False),  # unknown never promotes
        ("not (metrics.f1 >= 0)", False),  # nor does its opposite
        ("metrics.f1 >= 0 or metrics.auc > 0", True),
        ("has(tags.type)", True),
        ("has(tags.nothing)", False),
        ("not has(tags.nothing)", True),
        ("has(label)", False),
        ('tags["build number"] == "7"', True),
        ('tags.type in ["shadow", "test"]', True),
        ('tags.type not in ["shadow"]', False),
        ("0.6 < metrics.auc < 0.8", True),
        ("metrics.auc >= 'high'", False),
        ("metrics.auc / 0 > 1", False),
        ("metrics.auc", False),  # a number is not a truth
        ("-metrics.auc < 0", True),
        ("metrics.auc >= 0.65 AND NOT provenance.git.dirty", True),
        ("tags.type ilike 'SHA%'", True),
        ("label is null and missing(label)", True),
        ("label != 'x'", False),
        ('tags["build number"] != 7', False),  # text is no number, and so not another number either
        ("tags.`build number` = '7'", True),
    ],
)
def test_a_gate_holds_only_when_it_is_true(gate: str, holds: bool) -> None:
    assert evaluate(gate, FACTS).passed is holds


def test_a_comparison_with_an_alias_that_points_nowhere_holds() -> None:
    facts = {**FACTS, "alias": None}
    assert evaluate("metrics.auc >= alias.metrics.auc - 0.005", facts).passed
    assert not evaluate("metrics.auc >= alias.metrics.auc and metrics.auc > 0.9", facts).passed
    assert not evaluate("metrics.f1 >= 0.1", facts).passed


def test_a_refusal_shows_the_clause_and_the_values() -> None:
    result = evaluate("metrics.rows > 10 and metrics.auc >= alias.metrics.auc + 0.05", FACTS)
    assert "metrics.auc is 0.7" in result.explanation
    assert "alias.metrics.auc is 0.69" in result.explanation
    assert "metrics.rows" not in result.explanation


def test_an_explanation_quotes_the_gate_as_it_was_written() -> None:
    result = evaluate("not  provenance.git.dirty  == false and metrics.f1>=0", FACTS)
    assert result.explanation == (
        "not  provenance.git.dirty  == false is false (provenance.git.dirty is false); metrics.f1>=0 is unknown (metrics.f1 is unknown)"
    )
    assert evaluate("has(tags.type)", FACTS).explanation == "has(tags.type) is true (tags.type is 'shadow')"
    assert evaluate("label = 'x'", FACTS).explanation == "label = 'x' is unknown (label is null)"


def test_a_time_in_a_gate_counts_from_the_moment_of_the_question() -> None:
    facts = {"created_time": datetime(2026, 3, 1, 11, tzinfo=UTC)}
    assert evaluate("created_time >= '2h ago'", facts, datetime(2026, 3, 1, 12, tzinfo=UTC)).passed
    assert not evaluate("created_time >= '2h ago'", facts, datetime(2026, 3, 1, 14, tzinfo=UTC)).passed


@pytest.mark.parametrize("gate", [None, 7, ["a"], "x" * 4001])
def test_a_gate_is_text_of_some_length(gate: Any) -> None:
    with pytest.raises(InvalidGate):
        parse(gate)


@pytest.mark.parametrize(
    ("gate", "column"),
    [
        ("", 1),
        ("metrics.auc >=", 15),
        ("__import__('os').system('x')", 1),
        ("[x for x in y]", 1),
        ("lambda: 1", 7),
        ("metrics.auc > 1 and open('x')", 21),
        ("(a := 1)", 4),
        ("metrics.auc ** 9999999 > 1", 13),
        ("f'{x}'", 2),
        ("a if b else c", 3),
        ('tags[["a"]] == 1', 6),
        ("metrics.auc >= 0.5 and", 23),
        ("tags.build-number == '7'", 11),
    ],
)
def test_what_is_not_in_the_language_is_refused_with_its_column(gate: str, column: int) -> None:
    with pytest.raises(InvalidGate) as caught:
        parse(gate)
    assert caught.value.column == column


@given(st.text(alphabet="metrics.auc ()<>=!+-*/0123456789'\"[]andornothas", max_size=60))
def test_no_text_does_more_than_hold_fail_or_be_refused(gate: str) -> None:
    with contextlib.suppress(InvalidGate):
        assert evaluate(gate, FACTS).passed in (True, False)

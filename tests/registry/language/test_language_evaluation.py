"""What an expression says of facts: three-valued where something is unknown, and plain logic where nothing is."""

import fnmatch
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.core.names import LabelName
from modelyard.registry.language import NOTHING, UNKNOWN, VACUOUS, parse, patterns, value
from modelyard.registry.language.evaluation import join
from modelyard.registry.language.patterns import Wild

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FACTS: dict[str, Any] = {
    "metrics": {"auc": 0.7, "rows": 100},
    "tags": {"type": "shadow", "build": "7", "a.b": "dotted", "empty": ""},
    "provenance": {"git": {"dirty": False}, "inputs": [{"name": "flights"}], "none": None},
    "label": LabelName("1.10.0"),
    "nothing": None,
    "alias": frozenset({"production", "canary"}),
    "input": frozenset(),
    "listed": ["x", 1],
    "created_time": datetime(2026, 3, 1, 11, tzinfo=UTC),
}
T, F, U = True, False, UNKNOWN


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("tags.type = 'shadow'", T),
        ("tags.type = 'Shadow'", F),
        ("tags.missing != 'bad'", U),  # what is not there is not unequal, it is unknown
        ("not tags.missing != 'bad'", U),
        ("missing(tags.missing) or tags.missing != 'bad'", T),
        ("tags.missing = 'x' or tags.type = 'shadow'", T),
        ("tags.missing = 'x' and tags.type = 'other'", F),
        ("tags.missing is null", T),
        ("tags.missing = null and null != tags.type", T),
        ("has(tags.empty) and tags.empty = ''", T),
        ("tags.build = 7", U),  # text is no number: neither equal nor unequal
        ("tags.build != 7", U),
        ("tags.build = '7'", T),
        ("metrics.rows = 100.0 and metrics.rows in (1, 100.0)", T),
        ("metrics.auc in (1, null_is_no_word)", U),
        ("metrics.auc not in (1, 2)", T),
        ("0.6 < metrics.auc <= 0.7 < 1", T),
        ("metrics.rows * 2 - 50 / 2 = 175", T),
        ("-metrics.rows < -99", T),
        ("metrics.auc / 0 > 1", U),
        ("1e308 * 10 > 1", U),
        ("metrics.rows + provenance.git.dirty > 1", U),
        ("provenance.git.dirty = false", T),
        ("provenance.git.dirty = 0", U),
        ("provenance.git.dirty < true", U),
        ("not provenance.git.dirty", T),
        ("not metrics.auc", U),
        ("provenance.inputs[0].name = 'flights'", T),
        ("provenance.inputs[1].name is null", T),
        ("provenance.inputs.name is null", T),
        ("has(provenance.none)", F),
        ("has(provenance.git)", T),
        ("provenance.git = 'x'", U),
        ("tags.a.b = 'dotted'", T),
        ("label > '1.9.0' and label = '1.10.0' and label != '1.10'", T),
        ("label < 'a' and label > 'a'", F),
        ("nothing = 'x'", U),
        ("alias = 'production' and 'canary' in alias and alias != 'staging'", T),
        ("alias in ('x', 'canary') and alias not in ('x', 'y')", T),
        ("alias like 'prod%' and alias not like 'x%'", T),
        ("alias < 'x'", U),
        ("has(alias) and missing(input) and input != 'flights/1'", T),
        ("'x' in listed and 1 in listed", T),
        ("2 in listed", U),  # against the text in it, neither equal nor unequal
        ("'x' in tags.type", U),
        ("tags.type like 'sh_d%' and tags.type not like 'SH%' and tags.type ilike 'SH%'", T),
        ("metrics.auc like '0%'", U),
        ("created_time < '2026-03-01T11:00:01Z' and created_time >= '1h ago'", T),
        ("created_time = 1772362800000", T),
        ("created_time = 1772362800000.0", U),
        ("created_time > 'nonsense'", U),
        ("(tags.missing = 'x') is null and (tags.type = 'x') is not null", T),
        ("(tags.type = 'shadow') = true", T),
        ("null", U),
        ("null or true", T),
        ("'text'", "text"),
        ("metrics.rows", 100),
    ],
)  # fmt: skip
def test_an_expression_is_true_false_or_unknown(expression: str, answer: Any) -> None:
    found = value(parse(expression), FACTS, NOW)
    assert found == answer
    assert type(found) is type(answer)


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("metrics.auc >= alias.metrics.auc", VACUOUS),
        ("metrics.f1 >= alias.metrics.f1", U),
        ("label = alias.label or label = 'x'", U),
        ("metrics.auc in (alias.metrics.auc, 2)", VACUOUS),
        ("tags.type like 'x%' or tags.type = alias.tags.type", VACUOUS),
        ("alias.metrics.auc is null and missing(alias.label)", T),
        ("alias.metrics.auc + 1", NOTHING),
        ("'x' in alias.inputs", VACUOUS),
        ("not (metrics.auc < alias.metrics.auc)", VACUOUS),
    ],
)
def test_what_an_alias_that_points_nowhere_leads_to_decides_nothing(expression: str, answer: Any) -> None:
    facts = {"metrics": {"auc": 0.7}, "label": None, "tags": {"type": "a"}, "alias": None}
    assert value(parse(expression), facts, NOW) is answer


ANSWERS = [True, False, UNKNOWN]


def test_the_tables_of_kleene() -> None:
    order = {False: 0, UNKNOWN: 1, True: 2}
    back = {place: answer for answer, place in order.items()}
    for a in ANSWERS:
        for b in ANSWERS:
            assert join(True, [a, b]) is back[min(order[a], order[b])]
            assert join(False, [a, b]) is back[max(order[a], order[b])]


# --- where nothing is unknown: Python's own answer ---

NAMES = {"a": 1, "b": 2.5, "c": -3, "d": 0}
NUMBER = st.sampled_from([*NAMES, "0", "1", "2.5", "-3"])
COMPARED = st.builds(
    lambda first, rest: " ".join([first, *(f"{sign} {value}" for sign, value in rest)]),
    NUMBER,
    st.lists(st.tuples(st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), NUMBER), min_size=1, max_size=3),
)
LISTED = st.builds(
    lambda name, items: f"{name} in [{', '.join(items)}]", NUMBER, st.lists(NUMBER, min_size=1, max_size=3)
)
COUNTED = st.builds(lambda a, sign, b, c: f"{a} {sign} {b} <= {c}", NUMBER, st.sampled_from("+-*"), NUMBER, NUMBER)
LOGIC = st.recursive(
    COMPARED | LISTED | COUNTED,
    lambda inner: st.one_of(
        inner.map(lambda text: f"not {text}"),
        inner.map(lambda text: f"({text})"),
        st.builds(lambda a, word, b: f"{a} {word} {b}", inner, st.sampled_from(["and", "or"]), inner),
    ),
    max_leaves=8,
)


@given(LOGIC)
def test_where_all_is_known_the_answer_is_that_of_python(expression: str) -> None:
    assert value(parse(expression), NAMES) is eval(expression, {}, dict(NAMES))  # noqa: S307 - made of the words above


# --- patterns ---

PATTERN = st.text("%_a!b*[", max_size=8)


@given(PATTERN, st.text("ab%_!*[c", max_size=8), st.sampled_from([None, "!", "%"]))
def test_a_pattern_fits_as_the_regular_expression_does(pattern: str, text: str, escape: str | None) -> None:
    found = patterns.parts(pattern, escape)
    signs = {Wild.MANY: ".*", Wild.ONE: "."}
    expression = "".join(signs[part] if isinstance(part, Wild) else re.escape(part) for part in found)
    assert patterns.fits(text, found) is (re.fullmatch(expression, text, re.DOTALL) is not None)


@given(st.text("%_aB", max_size=6), st.text("abAB", max_size=6))
def test_without_escape_a_pattern_is_that_of_a_shell(pattern: str, text: str) -> None:
    shell = pattern.replace("%", "*").replace("_", "?")
    assert patterns.fits(text, patterns.parts(pattern)) is fnmatch.fnmatchcase(text, shell)
    assert patterns.fits(text, patterns.parts(pattern), insensitive=True) is fnmatch.fnmatchcase(
        text.lower(), shell.lower()
    )


def test_only_the_letters_a_to_z_have_capitals() -> None:
    assert patterns.fits("AZ", patterns.parts("az"), insensitive=True)
    assert not patterns.fits("É", patterns.parts("é"), insensitive=True)
    assert not patterns.fits("\u212a", patterns.parts("k"), insensitive=True)  # the sign of kelvin


def test_a_hostile_pattern_is_answered_at_once() -> None:
    assert not patterns.fits("a" * 8000, patterns.parts("%a" * 500 + "%b"))

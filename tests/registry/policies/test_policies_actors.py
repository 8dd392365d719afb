"""Who is meant by a rule: rights are narrow, and persons are told apart widely."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.registry.policies.actors import listed, matches, person


@pytest.mark.parametrize(
    ("pattern", "actor", "meant"),
    [
        ("ana", "ana", True),
        ("ana", "Ana", False),
        ("ana", "ana ", False),
        ("ana", "anab", False),
        ("*", "", True),
        ("*", "anyone", True),
        ("ci-*", "ci-", True),
        ("ci-*", "ci-nightly", True),
        ("ci-*", "xci-nightly", False),
        ("*-bot", "ci-bot", True),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("a*b*c", "a-b-c", True),
        ("a*b*c", "a-c-b", False),
        ("*a*", "bab", True),
        ("**", "x", True),
        ("[a-z]*", "ana", False),
        ("[a-z]*", "[a-z]!", True),
        ("?na", "ana", False),
        ("ana\\", "ana\\", True),
        ("é", "e\u0301", False),
        (".*", "ana", False),
    ],
)
def test_a_star_stands_for_any_characters_and_all_else_for_itself(pattern: str, actor: str, meant: bool) -> None:
    assert matches(pattern, actor) is meant


@given(st.text(), st.text())
def test_a_name_without_a_star_means_itself_alone(name: str, other: str) -> None:
    pattern = name.replace("*", "")
    assert matches(pattern, pattern)
    assert matches(pattern, other) is (other == pattern)


@given(st.lists(st.text(alphabet="ab", max_size=3), min_size=1, max_size=4), st.text(alphabet="ab", max_size=12))
def test_patterns_mean_what_the_shell_means_by_them(parts: list[str], actor: str) -> None:
    from fnmatch import fnmatchcase

    pattern = "*".join(parts)
    assert matches(pattern, actor) is fnmatchcase(actor, pattern)


def test_a_pattern_of_many_stars_is_answered() -> None:
    assert not matches("*a" * 120 + "b", "a" * 255)  # by backtracking it would take years


@pytest.mark.parametrize(
    ("one", "other"), [("ana", "Ana"), ("ana", " ana "), ("é", "e\u0301"), ("ﬁn", "fin"), ("ß", "SS")]
)
def test_names_that_look_alike_are_one_person(one: str, other: str) -> None:
    assert person(one) == person(other)


def test_different_names_are_different_persons() -> None:
    assert len({person(name) for name in ("ana", "ben", "an a", "ana1", "")}) == 5
    assert not listed([], "ana")

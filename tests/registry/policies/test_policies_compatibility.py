"""Whether callers of one version can go on calling another."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.profiles.signature import FIELD_TYPES, Field, Signature
from modelyard.registry.facts.compatibility import accepts, facts_of, incompatibilities


def columns(**types: str) -> list[dict[str, Any]]:
    """``a="number"``; a type that ends with ``?`` need not be there."""
    return [
        {"name": name, "type": kind.rstrip("?"), "required": not kind.endswith("?")} for name, kind in types.items()
    ]


CURRENT = {"inputs": columns(a="integer", b="string?"), "outputs": columns(late="boolean", p="number")}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, []),
        ({"inputs": columns(b="string?", a="integer")}, []),
        ({"inputs": columns(a="number", b="any?")}, []),
        ({"inputs": columns(a="integer", b="string?", c="number?")}, []),
        ({"inputs": columns(a="integer?", b="string?")}, []),
        ({"outputs": columns(late="boolean", p="number", q="number")}, []),
        ({"inputs": columns(a="integer")}, ["input 'b' is no longer accepted"]),
        ({"inputs": columns(a="string", b="string?")}, ["input 'a' was integer and is string"]),
        ({"inputs": columns(a="boolean", b="string?")}, ["input 'a' was integer and is boolean"]),
        ({"inputs": columns(a="integer", b="string")}, ["input 'b' may be left out today and is required"]),
        ({"inputs": columns(a="integer", b="string?", c="number")}, ["input 'c' is new and required"]),
        ({"outputs": columns(late="boolean")}, ["output 'p' is no longer given"]),
        ({"outputs": columns(late="integer", p="number")}, ["output 'late' was boolean and is integer"]),
        (
            {"inputs": [], "outputs": []},
            [
                "input 'a' is no longer accepted",
                "input 'b' is no longer accepted",
                "output 'late' is no longer given",
                "output 'p' is no longer given",
            ],
        ),
    ],
)
def test_all_that_callers_would_notice_is_told(changes: dict[str, Any], told: list[str]) -> None:
    assert incompatibilities(CURRENT, {**CURRENT, **changes}) == told


def test_a_number_is_not_taken_for_an_integer_nor_anything_for_something() -> None:
    assert not accepts("integer", "number")
    assert not accepts("string", "any")
    assert all(accepts("any", kind) and accepts(kind, kind) for kind in FIELD_TYPES)


_signatures = st.builds(
    Signature,
    *[
        st.lists(
            st.builds(Field, st.sampled_from("abcd"), st.sampled_from(FIELD_TYPES), st.booleans()),
            unique_by=lambda field: field.name,
        ).map(tuple)
    ]
    * 2,
)


@given(_signatures)
def test_every_version_is_compatible_with_itself(signature: Signature) -> None:
    assert incompatibilities(signature.to_json(), signature.to_json()) == []


@given(_signatures, _signatures, _signatures)
def test_what_is_compatible_step_by_step_is_compatible_at_once(a: Signature, b: Signature, c: Signature) -> None:
    one, two, three = a.to_json(), b.to_json(), c.to_json()
    if not incompatibilities(one, two) and not incompatibilities(two, three):
        harmed = [told for told in incompatibilities(one, three) if "is required" not in told]
        assert harmed == []


def test_where_a_signature_is_not_known_compatibility_is_not_either() -> None:
    assert facts_of(None, CURRENT, first=False) == {}
    assert facts_of(None, None, first=True) == {}
    assert "compatible" not in facts_of(CURRENT, None, first=False)
    assert facts_of(CURRENT, None, first=True)["compatible"] is True
    assert facts_of(CURRENT, CURRENT, first=False)["inputs"] == {"a": "integer", "b": "string"}
    assert facts_of({"inputs": []}, CURRENT, first=False)["compatible"] is False

"""Reading a policy: what is written comes back, and every mistake is one sentence with the key and what is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.core.errors import InvalidPolicy, ModelyardError, PathMissing
from modelyard.registry.policies.document import tables
from modelyard.registry.policies.files import SIZE_LIMIT, read_policies
from modelyard.registry.policies.policy import Policy

WHOLE = {
    "gates": ["metrics.auc >= 0.9", "provenance.git.dirty == false"],
    "movers": ["ci-*", "ana"],
    "approvals": 2,
    "approvers": ["lead-*"],
    "separate_author": True,
    "separate_mover": True,
    "approvals_expire": "30d",
    "require_reason": True,
    "break_glass": ["ana"],
    "allow_remove": False,
}


def test_a_policy_is_the_same_after_a_round_trip() -> None:
    policy = Policy.from_json(WHOLE)
    assert policy.to_json() == WHOLE
    assert Policy.from_json(json.loads(json.dumps(policy.to_json()))) == policy
    assert Policy().to_json() == {}
    assert Policy.from_json({}) == Policy()


_names = st.lists(
    st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=8), unique=True, max_size=4
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "movers": _names,
            "break_glass": _names,
            "require_reason": st.booleans(),
            "allow_remove": st.booleans(),
            "approvals": st.integers(0, 100),
            "gates": st.lists(st.sampled_from(["metrics.auc > 1", "size < 5"]), unique=True),
        },
    )
)
def test_any_policy_is_the_same_after_a_round_trip(document: dict[str, Any]) -> None:
    policy = Policy.from_json(document)
    assert Policy.from_json(policy.to_json()) == policy
    assert policy.digest == Policy.from_json(policy.to_json()).digest


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"aprovals": 2}, "aprovals is not a key (did you mean 'approvals'?); there are gates, movers"),
        ({"break-glass": ["ana"]}, "break-glass is not a key (did you mean 'break_glass'?)"),
        ({7: 1}, "7 is not a key"),
        ({"\n" * 100: 1}, "is not a key"),
        ({"approvals": "2"}, "approvals is '2', not a whole number from 0 to 100"),
        ({"approvals": True}, "approvals is True, not a whole number"),
        ({"approvals": -1}, "approvals is -1, not a whole number"),
        ({"approvals": 101}, "approvals is 101, not a whole number"),
        ({"approvals": 10**5000}, "approvals is a huge number, not a whole number"),
        ({"approvals": 1.0}, "approvals is 1.0, not a whole number"),
        ({"gates": "metrics.auc > 1"}, 'gates is text, not a list of texts; write gates = ["…"]'),
        ({"gates": [1]}, "gates[0] is a number, not text"),
        ({"gates": ["metrics.auc >"]}, "gates: gate 'metrics.auc >' cannot be read at column"),
        ({"gates": ["a" * 5000]}, "a gate has 5000 characters, and 4000 are the most"),
        ({"gates": ["size > 1", "size > 1"]}, "gates has 'size > 1' twice"),
        ({"movers": ["ana"] + [f"a{n}" for n in range(200)]}, "movers has 201 entries, 200 are the most"),
        ({"movers": [""]}, "movers[0] is empty"),
        ({"movers": [" ana"]}, "movers[0] begins or ends with a space"),
        ({"movers": ["a\nb"]}, "movers[0] holds a character that cannot be printed"),
        ({"movers": ["a" * 256]}, "movers[0] has 256 characters, 255 are the most"),
        ({"movers": [None]}, "movers[0] is nothing, not text"),
        ({"break_glass": {"ana": 1}}, "break_glass is a table, not a list of texts"),
        ({"require_reason": "yes"}, "require_reason is text, not true or false"),
        ({"require_reason": 1}, "require_reason is a number, not true or false"),
        ({"approvals": 1, "approvals_expire": "30 moons"}, "approvals_expire: '30 moons' is not a length of time"),
        ({"approvals": 1, "approvals_expire": 30}, "approvals_expire: 30 is not a length of time"),
        ({"approvals": 1, "approvals_expire": "0d"}, "approvals_expire: '0d' is not a length of time"),
        ({"approvals_expire": "30d"}, "approvals_expire is set, but no approval is asked for; add approvals = 1"),
        ({"separate_author": True}, "separate_author is set, but no approval is asked for"),
        (
            {"approvals": 3, "approvers": ["ana", "ben"]},
            "approvals is 3, but approvers names only 2, so no version could",
        ),
        ({"approvals": 2, "approvers": ["ana", "Ana"]}, "approvals is 2, but approvers names only 1"),
        ([], "a policy is a table of keys and values, not a list"),
        (None, "a policy is a table of keys and values, not nothing"),
    ],
)
def test_each_mistake_names_the_key_and_what_is_wrong(document: Any, told: str) -> None:
    with pytest.raises(InvalidPolicy) as caught:
        Policy.from_json(document, "there")
    assert str(caught.value).startswith("there: ")
    assert told in str(caught.value)
    assert len(str(caught.value)) < 400


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(list(WHOLE)), _json) | _json)
def test_no_document_does_more_than_be_a_policy_or_be_refused(document: Any) -> None:
    try:
        policy = Policy.from_json(document)
    except InvalidPolicy:
        return
    assert Policy.from_json(policy.to_json()) == policy


def test_both_spellings_of_gates_are_read() -> None:
    found = tables({"policy": {"production": {"approvals": 1}}, "gates": {"staging": ["size > 1"]}}, "there")
    assert found == {"production": Policy(approvals=1), "staging": Policy(gates=("size > 1",))}


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"policy": 1}, "policy is a number, not a table; write [policy]"),
        ({"policy": {"production": []}}, "policy.production is a list, not a table"),
        ({"policy": {"latest": {}}}, "policy.latest: alias 'latest' is not usable: it is reserved"),
        ({"policy": {"v3": {}}}, "policy.v3: alias 'v3' is not usable: it is reserved"),
        ({"policy": {"a/b": {}}}, "policy.a/b: alias 'a/b' is not usable"),
        ({"policy": {"p": {"gates": ["x ="]}}}, "policy.p.gates: gate 'x =' cannot be read"),
        ({"policy": {"p": {"approval": 1}}}, "policy.p.approval is not a key (did you mean 'approvals'?)"),
        ({"gates": {"p": "size > 1"}}, "gates.p is text, not a list of texts"),
        ({"policy": {"p": {"approvals": 1}}, "gates": {"p": ["size > 1"]}}, "gates.p and policy.p are both there"),
    ],
)
def test_a_mistake_in_a_table_of_policies_names_the_whole_key(document: Any, told: str) -> None:
    with pytest.raises(InvalidPolicy) as caught:
        tables(document, "there")
    assert told in str(caught.value)


def test_a_file_holds_one_policy_or_one_for_each_alias(tmp_path: Path) -> None:
    alone = tmp_path / "policy.json"
    alone.write_text('{"approvals": 2}')
    assert read_policies(alone).of("production") == Policy(approvals=2)
    several = tmp_path / "modelyard.toml"
    several.write_text(
        '[project]\nmodel = "fraud"\n[policy.production]\napprovals = 2\n[gates]\nstaging = ["size > 1"]\n'
    )
    found = read_policies(several)
    assert (found.model, sorted(found.by_alias)) == ("fraud", ["production", "staging"])
    with pytest.raises(InvalidPolicy, match="no policy for the alias shadow; it has production, staging"):
        found.of("shadow")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("p.toml", b"approvals = ", "it is not TOML"),
        ("p.json", b"{", "it is not JSON"),
        ("p.json", b"[" * 100_000, "it is not JSON: it is nested too deeply"),
        ("p.toml", b"\xff\xfe", "it is not UTF-8 at byte 0"),
        ("p.json", b"[]", "it holds no keys"),
        ("p.toml", b"#" * (SIZE_LIMIT + 1), "1048576 are the most"),
        ("p.toml", b'[project]\nmodel = "../x"\n[policy.p]\napprovals = 1', "project.model: name '../x' is not usable"),
        ("p.json", b'{"approvals": ' + b"9" * 5000 + b"}", "p.json: "),
    ],
)
def test_a_file_that_is_no_policy_is_refused_in_one_line(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidPolicy) as caught:
        read_policies(path)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.toml", tmp_path):
        with pytest.raises(PathMissing):
            read_policies(path)


def test_a_path_that_cannot_be_one_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelyardError):
        read_policies(tmp_path / ("x" * 5000))

from __future__ import annotations

import pytest

from modelyard.core.errors import Untrusted
from modelyard.flavors import may_run, require_trust
from modelyard.flavors.catalog import flavor_named, known_flavors, runs_code

TABLE = [
    # runs code, author, reader, trust, may run
    (False, "ann", "bob", None, True),
    (False, "ann", "bob", False, True),
    (False, "", "", None, True),
    (True, "ann", "ann", None, True),
    (True, "ann", "ann", True, True),
    (True, "ann", "ann", False, False),
    (True, "ann", "bob", None, False),
    (True, "ann", "bob", True, True),
    (True, "ann", "bob", False, False),
    (True, "ann", "Ann", None, False),
    (True, "", "", None, False),  # two unknown people are not the same one
]


@pytest.mark.parametrize(("code", "author", "reader", "trust", "allowed"), TABLE)
def test_code_runs_only_for_its_author_or_by_an_explicit_yes(code, author, reader, trust, allowed):
    assert may_run(code, author, reader, trust) is allowed


@pytest.mark.parametrize("trust", [1, "yes", "False"])
def test_only_true_itself_is_a_yes(trust):
    assert not may_run(True, "ann", "bob", trust)


def test_a_refusal_says_whose_code_it_is_and_how_to_trust_it():
    with pytest.raises(Untrusted) as refusal:
        require_trust("fraud/3", "pickle", "ann", "bob", None, True)
    for fact in ("fraud/3", "pickle", "ann", "bob", "trust=True"):
        assert fact in str(refusal.value)
    require_trust("fraud/3", "pickle", "ann", "ann", None, True)


def test_whether_code_runs_does_not_follow_from_what_the_author_claims():
    lie = {"format": "joblib", "runs_code": False}
    assert runs_code("files", lie)
    assert runs_code("sklearn", {"runs_code": False})
    assert runs_code("files", {"format": "a format of tomorrow", "runs_code": False})
    assert not runs_code("files", {"format": "onnx"})
    assert not runs_code("xgboost", {"runs_code": True})


def test_every_flavor_is_found_by_its_name_and_says_what_it_is():
    for name in known_flavors():
        flavor = flavor_named(name)
        assert flavor.name == name
        assert flavor.format
        assert flavor.runs_code is (name in ("sklearn", "pytorch", "files"))

"""Policies and approvals on the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelyard import Workspace
from modelyard.cli import main
from modelyard.registry.policies.policy import Policy


class Person:
    """Runs commands as one actor, and remembers what was said."""

    def __init__(self, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._name, self._monkeypatch, self._capsys = name, monkeypatch, capsys
        self.out = self.err = ""

    def __call__(self, *words: str) -> int:
        self._monkeypatch.setenv("MODELYARD_USER", self._name)
        self._capsys.readouterr()
        code = main(list(words))
        self.out, self.err = self._capsys.readouterr()
        return code

    def json(self, *words: str) -> Any:
        assert self(*words, "--json") == 0, self.err
        return json.loads(self.out)

    def fails(self, code: int, *words: str) -> str:
        assert self(*words) == code, (self.out, self.err)
        assert self.err.count("\n") == 1, self.err
        assert self.err.startswith("modelyard: ")
        return self.err


Who = Callable[[str], Person]


@pytest.fixture
def who(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Who:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.joblib").write_bytes(b"weights")
    ana = Person("ana", monkeypatch, capsys)
    assert ana("init") == 0
    assert ana("register", "fraud", "model.joblib", "--metric", "auc=0.8") == 0
    return lambda name: ana if name == "ana" else Person(name, monkeypatch, capsys)


def test_a_policy_is_set_key_by_key_shown_and_removed(who: Who) -> None:
    ana = who("ana")
    line = ["policy", "set", "fraud", "production", "--gate", "metrics.auc >= 0.7", "--approvals", "2"]
    assert ana(*line, "--approver", "lead-*", "--approver", "ops", "--separate-author", "--break-glass", "ana") == 0
    assert "gates            metrics.auc >= 0.7\n" in ana.out
    assert ana.json("policy", "set", "fraud@production", "--mover", "ci-*", "--require-reason")["policy"] == {
        "gates": ["metrics.auc >= 0.7"],
        "movers": ["ci-*"],
        "approvals": 2,
        "approvers": ["lead-*", "ops"],
        "separate_author": True,
        "require_reason": True,
        "break_glass": ["ana"],
    }
    assert ana("policy", "set", "--all-models", "production", "--no-allow-remove", "--approvals-expire", "30d") == 2
    assert "no approval is asked for" in ana.err
    assert ana("policy", "set", "--all-models", "production", "--no-allow-remove") == 0
    assert [row["subject"] for row in ana.json("policy", "show")] == ["*@production", "fraud@production"]
    assert ana("policy", "show", "churn") == 0
    assert "*@production" in ana.out
    assert "fraud@production" not in ana.out
    told = ana.json("policy", "set", "fraud", "production", "--clear", "movers", "--no-require-reason")
    assert not {"movers", "require_reason"} & set(told["policy"])
    assert ana("policy", "remove", "fraud", "production", "--reason", "moved") == 0
    assert ana("policy", "remove", "--all-models", "production") == 0
    assert ana("policy", "show") == 0
    assert ana.out.startswith("there are no policies")
    assert "no policy for fraud@production" in ana.fails(1, "policy", "remove", "fraud", "production")


def test_a_policy_of_a_model_that_is_not_there_yet_is_noted(who: Who) -> None:
    ana = who("ana")
    assert ana("policy", "set", "froud", "production", "--approvals", "1") == 0
    assert "there is no model 'froud' yet" in ana.err
    assert ana("policy", "set", "fraud", "production", "--approvals", "1") == 0
    assert ana.err == ""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("policy set fraud production", "give at least one key"),
        ("policy set fraud", "give MODEL and ALIAS, or --all-models and ALIAS, not 'fraud'"),
        ("policy set --all-models fraud production --approvals 1", "give ALIAS alone with --all-models"),
        ("policy set fraud latest --approvals 1", "alias 'latest' is not usable: it is reserved"),
        ("policy set fraud production --approvals 1000", "--approvals"),
        ("policy set fraud production --clear nonsense", "'nonsense' is not a key of a policy"),
        ("policy set fraud production --gate metrics.auc>=", "cannot be read at column"),
        ("policy set fraud production --file nothing.toml", "nothing to read at nothing.toml"),
        ("policy check nothing.toml", "nothing to read at nothing.toml"),
        ("policy test --since soon", "'soon' is not a time"),
        ("policy test fraud/1", "is not an alias"),
        ("approve fraud/1 --expires soon", "'soon' is not a length of time"),
        ("approve fraud/1 --for v3", "it is reserved"),
    ],
)
def test_a_call_that_is_wrong_is_told_in_one_line(who: Who, words: str, told: str) -> None:
    assert told in who("ana").fails(2, *words.split())


def test_a_version_goes_to_production_by_two_approvals(who: Who) -> None:
    ana, lead, other = who("ana"), who("lead-1"), who("lead-2")
    ana(
        "policy",
        "set",
        "fraud",
        "production",
        "--approvals",
        "2",
        "--approver",
        "lead-*",
        "--gate",
        "metrics.auc > 0.9",
    )
    assert ana("policy", "explain", "fraud/1", "production") == 1
    assert "metrics.auc is 0.8" in ana.out
    told = ana.fails(1, "promote", "fraud/1", "--to", "production")
    assert "metrics.auc > 0.9 is false (metrics.auc is 0.8); 0 of 2 approvals" in told
    assert ana("policy", "set", "fraud", "production", "--clear", "gates") == 0
    assert "approvers are lead-*" in ana.fails(1, "approve", "fraud/1", "--for", "production")
    given = lead.json("approve", "fraud/1", "--for", "production", "--reason", "checked", "--expires", "30d")
    assert (given["actor"], given["reason"], given["decision"]) == ("lead-1", "checked", "approve")
    assert given["expires"] > given["time"]
    assert other("approve", "fraud/1") == 0
    assert other.out.startswith("lead-2 approves fraud/1 (sha256:")
    assert other("reject", "fraud/1", "--reason", "slow") == 0
    assert "lead-2 rejected it: slow" in ana.fails(1, "promote", "fraud/1", "--to", "production")
    assert [row["state"] for row in ana.json("approvals", "fraud/1")] == ["stands", "replaced", "stands"]
    assert other("withdraw", "fraud/1", "--for", "production") == 0
    assert other("approve", "fraud/1", "--for", "production") == 0
    assert ana.json("policy", "explain", "fraud/1")["passed"] is True
    assert ana("promote", "fraud/1") == 0
    assert [row["state"] for row in ana.json("approvals", "fraud/1", "--for", "production")] == [
        "stands",
        "withdrawn",
        "withdrawn",
        "stands",
    ]
    assert ana("approvals", "fraud/1", "--for", "staging") == 0
    assert ana.out == "nobody has approved or rejected fraud/1\n"
    assert "has neither approved nor rejected" in ana.fails(1, "withdraw", "fraud/1")


def test_breaking_the_glass_is_loud(who: Who) -> None:
    ana, ben = who("ana"), who("ben")
    ana("policy", "set", "fraud", "production", "--gate", "metrics.auc > 0.9", "--mover", "ci", "--break-glass", "ana")
    assert "allows it to ana" in ben.fails(1, "promote", "fraud/1", "--break-glass", "incident 12")
    assert "needs a reason" in ana.fails(2, "promote", "fraud/1", "--break-glass", " ")
    assert ana("promote", "fraud/1", "--break-glass", "incident 12") == 0
    assert ana.err.splitlines() == [
        "WARNING: the glass of fraud@production is broken; what did not hold:",
        "WARNING:   ana may not move it; movers are ci (policy of fraud@production)",
        "WARNING:   metrics.auc > 0.9 is false (metrics.auc is 0.8) (policy of fraud@production)",
    ]
    assert ana.out.startswith("fraud@production: nowhere -> version 1")
    assert ana("history", "fraud@production") == 0
    assert "alias.break_glass" in ana.out
    assert "GLASS BROKEN: 2 did not hold" in ana.out
    assert "incident 12" in ana.out
    assert ana.json("history", "fraud@production")[0]["evidence"]["broken"][0]["part"] == "movers"


def test_a_glass_that_need_not_be_broken_is_left_whole(who: Who) -> None:
    ana = who("ana")
    assert ana.json("promote", "fraud/1", "--break-glass", "incident 12")["action"] == "alias.move"
    assert ana.err == "note: all that must hold holds; the glass was not broken\n"


def test_a_policy_is_tried_out_on_the_past(who: Who, tmp_path: Path) -> None:
    ana = who("ana")
    assert ana("promote", "fraud/1", "--to", "production") == 0
    assert ana("promote", "fraud/1", "--to", "staging") == 0
    assert ana("policy", "test") == 0
    assert ana.out == "0 moves of aliases with a policy (--since 90d): 0 would have been blocked\n"
    tried = tmp_path / "stricter.toml"
    tried.write_text('gates = ["metrics.auc > 0.9"]\n')
    assert ana("policy", "test", "--policy", "stricter.toml", "fraud@production") == 0
    assert "fraud@production nothing -> 1" in ana.out
    assert "metrics.auc is 0.8" in ana.out
    assert ana.out.endswith("1 move of aliases with a policy (--since 90d): 1 would have been blocked\n")
    assert "say of which alias" in ana.fails(2, "policy", "test", "--policy", "stricter.toml")
    tried.write_text('[policy.production]\ngates = ["metrics.auc > 0.9"]\n[gates]\nstaging = ["metrics.auc > 0.5"]\n')
    found = ana.json("policy", "test", "--policy", "stricter.toml", "--since", "1d")
    assert [(each["row"]["subject"], each["blocked"]) for each in found] == [
        ("fraud@production", True),
        ("fraud@staging", False),
    ]
    assert found[0]["verdict"]["clauses"][0]["passed"] is False
    assert ana("policy", "test", "--policy", "stricter.toml", "--all") == 0
    assert "passes" in ana.out


def test_a_file_is_checked_without_a_yard_and_set_as_a_whole(who: Who, tmp_path: Path) -> None:
    ana = who("ana")
    path = tmp_path / "p.toml"
    path.write_text("[policy.production]\napprovls = 2\n")
    told = ana.fails(2, "policy", "check", "p.toml")
    assert "p.toml: policy.production.approvls is not a key (did you mean 'approvals'?)" in told
    path.write_text("[policy.production]\napprovals = 2\n")
    assert ana.json("policy", "check", "p.toml") == {"production": {"approvals": 2}}
    assert ana("policy", "check", "p.toml") == 0
    ana("policy", "set", "fraud", "production", "--require-reason")
    assert ana("policy", "set", "fraud", "production", "--file", "p.toml", "--mover", "ana") == 0
    assert Workspace().policies.get("fraud", "production") == Policy(approvals=2, movers=("ana",))
    assert "no policy for the alias staging" in ana.fails(2, "policy", "set", "fraud", "staging", "--file", "p.toml")
    path.write_text("approvals = 1\n")
    assert ana("policy", "explain", "fraud/1", "production", "--file", "p.toml") == 1
    assert "0 of 1 approvals" in ana.out

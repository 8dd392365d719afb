"""Reading ``[deployment]``: defaults, refusals that name the key, and the way to the registry and back."""

from __future__ import annotations

from typing import Any

import pytest

from modelyard.core.errors import InvalidConfig
from modelyard.deployments.config import DeploymentConfig

FULL: dict[str, Any] = {
    "name": "fraud-eu",
    "host": "0.0.0.0",  # noqa: S104 - a setting, nothing listens
    "port": 0,
    "alias": "blue",
    "tick_seconds": 0.5,
    "trust": True,
    "rollout": {"strategy": "direct", "steps": [0.2, 0.9]},
    "analysis": {"metric": "auc", "margin": 0.01, "max_prediction_shift": 0.3, "on_inconclusive": "abort"},
    "monitor": {"on_alert": "rollback", "window": "hour", "alerts": [{"on": "errors", "above": 0.1}]},
}


def test_an_empty_table_is_all_defaults() -> None:
    assert DeploymentConfig.parse({}) == DeploymentConfig()
    assert DeploymentConfig().host == "127.0.0.1", "nobody but this machine, unless asked"


@pytest.mark.parametrize("table", [{}, FULL], ids=["defaults", "full"])
def test_what_was_read_comes_back_from_the_registry(table: dict[str, Any]) -> None:
    config = DeploymentConfig.parse(table)
    assert DeploymentConfig.from_json(config.to_json()) == config


def test_what_a_newer_release_wrote_can_still_be_read() -> None:
    document = DeploymentConfig.parse(FULL).to_json()
    document["replicas"] = 3
    document["analysis"]["method"] = "bayes"
    assert DeploymentConfig.from_json(document) == DeploymentConfig.parse(FULL)


def test_a_direct_rollout_takes_no_steps() -> None:
    assert DeploymentConfig.parse(FULL).rollout.effective_steps == ()
    assert DeploymentConfig().rollout.effective_steps == (0.1, 0.25, 0.5)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a key that nobody knows, close to one": ({"prot": 1}, "[deployment] has no key 'prot'; did you mean 'port'?"),
    "a key that nobody knows": ({"colour": "red"}, "[deployment] has no key 'colour'; known are name, host"),
    "a key of another table": ({"analysis": {"steps": [1]}}, "[deployment.analysis] has no key 'steps'"),
    "a port that is text": ({"port": "80"}, "deployment.port is '80'; it must be a whole number from 0 to 65535"),
    "a port that is true": ({"port": True}, "deployment.port is True"),
    "a port beyond the last": ({"port": 65536}, "deployment.port is 65536"),
    "an alias that is reserved": ({"alias": "latest"}, "deployment.alias is 'latest'"),
    "a name that is a path": ({"name": "../x"}, "deployment.name is '../x'"),
    "no time between ticks": ({"tick_seconds": 0}, "deployment.tick_seconds is 0"),
    "ticks that are not a number": ({"tick_seconds": float("nan")}, "deployment.tick_seconds is nan"),
    "steps that shrink": ({"rollout": {"steps": [0.5, 0.1]}}, "deployment.rollout.steps is [0.5, 0.1]"),
    "no steps": ({"rollout": {"steps": []}}, "deployment.rollout.steps is []"),
    "steps in per cent": ({"rollout": {"steps": [10, 50]}}, "growing shares between 0 and 1"),
    "a step without a stable version": ({"rollout": {"steps": [0.5, 1.0]}}, "at 1 nothing is left to compare with"),
    "a strategy of no kind": ({"rollout": {"strategy": "blue-green"}}, "'canary' or 'direct'"),
    "a table that is none": ({"rollout": 3}, "it must be a table: [deployment.rollout]"),
    "a metric of no kind": ({"analysis": {"metric": "f1"}}, "one of none, auc, accuracy"),
    "a list where a word must be": ({"analysis": {"metric": ["auc"]}}, "deployment.analysis.metric is ['auc']"),
    "certainty": ({"analysis": {"confidence": 1}}, "a number between 0.5 and 1"),
    "a margin below nothing": ({"analysis": {"margin": -0.1}}, "a number that is not negative"),
    "an action of no kind": ({"monitor": {"on_alert": "panic"}}, "deployment.monitor.on_alert is 'panic'"),
    "a window of no kind": ({"monitor": {"window": "fortnight"}}, "fortnight"),
    "an alert of no kind": ({"monitor": {"alerts": [{"on": "mood"}]}}, "an alert needs on"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_mistake_is_named(case: str) -> None:
    table, words = REFUSED[case]
    with pytest.raises(InvalidConfig) as caught:
        DeploymentConfig.parse(table, "some/modelyard.toml")
    assert words in str(caught.value)
    assert str(caught.value).startswith("some/modelyard.toml")

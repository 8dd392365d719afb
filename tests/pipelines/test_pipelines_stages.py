"""Which stages run, in which order."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.core.errors import InvalidConfig
from modelyard.pipelines import Project, Stage, plan
from modelyard.pipelines.stages import in_order

PATH = Path("modelyard.toml")


def stage(name: str, *needs: str) -> Stage:
    return Stage(name, ("true",), None, {}, needs)


def project(*stages: Stage) -> Project:
    return Project(Path(), PATH, None, in_order(stages, PATH), {}, {}, None)


THREE = project(stage("build"), stage("test", "build"), stage("deploy", "build", "test"))


def test_without_a_wish_every_stage_runs_in_order() -> None:
    assert [(item.stage.name, item.reason) for item in plan(THREE)] == [
        ("build", "part of the whole pipeline"),
        ("test", "part of the whole pipeline"),
        ("deploy", "part of the whole pipeline"),
    ]


def test_a_stage_that_is_asked_for_runs_alone_as_a_ci_job_does() -> None:
    assert [(item.stage.name, item.reason) for item in plan(THREE, ["test"])] == [("test", "asked for")]


def test_stages_asked_for_run_once_and_in_the_order_of_the_pipeline() -> None:
    assert [item.stage.name for item in plan(THREE, ["deploy", "build", "deploy"])] == ["build", "deploy"]


def test_with_needs_what_is_needed_comes_too_and_says_why() -> None:
    assert [(item.stage.name, item.reason) for item in plan(THREE, ["test"], with_needs=True)] == [
        ("build", "needed by test"),
        ("test", "asked for"),
    ]


def test_an_unknown_stage_is_refused_with_the_closest() -> None:
    with pytest.raises(
        InvalidConfig, match=r"no stage 'tset' \(did you mean 'test'\?\); there are build, test, deploy"
    ):
        plan(THREE, ["tset"])


def test_a_project_without_stages_says_what_to_add() -> None:
    with pytest.raises(InvalidConfig, match="it has no stages"):
        plan(project())


def test_a_stage_that_needs_itself_is_a_circle() -> None:
    with pytest.raises(InvalidConfig, match="a -> a"):
        in_order([stage("a", "a")], PATH)


NAMES = "abcdef"
# A need always names an earlier letter, so there is no circle; the stages are then given in any order.
GRAPHS = st.fixed_dictionaries({name: st.sets(st.sampled_from(NAMES[:n] or "-")) for n, name in enumerate(NAMES)})


@given(GRAPHS, st.permutations(NAMES))
def test_every_stage_comes_once_and_after_what_it_needs(graph: dict[str, set[str]], given_order: list[str]) -> None:
    stages = [stage(name, *sorted(graph[name] - {"-"})) for name in given_order]
    ordered = [found.name for found in in_order(stages, PATH)]
    assert sorted(ordered) == sorted(NAMES)
    for found in stages:
        assert all(ordered.index(need) < ordered.index(found.name) for need in found.needs)


@given(st.permutations(NAMES))
def test_without_needs_the_order_is_the_one_given(given_order: list[str]) -> None:
    assert [found.name for found in in_order(map(stage, given_order), PATH)] == given_order

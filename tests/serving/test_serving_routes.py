from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serving_doubles import served

from modelyard.core.errors import InvalidInput
from modelyard.serving.routes import Routes, place

keys = st.text(st.characters(codec=None), max_size=40)  # lone surrogates too: JSON can bring them
weights = st.floats(0, 1)


def routes(weight: float) -> Routes:
    return Routes(served(1), served(2), weight)


@settings(deadline=None)  # a busy machine is no failure
@given(keys, weights, weights)
def test_a_growing_weight_moves_traffic_one_way_only(key: str, one: float, other: float) -> None:
    low, high = sorted((one, other))
    if routes(low).side(key) == "canary":
        assert routes(high).side(key) == "canary"


@settings(deadline=None)  # a busy machine is no failure
@given(keys)
def test_weight_0_is_all_stable_and_weight_1_is_all_canary(key: str) -> None:
    assert (routes(0).side(key), routes(1).side(key)) == ("stable", "canary")


@settings(deadline=None)  # a busy machine is no failure
@given(keys, weights)
def test_the_same_key_goes_to_the_same_side(key: str, weight: float) -> None:
    assert routes(weight).side(key) == routes(weight).side(key)


@pytest.mark.parametrize("weight", [0.05, 0.25, 0.5, 0.9])
def test_the_share_of_keys_that_reach_the_canary_is_the_weight(weight: float) -> None:
    share = sum(routes(weight).side(f"request-{i}") == "canary" for i in range(20_000)) / 20_000
    assert share == pytest.approx(weight, abs=0.015)  # more than four standard deviations


def test_another_candidate_is_tried_on_other_keys() -> None:
    first = {i for i in range(1000) if place(str(i), "a") < 0.1}
    second = {i for i in range(1000) if place(str(i), "b") < 0.1}
    assert len(first & second) < 40


def test_the_place_of_a_key_is_the_same_in_every_release() -> None:
    assert place("request-1", "sha256:0") == 0.3950918582991185


def test_without_a_candidate_everything_is_stable() -> None:
    assert Routes(served(1), None, 1.0).side("x") == "stable"


@pytest.mark.parametrize("weight", [-0.01, 1.01, float("nan"), float("inf")])
def test_a_weight_outside_0_to_1_is_refused(weight: float) -> None:
    with pytest.raises(InvalidInput):
        routes(weight)

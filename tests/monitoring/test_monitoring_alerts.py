"""The table of alert states, and the rules that feed it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.core.errors import InvalidConfig, InvalidInput
from modelyard.monitoring.alerts import TRANSITIONS, Alert, Event, State, Transition, Verdict, retire, step
from modelyard.monitoring.config import MonitorConfig, duration
from modelyard.monitoring.drift import DriftRule, DriftScore
from modelyard.monitoring.quality import Measured
from modelyard.monitoring.rules import DriftAlert, ErrorAlert, QualityAlert
from modelyard.monitoring.windows import Cut, Window

_T0 = datetime(2026, 3, 1, tzinfo=UTC)
_DAY = timedelta(days=1)


def _run(letters: str, for_windows: int = 1, rollback: bool = False) -> tuple[Alert, list[Transition]]:
    """Feeds windows of a day: b bad, g good, u unknown, r retired."""
    alert, moves = Alert("drift", "temp", 1), []
    for i, letter in enumerate(letters):
        start = _T0 + i * _DAY
        if letter == "r":
            alert, moved = retire(alert, start)
        else:
            verdict = Verdict("temp", float(i), 0.5, {"b": True, "g": False, "u": None}[letter])
            alert, moved = step(alert, verdict, start, start + _DAY, for_windows, rollback)
        moves += [moved] if moved else []
    return alert, moves


def test_the_table_has_a_row_for_every_state_and_event() -> None:
    assert set(TRANSITIONS) == set(product(get_args(State), get_args(Event)))


CASES = {
    "one bad window fires": ("b", 1, "firing", "f"),
    "one bad window of two is pending": ("b", 2, "pending", ""),
    "two bad windows of two fire": ("bb", 2, "firing", "f"),
    "a good one between starts again": ("bgb", 2, "pending", ""),
    "an unknown one between does not": ("bub", 2, "firing", "f"),
    "unknown windows alone do nothing": ("uuu", 1, "clear", ""),
    "unknown never resolves": ("buuu", 1, "firing", "f"),
    "bad windows fire once": ("bbbb", 1, "firing", "f"),
    "one good of two does not resolve": ("bbg", 2, "firing", "f"),
    "two good of two resolve": ("bbgg", 2, "resolved", "fr"),
    "a bad one between keeps it firing": ("bbgbg", 2, "firing", "f"),
    "it can fire again": ("bgb", 1, "firing", "frf"),
    "a pending one goes without a word": ("bg", 2, "clear", ""),
    "no more traffic resolves": ("br", 1, "resolved", "fr"),
    "no more traffic clears what was pending": ("br", 2, "clear", ""),
    "resolved is resolved once": ("bgggr", 1, "resolved", "fr"),
}


@pytest.mark.parametrize(("letters", "for_windows", "state", "moves"), CASES.values(), ids=CASES.keys())
def test_an_alert_lives_by_its_table(letters: str, for_windows: int, state: str, moves: str) -> None:
    alert, transitions = _run(letters, for_windows)
    assert alert.state == state
    assert "".join(t.action[0] for t in transitions) == moves


@given(st.text(alphabet="bgur", max_size=30), st.integers(1, 4))
def test_firing_and_resolving_take_turns(letters: str, for_windows: int) -> None:
    alert, transitions = _run(letters, for_windows)
    actions = [t.action for t in transitions]
    assert actions == ["fire", "resolve"] * (len(actions) // 2) + ["fire"] * (len(actions) % 2)
    assert (alert.state == "firing") == (len(actions) % 2 == 1)


def test_an_alert_tells_when_it_began_fired_and_resolved_and_why() -> None:
    alert, (fired, resolved) = _run("gbbgg", 2, rollback=True)
    assert (alert.since, alert.fired, alert.resolved) == (_T0 + _DAY, _T0 + 3 * _DAY, _T0 + 5 * _DAY)
    assert fired.reason == "drift of temp on version 1 is 2, the threshold is 0.5"
    assert (fired.rollback, resolved.rollback) == (True, False)
    assert resolved.reason == "drift of temp on version 1 resolved: it is 4"
    assert _run("br")[1][1].reason == "drift of temp on version 1 resolved: the version gets no more traffic"


def _window(**facts: Any) -> Window:
    return replace(Window(1, _T0, _T0 + _DAY, 1000, 0), **facts)


def _score(feature: str, drifted: bool | None) -> DriftScore:
    return DriftScore(feature, "psi", 0.3, 0.2, drifted, 1000)


_DRIFT = _window(drift=(_score("a", True), _score("b", False), _score("c", None)))


def test_drift_is_judged_by_feature_or_by_share_of_the_known_ones() -> None:
    assert [(v.subject, v.bad) for v in DriftAlert().verdicts(_DRIFT, {})] == [("a", True), ("b", False), ("c", None)]
    assert [v.subject for v in DriftAlert(features=("b",)).verdicts(_DRIFT, {})] == ["b"]
    (share,) = DriftAlert(share=0.5).verdicts(_DRIFT, {})
    assert (share.value, share.bad) == (0.5, True)
    assert DriftAlert(share=0.6).verdicts(_DRIFT, {})[0].bad is False
    assert DriftAlert(share=0.5).verdicts(_window(drift=(_score("c", None),)), {})[0].bad is None


QUALITY = {
    "surely below": (QualityAlert("auc", limit=0.7), Measured(0.65, 0.02, 500), True),
    "below, not surely": (QualityAlert("auc", limit=0.7), Measured(0.69, 0.02, 500), False),
    "above": (QualityAlert("auc", limit=0.7), Measured(0.8, 0.02, 500), False),
    "an error above its limit": (QualityAlert("rmse", limit=10), Measured(12, 0.5, 500), True),
    "an error below its limit": (QualityAlert("rmse", limit=10), Measured(8, 0.5, 500), False),
    "worse than registered": (QualityAlert("auc", worse_by=0.05), Measured(0.7, 0.01, 500), True),
    "about as registered": (QualityAlert("auc", worse_by=0.05), Measured(0.78, 0.01, 500), False),
    "a loss worse than registered": (QualityAlert("log_loss", worse_by=0.1), Measured(0.7, 0.01, 500), True),
    "too few labels": (QualityAlert("auc", limit=0.7), Measured(0.1, 0.02, 99), None),
    "not measured": (QualityAlert("auc", limit=0.7), None, None),
    "not registered": (QualityAlert("brier", worse_by=0.1), Measured(0.9, 0.01, 500), None),
    "no standard error": (QualityAlert("auc", limit=0.7, min_labelled=1), Measured(0.1, None, 1), None),
}


@pytest.mark.parametrize(("rule", "measured", "bad"), QUALITY.values(), ids=QUALITY.keys())
def test_quality_is_bad_only_when_that_is_sure(rule: QualityAlert, measured: Measured | None, bad: bool | None) -> None:
    window = _window(quality={rule.metric: measured} if measured else {})
    (verdict,) = rule.verdicts(window, {"auc": 0.8, "log_loss": 0.5})
    assert verdict.bad is bad


@pytest.mark.parametrize(("requests", "errors", "bad"), [(100, 6, True), (100, 5, False), (19, 19, None), (0, 0, None)])
def test_an_error_rate_needs_enough_requests(requests: int, errors: int, bad: bool | None) -> None:
    assert ErrorAlert().verdicts(_window(requests=requests, errors=errors), {})[0].bad is bad


def test_an_alert_on_quality_needs_one_threshold() -> None:
    for options in ({}, {"limit": 1.0, "worse_by": 1.0}):
        with pytest.raises(InvalidInput, match="either limit or worse_by"):
            QualityAlert("auc", **options)
    with pytest.raises(InvalidInput, match="not measured live"):
        QualityAlert("f1", limit=0.5)


# --- the config ---

FULL = {
    "window": "rows:500",
    "lateness": "5min",
    "label_delay": "2d",
    "positive": "late",
    "drift": {"metric": "js", "floor": 0.3, "alpha": 0.01, "margin": 1, "min_rows": 50},
    "alerts": [
        {"on": "drift", "features": ["temp"], "for_windows": 2},
        {"on": "quality", "metric": "auc", "worse_by": 0.05, "rollback": True},
        {"on": "errors", "above": 0.02},
    ],
}


def test_a_config_is_read_and_survives_json() -> None:
    config = MonitorConfig.from_json(FULL)
    assert config.window == Cut("rows", 500)
    assert (config.lateness, config.label_delay) == (timedelta(minutes=5), timedelta(days=2))
    assert config.drift == DriftRule("js", 0.3, 0.01, 1, 50)
    assert config.alerts == (
        DriftAlert(("temp",), for_windows=2), QualityAlert("auc", worse_by=0.05, rollback=True), ErrorAlert(0.02),
    )  # fmt: skip
    for each in (config, MonitorConfig()):
        assert MonitorConfig.from_json(each.to_json()) == each


WRONG = {
    "an unknown key": ({"windows": "day"}, "monitor: 'windows' is unknown; known are alerts"),
    "an unknown window": ({"window": "fortnight"}, "use hour, day, week, month"),
    "a window of no rows": ({"window": "rows:0"}, "use hour, day, week, month"),
    "no length of time": ({"label_delay": "soon"}, "'soon' is not a length of time"),
    "an unknown metric": ({"drift": {"metric": "mmd"}}, "drift metric 'mmd' is unknown"),
    "text for a number": ({"drift": {"floor": "big"}}, "monitor.drift.floor: expected a number, found 'big'"),
    "true for a number": ({"drift": {"min_rows": True}}, "expected a whole number, found True"),
    "no table": ({"drift": 3}, "expected a table, found 3"),
    "an alert on nothing": ({"alerts": [{}]}, "needs on = one of drift, quality, errors"),
    "an unknown option": ({"alerts": [{"on": "errors", "over": 1}]}, r"monitor.alerts\[0\]: 'over' is unknown"),
    "features that are no list": ({"alerts": [{"on": "drift", "features": "temp"}]}, "expected a list of texts"),
    "no window at all": ({"alerts": [{"on": "errors", "for_windows": 0}]}, "1 or more"),
    "a quality alert without metric": ({"alerts": [{"on": "quality", "limit": 1}]}, "metric"),
    "the same alert twice": ({"alerts": [{"on": "errors"}, {"on": "errors"}]}, "two alerts watch errors"),
}


@pytest.mark.parametrize(("document", "sentence"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_config_is_refused_with_its_place(document: Any, sentence: str) -> None:
    with pytest.raises(InvalidConfig, match=sentence):
        MonitorConfig.from_json(document)


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("5min", 300), ("5m", 300), ("1.5h", 5400), ("1w", 604800), (90, 90)]
)
def test_lengths_of_time_are_read(text: Any, seconds: float) -> None:
    assert duration(text).total_seconds() == seconds

"""When an attempt is made again."""

import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.events.schedule import (
    ATTEMPTS,
    LONGEST_ASKED_SECONDS,
    LONGEST_SECONDS,
    asked_wait,
    delay,
    next_wait,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_the_attempts_spread_over_about_a_day() -> None:
    waits = [next_wait(attempt, None, lambda: 0.5) for attempt in range(1, ATTEMPTS + 1)]
    assert waits[-1] is None
    told = [wait for wait in waits if wait is not None]
    assert told == sorted(told)
    assert len(told) == ATTEMPTS - 1
    assert 20 * 3600 < sum(told) < 26 * 3600
    assert told[0] == 5


def test_two_webhooks_that_failed_at_once_are_not_tried_at_once() -> None:
    first, second = (random.Random(seed).random for seed in (1, 2))
    assert [delay(n, first) for n in range(1, 12)] != [delay(n, second) for n in range(1, 12)]


@given(st.integers(1, 10**6), st.none() | st.floats(0, 1e300), st.floats(0, 1))
def test_a_wait_is_never_shorter_than_asked_up_to_a_day_nor_longer_than_that(
    attempts: int, asked: float | None, number: float
) -> None:
    wait = next_wait(attempts, asked, lambda: number)
    if attempts >= ATTEMPTS:
        assert wait is None
    else:
        assert wait is not None
        assert min(asked or 0, LONGEST_ASKED_SECONDS) <= wait <= max(1.2 * LONGEST_SECONDS, LONGEST_ASKED_SECONDS)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("  30 ", 30.0),
        ("9" * 4000, 999999999999.0),
        (format_datetime(NOON + timedelta(minutes=5), usegmt=True), 300.0),
        (format_datetime(NOON - timedelta(minutes=5), usegmt=True), 0.0),
        ("Sun, 01 Mar 2026 12:01:00 -0000", None),
        ("-5", None),
        ("1.5", None),
        ("١٢", None),
        ("", None),
        ("Sun, 99 Mar 99999 99:99:99 GMT", None),
        ("\x00", None),
        (None, None),
    ],
)
def test_retry_after_is_read_or_ignored_and_never_an_error(header: str | None, seconds: float | None) -> None:
    assert asked_wait(header, NOON) == seconds


@given(st.text())
def test_no_text_of_a_receiver_upsets_the_schedule(header: str) -> None:
    found = asked_wait(header, NOON)
    assert found is None or found >= 0

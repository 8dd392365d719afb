"""The year in one picture: live quality week by week, and drift month by month, with the changes of version marked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from modelyard.monitoring.quality import auc
from modelyard.monitoring.windows import Cut, Window
from modelyard.serving.records import LabelRecord
from modelyard.serving.traffic_log import TrafficLog

COLORS = {1: "#4C72B0", 2: "#2E8B57", 3: "#C44E52"}
LEAST_ROWS = 200


@dataclass(frozen=True)
class Mark:
    """A change of version, at an instant of flight time."""

    when: datetime
    words: str
    version: int


@dataclass(frozen=True)
class Point:
    """The AUC of a version in the week that begins at ``week``, with its standard error."""

    version: int
    week: datetime
    value: float
    error: float


def weekly_auc(log: TrafficLog) -> list[Point]:
    """Joins the log's predictions with its labels. Weeks of a version with fewer than 200 labelled rows are left out."""
    records, _ = log.read()
    labels = {
        row: value
        for record in records
        if isinstance(record, LabelRecord)
        for row, value in zip(record.ids, record.values, strict=True)
    }
    week = Cut.parse("week")
    scores: dict[tuple[int, datetime], list[tuple[float, Any]]] = defaultdict(list)
    for record in records:
        if isinstance(record, LabelRecord) or record.status >= 400:
            continue
        key = (record.version, week.start(record.event_time))
        rows = zip(record.ids, record.outputs["probability"], strict=True)
        scores[key] += [(score, labels[row]) for row, score in rows if row in labels]
    points = []
    for (version, start), pairs in sorted(scores.items()):
        if len(pairs) < LEAST_ROWS:
            continue
        score, late = (np.array(side) for side in zip(*pairs, strict=True))
        if measured := auc(late, score):
            points.append(Point(version, start, measured.value, measured.standard_error or 0.0))
    return points


def draw(
    path: Path, points: Sequence[Point], windows: Sequence[Window], marks: Sequence[Mark], labels: Mapping[str, str]
) -> None:
    """Writes a PNG or SVG, by the suffix. ``windows`` are monthly; ``labels`` are features to draw, and their words."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import dates, pyplot

    figure, (above, below) = pyplot.subplots(2, 1, figsize=(12, 8), sharex=True, height_ratios=(3, 2))
    for version in sorted({point.version for point in points}):
        mine = [point for point in points if point.version == version]
        middle = [point.week + timedelta(days=3.5) for point in mine]
        values, errors = np.array([p.value for p in mine]), np.array([p.error for p in mine])
        color = COLORS.get(version)
        above.plot(middle, values, "o-", color=color, markersize=4, label=f"version {version}")
        above.fill_between(middle, values - errors, values + errors, color=color, alpha=0.15)
    for number, mark in enumerate(marks):
        for axis in (above, below):
            axis.axvline(mark.when, color=COLORS.get(mark.version), linestyle="--", linewidth=1)
        place = (0.03, 0.12)[number % 2]
        above.annotate(
            mark.words,
            (mark.when, place),
            xycoords=("data", "axes fraction"),
            xytext=(4, 0),
            textcoords="offset points",
            fontsize=9,
            color=COLORS.get(mark.version),
        )
    above.set_ylabel("live AUC by week (band: standard error)")
    above.set_title("flights-delay in 2013: live quality, drift, and changes of version")
    above.legend(loc="upper right")
    for number, (feature, words) in enumerate(labels.items()):
        color = f"C{number}"
        for version in sorted({window.version for window in windows}):  # each is held against its own training data
            served = [w for w in windows if w.version == version and w.stable_requests]
            found = [(w.start + (w.end - w.start) / 2, s) for w in served for s in w.drift if s.feature == feature]
            told = words if version == min(w.version for w in windows) else None
            below.plot(
                [when for when, _ in found], [s.value for _, s in found], "o-", color=color, markersize=4, label=told
            )
            fired = [(when, s.value) for when, s in found if s.drifted]
            below.plot([w for w, _ in fired], [v for _, v in fired], "o", color=color, markersize=11, fillstyle="none")
    below.set_ylabel("drift (PSI) by month\nringed: beyond its threshold")
    below.legend(loc="upper left", ncols=3)
    below.xaxis.set_major_locator(dates.MonthLocator())
    below.xaxis.set_major_formatter(dates.DateFormatter("%b"))
    for axis in (above, below):
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None} if path.suffix == ".png" else None)
    pyplot.close(figure)

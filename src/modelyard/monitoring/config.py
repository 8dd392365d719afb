"""What a deployment asks of its monitoring: how traffic is cut, when labels are due, what is worth an alert."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any

from modelyard.core.errors import InvalidConfig, InvalidInput
from modelyard.monitoring.drift import DriftRule
from modelyard.monitoring.rules import DriftAlert, ErrorAlert, QualityAlert, Rule
from modelyard.monitoring.windows import Cut

_UNITS = {"s": "seconds", "m": "minutes", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_RULES: dict[str, type[DriftAlert] | type[QualityAlert] | type[ErrorAlert]] = {
    "drift": DriftAlert,
    "quality": QualityAlert,
    "errors": ErrorAlert,
}


@dataclass(frozen=True, slots=True)
class MonitorConfig:
    """``MonitorConfig.from_json(config.to_json()) == config``.

    ``lateness`` is how long after its end a window waits for stragglers, and ``label_delay`` for labels, both in event
    time. ``positive`` is the label of the positive class, where it is not true, 1, or the greater of two labels.
    """

    window: Cut = field(default_factory=lambda: Cut("day"))
    lateness: timedelta = timedelta(0)
    label_delay: timedelta = timedelta(0)
    positive: float | int | str | bool | None = None
    drift: DriftRule = field(default_factory=DriftRule)
    alerts: tuple[Rule, ...] = (DriftAlert(), ErrorAlert())

    def __post_init__(self) -> None:
        seen = set()
        for rule in self.alerts:
            key = (rule.name, getattr(rule, "metric", ""))
            if key in seen:
                raise InvalidInput(message=f"two alerts watch {' of '.join(filter(None, key))}; keep one of them")
            seen.add(key)

    @classmethod
    def from_json(cls, document: Mapping[str, Any], path: str = "monitor") -> MonitorConfig:
        """From a table of ``modelyard.toml`` or the config of a deployment; ``path`` is where it was found, for errors::

            {"window": "day", "label_delay": "2d", "positive": "late",
             "drift": {"metric": "psi", "floor": 0.2, "alpha": 0.001, "margin": 1.2, "min_rows": 100},
             "alerts": [{"on": "drift", "features": ["temp"], "for_windows": 2},
                        {"on": "quality", "metric": "auc", "worse_by": 0.05, "rollback": true},
                        {"on": "errors", "above": 0.02}]}

        All keys are optional. Raises :class:`InvalidConfig`.
        """
        _known(document, {f.name for f in fields(cls)}, path)
        given: dict[str, Any] = {}
        try:
            if "window" in document:
                given["window"] = Cut.parse(document["window"])
            for name in ("lateness", "label_delay"):
                if name in document:
                    given[name] = duration(document[name])
            if "positive" in document:
                given["positive"] = document["positive"]
            if "drift" in document:
                _known(document["drift"], {f.name for f in fields(DriftRule)}, f"{path}.drift")
                given["drift"] = DriftRule(**_typed(DriftRule, document["drift"], f"{path}.drift"))
            if "alerts" in document:
                given["alerts"] = tuple(_rule(d, f"{path}.alerts[{i}]") for i, d in enumerate(document["alerts"]))
            return cls(**given)
        except InvalidConfig:
            raise
        except (InvalidInput, TypeError, ValueError) as problem:
            raise InvalidConfig(path=path, problem=str(problem)) from None

    def to_json(self) -> dict[str, Any]:
        return {
            "window": str(self.window),
            "lateness": f"{self.lateness.total_seconds():.15g}s",
            "label_delay": f"{self.label_delay.total_seconds():.15g}s",
            "positive": self.positive,
            "drift": _table(self.drift),
            "alerts": [
                {"on": next(on for on, kind in _RULES.items() if isinstance(rule, kind)), **_table(rule)}
                for rule in self.alerts
            ],
        }


def duration(text: Any) -> timedelta:
    """A length of time: ``30s``, ``5min``, ``2h``, ``1d``, ``1w``, or a number of seconds. Raises :class:`InvalidInput`."""
    if isinstance(text, int | float) and not isinstance(text, bool) and 0 <= text < 1e11:
        return timedelta(seconds=text)
    match = re.fullmatch(r"(\d{1,9}(?:\.\d+)?)\s*(s|m|min|h|d|w)", text) if isinstance(text, str) else None
    if match is None:
        match = re.fullmatch(r"(\d{1,12}(?:\.\d+)?)(s)", text) if isinstance(text, str) else None
    if match is None:
        raise InvalidInput(message=f"{text!r} is not a length of time; write 30s, 5min, 2h, 1d or 1w")
    return timedelta(**{_UNITS[match[2]]: float(match[1])})


def _rule(document: Any, path: str) -> Rule:
    if not isinstance(document, Mapping) or document.get("on") not in _RULES:
        raise InvalidConfig(path=path, problem=f"an alert needs on = one of {', '.join(_RULES)}")
    kind = _RULES[document["on"]]
    _known(document, {"on", *(f.name for f in fields(kind))}, path)
    options = {name: value for name, value in document.items() if name != "on"}
    if isinstance(options.get("features"), list):
        options["features"] = tuple(options["features"])
    _typed(kind, options, path)
    if options.get("for_windows", 1) < 1:
        raise InvalidConfig(path=path, problem="for_windows is a number of windows, 1 or more")
    try:
        return kind(**options)
    except (InvalidInput, TypeError) as problem:
        raise InvalidConfig(path=path, problem=str(problem)) from None


def _typed(kind: type[Any], options: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    """The options as they are, when each has the type that its field is annotated with."""
    nouns = {bool: "true or false", int: "a whole number", float: "a number", str: "text", tuple: "a list of texts"}
    for f in fields(kind):
        if f.name not in options:
            continue
        value, annotation = options[f.name], str(f.type).partition("[")[0].partition(" ")[0]
        wanted = {"bool": bool, "int": int, "float": float, "tuple": tuple}.get(annotation, str)
        fits = isinstance(value, (int, float) if wanted is float else wanted)
        if wanted is tuple:
            fits = fits and all(isinstance(item, str) for item in value)
        if not fits or (isinstance(value, bool) and wanted is not bool):
            raise InvalidConfig(path=f"{path}.{f.name}", problem=f"expected {nouns[wanted]}, found {value!r}")
    return options


def _known(document: Any, names: set[str], path: str) -> None:
    if not isinstance(document, Mapping):
        raise InvalidConfig(path=path, problem=f"expected a table, found {document!r}")
    for name in document:
        if name not in names:
            raise InvalidConfig(path=path, problem=f"{name!r} is unknown; known are {', '.join(sorted(names))}")


def _table(value: Any) -> dict[str, Any]:
    found = {f.name: getattr(value, f.name) for f in fields(value)}
    return {n: list(v) if isinstance(v, tuple) else v for n, v in found.items() if v is not None}

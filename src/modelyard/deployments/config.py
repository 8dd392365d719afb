"""``[deployment]`` of ``modelyard.toml``: checked once, here; every key has a default.

::

    [deployment]
    name = "flights-delay"      # the model's name unless given
    host = "127.0.0.1"
    port = 8080                 # 0 takes any free port
    alias = "production"        # whose version is stable
    tick_seconds = 2.0          # how often an agent looks
    trust = false               # load formats that run code although someone else registered them

    [deployment.rollout]
    strategy = "canary"         # or "direct": load everywhere, then move the alias, without sharing traffic
    steps = [0.1, 0.25, 0.5]    # shares of traffic, growing, between 0 and 1

    [deployment.analysis]       # see modelyard.deployments.analysis.AnalysisRule
    metric = "auc"
    margin = 0.02

    [deployment.monitor]        # all other keys: see modelyard.monitoring.config.MonitorConfig
    on_alert = "none"           # or "rollback": go back when any alert about the live version fires
    positive = "late"           # the label of the positive class, for rollouts too; see modelyard.monitoring.quality.measure
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import pairwise
from math import isfinite
from typing import Any

from modelyard.core.errors import InvalidConfig, InvalidName
from modelyard.core.names import AliasName, ModelName
from modelyard.deployments.analysis import AnalysisRule

METRICS = ("none", "auc", "accuracy", "log_loss", "brier", "rmse", "mae")


@dataclass(frozen=True)
class RolloutConfig:
    """``strategy`` is ``canary`` or ``direct``; ``steps`` are the candidate's shares of traffic, growing, and
    below 1: the stable version needs some to be compared with."""

    strategy: str = "canary"
    steps: tuple[float, ...] = (0.1, 0.25, 0.5)

    @property
    def effective_steps(self) -> tuple[float, ...]:
        """The steps that a rollout really takes: none when it is direct."""
        return self.steps if self.strategy == "canary" else ()


@dataclass(frozen=True)
class MonitorSettings:
    """``settings`` are for :class:`modelyard.monitoring.config.MonitorConfig`; ``on_alert`` is ``none`` or ``rollback`` (an alert rule may
    ask for a rollback of its own)."""

    on_alert: str = "none"
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DeploymentConfig:
    """One deployment as it is wanted. Frozen; ``from_json(c.to_json()) == c``."""

    name: str | None = None
    host: str = "127.0.0.1"
    port: int = 8080
    alias: str = "production"
    tick_seconds: float = 2.0
    trust: bool = False
    rollout: RolloutConfig = RolloutConfig()
    analysis: AnalysisRule = field(default_factory=AnalysisRule)
    monitor: MonitorSettings = MonitorSettings()

    @property
    def positive(self) -> Any:
        """The label of the positive class: one setting, by which the monitor and a rollout measure alike."""
        return self.monitor.settings.get("positive")

    @classmethod
    def parse(
        cls, table: Mapping[str, Any], path: str = "modelyard.toml", *, check_settings: bool = True
    ) -> DeploymentConfig:
        """Reads the ``[deployment]`` table. Raises InvalidConfig that names the key, what is wrong, and the closest known key."""
        plain = {key: value for key, value in table.items() if key not in ("rollout", "analysis", "monitor")}
        wanted = _checked(cls, plain, "deployment", path, extra=("rollout", "analysis", "monitor"))
        rollout = _checked(RolloutConfig, _table(table, "rollout", path), "deployment.rollout", path)
        analysis = _checked(AnalysisRule, _table(table, "analysis", path), "deployment.analysis", path)
        if "steps" in rollout:
            rollout["steps"] = tuple(float(step) for step in rollout["steps"])
        return cls(
            **wanted,
            rollout=RolloutConfig(**rollout),
            analysis=AnalysisRule(**analysis),
            monitor=_monitor(_table(table, "monitor", path), path, check_settings),
        )

    def at_port(self, port: int | None) -> DeploymentConfig:
        """The same with another port; the same for None. Raises InvalidConfig."""
        if port is None:
            return self
        holds, words = _RULES["port"]
        if not holds(port):
            raise _wrong("the call", "deployment.port", port, words)
        return replace(self, port=port)

    def to_json(self) -> dict[str, Any]:
        document = asdict(self)
        document["rollout"]["steps"] = list(self.rollout.steps)
        document["monitor"] = {"on_alert": self.monitor.on_alert, **self.monitor.settings}
        return {key: value for key, value in document.items() if value is not None}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> DeploymentConfig:
        """The inverse of :meth:`to_json`; what a newer release has added is left out, so that an older one still reads it."""
        known = {key: value for key, value in document.items() if key in {f.name for f in fields(cls)}}
        for key, kind in (("rollout", RolloutConfig), ("analysis", AnalysisRule)):
            if key in known:
                names = {f.name for f in fields(kind)}
                known[key] = {k: v for k, v in known[key].items() if k in names and v is not None}
        # checked when they were written; checking again would need numpy for a mere look
        return cls.parse(known, "the registry", check_settings=False)


def _monitor(table: Mapping[str, Any], path: str, check_settings: bool) -> MonitorSettings:
    on_alert = table.get("on_alert", "none")
    if on_alert not in ("none", "rollback"):
        raise _wrong(path, "deployment.monitor.on_alert", on_alert, "'none' or 'rollback'")
    settings = {key: value for key, value in table.items() if key != "on_alert"}
    if settings and check_settings:
        from modelyard.monitoring.config import MonitorConfig  # needs numpy

        MonitorConfig.from_json(settings, f"{path}, [deployment.monitor]")
    return MonitorSettings(on_alert, settings)


Rule = tuple[Callable[[Any], bool], str]


def _number(low: float, high: float, *, open_low: bool = False, open_high: bool = False) -> Callable[[Any], bool]:
    def holds(value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            return False
        return (low < value if open_low else low <= value) and (value < high if open_high else value <= high)

    return holds


def _whole(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _named(kind: Callable[[str], Any]) -> Callable[[Any], bool]:
    def holds(value: Any) -> bool:
        try:
            kind(value)
        except InvalidName:
            return False
        return True

    return holds


def _grows(value: Any) -> bool:
    share = _number(0, 1, open_low=True, open_high=True)
    if not isinstance(value, list | tuple) or not value or not all(share(step) for step in value):
        return False
    return all(a < b for a, b in pairwise(value))


_MOST = 10**9
_RULES: dict[str, Rule] = {
    "name": (_named(ModelName), "a name of letters, digits, '-', '_' and '.'"),
    "host": (lambda v: isinstance(v, str) and bool(v) and v.isprintable(), "a host name or address in quotes"),
    "port": (_whole(0, 65535), "a whole number from 0 to 65535"),
    "alias": (_named(AliasName), "an alias such as 'production'"),
    "tick_seconds": (_number(0.05, 3600), "seconds from 0.05 to 3600"),
    "trust": (lambda v: isinstance(v, bool), "true or false"),
    "strategy": (lambda v: v in ("canary", "direct"), "'canary' or 'direct'"),
    "steps": (
        _grows,
        "a list of growing shares between 0 and 1, such as [0.1, 0.25, 0.5]; at 1 nothing is left to compare with",
    ),
    "metric": (lambda v: v in METRICS, "one of " + ", ".join(METRICS)),
    "margin": (_number(0, _MOST), "a number that is not negative"),
    "confidence": (_number(0.5, 1, open_low=True, open_high=True), "a number between 0.5 and 1"),
    "min_rows": (_whole(2, _MOST), "a whole number of at least 2"),
    "max_looks": (_whole(1, 1000), "a whole number from 1 to 1000"),
    "timeout_seconds": (_number(0, _MOST, open_low=True), "seconds above 0"),
    "min_requests": (_whole(1, _MOST), "a whole number of at least 1"),
    "max_error_rate": (_number(0, 1), "a share from 0 to 1"),
    "max_latency_ratio": (_number(1, _MOST), "a number of at least 1"),
    "min_latency_ms": (_number(0, _MOST), "milliseconds, not negative"),
    "max_prediction_shift": (_number(0, 1), "a distance from 0 to 1"),
    "on_inconclusive": (lambda v: v in ("pause", "abort"), "'pause' or 'abort'"),
}


def _checked(kind: Any, table: Mapping[str, Any], where: str, path: str, extra: tuple[str, ...] = ()) -> dict[str, Any]:
    known = [f.name for f in fields(kind)]
    for key, value in table.items():
        if key not in known or key in extra:
            raise InvalidConfig(path=path, problem=_unknown(key, where, known))
        holds, words = _RULES[key]
        if not holds(value):
            raise _wrong(path, f"{where}.{key}", value, words)
    return dict(table)


def _unknown(key: str, where: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.7)
    hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
    return f"[{where}] has no key {key!r}; {hint}"


def _wrong(path: str, key: str, value: Any, words: str) -> InvalidConfig:
    return InvalidConfig(path=path, problem=f"{key} is {value!r}; it must be {words}")


def _table(table: Mapping[str, Any], key: str, path: str) -> Mapping[str, Any]:
    found = table.get(key, {})
    if not isinstance(found, Mapping):
        raise _wrong(path, f"deployment.{key}", found, f"a table: [deployment.{key}]")
    return found

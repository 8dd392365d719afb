"""Which stages run, in which order, and why: pure rules."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from modelyard.core.errors import InvalidConfig
from modelyard.pipelines.project import Project, Stage

CONVENTION = ("build", "test", "deploy")

# What a stage of these names needs when it does not say itself; those that the project has.
IMPLIED: dict[str, tuple[str, ...]] = {"test": ("build",), "deploy": ("build", "test")}


@dataclass(frozen=True)
class PlannedStage:
    """A stage that will run, with the reason for people."""

    stage: Stage
    reason: str


def in_order(stages: Iterable[Stage], path: Path) -> tuple[Stage, ...]:
    """The stages so that each comes after its needs, else in the order given. Raises InvalidConfig for a cycle.

    Every need is one of the stages. The order is stable: of the stages that could come next, the first given does.
    """
    waiting = list(stages)
    ordered: list[Stage] = []
    done: set[str] = set()
    while waiting:
        ready = next((stage for stage in waiting if done.issuperset(stage.needs)), None)
        if ready is None:
            circle = _circle({stage.name: stage.needs for stage in waiting}, done)
            raise InvalidConfig(
                path=path, problem=f"stages.{circle[0]}.needs leads back to itself: {' -> '.join(circle)}"
            )
        waiting.remove(ready)
        ordered.append(ready)
        done.add(ready.name)
    return tuple(ordered)


def _circle(needs: dict[str, tuple[str, ...]], done: set[str]) -> list[str]:
    """A walk along unmet needs from a stage back to it."""
    walk = [next(iter(needs))]
    while walk.count(walk[-1]) == 1:
        walk.append(next(need for need in needs[walk[-1]] if need not in done))
    return walk[walk.index(walk[-1]) :]


def plan(project: Project, asked: Sequence[str] = (), *, with_needs: bool = False) -> tuple[PlannedStage, ...]:
    """The stages to run, in order: those asked for (each once), or all. ``with_needs`` adds what they need.

    Without it a stage that was asked for runs alone, as a CI job does whose earlier jobs have run the rest. Raises InvalidConfig
    when there is no such stage, or none at all.
    """
    stages = {stage.name: stage for stage in project.stages}
    if not stages:
        problem = 'it has no stages; add [stages.build] with command = "…", or a model.py beside it'
        raise InvalidConfig(path=project.path, problem=problem)
    for name in asked:
        if name not in stages:
            close = difflib.get_close_matches(name, stages, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise InvalidConfig(
                path=project.path, problem=f"there is no stage {name!r}{hint}; there are {', '.join(stages)}"
            )
    reasons = dict.fromkeys(asked, "asked for") if asked else dict.fromkeys(stages, "part of the whole pipeline")
    pending = list(reasons) if with_needs else []
    while pending:
        name = pending.pop()
        for need in stages[name].needs:
            if need not in reasons:
                reasons[need] = f"needed by {name}"
                pending.append(need)
    return tuple(PlannedStage(stage, reasons[name]) for name, stage in stages.items() if name in reasons)

"""``run``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelyard.cli.output import AsJson, say, show_json
from modelyard.cli.session import workspace
from modelyard.core.errors import ProjectNotFound

if TYPE_CHECKING:
    from modelyard.pipelines import RunResult, StageResult


def add_to(app: typer.Typer) -> None:
    app.command("run")(run)


def run(
    stages: Annotated[
        list[str] | None, typer.Argument(help="Stages, such as build test deploy; all without it.")
    ] = None,
    needs: Annotated[bool, typer.Option("--needs", help="Also run what the stages need.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only show what would run, and why.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run the stages of the project here: those of modelyard.toml, else python model.py --build, --test, --deploy.

    A stage that fails stops the run with exit code 1; its log stays in the yard.

    Example: modelyard run build test
    """
    from modelyard import pipelines

    project = pipelines.find_project(Path.cwd())
    if project is None:
        raise ProjectNotFound(path=Path.cwd())
    if plan:
        planned = pipelines.plan(project, stages or (), with_needs=needs)
        if as_json:
            show_json([{"stage": p.stage.name, "command": p.stage.command, "reason": p.reason} for p in planned])
        for item in () if as_json else planned:
            say(f"{item.stage.name}: {' '.join(item.stage.command)} ({item.reason})")
        return
    found = workspace(create=True)
    for alias, expressions in pipelines.unnamed_gates(project, found).items():
        told = f"{project.model}@{alias} has gates that {project.path.name} does not name ({'; '.join(expressions)})"
        typer.echo(f"note: {told}; they stay in force, and {alias} = [] under [gates] clears them", err=True)
    result = pipelines.run(
        project,
        stages or (),
        found,
        on_line=lambda stage, line: print(f"{stage} | {line}", file=sys.stderr if as_json else None),
        on_stage=None if as_json else _told,
        environ=os.environ,
        with_needs=needs,
    )
    if as_json:
        show_json(_json(result))
    else:
        say(f"run {result.run} passed in {result.seconds:.1f} s")


def _told(result: StageResult) -> None:
    if result.state == "running":
        say(f"{result.stage}: starts ({result.reason})")
    else:
        say(f"{result.stage}: {result.state} after {result.seconds:.1f} s")


def _json(result: RunResult) -> dict[str, object]:
    stages = [
        {"stage": s.stage, "state": s.state, "exit_code": s.exit_code, "seconds": s.seconds, "log": str(s.log)}
        for s in result.stages
    ]
    return {"run": result.run, "seconds": result.seconds, "stages": stages}

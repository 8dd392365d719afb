"""Running a pipeline: one stage after another, in the project's folder, each with its log, its row and its end.

Whatever ends a run, what it started ends with it: a failure, a timeout, ^C, SIGTERM. Only ``kill -9`` of the runner leaves a stage alone;
then the rows say so (:mod:`rows`), and no second run starts beside it (:mod:`locks`).
"""

from __future__ import annotations

import os
import secrets
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from modelyard.core.errors import StageFailed, StageTimedOut, YardUnwritable
from modelyard.pipelines.lines import LineFeed
from modelyard.pipelines.locks import ProjectLock, project_lock, run_lock
from modelyard.pipelines.process import POLL, Identity, Interruption, end_group, interruptions, start
from modelyard.pipelines.project import Project, Stage
from modelyard.pipelines.rows import State, begin_row, end_row, sweep
from modelyard.pipelines.stages import plan
from modelyard.provenance.git import head_commit
from modelyard.provenance.secrecy import masked
from modelyard.registry.policies.policy import Policy

if TYPE_CHECKING:
    import subprocess

    from modelyard.client.workspace import Workspace

GRACE = 5.0  # seconds between asking a stage to end and ending it
_READ = 1 << 20  # bytes of output between two looks at the time

OnLine = Callable[[str, str], None]
"""Called with the name of the stage and a line of its output, in the thread of the runner."""


@dataclass(frozen=True)
class StageResult:
    """A stage that starts (``running``) or has ended."""

    stage: str
    reason: str  # why it runs
    state: State
    exit_code: int | None  # 128 and the number for a signal, as shells say it
    seconds: float
    log: Path


@dataclass(frozen=True)
class RunResult:
    """A run whose stages all passed."""

    run: str
    stages: tuple[StageResult, ...]
    started_time: datetime
    ended_time: datetime

    @property
    def seconds(self) -> float:
        return (self.ended_time - self.started_time).total_seconds()


def run(
    project: Project,
    stages: Sequence[str],
    workspace: Workspace,
    *,
    on_line: OnLine | None = None,
    on_stage: Callable[[StageResult], None] | None = None,
    environ: Mapping[str, str],
    with_needs: bool = False,
    grace: float = GRACE,
    token: Callable[[], str] = lambda: secrets.token_hex(3),
) -> RunResult:
    """Runs the stages asked for (none: all) in order, and stops at the first that fails.

    The project's policies and gates are set on its model before. A stage runs with ``environ``, its own ``env``, and MODELYARD_RUN, MODELYARD_URL,
    MODELYARD_STAGE and MODELYARD_PROJECT. Raises StageFailed, StageTimedOut, InvalidConfig, Locked, YardUnwritable; KeyboardInterrupt or
    SystemExit when a signal asked to stop.
    """
    planned = plan(project, stages, with_needs=with_needs)
    began = workspace.clock.now()
    name = f"{began:%Y%m%d-%H%M%S}-{token()}"
    results: list[StageResult] = []
    try:
        with project_lock(workspace.root, project.folder, name) as lock, run_lock(workspace.root, name, project.model):
            sweep(workspace)
            set_policies(project, workspace)
            with interruptions() as interruption:
                commit = head_commit(project.folder)
                for item in planned:
                    if interruption.number is not None:
                        break
                    runner = _Runner(project, workspace, name, commit, lock, interruption, on_line, on_stage, grace)
                    results.append(runner.run(item.stage, item.reason, environ))
    except OSError as error:
        if not str(error.filename or "").startswith(str(workspace.root)):
            raise
        raise YardUnwritable(path=workspace.root, problem=error.strerror or error) from error
    return RunResult(name, tuple(results), began, workspace.clock.now())


def set_policies(project: Project, workspace: Workspace) -> list[str]:
    """Sets the policies of the project on its model where they differ, and of its gates only the gates; the aliases for which something was changed."""
    if project.model is None:
        return []
    changed, told = [], f"as {project.path.name} says"
    for alias, policy in project.policies.items():
        if (workspace.policies.get(project.model, alias) or Policy()) != policy:
            workspace.policies.set(project.model, alias, policy, reason=told)
            changed.append(alias)
    for alias, expressions in project.gates.items():
        now = workspace.policies.get(project.model, alias) or Policy()
        if now.gates != expressions:
            workspace.set_gates(project.model, alias, expressions)
            changed.append(alias)
    return changed


def unnamed_gates(project: Project, workspace: Workspace) -> dict[str, list[str]]:
    """Gates of the project's model, by alias, that the project does not name. They stay in force: somebody may have set them by hand."""
    if project.model is None:
        return {}
    named = {*project.policies, *project.gates}
    found = {row.alias: list(row.policy.gates) for row in workspace.policies.list(project.model) if row.name}
    return {alias: gates for alias, gates in found.items() if gates and alias not in named}


@dataclass(frozen=True)
class _Runner:
    project: Project
    workspace: Workspace
    name: str
    commit: str | None
    lock: ProjectLock
    interruption: Interruption
    on_line: OnLine | None
    on_stage: Callable[[StageResult], None] | None
    grace: float

    def run(self, stage: Stage, reason: str, environ: Mapping[str, str]) -> StageResult:
        """Runs one stage and records how it ended, whatever ended it."""
        root = self.workspace.root
        log = root / "runs" / self.name / f"{stage.name}.log"
        result = StageResult(stage.name, reason, "running", None, 0.0, log)
        row = begin_row(
            self.workspace,
            self.name,
            stage.name,
            shlex.join(masked(stage.command)),
            self.commit,
            log.relative_to(root).as_posix(),
        )
        began = time.monotonic()
        state: State = "stopped"
        code: int | None = None
        why = "the run was interrupted"
        try:
            self._tell(result)
            outcome, code = self._execute(stage, log, environ)
            if outcome == "timeout":
                state, why = "failed", f"it took more than {stage.timeout:g} s"
            elif outcome == "exit":
                state, why = ("passed", "") if code == 0 else ("failed", f"exit code {code}")
        finally:
            end_row(self.workspace, row, self.project.model, state, code, why)
        result = replace(result, state=state, exit_code=code, seconds=time.monotonic() - began)
        self._tell(result)
        if outcome == "timeout":
            raise StageTimedOut(
                stage=stage.name, timeout=stage.timeout, code=code, seconds=result.seconds, log=log, run=self.name
            )
        if state == "failed":
            raise StageFailed(stage=stage.name, code=code, seconds=result.seconds, log=log, run=self.name)
        return result

    def _execute(
        self, stage: Stage, log: Path, environ: Mapping[str, str]
    ) -> tuple[Literal["exit", "timeout", "interrupted"], int]:
        """Starts the command, follows its log and ends it when it must; what happened, and the exit code."""
        feed = LineFeed()
        with log.open("xb") as written, log.open("rb") as read:
            try:
                process = start(
                    self._words(stage), self.project.folder, self._environ(stage, environ), written.fileno()
                )
            except OSError as error:
                code = 127 if isinstance(error, FileNotFoundError) else 126
                written.write(f"modelyard: cannot start {stage.command[0]!r}: {error.strerror}\n".encode())
                written.flush()
                self._pass_on(stage, read, feed, everything=True)
                return "exit", code
            try:
                self.lock.runs_stage(stage.name, Identity.of(process.pid))
                outcome = self._follow(stage, process, read, feed)
            except BaseException:
                self._end(process)
                raise
            finally:
                self.lock.runs_stage(None, None)
            if process.returncode != 0 or outcome != "exit":
                self._end(process)
            self._pass_on(stage, read, feed, everything=True)
        return outcome, process.returncode if process.returncode >= 0 else 128 - process.returncode

    def _follow(
        self, stage: Stage, process: subprocess.Popen[bytes], read: BinaryIO, feed: LineFeed
    ) -> Literal["exit", "timeout", "interrupted"]:
        """Passes lines on until the process has ended or must be ended."""
        deadline = time.monotonic() + stage.timeout if stage.timeout else None
        while process.poll() is None:
            more = self._pass_on(stage, read, feed)
            if self.interruption.number is not None:
                return "interrupted"
            if deadline is not None and time.monotonic() >= deadline:
                return "timeout"
            if not more:
                time.sleep(POLL)
        return "exit"

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        end_group(process, self.grace, hurry=lambda: self.interruption.again)

    def _pass_on(self, stage: Stage, read: BinaryIO, feed: LineFeed, *, everything: bool = False) -> bool:
        """Gives the caller the lines that were written since; whether there may be more at once."""
        while data := read.read(_READ):
            self._give(stage, feed.feed(data))
            if not everything:
                return len(data) == _READ
        if everything:
            self._give(stage, feed.end())
        return False

    def _give(self, stage: Stage, lines: list[str]) -> None:
        if self.on_line is not None:
            for line in lines:
                self.on_line(stage.name, line)

    def _tell(self, result: StageResult) -> None:
        if self.on_stage is not None:
            self.on_stage(result)

    def _words(self, stage: Stage) -> list[str]:
        # The interpreter that runs this, whether or not its environment is activated.
        first = sys.executable if stage.command[0] == "python" else stage.command[0]
        return [first, *stage.command[1:]]

    def _environ(self, stage: Stage, environ: Mapping[str, str]) -> dict[str, str]:
        path = environ.get("PATH", os.defpath)
        if sys.prefix != sys.base_prefix:  # the tools that are installed beside that interpreter, too
            path = os.pathsep.join([str(Path(sys.executable).parent), path])
        return {
            "PYTHONUNBUFFERED": "1",  # lines come when they are printed, though the output is a file
            **environ,
            "PATH": path,
            **stage.env,
            "MODELYARD_RUN": self.name,
            "MODELYARD_URL": self.workspace.url,
            "MODELYARD_STAGE": stage.name,
            "MODELYARD_PROJECT": str(self.project.folder),
        }

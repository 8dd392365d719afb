"""Runs of real stages: their output, their end, their rows; and a runner that is interrupted or killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modelyard.client.workspace import Workspace
from modelyard.core.errors import Locked, StageFailed, StageTimedOut, YardUnwritable
from modelyard.pipelines import Project, RunResult, read_project, run, runs, sweep
from modelyard.pipelines.locks import run_lock
from modelyard.pipelines.process import Identity
from modelyard.pipelines.rows import begin_row
from modelyard.registry.policies.policy import Policy


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    made = Workspace(tmp_path / "yard", actor="ann")
    yield made
    made.close()


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Project]:
    """A project whose stages are Python programs; further keys of a stage come as a dictionary."""

    def make(head: str = "", **stages: str | tuple[str, str]) -> Project:
        folder = tmp_path / "project"
        folder.mkdir(exist_ok=True)
        text = head
        for name, stage in stages.items():
            code, keys = stage if isinstance(stage, tuple) else (stage, "")
            (folder / f"{name}.py").write_text(textwrap.dedent(code))
            text += f'\n[stages.{name}]\ncommand = "python {name}.py"\n{keys}\n'
        (folder / "modelyard.toml").write_text(text)
        return read_project(folder / "modelyard.toml")

    return make


def go(project: Project, workspace: Workspace, *stages: str, **options: Any) -> RunResult:
    return run(project, stages, workspace, environ={"PATH": os.environ["PATH"]}, **{"grace": 0.2, **options})


def states(workspace: Workspace) -> list[tuple[str, str, int | None]]:
    return [(row.stage, row.state, row.exit_code) for row in reversed(runs(workspace))]


def alive(pid: int) -> bool:
    return Identity.of(pid) is not None


def until(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
    return found


def text_of(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def test_stages_run_in_order_and_each_line_reaches_the_caller_the_log_and_the_rows(
    workspace: Workspace, make: Callable[..., Project]
) -> None:
    project = make(test="print('testing')", build="import sys\nprint('out')\nprint('err', file=sys.stderr)")
    heard: list[tuple[str, str]] = []
    told: list[tuple[str, str]] = []
    result = go(
        project,
        workspace,
        on_line=lambda stage, line: heard.append((stage, line)),
        on_stage=lambda stage: told.append((stage.stage, stage.state)),
    )
    assert heard == [("build", "out"), ("build", "err"), ("test", "testing")]
    assert told == [("build", "running"), ("build", "passed"), ("test", "running"), ("test", "passed")]
    assert result.stages[0].log.read_text() == "out\nerr\n"
    assert result.stages[0].log == workspace.root / "runs" / result.run / "build.log"
    assert states(workspace) == [("build", "passed", 0), ("test", "passed", 0)]
    row = runs(workspace, run=result.run)[1]
    assert (row.command, row.log) == ("python build.py", f"runs/{result.run}/build.log")
    assert row.seconds is not None


def test_a_stage_sees_where_it_runs_and_its_own_variables(workspace: Workspace, make: Callable[..., Project]) -> None:
    code = """
    import json, os, sys
    print(json.dumps({k: v for k, v in os.environ.items() if k.startswith(("MODELYARD", "OWN"))}))
    print(sys.executable, os.getcwd(), sys.stdin.read() == "")
    """
    project = make(build=(code, 'env = { OWN = "1", MODELYARD_STAGE = "not this" }'))
    heard: list[str] = []
    result = run(
        project,
        [],
        workspace,
        environ={"PATH": "", "MODELYARD_RUN": "outer", "OWN": "0"},
        on_line=lambda _, line: heard.append(line),
    )
    assert json.loads(heard[0]) == {
        "MODELYARD_RUN": result.run,
        "MODELYARD_URL": str(workspace.root),
        "MODELYARD_STAGE": "build",
        "MODELYARD_PROJECT": str(project.folder),
        "OWN": "1",
    }
    assert heard[1] == f"{sys.executable} {project.folder} True"


def test_the_ledger_tells_of_each_stage_that_ended(workspace: Workspace, make: Callable[..., Project]) -> None:
    project = make('[project]\nmodel = "fraud"\n', build="", test="raise SystemExit(3)")
    with pytest.raises(StageFailed):
        go(project, workspace)
    rows = workspace.registry.history(name="fraud")
    told = [
        (row.action, row.actor, row.subject.split("/")[1], row.after["state"], row.reason) for row in reversed(rows)
    ]
    assert told == [
        ("run.stage", "ann", "build", "passed", ""),
        ("run.stage", "ann", "test", "failed", "exit code 3"),
    ]


def test_a_secret_in_a_command_is_in_no_row_and_no_ledger(workspace: Workspace, make: Callable[..., Project]) -> None:
    folder = make(build="import sys\nprint(sys.argv[2])").folder
    (folder / "modelyard.toml").write_text('[stages.build]\ncommand = "python build.py --token hunter2"\n')
    heard: list[str] = []
    go(read_project(folder / "modelyard.toml"), workspace, on_line=lambda _, line: heard.append(line))
    assert heard == ["hunter2"]  # the command itself is whole
    assert "hunter2" not in runs(workspace)[0].command
    assert "hunter2" not in str(workspace.registry.history())


def test_the_commit_of_the_project_is_in_the_rows(
    workspace: Workspace, make: Callable[..., Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make(build="")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")

    def git(*words: str) -> str:
        command = ["git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org", *words]
        done = subprocess.run(command, cwd=project.folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "first")
    go(project, workspace)
    assert runs(workspace)[0].commit == git("rev-parse", "HEAD")


def test_a_failed_stage_is_recorded_raised_and_the_last(workspace: Workspace, make: Callable[..., Project]) -> None:
    project = make(build="print('why')\nraise SystemExit(7)", test="")
    with pytest.raises(StageFailed) as caught:
        go(project, workspace)
    assert (caught.value.stage, caught.value.code) == ("build", 7)
    assert Path(caught.value.log).read_text() == "why\n"
    assert states(workspace) == [("build", "failed", 7)]


def test_a_stage_that_dies_of_a_signal_has_the_code_that_shells_give(
    workspace: Workspace, make: Callable[..., Project]
) -> None:
    project = make(build="import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)")
    with pytest.raises(StageFailed, match="exit code 139"):
        go(project, workspace)


@pytest.mark.parametrize(("command", "code"), [("no-such-command", 127), ("./model.txt", 126)])
def test_a_command_that_cannot_be_started_fails_with_the_reason_in_its_log(
    workspace: Workspace, make: Callable[..., Project], command: str, code: int
) -> None:
    folder = make(build="").folder
    (folder / "model.txt").touch()
    (folder / "modelyard.toml").write_text(f'[stages.build]\ncommand = "{command}"\n')
    heard: list[str] = []
    with pytest.raises(StageFailed) as caught:
        go(read_project(folder / "modelyard.toml"), workspace, on_line=lambda _, line: heard.append(line))
    assert caught.value.code == code
    assert heard[0].startswith(f"modelyard: cannot start {command!r}: ")
    assert states(workspace) == [("build", "failed", code)]


def test_output_that_is_not_utf8_is_kept_as_it_is_and_shown_as_well_as_it_can_be(
    workspace: Workspace, make: Callable[..., Project]
) -> None:
    project = make(build="import os\nos.write(1, b'caf\\xe9\\n\\x00end')")
    heard: list[str] = []
    result = go(project, workspace, on_line=lambda _, line: heard.append(line))
    assert heard == ["caf\ufffd", "\0end"]
    assert result.stages[0].log.read_bytes() == b"caf\xe9\n\x00end"


def test_ten_megabytes_without_a_line_end_come_in_pieces(workspace: Workspace, make: Callable[..., Project]) -> None:
    project = make(build="import os\nfor _ in range(160): os.write(1, b'x' * 65536)")
    sizes: list[int] = []
    go(project, workspace, on_line=lambda _, line: sizes.append(len(line)))
    assert sum(sizes) == 160 * 65536
    assert max(sizes) <= 8192


def test_a_timeout_ends_a_stage_with_all_that_it_started(
    workspace: Workspace, make: Callable[..., Project], tmp_path: Path
) -> None:
    code = f"""
    import subprocess, sys, time
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    open({str(tmp_path / "pid")!r}, "w").write(str(child.pid))
    time.sleep(60)
    """
    project = make(build=(code, "timeout = 0.6"), test="")
    with pytest.raises(StageTimedOut, match=r"timeout of 0\.6 s"):
        go(project, workspace)
    assert not alive(int(text_of(tmp_path / "pid")))
    assert states(workspace) == [("build", "failed", 143)]


def test_a_stage_that_ignores_sigterm_is_killed_after_the_grace(
    workspace: Workspace, make: Callable[..., Project]
) -> None:
    code = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf')\ntime.sleep(60)"
    project = make(build=(code, "timeout = 0.6"))
    heard: list[str] = []
    began = time.monotonic()
    with pytest.raises(StageTimedOut):
        go(project, workspace, on_line=lambda _, line: heard.append(line))
    assert heard == ["deaf"]
    assert time.monotonic() - began < 10
    assert states(workspace) == [("build", "failed", 137)]


def test_what_a_passed_stage_leaves_running_goes_on_and_does_not_hold_the_run_up(
    workspace: Workspace, make: Callable[..., Project], tmp_path: Path
) -> None:
    code = f"""
    import subprocess, sys
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"])
    open({str(tmp_path / "pid")!r}, "w").write(str(child.pid))
    """
    began = time.monotonic()
    go(make(deploy=code), workspace)
    assert time.monotonic() - began < 10
    pid = int(text_of(tmp_path / "pid"))
    assert alive(pid)
    os.kill(pid, signal.SIGKILL)


def test_a_caller_whose_output_breaks_ends_the_stage(workspace: Workspace, make: Callable[..., Project]) -> None:
    def broken(stage: str, line: str) -> None:
        raise BrokenPipeError

    project = make(build="import os, time\nprint(os.getpid())\ntime.sleep(60)")
    with pytest.raises(BrokenPipeError):
        go(project, workspace, on_line=broken)
    assert states(workspace) == [("build", "stopped", None)]
    pid = int((workspace.root / runs(workspace)[0].log).read_text())
    assert not alive(pid)


def test_gates_are_set_before_the_first_stage_and_only_when_they_differ(
    workspace: Workspace, make: Callable[..., Project]
) -> None:
    head = '[project]\nmodel = "fraud"\n[gates]\nproduction = ["metrics.auc > 0.6"]\n'
    with pytest.raises(StageFailed):
        go(make(head, build="raise SystemExit(1)"), workspace)
    assert workspace.gates("fraud", "production") == ["metrics.auc > 0.6"]
    rows = len(workspace.registry.history(name="fraud"))
    go(make(head, build=""), workspace)
    assert len(workspace.registry.history(name="fraud")) == rows + 1  # the stage alone
    go(make(head.replace("0.6", "0.7"), build=""), workspace)
    assert workspace.gates("fraud", "production") == ["metrics.auc > 0.7"]


def test_policies_are_set_as_a_whole_and_gates_alone_leave_the_rest(
    workspace: Workspace, make: Callable[..., Project]
) -> None:
    workspace.policies.set("fraud", "staging", movers=["ana"])
    workspace.policies.set("fraud", "production", movers=["ana"])
    head = '[project]\nmodel = "fraud"\n[policy.production]\napprovals = 1\n[gates]\nstaging = ["metrics.auc > 0.6"]\n'
    go(make(head, build=""), workspace)
    assert workspace.policies.get("fraud", "production") == Policy(approvals=1)
    assert workspace.policies.get("fraud", "staging") == Policy(gates=("metrics.auc > 0.6",), movers=("ana",))
    rows = [row.reason for row in workspace.registry.history(name="fraud") if row.action == "policy.set"]
    assert rows[1] == "as modelyard.toml says"
    go(make(head, build=""), workspace)
    again = [row for row in workspace.registry.history(name="fraud") if row.action == "policy.set"]
    assert len(again) == len(rows)


def test_a_stage_cannot_start_a_second_run_of_its_project(workspace: Workspace, make: Callable[..., Project]) -> None:
    project = make(build="print('started')")

    def second(stage: str, line: str) -> None:
        with pytest.raises(Locked, match=f"run {runs(workspace)[0].run} goes on in process {os.getpid()}"):
            go(project, workspace)

    go(project, workspace, on_line=second)
    assert states(workspace) == [("build", "passed", 0)]


def test_a_yard_that_cannot_be_written_is_one_clear_error(workspace: Workspace, make: Callable[..., Project]) -> None:
    (workspace.root / "runs").write_text("not a folder")
    with pytest.raises(YardUnwritable, match="nothing was changed"):
        go(make(build=""), workspace)
    assert runs(workspace) == []


RUNNER = """
import os, sys
from modelyard.client.workspace import Workspace
from modelyard.pipelines import read_project, run
from pathlib import Path
run(read_project(Path(sys.argv[1])), [], Workspace(sys.argv[2]), environ=os.environ, grace=0.3)
"""

WAITING = """
import os, pathlib, time
pathlib.Path("pid").write_text(str(os.getpid()))
time.sleep(60)
"""


@pytest.fixture
def runner(
    workspace: Workspace, make: Callable[..., Project]
) -> Iterator[tuple[subprocess.Popen[bytes], int, Project]]:
    """A process that runs a project whose stage waits, once it waits; and the number of the stage's process."""
    project = make(build=WAITING, test="")
    command = [sys.executable, "-c", RUNNER, str(project.path), str(workspace.root)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
    stage = 0
    try:
        stage = int(until(lambda: text_of(project.folder / "pid")))
        yield process, stage, project
    finally:
        process.kill()
        process.communicate()
        if stage and alive(stage):
            os.kill(stage, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_an_interrupted_run_ends_its_stage_and_says_stopped(
    workspace: Workspace, runner: tuple[subprocess.Popen[bytes], int, Project], number: signal.Signals, code: int
) -> None:
    process, stage, _ = runner
    process.send_signal(number)
    assert process.wait(20) == code
    assert not alive(stage)
    assert states(workspace) == [("build", "stopped", 143)]
    assert workspace.registry.history()[0].reason == "the run was interrupted"


@pytest.mark.slow
def test_the_rows_of_a_killed_runner_are_shown_as_stopped_and_the_orphan_keeps_others_out(
    workspace: Workspace, runner: tuple[subprocess.Popen[bytes], int, Project]
) -> None:
    process, stage, project = runner
    until(lambda: states(workspace) == [("build", "running", None)])
    assert sweep(workspace) == []  # its runner lives
    until(lambda: str(stage) in "".join(map(text_of, (workspace.root / "runs" / "locks").iterdir())))
    process.kill()
    process.wait()
    assert states(workspace) == [("build", "stopped", None)]
    with pytest.raises(Locked, match=f"stage 'build' of run .* outlived its runner and goes on in process {stage}"):
        go(project, workspace)
    os.kill(stage, signal.SIGKILL)
    until(lambda: not alive(stage))
    (project.folder / "build.py").write_text("")
    go(project, workspace)
    assert states(workspace) == [("build", "stopped", None), ("build", "passed", 0), ("test", "passed", 0)]
    swept = [row for row in workspace.registry.history() if row.after["state"] == "stopped"]
    assert [row.reason for row in swept] == ["the process that ran it ended without a word"]


def test_what_a_dead_runner_left_stays_with_its_model_in_the_ledger(workspace: Workspace) -> None:
    (workspace.root / "runs").mkdir()
    with run_lock(workspace.root, "r1", "fraud"):
        begin_row(workspace, "r1", "build", "python model.py", None, "runs/r1/build.log")
        assert sweep(workspace) == []
    begin_row(workspace, "r2", "build", "python model.py", None, "runs/r2/build.log")
    assert sorted(sweep(workspace)) == ["r1/build", "r2/build"]
    swept = {row.subject: row.name for row in workspace.registry.history()}
    assert swept == {"r1/build": "fraud", "r2/build": ""}, "the folder of r2 is gone"

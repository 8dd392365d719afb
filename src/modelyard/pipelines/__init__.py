"""Projects and their pipelines: ``modelyard.toml``, stages, runs, and the gates that a project asks for."""

from modelyard.pipelines.config import find_project, read_project
from modelyard.pipelines.project import Project, Stage
from modelyard.pipelines.rows import RunRow, runs, sweep
from modelyard.pipelines.run import RunResult, StageResult, run, unnamed_gates
from modelyard.pipelines.stages import PlannedStage, plan

__all__ = [
    "PlannedStage",
    "Project",
    "RunResult",
    "RunRow",
    "Stage",
    "StageResult",
    "find_project",
    "plan",
    "read_project",
    "run",
    "runs",
    "sweep",
    "unnamed_gates",
]

"""The git repository that the tour works in: a real project, changed by real commits."""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib import resources
from pathlib import Path

from modelyard.core.errors import PathUnusable, ToolMissing

MARKER = ".modelyard-demo"
AUTHOR = {
    "GIT_AUTHOR_NAME": "modelyard demo",
    "GIT_AUTHOR_EMAIL": "demo@localhost",
    "GIT_COMMITTER_NAME": "modelyard demo",
    "GIT_COMMITTER_EMAIL": "demo@localhost",
}
IGNORED = "build/\ndata/\n__pycache__/\n*.png\nearlier-*/\nversion-1/\n"


def prepare(folder: Path) -> Path | None:
    """Makes ``folder`` ready for a tour. What an earlier tour left there is moved to ``earlier-N``, which is returned.

    Raises PathUnusable for a folder that holds something else, ToolMissing without git.
    """
    if shutil.which("git") is None:
        raise ToolMissing(tool="git", install="apt install git, or see git-scm.com")
    folder.mkdir(parents=True, exist_ok=True)
    found = [path for path in folder.iterdir() if not path.name.startswith("earlier-")]
    if not found:
        (folder / MARKER).write_text("made by: modelyard demo\n")
        return None
    if not (folder / MARKER).is_file():
        raise PathUnusable(path=folder, problem="it holds something else than a demo; name an empty folder")
    number = 1 + sum(1 for path in folder.iterdir() if path.name.startswith("earlier-"))
    earlier = folder / f"earlier-{number}"
    earlier.mkdir()
    for path in found:
        path.rename(earlier / path.name)
    (folder / MARKER).write_text("made by: modelyard demo\n")
    return earlier


def begin(folder: Path) -> str:
    """Writes the project and makes its first commit, whose short name is returned."""
    for name in ("model.py", "features.py", "modelyard.toml"):
        (folder / name).write_text(_source(name))
    (folder / ".gitignore").write_text(IGNORED)
    git(folder, "init", "--quiet", "--initial-branch=main")
    return commit(folder, "Predict late flights from what is known before departure")


def change_features(folder: Path) -> str:
    """Commits the faster feature code, which is wrong about time zones where no test looks."""
    (folder / "features.py").write_text(_source("features_faster.py"))
    return commit(folder, "Build twice as fast: take hour and weekday from the table")


def commit(folder: Path, message: str) -> str:
    """Commits everything that is not ignored."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)
    return git(folder, "rev-parse", "--short", "HEAD")


def git(folder: Path, *arguments: str) -> str:
    """What git says, without the last line end. The person's own git configuration plays no part."""
    environ = {**os.environ, **AUTHOR, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        environ.pop(name, None)
    done = subprocess.run(["git", *arguments], cwd=folder, env=environ, check=True, capture_output=True, text=True)
    return done.stdout.rstrip("\n")


def _source(name: str) -> str:
    return resources.files("modelyard.demo").joinpath("project", name).read_text()

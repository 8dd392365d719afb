"""Real git repositories, cut off from the configuration of whoever runs the tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Repository:
    """A working tree and the ``git`` to change it with."""

    folder: Path

    def git(self, *arguments: str | bytes, stdin: bytes | None = None) -> bytes:
        return subprocess.run(
            ["git", *arguments], cwd=self.folder, input=stdin, capture_output=True, check=True
        ).stdout.strip()

    def write(self, name: str | bytes, data: bytes = b"text\n") -> None:
        path = os.path.join(os.fsencode(self.folder), os.fsencode(name))  # noqa: PTH118  names may be bytes
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
        with open(path, "wb") as file:  # noqa: PTH123
            file.write(data)

    def commit(self, message: str = "change") -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD").decode()

    def tree(self) -> dict[bytes, tuple[str, bytes]]:
        """Every file below the folder but git's own: its kind and its bytes."""
        found: dict[bytes, tuple[str, bytes]] = {}
        top = os.fsencode(self.folder)
        for folder, folders, files in os.walk(top):
            folders[:] = [name for name in folders if name != b".git"]
            for name in [*files, *(n for n in folders if os.path.islink(os.path.join(folder, n)))]:  # noqa: PTH114, PTH118
                path = os.path.join(folder, name)  # noqa: PTH118
                if os.path.islink(path):  # noqa: PTH114
                    kind, data = "link", os.readlink(path)  # noqa: PTH115
                else:
                    kind = "program" if os.access(path, os.X_OK) and os.stat(path).st_mode & 0o100 else "file"  # noqa: PTH116
                    with open(path, "rb") as file:  # noqa: PTH123
                        data = file.read()
                found[os.path.relpath(path, top)] = kind, data
        return found


@pytest.fixture
def git_environ(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "Ann",
        "GIT_AUTHOR_EMAIL": "ann@example.org",
        "GIT_COMMITTER_NAME": "Ann",
        "GIT_COMMITTER_EMAIL": "ann@example.org",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def make_repository(tmp_path: Path, git_environ: None) -> Callable[..., Repository]:
    def make(name: str = "project") -> Repository:
        folder = tmp_path / name
        folder.mkdir()
        repository = Repository(folder)
        repository.git("init", "-q", "-b", "main")
        return repository

    return make


@pytest.fixture
def repository(make_repository: Callable[..., Repository]) -> Repository:
    """A repository with one commit: ``model.py`` and ``data/rows.csv``."""
    made = make_repository()
    made.write("model.py", b"print('model')\n")
    made.write("data/rows.csv", b"a,b\n1,2\n")
    made.commit("first")
    return made

"""The record as a whole: collected, written, read back, without secrets, quickly."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from modelyard.core.digests import Digest, canonical_json
from modelyard.provenance import Provenance, collect

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_the_document_and_its_attachments_give_the_record_back(repository: Any) -> None:
    repository.write("model.py", b"changed\n")
    repository.write("new.py", b"new\n")
    environ = {"LOGNAME": "ann", "MODELYARD_BUILD_NUMBER": "7", "MODELYARD_RUN": "r1", "MODELYARD_STAGE": "build"}
    made = collect(repository.folder, environ, ["model.py", "--build"], NOW)
    document = json.loads(canonical_json(made.to_json()))
    again = Provenance.from_json(document, made.attachments)
    assert made.git is not None
    assert again.git is not None
    assert again == replace(made, git=replace(made.git, root=again.git.root))
    assert canonical_json(again.to_json()) == canonical_json(made.to_json())
    assert set(made.attachments) == {"diff.patch", "untracked.tar"}
    assert document["attachments"]["diff.patch"] == {
        "digest": str(Digest.of(made.attachments["diff.patch"])),
        "size": len(made.attachments["diff.patch"]),
    }
    assert (made.user, made.run, made.stage) == ("ann", "r1", "build")


def test_a_field_that_the_caller_or_a_later_release_added_is_passed_over(repository: Any) -> None:
    made = collect(repository.folder, {}, [], NOW)
    assert Provenance.from_json({**made.to_json(), "inputs": []}).time == NOW


def test_outside_git_there_is_still_a_record(tmp_path: Path, git_environ: None) -> None:
    made = collect(tmp_path, {}, [], NOW)
    assert (made.git, made.build, made.attachments, made.problems) == (None, None, {}, ())
    assert Provenance.from_json(made.to_json()) == made
    assert made.user
    assert made.host


def test_a_repository_that_git_refuses_is_said_in_the_record(repository: Any) -> None:
    (repository.folder / ".git" / "config").write_text("[core\n")
    made = collect(repository.folder, {}, [], NOW)
    assert made.git is None
    assert "git cannot read the repository" in made.problems[0]


def test_no_secret_of_the_command_or_the_environment_is_in_the_document(repository: Any) -> None:
    repository.git("remote", "add", "origin", "https://me:hunter2@example.org/r")
    environ = {"AWS_SECRET_ACCESS_KEY": "hunter2", "GITHUB_ACTIONS": "true", "GITHUB_TOKEN": "hunter2"}
    made = collect(repository.folder, environ, ["model.py", "--token", "hunter2", "--password=hunter2"], NOW)
    assert b"hunter2" not in canonical_json(made.to_json())
    assert made.command.argv == ("model.py", "--token", "***", "--password=***")


@pytest.mark.parametrize(
    ("cwd", "script", "shown", "entry"),
    [
        (".", "model.py", ".", "model.py"),
        ("data", "../model.py", "data", "model.py"),
        ("data", "/usr/bin/modelyard", "data", "modelyard"),
        (".", "-c", ".", None),
        (".", "", ".", None),
    ],
)
def test_the_entry_script_is_named_from_the_root_of_the_repository(
    repository: Any, monkeypatch: pytest.MonkeyPatch, cwd: str, script: str, shown: str, entry: str | None
) -> None:
    monkeypatch.chdir(repository.folder / cwd)
    command = collect(Path(), {}, [script], NOW).command
    assert (command.cwd, command.entry) == (shown, entry)


def test_an_argument_that_is_not_utf8_is_shown_with_backslashes(repository: Any) -> None:
    made = collect(repository.folder, {}, ["model.py", os.fsdecode(b"\xff.csv")], NOW)
    canonical_json(made.to_json())
    assert made.command.argv[1] == "\\xff.csv"


@pytest.mark.parametrize(
    ("branch", "commit", "found"), [("main", None, "main"), ("side", "HEAD", "side"), ("other", "0" * 40, None)]
)
def test_a_detached_head_takes_the_branch_of_the_build_of_its_commit(
    repository: Any, branch: str, commit: str | None, found: str | None
) -> None:
    repository.git("checkout", "-q", "--detach")
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_REF": f"refs/heads/{branch}"}
    if commit:
        environ["GITHUB_SHA"] = repository.git("rev-parse", commit).decode() if commit == "HEAD" else commit
    made = collect(repository.folder, environ, [], NOW)
    assert made.git is not None
    assert made.git.branch == found


def test_a_branch_that_is_checked_out_is_not_overwritten_by_the_build(repository: Any) -> None:
    made = collect(repository.folder, {"MODELYARD_BRANCH": "other"}, [], NOW)
    assert made.git is not None
    assert made.git.branch == "main"


def test_a_record_takes_less_than_a_third_of_a_second(repository: Any) -> None:
    for n in range(300):
        repository.write(f"src/{n}.py")
    repository.commit()
    repository.write("model.py", b"changed\n")
    times = []
    for _ in range(3):  # the best of three: other processes share the machine
        start = time.perf_counter()
        collect(repository.folder, {}, [], NOW)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.3

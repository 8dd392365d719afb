"""The environment: every distribution, quickly, and a lock that pip accepts."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from modelyard.provenance.environment import Distribution, Environment, environment, installed


def install(folder: Path, name: str, version: str, *, kind: str = "dist-info", origin: object = None) -> Path:
    made = folder / f"{name}-{version}.{kind}"
    made.mkdir(parents=True)
    file = {"dist-info": "METADATA", "egg-info": "PKG-INFO"}[kind]
    (made / file).write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: x\n\nName: not-this\n")
    if origin is not None:
        (made / "direct_url.json").write_text(json.dumps(origin))
    return made


def test_the_installed_distributions_are_those_of_importlib() -> None:
    expected: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        expected.setdefault(canonicalize_name(distribution.name), distribution.version)
    assert {d.name: d.version for d in environment().distributions} == expected
    assert [d.name for d in environment().distributions] == sorted(expected)


def test_the_first_on_the_path_wins_as_it_does_in_an_import(tmp_path: Path) -> None:
    install(tmp_path / "a", "Foo.Bar", "2.0")
    install(tmp_path / "b", "foo_bar", "1.0")
    install(tmp_path / "b", "old", "0.1", kind="egg-info")
    found = installed((str(tmp_path / "a"), str(tmp_path / "missing"), str(tmp_path / "b")))
    assert found == (Distribution("foo-bar", "2.0"), Distribution("old", "0.1"))


@pytest.mark.parametrize(
    ("origin", "line"),
    [
        (None, "thing==1.0"),
        (
            {"url": "https://me:pw@h/r.git", "vcs_info": {"vcs": "git", "commit_id": "abc123"}},
            "thing @ git+https://h/r.git@abc123",
        ),
        ({"url": "https://h/thing-1.0.whl", "archive_info": {}}, "thing @ https://h/thing-1.0.whl"),
        (
            {"url": "file:///src/thing", "dir_info": {"editable": True}},
            "# thing==1.0 was installed as editable from file:///src/thing",
        ),
        ({"url": 3}, "thing==1.0"),
        ("not an object", "thing==1.0"),
    ],
)
def test_where_a_distribution_came_from_decides_its_line_in_the_lock(tmp_path: Path, origin: object, line: str) -> None:
    install(tmp_path, "thing", "1.0", origin=origin)
    (distribution,) = installed((str(tmp_path),))
    assert distribution.requirement() == line
    assert Distribution.from_json(json.loads(json.dumps(distribution.to_json()))) == distribution


def test_damaged_metadata_falls_back_on_the_folders_name(tmp_path: Path) -> None:
    made = install(tmp_path, "half", "1.5")
    (made / "METADATA").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "nothing.dist-info").mkdir()
    assert installed((str(tmp_path),)) == (Distribution("half", "1.5"),)


def test_a_zip_on_the_path_is_looked_into(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "app.zip", "w") as packed:
        packed.writestr("Inside-3.1.dist-info/METADATA", "Metadata-Version: 2.1\nName: Inside\nVersion: 3.1\n")
    assert installed((str(tmp_path / "app.zip"),)) == (Distribution("inside", "3.1"),)


def test_three_hundred_distributions_are_read_in_a_tenth_of_a_second(tmp_path: Path) -> None:
    for n in range(300):
        install(tmp_path, f"package{n}", "1.0")
    times = []
    for _ in range(5):  # the best of five: other processes share the machine
        start = time.perf_counter()
        assert len(installed((str(tmp_path),))) == 300
        times.append(time.perf_counter() - start)
    assert min(times) < 0.1


def test_the_lock_holds_one_valid_line_a_distribution() -> None:
    found = environment()
    lines = found.requirements().splitlines()
    pinned = [Requirement(line) for line in lines if not line.startswith("#")]
    comments = [line for line in lines[1:] if line.startswith("#")]
    assert len(pinned) + len(comments) == len(found.distributions)


@pytest.mark.slow
def test_pip_reads_the_lock_and_finds_it_satisfied(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text(environment().requirements())
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--no-index", "-r", str(lock)]
    environ = {**os.environ, "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)
    assert done.returncode == 0, done.stderr
    assert "Would install" not in done.stdout


def test_the_interpreter_and_the_machine_are_named_and_come_back_from_the_document() -> None:
    found = environment()
    assert found.python == ".".join(map(str, sys.version_info[:3]))
    assert (found.system, found.machine) == (os.uname().sysname, os.uname().machine)
    assert Environment.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_the_environment_is_measured_once() -> None:
    assert environment() is environment()

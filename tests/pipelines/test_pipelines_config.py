"""modelyard.toml: what it may say, and that each mistake is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelyard.core.errors import InvalidConfig
from modelyard.pipelines import Project, find_project, read_project

FULL = """
[project]
model = "flights-delay"
[stages.build]
command = "python model.py --build 'two words'"
timeout = 600
env = { OMP_NUM_THREADS = "2" }
[stages.check-data]
command = ["python", "check.py"]
[stages.test]
command = "python model.py --test"
needs = ["build", "check-data"]
[gates]
production = ["metrics.auc >= 0.65", "provenance.git.dirty == false"]
[deployment]
port = 8080
[deployment.rollout]
steps = [0.1, 0.5]
[yard]
path = "yard"
"""


def read(folder: Path, text: str) -> Project:
    file = folder / "modelyard.toml"
    file.write_text(text)
    return read_project(file)


def test_a_full_file_is_read_as_values(tmp_path: Path) -> None:
    project = read(tmp_path, FULL)
    build, data, test = project.stages
    assert (build.name, build.command) == ("build", ("python", "model.py", "--build", "two words"))
    assert (build.timeout, build.env, build.needs) == (600.0, {"OMP_NUM_THREADS": "2"}, ())
    assert (data.name, data.command, data.timeout) == ("check-data", ("python", "check.py"), None)
    assert test.needs == ("build", "check-data")
    assert project.model == "flights-delay"
    assert project.gates == {"production": ("metrics.auc >= 0.65", "provenance.git.dirty == false")}
    assert project.deployment == {"port": 8080, "rollout": {"steps": [0.1, 0.5]}}
    assert (project.folder, project.yard) == (tmp_path, tmp_path / "yard")


def test_an_empty_file_beside_a_model_has_the_conventional_stages(tmp_path: Path) -> None:
    (tmp_path / "model.py").touch()
    assert [stage.name for stage in read(tmp_path, "").stages] == ["build", "test", "deploy"]


def test_a_model_alone_is_a_project_by_convention(tmp_path: Path) -> None:
    (tmp_path / "model.py").touch()
    project = find_project(tmp_path)
    assert project is not None
    assert [stage.command for stage in project.stages] == [
        ("python", "model.py", "--build"),
        ("python", "model.py", "--test"),
        ("python", "model.py", "--deploy"),
    ]
    assert [stage.needs for stage in project.stages] == [(), ("build",), ("build", "test")]


def test_a_project_is_found_from_below_and_the_file_wins_over_the_convention(tmp_path: Path) -> None:
    (tmp_path / "modelyard.toml").write_text('[project]\nmodel = "m"\n')
    below = tmp_path / "src" / "deep"
    below.mkdir(parents=True)
    (below / "model.py").touch()
    project = find_project(below)
    assert project is not None
    assert (project.model, project.folder) == ("m", tmp_path)


def test_a_folder_without_either_has_no_project(tmp_path: Path) -> None:
    assert find_project(tmp_path) is None


COMMAND = 'command = "x"\n'

MISTAKES = {
    "not TOML": ("[project\n", "it is not TOML"),
    "unknown table": ("[stage.build]\n", "stage is not a key (did you mean 'stages'?)"),
    "unknown project key": ('[project]\nmodle = "m"\n', "project.modle is not a key (did you mean 'model'?)"),
    "unknown stage key": (
        '[stages.build]\ncomand = "x"\n',
        "stages.build.comand is not a key (did you mean 'command'?)",
    ),
    "no command": ("[stages.build]\n", "stages.build has no command"),
    "empty command": ('[stages.build]\ncommand = " "\n', "stages.build.command is empty"),
    "open quote": ('[stages.build]\ncommand = "echo \'x"\n', "stages.build.command cannot be split into words"),
    "zero byte": ('[stages.build]\ncommand = "a\\u0000b"\n', "stages.build.command holds a zero byte"),
    "number in command": ("[stages.build]\ncommand = [1]\n", "stages.build.command[0] is a number, not text"),
    "stage is text": ('[stages]\nbuild = "x"\n', "stages.build is text, not a table"),
    "stages is a list": ("stages = []\n", "stages is a list, not a table"),
    "stage's name": (f'[stages."../x"]\n{COMMAND}', "stages.../x: a stage's name"),
    "timeout is text": (f'[stages.build]\n{COMMAND}timeout = "5"\n', "stages.build.timeout is text, not a number"),
    "timeout is true": (f"[stages.build]\n{COMMAND}timeout = true\n", "stages.build.timeout is true or false"),
    "timeout is zero": (f"[stages.build]\n{COMMAND}timeout = 0\n", "stages.build.timeout is 0"),
    "timeout is not finite": (f"[stages.build]\n{COMMAND}timeout = nan\n", "stages.build.timeout is nan"),
    "env value": (f"[stages.build]\n{COMMAND}env = {{ N = 2 }}\n", "stages.build.env.N is a number, not text"),
    "env name": (f'[stages.build]\n{COMMAND}env = {{ "a b" = "2" }}\n', "stages.build.env.a b is no name"),
    "needs is text": (f'[stages.build]\n{COMMAND}needs = "x"\n', "stages.build.needs is text, not a list"),
    "unknown need": (
        f'[stages.build]\n{COMMAND}[stages.test]\n{COMMAND}needs = ["buidl"]\n',
        "stages.test.needs names 'buidl', which is no stage (did you mean 'build'?)",
    ),
    "unknown need of the convention": (
        f'[stages.test]\n{COMMAND}needs = ["build"]\n',
        "names 'build', which is no stage",
    ),
    "circle": (
        f'[stages.a]\n{COMMAND}needs = ["b"]\n[stages.b]\n{COMMAND}needs = ["c"]\n[stages.c]\n{COMMAND}needs = ["b"]\n',
        "stages.b.needs leads back to itself: b -> c -> b",
    ),
    "model's name": ('[project]\nmodel = "a/b"\n', "project.model: name 'a/b' is not usable"),
    "model is a number": ("[project]\nmodel = 3\n", "project.model is a number, not text"),
    "gate's alias": ('[project]\nmodel = "m"\n[gates]\nv1 = ["number > 1"]\n', "gates.v1: alias 'v1' is not usable"),
    "gate is text": ('[project]\nmodel = "m"\n[gates]\nproduction = "x"\n', "gates.production is text, not a list"),
    "gate cannot be read": (
        '[project]\nmodel = "m"\n[gates]\nproduction = ["auc >"]\n',
        "gates.production: gate 'auc >'",
    ),
    "gates without a model": (
        '[gates]\nproduction = ["metrics.auc > 0.5"]\n',
        "gates are set, but not for which model",
    ),
    "policies without a model": (
        "[policy.production]\napprovals = 1\n",
        "policies are set, but not for which model",
    ),
    "policy's key": (
        '[project]\nmodel = "m"\n[policy.production]\napprovls = 1\n',
        "policy.production.approvls is not a key (did you mean 'approvals'?)",
    ),
    "policy's alias": ('[project]\nmodel = "m"\n[policy.latest]\napprovals = 1\n', "policy.latest: alias 'latest'"),
    "gates twice": (
        '[project]\nmodel = "m"\n[policy.p]\napprovals = 1\n[gates]\np = ["number > 1"]\n',
        "gates.p and policy.p are both there",
    ),
    "deployment is a number": ("deployment = 3\n", "deployment is a number, not a table"),
    "yard's key": ("[yard]\nurl = 'x'\n", "yard.url is not a key; there are path"),
    "yard is a date": ("[yard]\npath = 2026-03-01\n", "yard.path is a time, not text"),
}


@pytest.mark.parametrize(("text", "problem"), MISTAKES.values(), ids=MISTAKES)
def test_each_mistake_is_one_line_that_names_the_file_and_the_key(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'modelyard.toml'}: ")
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_text_or_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "modelyard.toml").write_bytes(b"a = '\xff'\n")
    with pytest.raises(InvalidConfig, match="not UTF-8 at byte 5"):
        read_project(tmp_path / "modelyard.toml")
    with pytest.raises(InvalidConfig, match="cannot be read"):
        read_project(tmp_path / "missing.toml")

"""The command line as a person and as a script meet it: in process, through the same entry as the program."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from modelyard import Workspace
from modelyard.cli import app, main


def _commands() -> list[str]:
    """Every command, those in groups too: ``register``, ``policy set`` …"""
    root = typer.main.get_command(app.build())
    found: list[str] = []
    for name, command in sorted(root.commands.items()):  # type: ignore[attr-defined]
        within = getattr(command, "commands", None)
        found += [name] if within is None else [f"{name} {each}" for each in sorted(within)]
    return found


class Shell:
    """Runs commands in the test's folder and remembers what was said."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self, line: str, *more: str) -> int:
        self._capsys.readouterr()
        code = main([*line.split(), *more])
        self.out, self.err = self._capsys.readouterr()
        return code

    def json(self, line: str, *more: str) -> Any:
        assert self(line, *more, "--json") == 0, self.err
        return json.loads(self.out)

    def fails(self, code: int, line: str, *more: str) -> str:
        assert self(line, *more) == code, (self.out, self.err)
        assert self.out == ""
        assert self.err.startswith("modelyard: ")
        assert self.err.count("\n") == 1, "an error is one line"
        assert "Traceback" not in self.err
        return self.err


@pytest.fixture
def sh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.joblib").write_bytes(b"weights")
    shell = Shell(capsys)
    assert shell("init") == 0
    return shell


def test_register_prints_the_reference_and_the_digest(sh: Shell) -> None:
    assert sh("register fraud model.joblib --tag build_number=20190809.2 --label 1.0 --metric auc=0.93") == 0
    model = Workspace().model("fraud/1")
    assert sh.out == f"fraud/1 {model.digest}\n"
    assert (model.label, model.tags, model.metrics) == ("1.0", {"build_number": "20190809.2"}, {"auc": 0.93})


def test_json_uses_the_names_of_the_python_attributes(sh: Shell) -> None:
    made = sh.json("register fraud model.joblib --tag a=1")
    model = Workspace().model("fraud")
    for name in (
        "name",
        "version",
        "id",
        "label",
        "digest",
        "tags",
        "properties",
        "metrics",
        "description",
        "created_by",
    ):
        assert made[name] == getattr(model, name), name
    assert [row["reference"] for row in sh.json("list")] == ["fraud/1"]
    shown = sh.json("show fraud/1")
    assert shown["files"][0]["path"] == "model.joblib"
    assert shown["provenance"]["environment"]["python"]
    assert sh.json("tag fraud/1 b=2 --remove a")["tags"] == {"b": "2"}
    assert sh.json("promote fraud/1")["after"] == 1
    assert [row["action"] for row in sh.json("history fraud@production")] == ["alias.move"]
    assert sh.json("check --read")["whole"] is True
    assert sh.json("snapshot model.joblib --name data")["name"] == "data"
    assert [row["name"] for row in sh.json("list --datasets")] == ["data"]
    assert Path(sh.json("get fraud@production out")["path"]).read_bytes() == b"weights"


def test_the_ci_build_is_found_by_itself(sh: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JENKINS_URL", "https://ci.example.org/")
    monkeypatch.setenv("BUILD_NUMBER", "42")
    monkeypatch.setenv("BUILD_URL", "https://ci.example.org/job/fraud/42/")
    sh("register fraud model.joblib")
    build = sh.json("show fraud")["provenance"]["build"]
    assert (build["system"], build["number"], build["url"]) == ("jenkins", "42", "https://ci.example.org/job/fraud/42/")


def test_promote_and_rollback_say_what_moved(sh: Shell) -> None:
    for _ in range(2):
        sh("register fraud model.joblib")
    sh("promote fraud/1 --reason first")
    assert "nowhere -> version 1" in sh.out
    sh("promote fraud/2 --expected 1")
    assert "version 1 -> version 2" in sh.out
    sh("promote fraud/2")
    assert "already" in sh.out
    assert "is at version 2, not at version 1" in sh.fails(1, "promote fraud/1 --expected 1")
    sh("rollback fraud@production --reason bad")
    assert "version 2 -> version 1" in sh.out
    sh("history fraud@production")
    assert [word in sh.out for word in ("first", "bad", "1 -> 2", "2 -> 1")] == [True] * 4


@pytest.mark.parametrize(
    ("code", "line", "told"),
    [
        (2, "register fraud nowhere.bin", "does not exist"),
        (2, "register fraud empty", "no files"),
        (2, "register a/b model.joblib", "'/' cannot stand in it"),
        (2, "register .. model.joblib", "cannot stand"),
        (2, "register fraud model.joblib --tag =x", "build_number=42"),
        (2, "register fraud model.joblib --metric auc=high", "not a finite number"),
        (2, "register fraud", "--help"),
        (2, "frobnicate", "--help"),
        (2, "list --frobnicate", "--help"),
        (2, "promote fraud@production --to latest", "reserved"),
        (2, "rollback fraud", "a rollback moves an alias"),
        (2, "show fraud/x", "not a version number"),
        (2, "show fraud@production --at yesterday-ish", "is not a time"),
        (2, "--yard https://example.org list", "not supported"),
        (2, "history --limit 99999999999999999999", "--limit"),
        (2, "rollback fraud@production --to 99999999999999999999", "--to"),
        (2, "promote fraud/1 --expected ²", "not usable"),
        (2, "show fraud@production --at 99999999999h_ago", "is not a time"),
        (2, "register fraud model.joblib --tag a=\udcff", "not valid UTF-8"),
        (1, "show nothing", "no model 'nothing'"),
        (1, "show froud", "did you mean 'fraud'"),
        (1, "show fraud/9", "no version 9; it has version 1"),
        (1, "show fraud@production", "no alias 'production'"),
        (1, "show fraud:9.9", "no version labelled '9.9'"),
        (1, "register fraud model.joblib --label 1.0", "already belongs to version 1"),
        (1, "rollback fraud@production", "no alias 'production'"),
        (1, "--yard nowhere list", "modelyard init"),
        (1, "get fraud .", "already exists"),
        (1, "run", "no project"),
    ],
)
def test_each_mistake_is_one_line_with_an_exit_code_and_changes_nothing(
    sh: Shell, tmp_path: Path, code: int, line: str, told: str
) -> None:
    (tmp_path / "empty").mkdir()
    sh("register fraud model.joblib --label 1.0")
    before = [row.sequence for row in Workspace().history()]
    assert told in sh.fails(code, line)
    assert [row.sequence for row in Workspace().history()] == before


@pytest.mark.parametrize("name", ["x" * 300, "a\x1b[31mb", "a\nb"])
def test_a_hostile_name_does_not_reach_the_terminal_as_it_is(sh: Shell, name: str) -> None:
    assert sh.fails(2, "register", name, "model.joblib")[:-1].isprintable()


def test_without_a_command_the_help_is_shown(sh: Shell) -> None:
    assert sh("") == 0
    assert "Versions:" in sh.out


def _damage(root: Path, content: bytes) -> None:
    """Turns a bit of the only pack that has these bytes as they are."""
    (pack,) = [path for path in (root / ".modelyard/store/packs").iterdir() if content in path.read_bytes()]
    pack.chmod(0o600)
    pack.write_bytes(pack.read_bytes().replace(content, bytes([content[0] ^ 1]) + content[1:]))


def test_check_says_which_version_is_damaged_and_exits_with_1(sh: Shell, tmp_path: Path) -> None:
    sh("register fraud model.joblib")
    _damage(tmp_path, b"weights")
    assert sh("check") == 0
    assert sh("check --read") == 1
    assert "damaged: model fraud/1: model.joblib: 7 bytes at offset 0 are damaged (pack " in sh.out
    assert "next: modelyard repair" in sh.out
    assert sh("check --read --json") == 1
    (hurt,) = json.loads(sh.out)["hurt"]
    assert (hurt["version"], hurt["file"], hurt["offset"], hurt["length"]) == ("model fraud/1", "model.joblib", 0, 7)


def test_repair_says_what_it_would_do_then_does_it_and_exits_with_1_while_anything_is_hurt(
    sh: Shell, tmp_path: Path
) -> None:
    sh("register fraud model.joblib")
    assert sh("repair") == 0
    assert sh.out == "nothing to repair: every byte is as it was written\n"
    _damage(tmp_path, b"weights")
    assert sh("repair") == 1
    assert "still hurt: model fraud/1: model.joblib: 7 bytes at offset 0 are damaged" in sh.out
    assert "looked in: the cache; next: modelyard repair --from ANOTHER_YARD_OR_FILE" in sh.out
    assert sh("repair --from model.joblib --dry-run") == 0
    assert "model fraud/1: model.joblib: 7 bytes at offset 0 would come from model.joblib" in sh.out
    assert sh("check --read") == 1
    assert sh.json("repair --from model.joblib")["healed"][0]["source"] == "model.joblib"
    assert sh("check --read") == 0
    sh.fails(2, "repair --from nowhere")


def test_rebuild_index_says_what_was_new(sh: Shell, tmp_path: Path) -> None:
    sh("register fraud model.joblib")
    for segment in (tmp_path / ".modelyard/store/index").iterdir():
        segment.unlink()
    assert sh("check") == 1
    assert "a segment of the index is missing" in sh.out
    assert sh.json("rebuild-index --dry-run")["new"] > 0
    assert sh("rebuild-index") == 0
    assert "of 1 packs; " in sh.out
    assert " 0 new, 0 gone" not in sh.out
    assert sh("rebuild-index") == 0
    assert " 0 new, 0 gone" in sh.out
    assert sh("check --read") == 0


def test_a_pipeline_runs_and_a_failed_stage_is_exit_code_1(sh: Shell, tmp_path: Path) -> None:
    (tmp_path / "modelyard.toml").write_text(
        "[stages.build]\ncommand = \"python -c 'print(6 * 7)'\"\n[stages.test]\ncommand = \"python -c 'raise SystemExit(3)'\"\n"
    )
    assert sh("run build") == 0
    assert "build | 42" in sh.out
    assert sh("run") == 1
    assert "stage 'test' failed with exit code 3" in sh.err


@pytest.mark.parametrize("command", _commands())
def test_every_command_teaches_by_help_with_an_example(sh: Shell, command: str) -> None:
    assert sh(f"{command} --help") == 0
    assert "Example: modelyard" in " ".join(sh.out.split())


def test_help_and_version_load_neither_the_database_nor_numpy() -> None:
    code = "import sys; from modelyard.cli import main; main(['--help']); main(['register', '--help']); "
    code += "print(sorted({'sqlalchemy', 'numpy', 'pandas', 'starlette', 'rich'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ})
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_a_reader_that_goes_away_is_no_error(sh: Shell, tmp_path: Path) -> None:
    for _ in range(3):
        sh("register fraud model.joblib")
    command = f"{sys.executable} -m modelyard history --json | head -c 10"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, cwd=tmp_path)
    assert "Traceback" not in done.stderr


def test_shell_completion_is_there(sh: Shell) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "modelyard", "--show-completion", "bash"], capture_output=True, text=True, check=False
    )
    assert "complete" in done.stdout + done.stderr


def test_all_commands_of_a_project_look_at_the_same_yard(
    sh: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = "import os; print('yard is', os.environ['MODELYARD_URL'])"
    (tmp_path / "modelyard.toml").write_text(
        f'[yard]\npath = "own"\n[stages.build]\ncommand = ["python", "-c", "{stage}"]\n'
    )
    places = {"own": tmp_path / "own", "env": tmp_path / "env", "asked": tmp_path / "asked"}
    for label, place in places.items():
        assert sh(f"init {place}") == 0
        Workspace(place).register(label, tmp_path / "model.joblib")
    inside = tmp_path / "deep" / "folder"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)

    def seen(*options: str) -> None:
        where = options[-1].split("/")[-1] if options else ("env" if os.environ.get("MODELYARD_URL") else "own")
        assert [row["reference"] for row in sh.json(" ".join([*options, "list"]))] == [f"{where}/1"]
        assert sh(" ".join([*options, "run build"])) == 0
        assert f"yard is {places[where] / '.modelyard'}\n" in sh.out

    seen()
    monkeypatch.setenv("MODELYARD_URL", str(places["env"]))
    seen()
    seen("--yard", str(places["asked"]))


def test_a_gate_that_the_project_no_longer_names_is_told_by_each_run_until_it_is_cleared(
    sh: Shell, tmp_path: Path
) -> None:
    project = tmp_path / "modelyard.toml"
    head = '[project]\nmodel = "fraud"\n[stages.build]\ncommand = "true"\n[gates]\nproduction = ["metrics.auc > 0.6"]\n'
    project.write_text(head + 'staging = ["metrics.auc > 0.5"]\n')
    assert sh("run") == 0
    assert sh.err == ""
    project.write_text(head)
    for _ in range(2):
        assert sh("run") == 0
        assert "fraud@staging has gates that modelyard.toml does not name (metrics.auc > 0.5); they stay" in sh.err
        assert sh.err.count("\n") == 1
    project.write_text(head + "staging = []\n")
    assert sh("run") == 0
    assert Workspace().gates("fraud", "staging") == []
    project.write_text(head)
    assert sh("run") == 0
    assert sh.err == ""


def test_an_interrupt_while_a_rollout_is_followed_says_that_it_goes_on(
    sh: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Followed:
        name = "fraud"
        rollout = SimpleNamespace(active=True)

        def watch(self) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr("modelyard.deployments.deploy", lambda *_, **__: Followed(), raising=False)
    told = sh.fails(130, "deploy fraud/2")
    assert told == "modelyard: interrupted; the rollout goes on; see: modelyard rollout fraud\n"


def test_any_other_interrupt_claims_nothing(sh: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("modelyard.deployments.deploy", interrupted, raising=False)
    assert sh("deploy fraud/2") == 130
    assert sh.err.strip() == "modelyard: interrupted"


def test_times_are_shown_with_their_zone_wherever_one_is(sh: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sh("register fraud model.joblib") == 0
    made = Workspace().model("fraud").created_time
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        for command in ("show fraud", "history"):
            assert sh(command) == 0
            assert f"{made:%Y-%m-%d %H:%M:%S}Z" in " ".join(sh.out.split())
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()


def test_the_help_lists_every_command_once_and_under_a_heading(capsys) -> None:
    main(["--help"])
    out = capsys.readouterr().out
    root = typer.main.get_command(app.build())
    listed = re.findall(r"^  ([a-z-]+)  +[A-Z]", out[out.index("First steps:") :], re.MULTILINE)
    assert sorted(listed) == sorted(root.commands)
    assert "\nCommands:" not in out
    assert [line for line in out.splitlines() if line.endswith(":") and not line.startswith(" ")] == [
        "Options:",
        *(f"{title}:" for title in app.SECTIONS),
    ]

"""What becomes of versions, and their history, on the command line."""

import json
import shutil
from pathlib import Path

import pytest
from test_cli_commands import Shell

from modelyard import Workspace

SAMPLES = Path(__file__).parent.parent / "registry" / "samples"


@pytest.fixture
def sh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODELYARD_USER", "ana")
    (tmp_path / "model.joblib").write_bytes(b"weights")
    shell = Shell(capsys)
    for line in ("init", "register fraud model.joblib --label 1.0", "register fraud model.joblib --tag a=b"):
        assert shell(line) == 0
    return shell


def test_a_delete_is_refused_with_who_is_in_the_way_and_done_when_nobody_is(sh: Shell) -> None:
    assert sh("promote fraud/1") == 0
    assert "it is used by the alias fraud@production" in sh.fails(1, "delete fraud/1")
    assert sh("unalias fraud@production --expected 1 --reason over") == 0
    assert sh.out == "fraud@production: version 1 -> nowhere (ledger row 5)\n"
    assert sh("delete fraud/1 --reason wrong") == 0
    assert sh.out.splitlines() == ["fraud/1 deleted", "for 30 days: modelyard restore fraud/1"]
    assert "bring it back with: modelyard restore fraud/1" in sh.fails(1, "show fraud/1")
    assert sh("restore fraud/1") == 0
    assert sh("show fraud:1.0") == 0


def test_a_bare_name_needs_all(sh: Shell) -> None:
    assert "say which version, or mean all of them with --all" in sh.fails(2, "delete fraud")
    assert sh.json("delete fraud --all") == {"asked": "fraud", "deleted": ["fraud/1", "fraud/2"]}
    assert "modelyard restore fraud --all" in sh.fails(1, "show fraud")
    assert sh.json("restore fraud --all") == {"asked": "fraud", "restored": ["fraud/1", "fraud/2"]}


def test_gc_says_whose_bytes_it_gives_up(sh: Shell) -> None:
    assert sh("delete fraud/2") == 0
    assert sh("gc --dry-run --deleted-for 0") == 0
    assert "would give up for good: model fraud/2" in sh.out
    assert sh.json("gc --deleted-for 0")["purged"] == ["model fraud/2"]
    assert sh("check --read") == 0


def test_labels_descriptions_cards_and_metrics(sh: Shell, tmp_path: Path) -> None:
    (tmp_path / "CARD.md").write_text("# Fraud\n\nNo weekends.\n")
    assert sh("label fraud/2 2.0") == 0
    assert "already has the label '1.0'" in sh.fails(1, "label fraud/1 2.0")
    assert sh("describe fraud/2", "retrained", "--card", "CARD.md") == 0
    assert sh("describe fraud/2") == 0
    assert sh.out == "# Fraud\n\nNo weekends.\n\n"
    assert "there is nothing to read at nope.md" in sh.fails(2, "describe fraud/2 --card nope.md")
    assert sh("metrics fraud/2 auc=0.9 --on flights/1 --step 3") == 0
    found = sh.json("metrics fraud/2")
    assert [(m["key"], m["value"], m["step"], m["dataset"]) for m in found] == [("auc", 0.9, 3, "flights/1")]


def test_blame_names_who_set_what(sh: Shell) -> None:
    told = {each["field"]: (each["value"], each["row"]["actor"]) for each in sh.json("blame fraud/2")}
    assert told["tags.a"] == ("b", "ana")
    assert "nothing says 'tags.x' of fraud/2" in sh.fails(1, "blame fraud/2 tags.x")


def test_the_past_of_a_deployment_can_be_asked(sh: Shell) -> None:
    from modelyard.core.names import ModelName
    from modelyard.deployments import records
    from modelyard.deployments.config import DeploymentConfig

    assert sh("promote fraud/2") == 0
    ws = Workspace()
    records.create_deployment(ws.registry, ModelName("live"), ModelName("fraud"), DeploymentConfig())
    (then,) = sh.json("status --at now")
    assert (then["name"], then["model"], then["version"], then["state"]) == ("live", "fraud", 2, "running")
    assert sh.json("status --at 2020-01-01") == []
    assert "none of that name at 2020-01-01" in sh.fails(1, "status live --at 2020-01-01")


def test_a_head_of_the_ledger_is_noted_and_held_against_it(sh: Shell, tmp_path: Path) -> None:
    assert sh("ledger head -o head.json") == 0
    assert sh("tag fraud/1 x=y") == 0
    assert sh("ledger verify head.json") == 0
    assert sh.out == "rows 1 to 3 are those that were noted\n"
    assert sh("check --ledger") == 0
    assert sh.out == "4 ledger rows, 0 problems\n"
    noted = json.loads((tmp_path / "head.json").read_text())
    (tmp_path / "head.json").write_text(json.dumps({**noted, "hash": "0" * 64}))
    assert "somebody changed history" in sh.fails(1, "ledger verify head.json")


def test_an_old_yard_says_what_to_run_and_then_works(sh: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "old" / ".modelyard"
    folder.mkdir(parents=True)
    shutil.copy(SAMPLES / "registry-0001.db", folder / "registry.db")
    (folder / "yard.toml").write_text('format = 2\nid = "1f0a"\n')
    assert "run: modelyard upgrade" in sh.fails(1, "--yard old list")
    assert sh.json("--yard old upgrade --dry-run")["steps"] == ["0002"]
    assert sh("--yard old upgrade") == 0
    assert "registry.db.before-0002" in sh.out
    assert sh("--yard old upgrade") == 0
    assert sh.out == "the database has schema 0002, the newest; nothing to do\n"
    assert sh("--yard old list fraud") == 0


@pytest.mark.parametrize("word", ["archive", "delete", "restore", "unalias", "label", "describe", "metrics", "blame"])
def test_what_is_not_there_is_said_in_one_line(sh: Shell, word: str) -> None:
    line = {"label": "label nope/1 x", "unalias": "unalias nope@x"}.get(word, f"{word} nope/1")
    assert "there is no model 'nope' in this yard" in sh.fails(1, line)

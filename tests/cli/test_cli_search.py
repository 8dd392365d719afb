"""``modelyard search``: tables, JSON, pages, and mistakes that are pointed at."""

import json
from pathlib import Path
from typing import Any

import pytest

from modelyard import Workspace
from modelyard.cli import main
from modelyard.cli.carets import pointed
from modelyard.core.errors import InvalidFilter, InvalidGate


class Shell:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self, *words: str) -> int:
        self._capsys.readouterr()
        code = main(["search", *words])
        self.out, self.err = self._capsys.readouterr()
        return code

    def json(self, *words: str) -> Any:
        assert self(*words, "--json") == 0, self.err
        return json.loads(self.out)


@pytest.fixture
def sh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.chdir(tmp_path)
    ws = Workspace(tmp_path / "yard", actor="ana")
    monkeypatch.setenv("MODELYARD_URL", str(tmp_path / "yard"))
    (tmp_path / "f").write_text("x")
    ws.register("fraud", "f", tags={"type": "x"}, metrics={"auc": 0.5}, label="1.0")
    ws.register("fraud", "f", tags={"type": "y"}, metrics={"auc": 0.9})
    ws.snapshot("f", "flights")
    ws.promote("fraud/2", to="production", reason="better")
    return Shell(capsys)


def test_versions_models_data_sets_and_the_ledger_are_found(sh: Shell) -> None:
    assert sh("metrics.auc > 0.6") == 0
    assert sh.out.split()[:8] == ["name", "version", "label", "aliases", "metrics", "size", "created", "tags"]
    assert "production" in sh.out
    assert "type=y" in sh.out
    assert "type=x" not in sh.out
    assert [item["reference"] for item in sh.json("", "--order", "metrics.auc")["items"]] == ["fraud/1", "fraud/2"]
    assert [item["name"] for item in sh.json("latest = 2", "--of", "models")["items"]] == ["fraud"]
    assert [item["name"] for item in sh.json("--of", "datasets")["items"]] == ["flights"]
    assert [item["reference"] for item in sh.json("", "--of", "dataset_versions")["items"]] == ["flights/1"]
    assert [item["reason"] for item in sh.json("action = 'alias.move'", "--of", "ledger")["items"]] == ["better"]
    for of, word in [
        ("models", "fraud"),
        ("datasets", "flights"),
        ("dataset_versions", "flights"),
        ("ledger", "alias.move"),
    ]:
        assert sh("", "--of", of) == 0
        assert word in sh.out
    assert sh("name = 'nobody'") == 0
    assert sh.out == "nothing was found\n"


def test_a_page_says_how_to_go_on(sh: Shell) -> None:
    assert sh("", "--limit", "1") == 0
    token = sh.err.removeprefix("there is more; go on with: --page ").strip()
    assert sh("", "--limit", "1", "--page", token) == 0
    assert (sh.err, "1.0" in sh.out) == ("", True)
    page = sh.json("", "--limit", "1")
    assert [item["version"] for item in sh.json("", "--limit", "1", "--page", page["next_page"])["items"]] == [1]
    assert sh("name = 'fraud'", "--page", token) == 2
    assert "another search" in sh.err


def test_how_many_there_are_is_counted(sh: Shell) -> None:
    assert sh("name = 'fraud'", "--count") == 0
    assert sh.out == "2\n"
    assert sh.json("tags.type = 'x'", "--count") == {"count": 1}


def test_a_version_whose_bytes_are_gone_is_still_found(sh: Shell, tmp_path: Path) -> None:
    Workspace(tmp_path / "yard").registry.change_state(Workspace(tmp_path / "yard").model("fraud/1").row, "delete")
    for file in (tmp_path / "yard").rglob("*"):
        if file.is_file() and "packs" in file.parts:
            file.unlink()
    assert [item["reference"] for item in sh.json("state = 'deleted'")["items"]] == ["fraud/1"]


def test_a_mistake_is_one_line_and_a_caret_below_its_column(sh: Shell) -> None:
    assert sh("metrics.auc > 0.9 and tags.type = = 'x'") == 2
    first, shown, caret = sh.err.splitlines()
    assert first.startswith("modelyard: filter ")
    assert "at column 35" in first
    assert shown == "  metrics.auc > 0.9 and tags.type = = 'x'"
    assert caret.index("^") == 2 + 34
    assert sh.out == ""
    assert sh("", "--order", "metrics.auc descending") == 2
    assert sh.err.splitlines()[2].index("^") == 2 + 12
    assert sh("", "--limit", "0") == 2
    assert sh("", "--of", "runs") == 2


def test_the_caret_stands_right_in_long_and_odd_expressions() -> None:
    for column in (1, 50, 51, 150, 300, 301):
        text = "".join(chr(ord("a") + place % 26) for place in range(300)).replace("z", "\n")
        shown, caret = pointed(InvalidFilter(expression=text, column=column, problem=""))
        place = caret.index("^")
        assert len(shown) <= 104
        assert (shown + " ")[place] == (text.replace("\n", " ") + " ")[column - 1]
    assert pointed(InvalidGate(expression="x", column=1, problem="")) == []

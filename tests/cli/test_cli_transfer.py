"""``push``, ``pull``, ``mirror`` and ``bundle`` as a person types them."""

import json
from pathlib import Path
from typing import Any

import pytest

from modelyard import Workspace
from modelyard.cli import main


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a yard that has two versions of a model, and an alias."""
    monkeypatch.chdir(tmp_path)
    ws = Workspace(tmp_path, actor="ana")
    for content in ("one", "two"):
        (tmp_path / "model.bin").write_text(content)
        ws.register("fraud", tmp_path / "model.bin", tags={"is": content})
    ws.promote("fraud/2", to="production")
    ws.close()
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    capsys.readouterr()
    assert main(list(words)) == code, capsys.readouterr()
    said = capsys.readouterr()
    return said.out + said.err


def as_json(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    return json.loads(run(capsys, *words, "--json"))


def test_a_push_says_what_comes_and_a_second_one_that_it_is_there(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = run(capsys, "push", "other", "fraud@production", "--dry-run")
    assert "new: model fraud, version 2" in said
    assert "would travel" in said
    assert not (here / "other").exists()
    said = run(capsys, "push", "other", "fraud@production")
    assert "new: model fraud, version 2" in said
    assert "1 new version, 3 ledger rows" in said
    assert "has all of it already" in run(capsys, "push", "other", "fraud@production")
    assert Workspace("other", create=False).model("fraud@production").version == 2


def test_a_mirror_and_a_pull_bring_the_rest(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(capsys, "mirror", "other")
    assert (found["versions"], found["names"][0]["new"]) == (2, [1, 2])
    assert as_json(capsys, "mirror", "other")["nothing"]
    run(capsys, "--yard", "third", "pull", str(here), "fraud/1")
    assert Workspace("third", create=False).model("fraud/1").tags == {"is": "one"}
    run(capsys, "--yard", "third", "pull", str(here), "--all")
    assert Workspace("third", create=False).model("fraud").version == 2


def test_a_bundle_is_made_shown_verified_and_imported(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from modelyard.safety.signing import write_key_pair

    write_key_pair(here / "key.pem", here / "key.pub")
    said = run(capsys, "bundle", "create", "fraud@production", "-o", "f.myb", "--sign", "key.pem")
    assert "production 2" in said
    assert "already exists" in run(capsys, "bundle", "create", "fraud", "-o", "f.myb", code=1)
    run(capsys, "bundle", "create", "fraud", "-o", "f.myb", "--sign", "key.pem", "--force")
    assert "fraud" in run(capsys, "bundle", "show", "f.myb")
    assert "signature  right: sha256:" in run(capsys, "bundle", "verify", "f.myb", "--key", "key.pub")
    said = run(capsys, "--yard", "other", "bundle", "import", "f.myb", "--key", "key.pub")
    assert "1 new version" in said
    assert "has all of it already" in run(capsys, "--yard", "other", "bundle", "import", "f.myb")
    assert "1 version" in run(capsys, "--yard", "other", "bundle", "inventory", "-o", "have.txt")
    found = as_json(capsys, "bundle", "create", "fraud/1", "-o", "g.myb", "--have", "have.txt")
    assert found["contents"] == [{"kind": "model", "name": "fraud", "numbers": [1], "aliases": {}}]
    assert as_json(capsys, "bundle", "show", "g.myb")["id"] == found["id"]


def test_a_conflict_is_shown_by_a_dry_run_and_refused_after(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = Workspace("other", actor="ben")
    (here / "model.bin").write_text("three")
    other.register("fraud", here / "model.bin")
    said = run(capsys, "push", "other", "fraud/1", "--dry-run", code=1)
    assert "conflict: version 1 of model 'fraud' is sha256:" in said
    said = run(capsys, "push", "other", "fraud/1", code=1)
    assert "nothing was changed" in said
    assert "ben" in said


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["push", "other"], 2, "nothing was chosen"),
        (["push", "other", "fraud", "--keep-mine", "--take-theirs"], 2, "not both"),
        (["push", ".", "--all"], 2, "this very yard"),
        (["push", "other", "nothing"], 1, "no model 'nothing'"),
        (["pull", "nowhere", "--all"], 1, "there is no yard"),
        (["push", "https://x.example.org", "--all"], 2, "not supported"),
        (["bundle", "import", "none.myb"], 2, "does not exist"),
        (["bundle", "show", "model.bin"], 2, "is not a bundle"),
        (["bundle", "verify", "."], 2, "is not a bundle"),
        (["bundle", "create", "-o", "f.myb"], 2, "nothing was chosen"),
        (["bundle", "create", "fraud", "-o", "no/f.myb"], 1, "cannot be written"),
        (["bundle", "create", "fraud", "-o", "f.myb", "--since", "model.bin"], 2, "is not a bundle"),
        (["bundle", "create", "fraud", "-o", "f.myb", "--have", "model.bin"], 2, "not an inventory"),
        (["bundle", "create", "fraud", "-o", "f.myb", "--sign", "model.bin"], 2, "key"),
    ],
)
def test_a_wrong_call_gets_one_sentence(
    here: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    found = run(capsys, *words, code=code)
    assert said in found
    assert len(found.strip().splitlines()) == 1
    assert not (here / "f.myb").exists()
    assert not (here / "f.myb.part").exists()

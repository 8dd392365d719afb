"""``modelyard diff`` and ``modelyard show --tensors``."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from layouts_samples import safetensors_of

from modelyard import Workspace
from modelyard.cli import difference, main
from modelyard.profiles.signature import Field, Signature

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _yard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fraud/1 and fraud/2 of thirty tensors, all but one changed, and a configuration."""
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "model"
    source.mkdir()
    ws = Workspace(tmp_path)
    for version in (1, 2):
        arrays: dict[str, tuple[str, Any]] = {
            f"layer.{n}": ("F32", np.full(10, 1 + n * (version - 1), "f4")) for n in range(30)
        }
        arrays |= {"n\x1b[31m": ("F32", np.full(4, np.nan if version == 2 else 1, "f4"))} | {
            f"only{version}": ("I8", np.zeros((), "i1"))
        }
        (source / "model.safetensors").write_bytes(safetensors_of(arrays))
        (source / "config.json").write_text(json.dumps({"lr": version}))
        ws.register(
            "fraud",
            source,
            metrics={"accuracy": 0.9 + version / 100},
            signature=Signature((Field("amount", "number" if version == 1 else "integer"),)),
        )


def _out(capsys: Captured, *words: str) -> str:
    capsys.readouterr()
    assert main(list(words)) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def _fails(capsys: Captured, *words: str) -> str:
    capsys.readouterr()
    assert main(list(words)) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    return err


def test_a_difference_is_shown_the_largest_change_first(capsys: Captured) -> None:
    out = _out(capsys, "diff", "fraud/1", "fraud/2")
    lines = out.splitlines()
    assert lines[0].startswith("fraud/1 -> fraud/2: 30 of 33 tensors changed, relative norm 17")
    rows = [line for line in lines if line.startswith("changed")]
    assert "layer.29" in rows[0]
    assert len(rows) == difference.FEW
    assert "  … and 12 more; see them with --all" in lines
    assert "  accuracy  0.91 -> 0.92 (+0.01)" in lines
    assert "  signature inputs: amount  number -> integer" in lines
    assert "environment" not in out


def test_all_of_it_is_shown_where_asked_for_and_nothing_steers_the_terminal(capsys: Captured) -> None:
    out = _out(capsys, "diff", "fraud/1", "fraud/2", "--all")
    assert "more; see" not in out
    assert "\x1b" not in out
    (told,) = [line for line in out.splitlines() if "n\\x1b[31m" in line]
    assert told.split()[-3:] == ["0", "->", "4"], "elements that are not finite"
    assert [line.split()[:2] for line in out.splitlines() if "only" in line] == [
        ["added", "only2"],
        ["removed", "only1"],
    ]


def test_one_tensor_may_be_chosen(capsys: Captured) -> None:
    out = _out(capsys, "diff", "fraud/1", "fraud/2", "--tensor", "layer.3")
    assert "1 of 1 tensor changed, relative norm 3;" in out
    assert "'nothing'" in _not_found(capsys, "diff", "fraud/1", "fraud/2", "--tensor", "nothing")


def _not_found(capsys: Captured, *words: str) -> str:
    assert main(list(words)) == 1
    return capsys.readouterr().err


def test_texts_are_shown_by_line_where_asked_for(capsys: Captured) -> None:
    assert '{"lr": 1}' not in _out(capsys, "diff", "fraud/1", "fraud/2")
    out = _out(capsys, "diff", "fraud/1", "fraud/2", "--text")
    assert '  -{"lr": 1}\n  +{"lr": 2}\n' in out


def test_json_holds_the_whole_tree(capsys: Captured) -> None:
    found = json.loads(_out(capsys, "diff", "fraud/1", "fraud/2", "--json"))
    assert (found["before"], found["after"]) == ("fraud/1", "fraud/2")
    assert len(found["tensors"]["changed"]) == 30
    assert found["tensors"]["changed"][0]["relative_norm"] == pytest.approx(29)
    assert found["files"]["unchanged"] == 0
    assert found["metrics"]["changed"]["accuracy"]["difference"] == pytest.approx(0.01)


def test_a_version_and_itself_take_one_line(capsys: Captured) -> None:
    assert _out(capsys, "diff", "fraud/2", "fraud") == "fraud/2 is compared with itself: the same bytes\n"


def test_a_data_set_is_asked_for_as_one(capsys: Captured, tmp_path: Path) -> None:
    Workspace(tmp_path).snapshot("model/config.json", "rows")
    assert "'rows' is a data set" in _fails(capsys, "diff", "fraud/1", "rows")
    assert _out(capsys, "diff", "rows", "rows/1", "--dataset").startswith("rows/1 is compared with itself")


def test_show_lists_the_tensors(capsys: Captured) -> None:
    lines = _out(capsys, "show", "fraud/2", "--tensors").splitlines()
    assert lines[0].split() == ["name", "dtype", "shape", "bytes", "file"]
    assert lines[1].split() == ["layer.0", "F32", "10", "40", "model.safetensors"]
    assert any(line.split()[:3] == ["only2", "I8", "scalar"] for line in lines)
    found = json.loads(_out(capsys, "show", "fraud/2", "--tensors", "--json"))
    assert found["tensors"][0] == {
        "name": "layer.0",
        "dtype": "F32",
        "shape": [10],
        "file": "model.safetensors",
        "offset": found["tensors"][0]["offset"],
        "size": 40,
    }
    assert found["reference"] == "fraud/2"
    assert "tensors" not in json.loads(_out(capsys, "show", "fraud/2", "--json"))


def test_show_says_when_no_file_has_tensors(capsys: Captured, tmp_path: Path) -> None:
    Workspace(tmp_path).register("plain", "model/config.json")
    assert "no file of plain/1 is of a format whose tensors are known" in _out(capsys, "show", "plain", "--tensors")

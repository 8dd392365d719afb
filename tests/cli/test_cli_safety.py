"""``scan``, ``sign``, ``verify``, ``keygen``, ``bom`` as people and scripts call them."""

from __future__ import annotations

import json
import pickle
import stat
from pathlib import Path

import pytest
from test_cli_commands import Shell

from modelyard import Workspace
from modelyard.cli import safety

EVIL = b"cos\nsystem\n(Vtouch MARKER\ntR."


@pytest.fixture
def sh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    shell = Shell(capsys)
    assert shell("init") == 0
    Path("model.pkl").write_bytes(pickle.dumps({"a": 1}))
    assert shell("register fraud model.pkl") == 0
    Path("evil.pkl").write_bytes(EVIL)
    assert shell("register evil evil.pkl") == 0
    return shell


def test_a_scan_says_what_it_found_and_leaves_with_1_when_it_is_dangerous(sh: Shell) -> None:
    assert sh("scan fraud") == 0
    assert "fraud/1: safe (1 files, 0 issues" in sh.out
    assert sh("scan evil") == 1
    assert "os.system" in sh.out
    assert "evil/1: dangerous" in sh.out
    assert not Path("MARKER").exists()
    assert sh("scan evil --json") == 1
    found = json.loads(sh.out)
    assert (found["verdict"], found["findings"][0]["global"], found["findings"][0]["file"]) == (
        "dangerous",
        "os.system",
        "evil.pkl",
    )


def test_a_key_is_made_a_version_signed_and_verified(sh: Shell) -> None:
    assert sh("keygen release.pem") == 0
    assert stat.S_IMODE(Path("release.pem").stat().st_mode) == 0o600
    assert sh("sign fraud --key release.pem --output fraud.sig") == 0
    assert sh.out.startswith("fraud/1 signed by key sha256:")
    assert json.loads(Path("fraud.sig").read_bytes())["mediaType"].startswith("application/vnd.dev.sigstore.bundle")
    found = sh.json("verify fraud --key release.pub")
    assert (found["reference"], found["files"], found["not_signed"]) == ("fraud/1", 1, [])
    assert sh("verify fraud --key release.pub --signature fraud.sig") == 0
    Path("modelyard.toml").write_text('[trust]\nkeys = ["release.pub"]\n')
    assert sh("verify fraud --trusted") == 0
    assert sh("verify fraud") == 0
    assert sh("verify fraud --signature fraud.sig") == 0
    assert sh.json("sign fraud --key release.pem")["bundle"]["dsseEnvelope"]


def test_what_cannot_be_verified_is_one_line(sh: Shell) -> None:
    sh("keygen release.pem")
    sh("keygen other.pem")
    assert "has no signature" in sh.fails(1, "verify fraud --key release.pub")
    sh("sign fraud --key other.pem --output other.sig")
    assert "was made with the key" in sh.fails(1, "verify fraud --key release.pub")
    assert "was made with the key" in sh.fails(1, "verify fraud --key release.pub --signature other.sig")
    assert "your trust policy" in sh.fails(1, "verify fraud --trusted")
    assert "evil.pkl was not there when it was signed" in sh.fails(
        1, "verify evil --key other.pub --signature other.sig"
    )
    assert "cannot be used" in sh.fails(2, "sign fraud --key none.pem")
    assert "public key; sign with the private one" in sh.fails(2, "sign fraud --key release.pub")
    assert "does not exist" in sh.fails(2, "verify fraud --key release.pub --signature none.sig")
    assert "not both" in sh.fails(2, "verify fraud --key release.pub --trusted")
    assert "already exists" in sh.fails(1, "keygen release.pem")
    assert "has no 'key'" in _with_policy(sh, '[trust]\nkey = ["release.pub"]\n')


def _with_policy(sh: Shell, text: str) -> str:
    Path("modelyard.toml").write_text(text)
    return sh.fails(2, "verify fraud")


def test_the_password_of_a_key_comes_from_the_environment_or_is_typed(sh: Shell, monkeypatch) -> None:
    monkeypatch.setenv("MODELYARD_KEY_PASSWORD", "secret")
    assert sh("keygen locked.pem") == 0
    assert sh("sign fraud --key locked.pem") == 0
    monkeypatch.setenv("MODELYARD_KEY_PASSWORD", "wrong")
    assert "password does not open" in sh.fails(2, "sign fraud --key locked.pem")
    monkeypatch.delenv("MODELYARD_KEY_PASSWORD")
    assert "MODELYARD_KEY_PASSWORD" in sh.fails(2, "sign fraud --key locked.pem")
    monkeypatch.setattr(safety.sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(safety.typer, "prompt", lambda *_, **options: "secret" if options["hide_input"] else "")
    assert sh("sign fraud --key locked.pem") == 0


def test_a_bom_is_printed_or_written(sh: Shell) -> None:
    assert sh("bom fraud") == 0
    document = json.loads(sh.out)
    assert document["metadata"]["component"]["name"] == "fraud"
    assert sh("bom fraud -o fraud.cdx.json") == 0
    assert json.loads(Path("fraud.cdx.json").read_text()) == document
    sh.fails(1, "bom fraud -o none/fraud.json")


def test_data_sets_are_scanned_signed_and_listed_too(sh: Shell) -> None:
    sh("keygen release.pem")
    assert sh("snapshot model.pkl --name rows") == 0
    for line in ("scan rows", "sign rows --key release.pem", "verify rows --key release.pub", "bom rows"):
        assert sh(f"{line} --dataset") == 0, sh.err
    assert Workspace().dataset("rows").history()[0].after["kind"] == "signature"

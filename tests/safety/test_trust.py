"""Whose models load, through the whole of it: policy, signatures, scans."""

from __future__ import annotations

import json
import pickle
from collections import OrderedDict
from pathlib import Path

import hostile_files
import pytest
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression

from modelyard import Workspace
from modelyard.client import scans
from modelyard.client.registration import card, register_path
from modelyard.core.errors import Dangerous, InvalidConfig, KeyUnusable, Unscanned, Untrusted
from modelyard.registry import reports
from modelyard.safety.signing import write_key_pair
from modelyard.safety.trust import Asked, Scanned, TrustedKey, TrustPolicy, read_policy, require_trusted

SYSTEM = hostile_files.attacks("touch MARKER")["os.system"][1]


class Own(BaseEstimator):
    def fit(self, X, y=None):  # noqa: N803
        return self

    def predict(self, X):  # noqa: N803
        return [0 for _ in X]


@pytest.fixture(autouse=True)
def _forgetful(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No policy but the test's own, and no scan that another test has made."""
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setattr(scans, "_seen", type(scans._seen)())
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)


@pytest.fixture
def shared(ws: Workspace) -> tuple[Workspace, Workspace]:
    """One yard as ana and as ben see it."""
    return ws, Workspace(ws.root, actor="ben")


def trust(text: str) -> None:
    Path("modelyard.toml").write_text(f"[trust]\n{text}\n")


def model() -> LogisticRegression:
    return LogisticRegression().fit([[0], [1]], [0, 1])


def register(ws: Workspace, data: bytes, name: str = "model.pkl", **facts: object):
    (ws.root.parent / name).write_bytes(data)
    flavor = {"name": "files", "file": name, "format": "pickle", "runs_code": True, **facts}
    return ws._model(register_path(ws, "model", card("fraud"), ws.root.parent / name, flavor=flavor))


def test_without_a_policy_only_the_author_loads(shared):
    ana, ben = shared
    ana.save("fraud", model())
    ana.model("fraud").load()
    with pytest.raises(Untrusted):
        ben.model("fraud").load()
    ben.model("fraud").load(trust=True)


def test_an_author_whom_the_policy_names_is_trusted(shared):
    ana, ben = shared
    ana.save("fraud", model())
    trust('authors = ["cleo"]')
    with pytest.raises(Untrusted):
        ben.model("fraud").load()
    trust('authors = ["cleo", "ana"]')
    ben.model("fraud").load()
    with pytest.raises(Untrusted):
        ben.model("fraud").load(trust=False)


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path, str]:
    named = write_key_pair(tmp_path / "release.pem", tmp_path / "release.pub")
    return tmp_path / "release.pem", tmp_path / "release.pub", named


@pytest.mark.parametrize(
    "how", ["project file", "project fingerprint", "user file", "variable", "variable fingerprint"]
)
def test_a_version_that_a_trusted_key_signed_is_trusted(how, shared, keys, monkeypatch):
    ana, ben = shared
    private, public, named = keys
    version = ana.save("fraud", model())
    if how == "project file":
        Path("release.pub").write_bytes(public.read_bytes())
        trust('keys = ["release.pub"]')
    elif how == "project fingerprint":
        trust(f'keys = ["{named}"]')
    elif how == "user file":
        place = Path.home() / ".config" / "modelyard"
        place.mkdir(parents=True)
        (place / "trust.toml").write_text(f'[trust]\nkeys = ["{public}"]\n')
    else:
        monkeypatch.setenv("MODELYARD_TRUSTED_KEYS", str(public) if how == "variable" else f"{named}:{public}")
    with pytest.raises(Untrusted):
        ben.model("fraud").load()
    version.sign(private)
    ben.model("fraud").load()
    ben.model("fraud").predictor()
    assert ben.model("fraud").verify().key == named


def test_a_signature_is_not_believed_but_verified(shared, keys, tmp_path):
    ana, ben = shared
    private, _, named = keys
    trust(f'keys = ["{named}"]')
    good = ana.save("fraud", model())
    good.sign(private)
    evil = ana.save("fraud", Own())
    with ana.registry.read() as connection:
        [kept] = reports.of_version(connection, good.row.id, reports.SIGNATURE)
    # whoever can write to the yard puts the good signature beside his own version, under the good key's name
    with ana.registry.begin() as tx:
        reports.add(tx, evil.row, _as_new(kept))
    with pytest.raises(Untrusted):
        ben.model("fraud/2").load()
    # or signs with a key of his own, and says that it is the trusted one
    write_key_pair(tmp_path / "evil.pem", tmp_path / "evil.pub")
    made = evil.sign(tmp_path / "evil.pem")
    forged = {"key": named, "public_key": (tmp_path / "evil.pub").read_text()}
    with ana.store.intake() as intake:
        document = intake.put_bytes(made.bundle).digest
        intake.commit()
        with ana.registry.begin() as tx:
            reports.add(tx, evil.row, reports.NewReport("signature", "x", forged, document))
    with pytest.raises(Untrusted):
        ben.model("fraud/2").load()
    with pytest.raises(Untrusted):
        Workspace(ana.root, actor="cleo").model("fraud/2").load()
    ben.model("fraud/1").load()


def _as_new(report):
    return reports.NewReport(report.kind, report.tool, report.summary, report.document)


def test_the_files_that_were_signed_are_not_trusted_under_another_flavor(shared, keys):
    """What was signed to be read by joblib is not thereby fit to be read by pickle."""
    ana, ben = shared
    private, _, named = keys
    trust(f'keys = ["{named}"]')
    good = register(ana, pickle.dumps({"a": 1}))
    made = good.sign(private)
    other = register(ana, pickle.dumps({"a": 1}), format="joblib")
    with ana.store.intake() as intake:
        document = intake.put_bytes(made.bundle).digest
        intake.commit()
        with ana.registry.begin() as tx:
            reports.add(tx, other.row, reports.NewReport("signature", "x", {"key": made.key}, document))
    assert good.digest != other.digest
    with pytest.raises(Untrusted):
        ben.model("fraud/2").load()


def test_what_is_dangerous_is_refused_even_for_its_author(ws: Workspace):
    version = register(ws, SYSTEM)
    with pytest.raises(Dangerous, match=r"model\.pkl imports os\.system") as refusal:
        version.load()
    assert "trust=True" in str(refusal.value)
    assert not Path("MARKER").exists()
    assert version.scan().verdict == "dangerous"
    with pytest.raises(Untrusted):
        version.predictor()
    version.load(trust=True)
    assert Path("MARKER").exists()


def test_a_report_of_the_author_does_not_whitewash(shared):
    """Ana writes "safe" into the yard; ben, who trusts her, looks for himself."""
    ana, ben = shared
    version = register(ana, SYSTEM)
    trust('authors = ["ana"]')
    with ana.registry.begin() as tx:
        reports.add(tx, version.row, reports.NewReport("scan", "ana's own", {"verdict": "safe", "issues": 0}, None))
    with pytest.raises(Dangerous):
        ben.model("fraud").load()


def test_a_report_that_says_dangerous_counts_whoever_made_it_and_whatever_the_format(shared):
    ana, ben = shared
    folder = ana.root.parent / "folder"
    folder.mkdir()
    (folder / "weights.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    (folder / "config.json").write_bytes(b"{}")
    version = ana.register("fraud", folder)
    assert ana.model("fraud").load().is_dir()  # a folder is only a path
    with ben.registry.begin() as tx:
        found = {"verdict": "dangerous", "finding": "config.json is not what it seems"}
        reports.add(tx, version.row, reports.NewReport("scan", "another scanner 7", found, None))
    with pytest.raises(Dangerous, match=r"config\.json is not what it seems"):
        ana.model("fraud").load()
    ana.model("fraud").load(trust=True)
    ben.model("fraud").scan()
    ana.model("fraud").load()


def test_a_dangerous_file_beside_a_harmless_model_is_found_at_registration(shared):
    ana, ben = shared
    folder = ana.root.parent / "folder"
    folder.mkdir()
    (folder / "weights.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    (folder / "extra.bin").write_bytes(SYSTEM)
    ana.register("fraud", folder)
    for reader in (ana, ben):
        with pytest.raises(Dangerous, match=r"extra\.bin"):
            reader.model("fraud").load()


def test_a_policy_may_ask_for_a_safe_scan_of_what_others_made(shared):
    ana, ben = shared
    ana.save("fraud", model())
    ana.save("fraud", Own())
    trust('authors = ["ana"]\nrequire_scan = true')
    ben.model("fraud/1").load()
    with pytest.raises(Unscanned, match="unknown"):
        ben.model("fraud/2").load()
    ana.model("fraud/2").load()
    ben.model("fraud/2").load(trust=True)


def test_a_pickle_that_joblib_would_read_otherwise_is_looked_at_as_it_will_be_read(shared):
    ana, ben = shared
    import joblib
    import numpy as np

    joblib.dump({"a": np.arange(4), "b": np.array([None, "x"], object)}, ana.root.parent / "m.joblib")
    data = (ana.root.parent / "m.joblib").read_bytes()
    trust('authors = ["ana"]\nrequire_scan = true')
    register(ana, data, "m.joblib", format="joblib")
    ben.model("fraud/1").load()
    register(ana, data, "m.pkl", format="pickle")
    with pytest.raises(Unscanned):
        ben.model("fraud/2").load()


def test_a_name_counts_only_in_the_yard_where_it_was_given(ws, tmp_path, keys):
    """Whoever sends a bundle writes the reader's own name into it."""
    from modelyard.transfer import create_bundle, import_bundle

    there = Workspace(tmp_path / "there", actor="ben")
    there.save("fraud", model()).sign(keys[0])
    there.register("rows", _safetensors(tmp_path))
    create_bundle(there, tmp_path / "all.myb", everything=True)
    here = Workspace(tmp_path / "mine", actor="ben")
    import_bundle(here, tmp_path / "all.myb")
    assert here.model("fraud").created_by == here.actor == "ben"
    with pytest.raises(Untrusted, match=f"made by ben in the yard {there.yard_id}"):
        here.model("fraud").load()
    here.model("rows").load()  # runs no code
    trust('authors = ["ben"]')
    with pytest.raises(Untrusted):
        here.model("fraud").load()
    here.model("fraud").load(trust=True)
    trust(f'yards = ["{there.yard_id}"]')
    here.model("fraud").load()
    trust(f'keys = ["{keys[2]}"]')
    here.model("fraud").load()
    trust("")
    here.save("fraud", model())
    here.model("fraud/2").load()
    there.model("fraud").load()


def _safetensors(folder: Path) -> Path:
    (folder / "rows.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    return folder / "rows.safetensors"


TABLE = [
    # runs code, author, trust, authors of the policy, signed, reported, scanned, require_scan -> raised
    (False, "ana", None, (), False, None, "failed", False, None),
    (False, "ana", False, (), False, None, "failed", False, None),
    (False, "ana", None, (), False, "dangerous", "safe", False, Dangerous),
    (True, "ana", None, (), False, None, "safe", False, Untrusted),
    (True, "ana", True, (), False, "dangerous", "dangerous", True, None),
    (True, "ana", None, ("ana",), False, None, "safe", False, None),
    (True, "ana", None, ("ana",), False, None, "dangerous", False, Dangerous),
    (True, "ana", None, ("ana",), False, None, "failed", False, None),
    (True, "ana", None, ("ana",), False, "safe", "failed", True, Unscanned),
    (True, "ana", None, ("ana",), False, "safe", "unknown", True, Unscanned),
    (True, "ana", None, ("ana",), False, "unknown", "safe", True, None),
    (True, "ana", None, (), True, None, "safe", False, None),
    (True, "ana", None, (), True, None, "dangerous", False, Dangerous),
    (True, "ana", False, ("ana",), True, None, "safe", False, Untrusted),
    (True, "ben", None, (), False, None, "unknown", True, None),
    (True, "ben", None, (), False, None, "dangerous", False, Dangerous),
    (True, "ben", None, (), False, "dangerous", "safe", False, Dangerous),
    (True, "ben", False, (), False, None, "safe", False, Untrusted),
    (True, "", None, (), False, None, "safe", False, Untrusted),
]


@pytest.mark.parametrize(
    ("code", "author", "said", "authors", "signed", "reported", "scanned", "required", "error"), TABLE
)
def test_the_rule(code, author, said, authors, signed, reported, scanned, required, error):
    asked = Asked(
        "fraud/1",
        "pickle",
        author,
        "ben",
        code,
        signed=lambda: signed,
        reported=lambda: None if reported is None else Scanned(reported),
        scanned=lambda: Scanned(scanned),
    )
    policy = TrustPolicy(frozenset(authors), (TrustedKey(fingerprint="sha256:" + "0" * 64),), required)
    if error is None:
        require_trusted(asked, policy, said)
        return
    with pytest.raises(Untrusted) as refusal:
        require_trusted(asked, policy, said)
    assert type(refusal.value) is error


def test_nothing_is_looked_at_that_does_not_matter(ws):
    def never():
        raise AssertionError("it was looked at")

    asked = Asked("fraud/1", "pickle", "ana", "ana", True, signed=never, reported=never, scanned=never)
    require_trusted(asked, TrustPolicy(), True)
    asked = Asked("fraud/1", "onnx", "ana", "ben", False, signed=never, reported=lambda: None, scanned=never)
    require_trusted(asked, TrustPolicy(), None)
    asked = Asked("fraud/1", "pickle", "ana", "ben", True, signed=never, reported=lambda: None, scanned=never)
    with pytest.raises(Untrusted):
        require_trusted(asked, TrustPolicy(), None)


WRONG = {
    "an unknown key": "author = ['ana']",
    "no list": "authors = 'ana'",
    "no texts": "keys = [1]",
    "no bool": "require_scan = 'yes'",
    "an empty name": "authors = ['']",
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_policy_is_refused_with_its_file(case, shared):
    ana, ben = shared
    ana.save("fraud", model())
    trust(WRONG[case])
    with pytest.raises(InvalidConfig, match=r"modelyard\.toml"):
        ben.model("fraud").load()


@pytest.mark.parametrize("text", ["[trust", "trust = 1", "\xff"])
def test_a_policy_file_that_cannot_be_read_is_refused(text, tmp_path):
    (tmp_path / "modelyard.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(InvalidConfig):
        read_policy({"HOME": str(tmp_path)}, tmp_path)


def test_a_missing_key_of_the_policy_is_told_and_not_passed_over(shared, keys):
    ana, ben = shared
    ana.save("fraud", model()).sign(keys[0])
    trust('keys = ["none.pub"]')
    with pytest.raises(KeyUnusable, match=r"none\.pub"):
        ben.model("fraud").load()


def test_policies_add_up(tmp_path):
    home, project = tmp_path / "home", tmp_path / "a" / "b"
    (home / ".config" / "modelyard").mkdir(parents=True)
    project.mkdir(parents=True)
    (home / ".config" / "modelyard" / "trust.toml").write_text('[trust]\nauthors = ["ana"]\nkeys = ["mine.pub"]\n')
    (tmp_path / "a" / "modelyard.toml").write_text('[trust]\nauthors = ["ben"]\nrequire_scan = true\n')
    one, other = "sha256:" + "a" * 64, "sha256:" + "b" * 64
    found = read_policy({"HOME": str(home), "MODELYARD_TRUSTED_KEYS": f"{one}:x.pub:{other}"}, project)
    assert found.authors == {"ana", "ben"}
    assert found.require_scan
    assert found.keys == (
        TrustedKey(path=home / ".config" / "modelyard" / "mine.pub"),
        TrustedKey(fingerprint=one),
        TrustedKey(path=project / "x.pub"),
        TrustedKey(fingerprint=other),
    )
    assert read_policy({"HOME": str(tmp_path)}, home) == TrustPolicy()


def test_a_scan_is_kept_and_gates_see_it(any_ws: Workspace):
    Path("m.pkl").write_bytes(pickle.dumps(OrderedDict(a=1)))
    version = any_ws.register("fraud", "m.pkl")
    report = version.scan()
    row = version.history()[0]
    assert (row.action, row.after["kind"], row.after["summary"]["verdict"]) == ("report.add", "scan", "safe")
    from modelyard.core.digests import Digest

    kept = json.loads(any_ws.store.read(Digest(row.after["document"])))
    assert kept == report.to_json()
    any_ws.set_gates("fraud", "production", ["scan.verdict == 'safe' and scan.issues == 0"])
    any_ws.promote("fraud/1", to="production")
    any_ws.gc()
    assert any_ws.check(read=True).whole


def test_a_scan_is_made_when_a_version_is_registered(any_ws: Workspace):
    Path("rows.csv").write_text("a\n1\n")
    Path("m.pkl").write_bytes(pickle.dumps(OrderedDict(a=1)))
    for name, has_document in (("rows.csv", False), ("m.pkl", True)):
        version = any_ws.register("fraud", name)
        with any_ws.registry.read() as connection:
            report = reports.latest(connection, version.row.id, reports.SCAN)
        assert (report.summary["verdict"], report.actor) == ("safe", "ana")
        assert (report.document is not None) is has_document

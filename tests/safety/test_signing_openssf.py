"""Against the package of OpenSSF itself, in both directions."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest

from modelyard import Workspace
from modelyard.core.digests import Digest
from modelyard.core.errors import KeyUnusable, SignatureInvalid, SignatureMissing, WrongKey
from modelyard.safety.signing import load_private_key, openssf, sign_bytes, write_key_pair


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    private, public = tmp_path / "release.pem", tmp_path / "release.pub"
    write_key_pair(private, public)
    return private, public


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As a model hub gives it: with files of git, folders, and a name that is not ASCII."""
    place = tmp_path / "source"
    for name, data in {
        "model.safetensors": b"\x08\0\0\0\0\0\0\0{}      ",
        "config.json": b"{}",
        "größe/zwölf.txt": "ä".encode(),
        "größe-x": b"sorts otherwise as a path than as text",
        ".gitattributes": b"*.safetensors filter=lfs\n",
        ".github/workflows/ci.yml": b"on: push\n",
        "sub/.gitignore": b"*.tmp\n",
    }.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)
    return place


def upstream(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "model_signing", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_upstream_verifies_what_we_sign(ws: Workspace, keys, folder, tmp_path):
    private, public = keys
    version = ws.register("fraud", folder)
    version.sign(private).write(tmp_path / "fraud.sig")
    version.download(tmp_path / "got")
    done = upstream("verify", "key", tmp_path / "got", "--signature", tmp_path / "fraud.sig", "--public_key", public)
    assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "got" / "config.json").write_bytes(b"[]")
    done = upstream("verify", "key", tmp_path / "got", "--signature", tmp_path / "fraud.sig", "--public_key", public)
    assert done.returncode != 0
    assert "config.json" in done.stdout + done.stderr


def test_upstream_verifies_a_signature_that_lies_in_the_folder(ws: Workspace, keys, folder, tmp_path):
    private, public = keys
    version = ws.register("fraud", folder)
    got = Path(version.download(tmp_path / "got"))
    version.sign(private).write(got / "model.sig")
    done = upstream("verify", "key", got, "--signature", got / "model.sig", "--public_key", public)
    assert done.returncode == 0, done.stdout + done.stderr


def test_upstream_verifies_a_version_of_one_file(ws: Workspace, keys, folder, tmp_path):
    private, public = keys
    version = ws.register("fraud", folder / "config.json")
    version.sign(private).write(tmp_path / "fraud.sig")
    version.download(tmp_path / "got")
    done = upstream("verify", "key", tmp_path / "got", "--signature", tmp_path / "fraud.sig", "--public_key", public)
    assert done.returncode == 0, done.stdout + done.stderr


def test_we_verify_what_upstream_signs(ws: Workspace, keys, folder, tmp_path):
    private, public = keys
    done = upstream("sign", "key", folder, "--signature", tmp_path / "up.sig", "--private_key", private)
    assert done.returncode == 0, done.stdout + done.stderr
    version = ws.register("fraud", folder)
    found = version.verify(public, signature=tmp_path / "up.sig")
    assert found.files == 5
    assert found.not_signed == (".gitattributes", ".github/workflows/ci.yml")
    (folder / "config.json").write_bytes(b"[]")
    altered = ws.register("fraud", folder)
    with pytest.raises(SignatureInvalid, match=r"config\.json is not what was signed"):
        altered.verify(public, signature=tmp_path / "up.sig")


def test_we_verify_a_single_file_that_upstream_signed(ws: Workspace, keys, folder, tmp_path):
    private, public = keys
    done = upstream("sign", "key", folder / "config.json", "--signature", tmp_path / "s", "--private_key", private)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ws.register("fraud", folder / "config.json").verify(public, signature=tmp_path / "s").files == 1
    with pytest.raises(SignatureInvalid, match="is not what was signed"):
        ws.register("fraud", folder / "model.safetensors").verify(public, signature=tmp_path / "s")


def test_files_that_upstream_was_told_to_ignore_are_named(ws: Workspace, keys, folder, tmp_path):
    private, public = keys
    words = ("--signature", tmp_path / "up.sig", "--private_key", private, "--ignore-paths", folder / "sub")
    done = upstream("sign", "key", folder, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    found = ws.register("fraud", folder).verify(public, signature=tmp_path / "up.sig")
    assert "sub/.gitignore" in found.not_signed


def test_added_missing_and_altered_files_are_each_named(keys, tmp_path):
    private, public = (load_private_key(keys[0]), load_private_key(keys[0]).public_key())
    files = {"a": "1" * 64, "b": "2" * 64}
    signed = openssf.read(public, openssf.sign(private, "m", files, "sha256:" + "3" * 64), "m/1")
    signed.require(files, "m/1")
    for changed, words in (
        ({"a": "1" * 64}, "b was signed and is not there"),
        ({**files, "c": "1" * 64}, "c was not there when it was signed"),
        ({**files, "a": "9" * 64}, "a is not what was signed"),
    ):
        with pytest.raises(SignatureInvalid, match=words):
            signed.require(changed, "m/1")


def test_a_signature_covers_how_a_model_is_loaded_too(ws: Workspace, keys, folder):
    """The same files, but registered so that they would be read otherwise."""
    private, public = keys
    good = ws.register("fraud", folder)
    signature = good.sign(private)
    from modelyard.client.registration import card, register_path

    facts = {"name": "files", "file": "config.json", "format": "pickle", "runs_code": True}
    other = ws._model(register_path(ws, "model", card("fraud"), folder, flavor=facts))
    signature.write(folder.parent / "good.sig")
    with pytest.raises(SignatureInvalid, match="how to load them"):
        other.verify(public, signature=folder.parent / "good.sig")


def test_another_key_is_told_apart_from_a_broken_signature(ws: Workspace, keys, folder, tmp_path):
    private, public = keys
    write_key_pair(tmp_path / "other.pem", tmp_path / "other.pub")
    version = ws.register("fraud", folder)
    with pytest.raises(SignatureMissing, match=r"modelyard sign fraud/1"):
        version.verify(public)
    made = version.sign(private)
    with pytest.raises(WrongKey) as refusal:
        version.verify(tmp_path / "other.pub")
    assert made.key in str(refusal.value)
    with pytest.raises(KeyUnusable):
        version.verify(private)
    assert version.verify(public).key == made.key


def altered(bundle: bytes, **changes: object) -> bytes:
    document = json.loads(bundle)
    for path, value in changes.items():
        *steps, last = path.split("__")
        place = document
        for step in steps:
            place = place[int(step)] if step.isdigit() else place[step]
        place[last] = value(place[last]) if callable(value) else value
    return json.dumps(document).encode()


def flip(text: str) -> str:
    data = bytearray(base64.b64decode(text))
    data[len(data) // 2] ^= 1
    return base64.b64encode(data).decode()


ALTERED = {
    "the payload": {"dsseEnvelope__payload": flip},
    "the signature": {"dsseEnvelope__signatures__0__sig": flip},
    "no signatures": {"dsseEnvelope__signatures": []},
    "two signatures": {"dsseEnvelope__signatures": lambda found: found * 2},
    "the type": {"dsseEnvelope__payloadType": "text/plain"},
    "the media type": {"mediaType": "application/vnd.dev.sigstore.bundle.v0.1+json"},
    "no base64": {"dsseEnvelope__payload": "!"},
    "a certificate": {"verificationMaterial": {"x509CertificateChain": {}}},
    "nothing to verify with": {"verificationMaterial": None},
    "an odd hint": {"verificationMaterial__publicKey__hint": "zz"},
}


@pytest.mark.parametrize("case", ALTERED)
def test_an_altered_bundle_is_refused(case, keys):
    private = load_private_key(keys[0])
    bundle = openssf.sign(private, "m", {"a": "1" * 64}, "sha256:" + "3" * 64)
    openssf.read(private.public_key(), bundle, "m/1")
    with pytest.raises(SignatureInvalid):
        openssf.read(private.public_key(), altered(bundle, **ALTERED[case]), "m/1")


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"mediaType": 1}', b"1" * 5000]
)
def test_what_is_no_bundle_is_refused(data, keys):
    with pytest.raises(SignatureInvalid, match=r"no bundle"):
        openssf.read(load_private_key(keys[0]).public_key(), data, "m/1")


SENSELESS = {
    "no object": b"[]",
    "another statement": b'{"_type": "x"}',
    "twice": {"resources": [{"name": "a", "algorithm": "sha256", "digest": "1" * 64}] * 2},
    "another hash": {"serialization": {"method": "files", "hash_type": "blake3"}},
    "shards": {"serialization": {"method": "shards", "hash_type": "sha256"}},
    "no hex": {"resources": [{"name": "a", "algorithm": "sha256", "digest": "x"}]},
    "no text": {"resources": [{"name": 7, "algorithm": "sha256", "digest": "1" * 64}]},
    "another whole": {"resources": []},
}


@pytest.mark.parametrize("case", SENSELESS)
def test_even_what_the_right_key_signed_must_make_sense(case, keys):
    private = load_private_key(keys[0])
    bundle = json.loads(openssf.sign(private, "m", {"a": "1" * 64}, "sha256:" + "3" * 64))
    changed = SENSELESS[case]
    if isinstance(changed, dict):
        statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
        statement["predicate"] |= changed
        changed = json.dumps(statement).encode()
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(changed).decode()
    signature = sign_bytes(private, openssf._encoded(changed))
    bundle["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(signature).decode()
    with pytest.raises(SignatureInvalid):
        openssf.read(private.public_key(), json.dumps(bundle).encode(), "m/1")


def test_ten_thousand_files_are_signed_and_verified(keys):
    private = load_private_key(keys[0])
    files = {f"shards/ä {number}/part-{number % 7}.bin": f"{number:064x}" for number in range(10_000)}
    digest = "sha256:" + "3" * 64
    signed = openssf.read(private.public_key(), openssf.sign(private, "m", files, digest), "m/1")
    assert signed.covers(digest, files)
    assert signed.require(files, "m/1") == ()


def test_a_signature_without_our_manifest_covers_only_all_files(keys):
    """As upstream writes them: then a file that it ignored keeps the version from being vouched for."""
    signed = openssf.Signed("m", {"a": "1" * 64}, (".gitattributes",), None, "sha256:" + "0" * 64)
    assert signed.covers("sha256:" + "3" * 64, {"a": "1" * 64})
    assert not signed.covers("sha256:" + "3" * 64, {"a": "1" * 64, ".gitattributes": "2" * 64})


def test_signing_reads_no_file(ws: Workspace, keys, folder, monkeypatch):
    """The digests are those of the manifest: a version of a terabyte is signed as fast as one of a kilobyte."""
    version = ws.register("fraud", folder)
    digests = {file.digest for file in version.manifest.files}
    reads = []
    read = ws.store.files.read
    monkeypatch.setattr(ws.store.files, "read", lambda digest, name: reads.append(digest) or read(digest, name))
    monkeypatch.setattr(ws.cache, "folder", lambda *_: pytest.fail("the cache was filled"))
    version.sign(keys[0])
    version.verify(keys[1])
    assert version.digest in reads
    assert not digests & set(reads)


def test_signatures_are_kept_found_and_in_the_ledger(any_ws: Workspace, keys, folder):
    private, public = keys
    version = any_ws.register("fraud", folder)
    made = version.sign(private)
    row = version.history()[0]
    assert (row.action, row.actor, row.after["kind"], row.after["summary"]["key"]) == (
        "report.add",
        "ana",
        "signature",
        made.key,
    )
    assert any_ws.store.read(Digest(row.after["document"])) == made.bundle
    any_ws.gc()
    any_ws.compact()
    assert version.verify(public).digest == made.digest
    assert any_ws.check(read=True).whole

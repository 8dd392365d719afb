"""Which URL leads where, and which is refused with a sentence that helps."""

import builtins
import subprocess
import sys
from pathlib import Path

import pytest

from modelyard.core.errors import ExtraMissing, SecretInUrl, StoreForbidden, UnsupportedUrl
from modelyard.store.objects import CloudObjects, FolderObjects, Retrying, open_objects


@pytest.mark.parametrize("form", ["path", "text", "file://", "file://localhost", "FILE://"])
def test_a_folder_is_named_by_its_path_or_by_a_file_url(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "my store"
    FolderObjects(folder).put("packs/a", [b"a"])
    urls = {"path": folder, "text": str(folder)}
    objects = open_objects(urls.get(form, form + str(folder).replace(" ", "%20")))
    assert isinstance(objects, FolderObjects)
    assert objects.get("packs/a") == b"a"
    assert open_objects(objects.url).get("packs/a") == b"a"


def test_a_relative_path_stays_where_it_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    objects = open_objects("store")
    monkeypatch.chdir("/")
    objects.put("packs/a", [b"a"])
    assert (tmp_path / "store/packs/a").read_bytes() == b"a"


def test_the_home_of_the_user_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_objects("~/store").url == str(tmp_path / "store")
    assert open_objects(Path("~/store")).url == str(tmp_path / "store")


def test_one_name_is_one_memory_and_no_name_is_a_new_one() -> None:
    open_objects("memory://shared/one").put("packs/a", [b"a"])
    assert open_objects("memory://shared/one/").get("packs/a") == b"a"
    assert [info.key for info in open_objects("memory://shared").list("")] == ["one/packs/a"]
    assert list(open_objects("memory://shared/two").list("")) == []
    assert list(open_objects("memory://other").list("")) == []
    open_objects("memory:").put("packs/a", [b"a"])
    for url in ("memory:", "memory://"):
        assert list(open_objects(url).list("")) == []


def test_each_cloud_is_opened_without_asking_it(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_SKIP_SIGNATURE", "true")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    for url in ("s3://bucket", "S3://bucket/a/b", "gs://bucket/a", "az://container/a/"):
        objects = open_objects(url)
        assert isinstance(objects, Retrying)
        assert isinstance(objects.objects, CloudObjects)
        assert objects.url == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://example.com/store",
        "https://bucket.s3.amazonaws.com/x",
        "ftp://host/x",
        "s3://",
        "s3:///prefix",
        "s3://bucket:9000/x",
        "s3://bucket//x",
        "s3://bucket/a/../b",
        "s3://bucket/a b",
        "s3://bucket/.hidden",
        "s3://bucket/a#b",
        "gs://",
        "az:///x",
        "file://host/x",
        "file://relative",
        "memory:name",
        "memory:///x",
    ],
)
def test_any_other_url_is_refused_with_what_is_supported(url: str) -> None:
    with pytest.raises(
        UnsupportedUrl, match=r"s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or memory://"
    ):
        open_objects(url)


@pytest.mark.parametrize(
    ("url", "variables"),
    [
        ("s3://AKIA:do-not-show@bucket/x", "AWS_ACCESS_KEY_ID"),
        ("s3://AKIA:do/not-show+this@bucket/x", "AWS_ACCESS_KEY_ID"),
        ("s3://do-not-show@bucket", "AWS_ACCESS_KEY_ID"),
        ("az://container/x?sv=1&sig=do-not-show", "AZURE_STORAGE_ACCOUNT_KEY"),
        ("gs://user:do-not-show@bucket?key=do-not-show", "GOOGLE_APPLICATION_CREDENTIALS"),
        ("https://user:do-not-show@host/x", "the variables of your cloud"),
    ],
)
def test_a_secret_in_a_url_is_refused_and_not_repeated(url: str, variables: str) -> None:
    with pytest.raises(SecretInUrl, match=variables) as caught:
        open_objects(url)
    assert "do-not-show" not in str(caught.value)
    assert "not-show+this" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "variable", "value", "problem"),
    [
        ("az://container", "AZURE_STORAGE_ACCOUNT_KEY", "not base64: do-not-show", "Invalid Access Key"),
        ("az://container", "AZURE_STORAGE_ACCOUNT_NAME", None, "Account must be specified"),
        (
            "gs://bucket",
            "GOOGLE_SERVICE_ACCOUNT_KEY",
            '{"private_key": "do-not-show"',
            "Unable to decode service account",
        ),
    ],
)
def test_credentials_that_cannot_be_read_are_denied_in_one_line(
    s3: str, monkeypatch: pytest.MonkeyPatch, url: str, variable: str, value: str | None, problem: str
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    if value is None:
        monkeypatch.delenv(variable)
    else:
        monkeypatch.setenv(variable, value)
    with pytest.raises(StoreForbidden, match=problem) as caught:
        open_objects(url)
    assert "do-not-show" not in str(caught.value)
    assert "Debug" not in str(caught.value)


def test_without_obstore_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = builtins.__import__

    def missing(name: str, *rest: object, **more: object) -> object:
        if name.startswith("obstore"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return found(name, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ExtraMissing, match=r"a store at s3://bucket needs .* pip install 'modelyard\[cloud\]'"):
        open_objects("s3://bucket")


def test_a_folder_needs_no_cloud_library(tmp_path: Path) -> None:
    code = f"import sys; from modelyard.store.objects import open_objects as o; o({str(tmp_path)!r}).put('a', [b'a']); print('obstore' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "False\n"

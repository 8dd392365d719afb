"""What the API answers is what the Python client says, page by page and byte by byte; and nothing else is to be had from it."""

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from modelyard import Workspace
from modelyard.client.entry import Entry
from modelyard.client.listing import documents
from modelyard.core.clock import to_text
from modelyard.server import create_app

API = "/api/v1"


def client_of(ws: Workspace) -> TestClient:
    return TestClient(create_app(ws), base_url="http://localhost", raise_server_exceptions=False)


def fill(ws: Workspace, folder: Path) -> Workspace:
    """Two models and a data set, with all that a version can have."""
    data = folder / "flights.csv"
    data.write_text("a,b\n1,2\n")
    ws.snapshot(data, "flights", label="2026-01")
    model = folder / "model"
    (model / "sub").mkdir(parents=True)
    for step in range(5):
        np.save(model / "weights.npy", np.arange(50_000, dtype=np.float32) + step)
        (model / "sub" / "é #?.txt").write_text(f"step {step}")
        facts = {"label": f"1.{step}", "tags": {"step": str(step)}, "metrics": {"auc": step / 10}}
        ws.register("fraud", model, datasets=["flights/1"], **facts)  # type: ignore[arg-type]
    ws.register("churn", data)
    ws.promote("fraud/2", to="production", reason="first")
    ws.promote("fraud/3", to="production", reason="second")
    ws.archive("fraud/5")
    return ws


@pytest.fixture
def filled(any_ws: Workspace, tmp_path: Path) -> Workspace:
    return fill(any_ws, tmp_path)


@pytest.fixture
def client(filled: Workspace) -> Iterator[TestClient]:
    with client_of(filled) as made:
        yield made


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Of a yard that no test changes."""
    folder = tmp_path_factory.mktemp("standing")
    ws = fill(Workspace(folder / "yard", actor="ana"), folder)
    with client_of(ws) as made:
        made.workspace = ws  # type: ignore[attr-defined]
        yield made
    ws.close()


def get(client: TestClient, path: str, **parameters: Any) -> Any:
    answer = client.get(API + path, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_version_is_told_as_the_client_tells_it_however_it_is_named(client: TestClient, filled: Workspace) -> None:
    expected = json.loads(json.dumps(filled.model("fraud/3").to_json()))
    for path in ("/models/fraud/versions/3", "/models/fraud/aliases/production", "/models/fraud/labels/1.2"):
        found = get(client, path)
        assert {key: found[key] for key in expected} == expected
        assert found["provenance"] == filled.model("fraud/3").provenance
    assert get(client, "/models/fraud/versions/latest")["version"] == 4
    for reference in ("fraud/3", "fraud@production", "fraud:1.2", "models:/fraud/3"):
        assert get(client, "/model-versions/resolve", reference=reference)["version"] == 3
    assert get(client, "/datasets/flights/labels/2026-01")["reference"] == "flights/1"
    assert get(client, "/dataset-versions/resolve", reference="flights")["version"] == 1


def test_the_past_can_be_asked(client: TestClient, filled: Workspace) -> None:
    first = next(row for row in filled.history("fraud@production") if row.reason == "first")
    at = to_text(first.time)
    assert get(client, "/models/fraud/aliases")["aliases"] == {"production": 3}
    assert get(client, "/models/fraud/aliases", at=at)["aliases"] == {"production": 2}
    assert get(client, "/model-versions/resolve", reference="fraud@production", at=at)["version"] == 2
    assert get(client, "/models/fraud/aliases/production", at=at)["version"] == 2


def test_models_and_data_sets_are_listed_and_described(client: TestClient, filled: Workspace) -> None:
    filled.registry.tag_model("model", filled.model("fraud").row.name, {"team": "risk"})
    assert [each["name"] for each in get(client, "/models")["items"]] == ["churn", "fraud"]
    assert [each["name"] for each in get(client, "/datasets")["items"]] == ["flights"]
    assert get(client, "/models", filter="name = 'fraud'")["items"][0]["latest"] == 4
    assert get(client, "/models/fraud") == {
        "name": "fraud", "kind": "model", "tags": {"team": "risk"}, "card": "", "aliases": {"production": 3},
    }  # fmt: skip


def test_pages_follow_each_other_to_the_end(client: TestClient, filled: Workspace) -> None:
    for path, of in (("/models/fraud/versions", "versions"), ("/model-versions", "versions"), ("/ledger", "ledger")):
        text = "name = 'fraud'" if path.startswith("/models/") else ""
        wanted = [
            Entry.to_json(each) if isinstance(each, Entry) else each.to_json()
            for each in filled.search_all(text, of=of)
        ]
        found, token = [], None
        while True:
            more = {} if token is None else {"page_token": token}
            page = get(client, path, page_size=2, **more)
            assert len(page["items"]) <= 2
            found += page["items"]
            token = page.get("next_page_token")
            if token is None:
                break
        assert found == json.loads(json.dumps(wanted))


def test_a_filter_and_an_order_mean_what_they_mean_everywhere(client: TestClient) -> None:
    asked = {"filter": "metrics.auc >= 0.1 and tags.step != '3'", "order_by": "metrics.auc"}
    for path in ("/models/fraud/versions", "/model-versions"):
        assert [each["version"] for each in get(client, path, **asked)["items"]] == [2, 3]
    several = client.get(f"{API}/model-versions?order_by=name%20desc&order_by=version").json()
    assert [each["reference"] for each in several["items"]][:2] == ["fraud/1", "fraud/2"]


def test_the_filter_of_one_name_cannot_reach_another(client: TestClient) -> None:
    for text in ("true) or (name = 'churn'", "true or name = 'churn'", "') or name = 'churn' or ('", "true) --"):
        answer = client.get(f"{API}/models/fraud/versions", params={"filter": text})
        assert "churn" not in [each["name"] for each in answer.json().get("items", [])]
    assert client.get(f"{API}/models/nope/versions").status_code == 404


def test_a_mistake_is_shown_where_it_was_made_also_within_one_name(standing: TestClient) -> None:
    for text in ("tags.a = (", "nothing = 1", "metrics.auc > 'high'"):
        told = [
            standing.get(f"{API}/{path}", params={"filter": text}).json()["facts"]
            for path in ("models/fraud/versions", "model-versions")
        ]
        assert told[0] == told[1]
        assert told[0]["expression"] == text


def test_the_head_of_the_ledger_is_the_one_that_the_yard_has(client: TestClient, filled: Workspace) -> None:
    last = filled.history(limit=1)[0]
    assert get(client, "/ledger/head") == {"yard": filled.yard_id, "sequence": last.sequence, "hash": last.hash}


FILE = "/models/fraud/versions/1/files/weights.npy"


def test_files_come_whole_with_their_digest_as_etag(client: TestClient, filled: Workspace, tmp_path: Path) -> None:
    filled.model("fraud/1").download(tmp_path / "out")
    for file in filled.model("fraud/1").manifest.files:
        path = f"{API}/models/fraud/versions/1/files/{file.path}".replace("#", "%23").replace("?", "%3F")
        answer = client.get(path)
        assert answer.content == (tmp_path / "out" / file.path).read_bytes()
        assert answer.headers["etag"] == f'"{file.digest}"'
        assert answer.headers["content-length"] == str(file.size)
        assert answer.headers["x-content-type-options"] == "nosniff"
        again = client.get(path, headers={"If-None-Match": f'W/"other", "{file.digest}"'})
        assert (again.status_code, again.content) == (304, b"")
        head = client.head(path)
        assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(file.size))


@settings(max_examples=60, deadline=None)
@given(first=st.none() | st.integers(0, 210_000), last=st.none() | st.integers(0, 210_000))
@example(0, 0)
@example(None, 1)
@example(200_127, None)
def test_a_part_is_that_part(standing: TestClient, first: int | None, last: int | None) -> None:
    whole = standing.get(API + FILE).content
    asked = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    answer = standing.get(API + FILE, headers={"Range": asked})
    if first is None:
        expected = whole[-last:] if last else b""
    else:
        expected = whole[first : len(whole) if last is None else last + 1]
    if not expected:
        assert answer.status_code == 416
        assert answer.json()["error"] == "RangeNotSatisfiable"
    else:
        assert (answer.status_code, answer.content) == (206, expected)
        start = len(whole) - len(expected) if first is None else first
        assert answer.headers["content-range"] == f"bytes {start}-{start + len(expected) - 1}/{len(whole)}"


def test_a_part_of_what_has_changed_is_the_whole(standing: TestClient) -> None:
    whole = standing.get(API + FILE)
    for headers in ({"If-Range": '"sha256:0"'}, {"Range": "bytes=0-1,4-5"}, {"Range": "lines=1-2"}):
        answer = standing.get(API + FILE, headers={"Range": "bytes=0-9", **headers})
        assert (answer.status_code, answer.content) == (200, whole.content)
    kept = standing.get(API + FILE, headers={"Range": "bytes=0-9", "If-Range": whole.headers["etag"]})
    assert (kept.status_code, kept.content) == (206, whole.content[:10])


def test_no_wrong_byte_is_sent_for_a_right_one(ws: Workspace, tmp_path: Path) -> None:
    content = np.random.default_rng(0).bytes(3_000_000)
    (tmp_path / "m.bin").write_bytes(content)
    ws.register("fraud", tmp_path / "m.bin")
    (pack,) = [
        path for path in (ws.root / "store" / "packs").rglob("*") if path.is_file() and path.stat().st_size > 10**6
    ]
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(data)
    with client_of(ws) as client:
        try:
            answer = client.get(f"{API}/models/fraud/versions/1/files/m.bin")
        except Exception:  # noqa: BLE001 - the answer broke off, as it must when it has begun
            return
        assert answer.status_code >= 500 or len(answer.content) < len(content)
        assert content.startswith(answer.content) or answer.status_code >= 500


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/nope", 404, "EndpointNotFound"),
        ("/models/fraud/versions/0", 400, "InvalidReference"),
        ("/models/fraud/versions/1.0", 400, "InvalidReference"),
        ("/models/fraud/versions/99", 404, "VersionNotFound"),
        ("/models/fraud/versions/99999999999999999999", 400, "InvalidReference"),
        ("/models/fraud/aliases/nope", 404, "AliasNotFound"),
        ("/models/fraud/aliases/a b", 400, "InvalidName"),
        ("/models/fraud/labels/9.9", 404, "LabelNotFound"),
        ("/models/Fraud!", 400, "InvalidName"),
        ("/models/fraude", 404, "ModelNotFound"),
        ("/models/fraud?at=now", 400, "InvalidParameter"),
        ("/models/fraud/aliases?at=whenever", 400, "InvalidTime"),
        ("/models?page_size=many", 400, "InvalidParameter"),
        ("/models?page_size=0", 400, "InvalidPageSize"),
        ("/models?page_size=5&page_size=6", 400, "InvalidParameter"),
        ("/models?page_token=xyz", 400, "InvalidPageToken"),
        ("/models?filter=name%20%3D", 400, "InvalidFilter"),
        ("/models?filter=" + "a" * 20_000, 400, "InvalidParameter"),
        ("/models/fraud/versions?filter=tags.a%20%3D%20(", 400, "InvalidFilter"),
        ("/model-versions?order_by=nothing", 400, "InvalidOrder"),
        ("/model-versions/resolve", 400, "InvalidParameter"),
        ("/model-versions/resolve?reference=a/b/c", 400, "InvalidReference"),
        ("/models/fraud/versions/1/files/", 404, "FileNotInVersion"),
        ("/models/fraud/versions/1/files/weights.npy?x=1", 400, "InvalidParameter"),
        ("/ledger?sort=time", 400, "InvalidParameter"),
    ],
)
def test_what_is_asked_wrongly_is_said_in_one_shape(standing: TestClient, path: str, status: int, error: str) -> None:
    answer = standing.get(API + path)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["error"]) == (status, status, error), answer.text
    assert problem["type"].startswith("urn:modelyard:problem:")
    assert problem["detail"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"])
def test_nothing_can_be_written(standing: TestClient, method: str) -> None:
    filled: Workspace = standing.workspace  # type: ignore[attr-defined]
    before = filled.history(limit=1)
    for path in ("/models", "/models/fraud", "/models/fraud/versions/1", "/models/fraud/aliases/production", "/ledger"):
        answer = standing.request(method, API + path, json={"x": 1})
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    assert filled.history(limit=1) == before


@pytest.mark.parametrize(
    "path",
    [
        "../../../../etc/passwd",
        "..%2f..%2f..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/etc/passwd",
        "..%5c..%5cwindows%5cwin.ini",
        "C:%5cwindows%5cwin.ini",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "weights.npy%00.txt",
        "sub%2f..%2fweights.npy",
        "%2e%2fweights.npy",
        "..%c0%af..%c0%afetc/passwd",
        "sub",
        "sub/",
    ],
)
def test_no_path_leaves_the_version(standing: TestClient, path: str) -> None:
    answer = standing.get(f"{API}/models/fraud/versions/1/files/{path}")
    assert answer.status_code in (400, 404)
    assert b"root:" not in answer.content


@settings(max_examples=300, deadline=None)
@given(
    parts=st.lists(
        st.sampled_from(
            ["models", "fraud", "versions", "1", "latest", "aliases", "production", "labels", "files", "ledger", "head"]
        )
        | st.text(max_size=8),
        max_size=7,
    ),
    query=st.dictionaries(
        st.sampled_from(["filter", "order_by", "page_size", "page_token", "at", "reference"]) | st.text(max_size=5),
        st.text(max_size=30)
        | st.sampled_from(["1", "name = 'x'", "now", "fraud/1", "metrics.auc > 0 or not (tags.a = 'b')"]),
        max_size=3,
    ),
)
def test_whatever_is_asked_nothing_fails_inside(standing: TestClient, parts: list[str], query: dict[str, str]) -> None:
    from urllib.parse import quote, urlencode

    path = "/".join(quote(part.encode(errors="surrogatepass"), safe="") for part in parts)
    text = urlencode(
        {key.encode(errors="surrogatepass"): value.encode(errors="surrogatepass") for key, value in query.items()}
    )
    answer = standing.get(f"{API}/{path}?{text}")
    assert answer.status_code < 500, answer.text


def test_a_page_of_a_browser_cannot_ask_under_a_name_of_its_own(ws: Workspace) -> None:
    app = create_app(ws, ["Models.Example.com"])
    for host in ("localhost", "127.0.0.1:5000", "[::1]:5000", "models.example.com", "MODELS.example.com:443"):
        assert TestClient(app).get("/version", headers={"Host": host}).status_code == 200, host
    for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "", "[::1", "evil:80"):
        answer = TestClient(app).get("/version", headers={"Host": host})
        assert (answer.status_code, answer.json()["error"]) == (403, "HostRefused"), host


def test_every_request_is_a_line_of_log_with_the_id_that_the_answer_has(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "modelyard.server.access"):
        answer = client.get(f"{API}/models/fraud", headers={"X-Request-Id": "build-77"})
        other = client.get(f"{API}/models/fraud", headers={"X-Request-Id": "a b\x7f" * 100})
    assert answer.headers["x-request-id"] == "build-77"
    assert len(other.headers["x-request-id"]) == 32
    lines = [json.loads(record.message) for record in caplog.records if record.name == "modelyard.server.access"]
    assert [line["request"] for line in lines] == ["build-77", other.headers["x-request-id"]]
    assert lines[0] | {"ms": 0, "client": "", "bytes": 0} == {
        "request": "build-77", "method": "GET", "path": f"{API}/models/fraud", "route": f"{API}/models/{{name}}",
        "status": 200, "bytes": 0, "ms": 0, "client": "",
    }  # fmt: skip


def test_what_is_measured_does_not_grow_with_what_is_asked(client: TestClient) -> None:
    for number in range(50):
        client.get(f"/{number}")
        client.get(f"{API}/models/m{number}")
    text = client.get("/metrics").text
    counted = [line for line in text.splitlines() if line.startswith("modelyard_http_requests_total{")]
    assert len(counted) == 2
    assert 'route="/api/v1/models/{name}",status="404"} 50.0' in text
    assert 'route="none",status="404"} 50.0' in text


def test_a_fault_of_our_own_is_said_without_its_inside(
    filled: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the secret is 42")

    monkeypatch.setattr(Workspace, "search", fail)
    answer = client_of(filled).get(f"{API}/models")
    assert (answer.status_code, answer.json()["error"]) == (500, "InternalError")
    assert "secret" not in answer.text
    assert "the secret is 42" in caplog.text


def test_ready_says_whether_the_yard_can_be_read(
    make_yard: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    ws = make_yard()
    client = client_of(ws)
    assert client.get("/ready").json() == {"status": "ready"}
    assert client.get("/health").json() == {"status": "ok"}
    with ws.registry.begin() as tx:
        tx.connection.exec_driver_sql("ALTER TABLE models RENAME TO elsewhere")
    answer = client.get("/ready")
    assert (answer.status_code, answer.json()["error"]) == (503, "YardNotReady")
    assert client.get("/health").status_code == 200


def test_many_versions_at_once_are_told_as_one_by_one(filled: Workspace) -> None:
    filled.archive("fraud/1")
    filled.model("fraud/2").add_properties({"audited": "yes"})
    filled.model("fraud/2").log_metrics({"auc": 0.99, "loss": 1.5})
    filled.promote("fraud/2", to="staging")
    found = list(filled.search_all("has(state)")) + list(filled.search_all("", of="dataset_versions"))
    assert len(found) == 7
    assert documents(found) == [Entry.to_json(each) for each in found]
    assert documents([]) == []

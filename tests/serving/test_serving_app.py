from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from serving_doubles import Memory, served
from starlette.testclient import TestClient

from modelyard.profiles.signature import Field, Signature
from modelyard.serving.app import create_app
from modelyard.serving.engine import Engine, Routes
from modelyard.serving.values import json_values

INFER = "/v2/models/flights/infer"
LABELS = "/v2/models/flights/labels"


def tensor(name: str, datatype: str, *data: Any, shape: Any = None) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape or [len(data)], "data": list(data)}


def v2(*distances: Any, **more: Any) -> dict[str, Any]:
    return {
        "inputs": [tensor("distance", "FP64", *distances), tensor("carrier", "BYTES", *["UA"] * len(distances))],
        **more,
    }


def test_open_inference_answers_with_tensors_and_the_version(client: TestClient, memory: Memory) -> None:
    answer = client.post(
        INFER,
        json=v2(
            1,
            2.5,
            id="req-7",
            parameters={"ids": ["x", "y"], "event_time": "2013-07-01T12:00:00+02:00", "routing_key": "k"},
        ),
    )
    assert answer.status_code == 200
    assert answer.json() == {
        "model_name": "flights",
        "model_version": "1",
        "id": "req-7",
        "outputs": [{"name": "prediction", "shape": [2], "datatype": "FP64", "data": [1001.0, 1002.5]}],
    }
    assert answer.headers["x-modelyard-version"] == "1"
    assert answer.headers["x-modelyard-digest"] == served(1).digest
    assert answer.headers["x-modelyard-request"] == "req-7"
    assert memory.predictions[0].ids == ("x", "y")
    assert memory.predictions[0].event_time.isoformat() == "2013-07-01T10:00:00+00:00"


def test_a_column_may_have_the_shape_n_1(client: TestClient) -> None:
    body = {
        "inputs": [
            tensor("distance", "INT64", [3], [4], shape=[2, 1]),
            tensor("carrier", "BYTES", "UA", "AA", shape=[2, 1]),
        ]
    }
    assert client.post(INFER, json=body).json()["outputs"][0]["data"] == [1003.0, 1004.0]


def test_only_the_wanted_outputs_come_back(client: TestClient, engine: Engine) -> None:
    both = {"label": np.array([True]), "probability": np.array([0.75])}
    engine.set_routes(Routes(served(1, lambda columns: both)))
    answer = client.post(INFER, json=v2(1, outputs=[{"name": "probability"}])).json()
    assert [output["name"] for output in answer["outputs"]] == ["probability"]
    assert [o["datatype"] for o in client.post(INFER, json=v2(1)).json()["outputs"]] == ["BOOL", "FP64"]
    assert client.post(INFER, json=v2(1, outputs=[{"name": "odds"}])).status_code == 422


def test_a_version_can_be_asked_for_by_number(client: TestClient, engine: Engine) -> None:
    engine.set_routes(Routes(served(1), served(2), 0.0))
    answer = client.post("/v2/models/flights/versions/2/infer", json=v2(1))
    assert (answer.json()["model_version"], answer.headers["x-modelyard-role"]) == ("2", "canary")


def test_metadata_tells_what_is_loaded_and_what_it_takes(client: TestClient, engine: Engine) -> None:
    engine.set_routes(Routes(served(1), served(2), 0.25))
    found = client.get("/v2/models/flights").json()
    assert (found["name"], found["versions"], found["parameters"]["version"]) == ("flights", ["1", "2"], "1")
    assert [(i["name"], i["datatype"], i["shape"]) for i in found["inputs"]] == [
        ("distance", "FP64", [-1]),
        ("carrier", "BYTES", [-1]),
    ]
    assert client.get("/v2/models/flights/versions/2").json()["parameters"]["digest"] == served(2).digest
    root = client.get("/").json()
    assert [(v["role"], v["version"], v["digest"]) for v in root["loaded"]] == [
        ("stable", 1, served(1).digest),
        ("canary", 2, served(2).digest),
    ]
    assert (root["deployment"], root["replica"], root["weight"], root["ready"]) == ("flights-live", "r1", 0.25, True)
    assert client.get("/v2").json()["name"] == "modelyard"


ROWS = [{"distance": 1, "carrier": "UA"}, {"distance": 2, "carrier": "AA"}]
MLFLOW_FORMS = {
    "dataframe_split": {
        "dataframe_split": {"columns": ["carrier", "distance"], "index": [0, 1], "data": [["UA", 1], ["AA", 2]]}
    },
    "dataframe_records": {"dataframe_records": ROWS},
    "instances of objects": {"instances": ROWS},
    "instances of lists": {"instances": [[1, "UA"], [2, "AA"]]},
    "inputs of columns": {"inputs": {"distance": [1, 2], "carrier": ["UA", "AA"]}},
    "inputs of objects": {"inputs": ROWS},
    "inputs of lists": {"inputs": [[1, "UA"], [2, "AA"]]},
}


@pytest.mark.parametrize("body", MLFLOW_FORMS.values(), ids=MLFLOW_FORMS)
def test_mlflow_takes_the_same_rows_in_each_of_its_forms(client: TestClient, memory: Memory, body: Any) -> None:
    answer = client.post("/invocations", json=body)
    assert answer.json() == {"predictions": [1001.0, 1002.0]}
    assert (answer.headers["x-modelyard-version"], answer.headers["x-modelyard-digest"]) == ("1", served(1).digest)
    assert memory.predictions[0].inputs == {"distance": [1.0, 2.0], "carrier": ["UA", "AA"]}


def test_mlflow_takes_csv_and_an_empty_cell_is_missing(client: TestClient, memory: Memory) -> None:
    csv = '\ufeffcarrier,distance\r\n"UA, or so",1\r\n,2.5\r\n'.encode()
    answer = client.post("/invocations", content=csv, headers={"Content-Type": "text/csv; charset=utf-8"})
    assert answer.json() == {"predictions": [1001.0, 1002.5]}
    assert memory.predictions[0].inputs["carrier"] == ["UA, or so", None]


def test_mlflow_gives_several_outputs_as_one_object_a_row(client: TestClient, engine: Engine, memory: Memory) -> None:
    both = {"label": np.array(["late", "in time"]), "probability": np.array([0.75, 0.25])}
    engine.set_routes(Routes(served(1, lambda columns: both)))
    answer = client.post(
        "/invocations", json={"instances": ROWS, "params": {"ids": [7, "b"]}}, headers={"X-Request-Id": "mine"}
    )
    assert answer.json()["predictions"] == [
        {"label": "late", "probability": 0.75},
        {"label": "in time", "probability": 0.25},
    ]
    assert (memory.predictions[0].request, memory.predictions[0].ids) == ("mine", ("7", "b"))


def test_alive_before_ready_and_ready_when_a_stable_version_is_loaded() -> None:
    engine = Engine()
    with TestClient(create_app(engine)) as client:
        assert [client.get(path).status_code for path in ("/health", "/v2/health/live", "/", "/metrics")] == [200] * 4
        for path in ("/ready", "/ping", "/v2/health/ready", "/v2/models/flights/ready"):
            answer = client.get(path)
            assert (answer.status_code, answer.json()["error"]) == (503, "NotReady")
            assert int(answer.headers["retry-after"]) >= 1
        assert client.post("/invocations", json={"instances": ROWS}).status_code == 503
        assert client.post(INFER, json=v2(1)).status_code == 503
        engine.set_routes(Routes(None, served(2), 1.0))  # a candidate alone does not make it ready
        assert client.get("/ready").status_code == 503
        engine.set_routes(Routes(served(1)))
        assert [client.get(path).status_code for path in ("/ready", "/ping", "/v2/models/flights/ready")] == [200] * 3
        assert client.get("/version").text[0].isdigit()
    engine.close()


BAD = {
    # name: (method, path, body, headers, status, error, what the sentence names)
    "unknown route": ("GET", "/v3", None, {}, 404, "RouteNotFound", "/v3"),
    "wrong method": ("GET", "/invocations", None, {}, 405, "MethodNotAllowed", "POST"),
    "bad JSON": ("POST", INFER, b"{'a'", {}, 400, "InvalidBody", "line 1"),
    "infinite number": ("POST", INFER, b'{"inputs": Infinity}', {}, 400, "InvalidBody", "Infinity"),
    "not UTF-8": ("POST", INFER, b'{"id": "\xff"}', {}, 400, "InvalidBody", "utf-8"),
    "nested too deeply": ("POST", INFER, b'{"inputs":' + b"[" * 9000, {}, 400, "InvalidBody", "nested too deeply"),
    "an endless integer": ("POST", INFER, b'{"inputs":' + b"1" * 9000 + b"}", {}, 400, "InvalidBody", "digits"),
    "a list": ("POST", INFER, [1], {}, 400, "InvalidBody", "a list"),
    "empty body": ("POST", "/invocations", b"", {}, 400, "InvalidBody", "JSON"),
    "too big": ("POST", INFER, b" " * 10_001, {}, 413, "BodyTooLarge", "10000"),
    "wrong content type": ("POST", INFER, b"x", {"Content-Type": "text/html"}, 415, "UnsupportedContent", "text/html"),
    "compressed": ("POST", INFER, b"x", {"Content-Encoding": "gzip"}, 415, "UnsupportedContent", "gzip"),
    "binary tensors": ("POST", INFER, b"x", {"Inference-Header-Content-Length": "3"}, 415, "UnsupportedContent", "JSON"),
    "unknown model": ("POST", "/v2/models/fraud/infer", v2(1), {}, 404, "ModelNotServed", "'fraud'"),
    "wrong version": ("POST", "/v2/models/flights/versions/9/infer", v2(1), {}, 404, "VersionNotServed", "9"),
    "version is no number": ("GET", "/v2/models/flights/versions/-1", None, {}, 404, "VersionNotServed", "-1"),
    "no inputs": ("POST", INFER, {"inputs": []}, {}, 422, "InvalidRequest", "'inputs'"),
    "unknown field": ("POST", INFER, v2(1, param={}), {}, 422, "InvalidRequest", "'param'"),
    "missing column": ("POST", INFER, {"inputs": [tensor("distance", "FP64", 1)]}, {}, 422, "InvalidRequest", "'carrier'"),
    "unknown column": ("POST", INFER, {"inputs": [*v2(1)["inputs"], tensor("gate", "FP64", 1)]}, {}, 422, "InvalidRequest", "'gate'"),
    "a column twice": ("POST", INFER, {"inputs": [*v2(1)["inputs"]] * 2}, {}, 422, "InvalidRequest", "'distance'"),
    "wrong type": ("POST", INFER, {"inputs": [tensor("distance", "BYTES", "far"), tensor("carrier", "BYTES", "UA")]}, {}, 422, "InvalidRequest", "'distance'"),
    "datatype does not fit": ("POST", INFER, v2("far"), {}, 422, "InvalidRequest", "'distance', row 0"),
    "unknown datatype": ("POST", INFER, {"inputs": [tensor("distance", "FP65", 1)]}, {}, 422, "InvalidRequest", "FP65"),
    "datatype is a list": ("POST", INFER, {"inputs": [{"name": "distance", "datatype": [], "shape": [1], "data": [1]}]}, {}, 422, "InvalidRequest", "datatype"),
    "wrong shape": ("POST", INFER, {"inputs": [tensor("distance", "FP64", 1, shape=[2])]}, {}, 422, "InvalidRequest", "shape"),
    "ragged": ("POST", INFER, {"inputs": [tensor("distance", "FP64", 1, 2), tensor("carrier", "BYTES", "UA")]}, {}, 422, "InvalidRequest", "differ in length"),
    "no rows": ("POST", INFER, v2(), {}, 422, "InvalidRequest", "no rows"),
    "overflowing number": ("POST", INFER, b'{"inputs":[{"name":"distance","datatype":"FP64","shape":[1],"data":[1e999]},{"name":"carrier","datatype":"BYTES","shape":[1],"data":["UA"]}]}', {}, 422, "InvalidRequest", "'distance'"),
    "ids of the wrong length": ("POST", INFER, v2(1, parameters={"ids": ["a", "b"]}), {}, 422, "InvalidRequest", "'ids'"),
    "ids are no list": ("POST", INFER, v2(1, parameters={"ids": "a"}), {}, 422, "InvalidRequest", "'ids'"),
    "event time in a year without end": ("POST", INFER, v2(1, parameters={"event_time": "9999-12-31T00:00Z"}), {}, 422, "InvalidRequest", "'event_time'"),
    "event time before computers": ("POST", INFER, v2(1, parameters={"event_time": "0001-01-01T00:00Z"}), {}, 422, "InvalidRequest", "'event_time'"),
    "event time": ("POST", INFER, v2(1, parameters={"event_time": "noon"}), {}, 422, "InvalidRequest", "'event_time'"),
    "routing key": ("POST", INFER, v2(1, parameters={"routing_key": 7}), {}, 422, "InvalidRequest", "'routing_key'"),
    "unknown parameter": ("POST", INFER, v2(1, parameters={"idz": []}), {}, 422, "InvalidRequest", "'idz'"),
    "long id": ("POST", INFER, v2(1, id="x" * 300), {}, 422, "InvalidRequest", "'id'"),
    "two mlflow forms": ("POST", "/invocations", {"instances": ROWS, "inputs": ROWS}, {}, 422, "InvalidRequest", "instances and inputs"),
    "no mlflow form": ("POST", "/invocations", {}, {}, 422, "InvalidRequest", "dataframe_split"),
    "split with a short row": ("POST", "/invocations", {"dataframe_split": {"columns": ["distance", "carrier"], "data": [[1]]}}, {}, 422, "InvalidRequest", "row 0"),
    "split names twice": ("POST", "/invocations", {"dataframe_split": {"columns": ["distance", "distance"], "data": [[1, 1]]}}, {}, 422, "InvalidRequest", "twice"),
    "record without a column": ("POST", "/invocations", {"dataframe_records": [{"distance": 1}]}, {}, 422, "InvalidRequest", "'carrier'"),
    "instance without a column": ("POST", "/invocations", {"instances": [ROWS[0], {"distance": 1}]}, {}, 422, "InvalidRequest", "'carrier'"),
    "instances of too many values": ("POST", "/invocations", {"instances": [[1, "UA", 3]]}, {}, 422, "InvalidRequest", "row 0"),
    "a column that is a value": ("POST", "/invocations", {"inputs": {"distance": 1, "carrier": ["UA"]}}, {}, 422, "InvalidRequest", "'distance'"),
    "csv of the wrong type": ("POST", "/invocations", b"carrier,distance\nUA,far\n", {"Content-Type": "text/csv"}, 422, "InvalidRequest", "'distance'"),
    "csv that is empty": ("POST", "/invocations", b"", {"Content-Type": "text/csv"}, 400, "InvalidBody", "empty"),
    "csv with an open quote": ("POST", "/invocations", b'a,b\n"x', {"Content-Type": "text/csv"}, 400, "InvalidBody", "CSV"),
    "a label beyond floats": ("POST", LABELS, {"ids": ["a", "b"], "values": [1, 10**400]}, {}, 422, "InvalidRequest", "'values[1]'"),
    "an overflowing label": ("POST", LABELS, b'{"ids": ["a"], "values": [-1e999]}', {}, 422, "InvalidRequest", "'values[0]'"),
    "labels without values": ("POST", LABELS, {"ids": ["a"]}, {}, 422, "InvalidRequest", "'values'"),
    "labels of another length": ("POST", LABELS, {"ids": ["a"], "values": [1, 2]}, {}, 422, "InvalidRequest", "'values'"),
    "a label that is missing": ("POST", LABELS, {"ids": ["a"], "values": [None]}, {}, 422, "InvalidRequest", "'values[0]'"),
    "an id that is missing": ("POST", LABELS, {"ids": [""], "values": [1]}, {}, 422, "InvalidRequest", "'ids[0]'"),
    "labels of an unknown model": ("POST", "/v2/models/fraud/labels", {"ids": ["a"], "values": [1]}, {}, 404, "ModelNotServed", "'fraud'"),
}  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "headers", "status", "error", "named"), BAD.values(), ids=BAD)
def test_bad_input_is_a_problem_that_names_the_field(
    client: TestClient,
    memory: Memory,
    method: str,
    path: str,
    body: Any,
    headers: Any,
    status: int,
    error: str,
    named: str,
) -> None:
    content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    answer = client.request(method, path, content=content, headers={"Content-Type": "application/json", **headers})
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["error"]) == (status, status, error)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["type"].startswith("urn:modelyard:problem:")
    assert problem["title"]
    assert named in problem["detail"]
    assert "Traceback" not in answer.text
    assert memory.predictions == memory.label_records == []


def test_a_body_without_a_length_is_bounded_too(client: TestClient) -> None:
    answer = client.post(INFER, content=(b" " * 1000 for _ in range(11)), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = [
    "id",
    "inputs",
    "outputs",
    "parameters",
    "ids",
    "values",
    "params",
    *["dataframe_split", "dataframe_records", "instances"],
]
TENSOR_KEYS = ["name", "shape", "datatype", "data", "columns", "index", "distance", "carrier"]
NAMES = st.sampled_from(["FP64", "BYTES", "BOOL", "distance", "carrier"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([INFER, LABELS, "/invocations"]),
    st.dictionaries(
        st.sampled_from(KEYS),
        json_like | st.lists(st.dictionaries(st.sampled_from(TENSOR_KEYS), json_like | NAMES), max_size=2),
        max_size=3,
    ),
)
def test_no_json_whatsoever_makes_a_500(client: TestClient, path: str, document: Any) -> None:
    answer = client.post(path, content=json.dumps(document).encode(), headers={"Content-Type": "application/json"})
    assert answer.status_code < 500, answer.text


@pytest.mark.parametrize("number", ["1" + "0" * 400, "1e999"], ids=["whole", "overflowing"])
@pytest.mark.parametrize(
    "signature", [None, Signature((Field("x", "any"),), ())], ids=["no signature", "anything goes"]
)
def test_a_number_beyond_floats_is_refused_with_column_and_row(
    client: TestClient, engine: Engine, signature: Signature | None, number: str
) -> None:
    engine.set_routes(Routes(served(2, signature=signature)))
    answer = client.post("/invocations", content=f'{{"dataframe_records": [{{"x": 1}}, {{"x": {number}}}]}}')
    assert answer.status_code == 422
    assert "column 'x', row 1" in answer.json()["detail"]


def test_a_version_that_fails_is_a_problem_without_a_traceback(client: TestClient, engine: Engine) -> None:
    def raises(columns: Any) -> Any:
        raise RuntimeError("weights are broken")

    engine.set_routes(Routes(served(1, raises)))
    answer = client.post(INFER, json=v2(1))
    assert (answer.status_code, answer.json()["error"]) == (500, "PredictionFailed")
    assert "weights are broken" in answer.json()["detail"]
    assert "Traceback" not in answer.text


def test_a_fault_of_our_own_says_no_more_than_that(
    client: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(request: Any) -> Any:
        raise KeyError("secret")

    monkeypatch.setattr(engine, "predict", broken)
    answer = client.post(INFER, json=v2(1))
    assert (answer.status_code, answer.json()["error"]) == (500, "InternalError")
    assert "secret" not in answer.text
    assert "secret" in caplog.text


def test_labels_are_kept_and_answered_202(client: TestClient, memory: Memory) -> None:
    answer = client.post(LABELS, json={"ids": ["a", 2], "values": [True, 0.5]})
    assert (answer.status_code, answer.json()) == (202, {"accepted": 2})
    (record,) = memory.label_records
    assert (record.ids, record.values) == (("a", "2"), (True, 0.5))


def test_labels_that_cannot_be_kept_are_not_accepted(client: TestClient, memory: Memory) -> None:
    memory.full = True
    answer = client.post(LABELS, json={"ids": ["a"], "values": [1]})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_numbers_without_a_word_in_json_become_null(client: TestClient, engine: Engine) -> None:
    engine.set_routes(
        Routes(
            served(
                1, lambda columns: {"p": np.array([np.nan, np.inf, 0.5]), "q": np.array([{1}, b"x", np.float32("nan")])}
            )
        )
    )
    outputs = client.post(INFER, json=v2(1, 2, 3)).json()["outputs"]
    assert [output["data"] for output in outputs] == [[None, None, 0.5], ["{1}", "x", None]]


def test_an_output_of_two_dimensions_is_flat_in_open_inference_and_nested_in_mlflow(
    client: TestClient, engine: Engine
) -> None:
    engine.set_routes(Routes(served(1, lambda columns: {"p": np.array([[0.25, np.nan], [0.5, 0.5]])})))
    (output,) = client.post(INFER, json=v2(1, 2)).json()["outputs"]
    assert (output["shape"], output["data"]) == ([2, 2], [0.25, None, 0.5, 0.5])
    assert client.post("/invocations", json={"instances": ROWS}).json()["predictions"] == [[0.25, None], [0.5, 0.5]]


@pytest.mark.parametrize(
    ("array", "values"),
    [
        (np.array(["2013-07-01T12:00", "NaT"], dtype="datetime64[us]"), ["2013-07-01T12:00:00.000000Z", None]),
        (np.array([1, 2], dtype=np.uint8), [1, 2]),
        (np.array([True]), [True]),
        (np.array(["late"]), ["late"]),
        (np.array([None, np.int64(3), "x", (1, np.inf)], dtype=object), [None, 3, "x", [1, None]]),
        (np.array([1 + 2j]), ["(1+2j)"]),
        (np.array([10**400, 1], dtype=object), [None, 1]),
    ],
    ids=["times", "small integers", "booleans", "text", "objects", "complex", "beyond floats"],
)
def test_each_kind_of_array_has_json_values(array: Any, values: Any) -> None:
    assert json_values(array) == values
    json.dumps(json_values(array), allow_nan=False)


def test_nan_in_a_request_is_a_missing_number(client: TestClient, memory: Memory) -> None:
    body = b'{"dataframe_records": [{"distance": NaN, "carrier": null}]}'
    answer = client.post("/invocations", content=body, headers={"Content-Type": "application/json"})
    assert answer.json() == {"predictions": [None]}
    assert memory.predictions[0].inputs == {"distance": [None], "carrier": [None]}


def test_lone_surrogates_pass_through_whole(client: TestClient, engine: Engine, memory: Memory) -> None:
    engine.set_routes(Routes(served(1), served(2), 0.5))
    body = json.dumps(v2(1, id="\ud800", parameters={"routing_key": "\udfff"})).encode()
    answer = client.post(INFER, content=body, headers={"Content-Type": "application/json"})
    assert answer.json()["id"] == "\ud800"
    json.dumps(memory.predictions[0].to_json()).encode()


def test_metrics_count_by_role_version_and_status(client: TestClient, engine: Engine) -> None:
    def raises(columns: Any) -> Any:
        raise RuntimeError

    client.post(INFER, json=v2(1, 2, 3))
    client.post(INFER, content=b"{", headers={"Content-Type": "application/json"})
    engine.set_routes(Routes(served(1), served(2, raises), 1.0))
    client.post(INFER, json=v2(1))
    families = text_string_to_metric_families(client.get("/metrics").text)
    samples = {(s.name, *sorted(s.labels.items())): s.value for family in families for s in family.samples}

    def sample(name: str, **labels: str) -> float:
        return samples[(name, *sorted(labels.items()))]

    assert sample("modelyard_requests_total", role="stable", version="1", status="200") == 2
    assert sample("modelyard_requests_total", role="canary", version="2", status="500") == 1
    assert sample("modelyard_requests_total", role="", version="", status="400") == 1
    assert sample("modelyard_rows_total", role="stable", version="1") == 4
    assert sample("modelyard_request_seconds_count", role="stable", version="1") == 2
    assert sample("modelyard_in_flight_requests") == 0
    assert sample("modelyard_swaps_total") == 2
    assert sample("modelyard_canary_weight") == 1
    loaded = {"model": "flights", "digest": served(2).digest}
    assert sample("modelyard_loaded_info", role="canary", version="2", **loaded) == 1


def test_a_full_queue_says_when_to_retry(client: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_queue_limit", 0)
    answer = client.post(INFER, json=v2(1))
    assert (answer.status_code, answer.json()["error"], answer.headers["retry-after"]) == (503, "Overloaded", "1")


def test_a_signature_with_times_takes_and_describes_them(client: TestClient, engine: Engine, memory: Memory) -> None:
    signature = Signature((Field("when", "datetime"), Field("flag", "boolean"), Field("n", "integer", required=False)))
    engine.set_routes(Routes(served(1, lambda columns: {"ok": columns["flag"]}, signature=signature)))
    body = {"inputs": [tensor("when", "BYTES", "2013-07-01T12:00:00Z"), tensor("flag", "BOOL", True)]}
    assert client.post(INFER, json=body).json()["outputs"][0]["data"] == [True]
    assert memory.predictions[0].inputs == {"when": ["2013-07-01T12:00:00.000000Z"], "flag": [True], "n": [None]}
    assert [i["datatype"] for i in client.get("/v2/models/flights").json()["inputs"]] == ["BYTES", "BOOL", "INT64"]

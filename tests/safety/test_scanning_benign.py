"""What libraries write is called safe; what needs code of the user's own is unknown, and no wolf is cried."""

from __future__ import annotations

import bz2
import functools
import gzip
import json
import os
import pickle
import warnings
from pathlib import Path

import hostile_files
import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils import all_estimators

from modelyard.safety.scanning import ScanReport, scan_files, scan_tree
from modelyard.safety.scanning.imports import judge

RNG = np.random.default_rng(3)
X, Y = RNG.normal(size=(40, 4)), RNG.integers(0, 2, 40)


def scanned(tmp_path: Path, data: bytes, name: str = "model.pkl") -> ScanReport:
    (tmp_path / name).write_bytes(data)
    return scan_files({name: tmp_path / name})


def fitted():
    """One of each estimator of scikit-learn that can be made and fitted without more ado."""
    for name, kind in all_estimators():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                made = kind()
                made.fit(np.abs(X), Y)
            except Exception:  # noqa: BLE001, S112 - those that need arguments or other data are made by the tests of their own
                continue
        yield name, made


def test_every_estimator_of_scikit_learn_is_safe_by_pickle_and_by_joblib(tmp_path):
    """When a new release brings names that are not listed: add them to known/scikit-learn.txt, after a look at what their making does."""
    wrong, count = {}, 0
    for name, model in fitted():
        try:
            data = pickle.dumps(model, 5)
        except Exception:  # noqa: BLE001, S112 - what cannot be pickled needs no list
            continue
        joblib.dump(model, tmp_path / "model.joblib")
        for report in (scanned(tmp_path, data), scan_tree(tmp_path / "model.joblib")):
            if report.verdict != "safe":
                wrong[name] = report.findings
        count += 1
    assert not wrong
    assert count > 120


MODELS = {
    "forest": lambda: RandomForestClassifier(3).fit(X, Y),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=3).fit(X, Y),
    "histograms": lambda: HistGradientBoostingClassifier(max_iter=3).fit(X, Y),
    "text": lambda: make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(
        ["late rain", "fog rain"] * 3, [0, 1] * 3
    ),
    "table": lambda: pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": pd.to_datetime(["2026-01-01", "2026-01-02"])}),
    "objects": lambda: {"classes": np.array(["a", None, 3], dtype=object), "counts": np.arange(5)},
    "structured": lambda: np.array([(1, 2.0, "x")], dtype=[("a", "i4"), ("b", "f8"), ("c", "U3")]),
}


@pytest.mark.parametrize("case", MODELS)
@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_models_are_safe_in_every_protocol(case, protocol, tmp_path):
    report = scanned(tmp_path, pickle.dumps(MODELS[case](), protocol))
    assert report.verdict == "safe", report.findings


@pytest.mark.parametrize("case", MODELS)
@pytest.mark.parametrize("compress", [0, ("zlib", 3), ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)], ids=str)
def test_models_are_safe_as_joblib_writes_them(case, compress, tmp_path):
    joblib.dump(MODELS[case](), tmp_path / "model.joblib", compress=compress)
    report = scan_tree(tmp_path / "model.joblib")
    assert report.verdict == "safe", report.findings
    assert report.imports


def test_xgboost_and_lightgbm_are_safe(tmp_path):
    import lightgbm
    import xgboost

    for model in (xgboost.XGBClassifier(n_estimators=2), lightgbm.LGBMRegressor(n_estimators=2, verbose=-1)):
        report = scanned(tmp_path, pickle.dumps(model.fit(X, Y)))
        assert report.verdict == "safe", report.findings


class Own(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):  # noqa: N803
        return self

    def transform(self, X):  # noqa: N803
        return X


def test_code_of_the_users_own_is_unknown_and_not_dangerous(tmp_path):
    from modelyard.flavors import flavor_of

    model = make_pipeline(Own(), LogisticRegression()).fit(X, Y)
    (tmp_path / "model").mkdir()
    flavor_of(model).save(model, tmp_path / "model")
    for report in (scan_tree(tmp_path / "model"), scanned(tmp_path, pickle.dumps(model))):
        assert report.verdict == "unknown", report.findings
        assert report.issues == 0


def test_code_in_the_pickle_is_told_as_such(tmp_path):
    import cloudpickle

    def scale(values, factor=2):
        return [np.log1p(value) * factor for value in values]

    report = scanned(tmp_path, cloudpickle.dumps(scale))
    assert report.verdict == "unknown"
    assert any("holds code by value" in finding.problem for finding in report.findings)


STATE = pickle.dumps({"a": [1, 2.5, "x"], "b": (None, True)}, 2)
SAFE = {
    "weights.safetensors": b"\x08\0\0\0\0\0\0\0{}      ",
    "config.json": json.dumps({"class_name": "Lambda"}).encode(),
    "data.csv": b"carrier,hour\ncos,1\nsystem,2\n(S'x'\ntR.,3\n",
    "carriers.csv": b"carrier\nhour\n(1,2)\nR.\n",
    "notes.txt": b"cos\nsystem\nare words, and this is text.\n",
    "model.onnx": b"\x08\x0a\x12\x07pytorch",
    "data.parquet": b"PAR1" + bytes(40) + b"PAR1",
    "weights.bin": bytes(range(256)) * 40,
    "model.pt": hostile_files.torch_zip(STATE),
    "torch.pkl": hostile_files.torch_zip(STATE),
    "data.pkl": hostile_files.in_tar("data.csv", b"a,b\n1,2\n"),
    "legacy.pt": hostile_files.torch_legacy(STATE),
    "a.npy": hostile_files.npy(np.arange(3.0).tobytes(), "<f8"),
    "arrays.npz": hostile_files.in_zip("a.npy", hostile_files.npy(pickle.dumps(np.array([1, "x"], object)))),
    "data.tar.gz": hostile_files.in_tar("data.csv", b"a,b\n1,2\n", "w:gz"),
    "notes.txt.gz": gzip.compress(b"plain text"),
    "notes.bz2": bz2.compress(b"plain text") + bz2.compress(b" in two parts"),
    "empty": b"",
    "x": b"x",
    "model.json": b'{"learner": {}}',
    "model.keras": hostile_files.keras_archive(
        {
            "module": "keras",
            "class_name": "Sequential",
            "config": {"layers": [{"module": "keras.layers", "class_name": "Dense", "config": {"activation": "relu"}}]},
        }
    ),
}


@pytest.mark.parametrize("name", SAFE)
def test_what_runs_nothing_is_safe(name, tmp_path):
    report = scanned(tmp_path, SAFE[name], name)
    assert report.verdict == "safe", report.findings


def test_a_folder_is_one_report_over_all_files(tmp_path):
    for name, data in SAFE.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "evil.bin").write_bytes(hostile_files.attacks("x")["os.system"][1])
    report = scan_tree(tmp_path)
    assert report.files == len(SAFE) + 1
    assert [(finding.file, finding.imported) for finding in report.findings] == [("sub/evil.bin", "os.system")]
    assert report.summary()["finding"] == "sub/evil.bin imports os.system, which no model needs"


@pytest.mark.parametrize("count", [1, 10_000])
def test_many_files_are_looked_at(count, tmp_path):
    (tmp_path / "one.csv").write_bytes(b"a\n1\n")
    report = scan_files({f"{number}.csv": tmp_path / "one.csv" for number in range(count)})
    assert (report.verdict, report.files) == ("safe", count)


def test_a_report_is_read_back_as_it_was_written(tmp_path):
    report = scanned(tmp_path, hostile_files.torch_zip(hostile_files.attacks("x")["os.system"][1]), "größe.pt")
    assert ScanReport.from_json(json.loads(json.dumps(report.to_json()))) == report
    assert report.findings[0].member == "archive/data.pkl"


def test_raw_numbers_are_not_taken_for_pickles(tmp_path):
    """Any bytes may be a pickle of an old protocol; by chance they must not be one that calls something."""
    chance = np.random.default_rng(11)
    for number in range(3000):
        data = (
            chance.bytes(200),
            chance.normal(size=50).astype("f4").tobytes(),
            chance.integers(32, 127, 200, "u1").tobytes(),
        )
        report = scanned(tmp_path, data[number % 3], "weights.bin")
        assert report.verdict == "safe", (data, report.findings)
    (tmp_path / "weights.bin").write_bytes(bytes(2**17) + b"PK\x05\x06" + bytes(5000))
    assert scan_tree(tmp_path / "weights.bin").verdict == "safe"


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.sampled_from([np.arange(3), np.float32(2)]),
    lambda inner: (
        st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner) | st.sets(st.integers())
    ),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(VALUES, st.integers(0, 5))
def test_any_plain_value_is_safe_in_any_protocol(tmp_path_factory, value, protocol):
    report = scanned(tmp_path_factory.mktemp("scan"), pickle.dumps(value, protocol))
    assert report.verdict == "safe", report.findings


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["x.bin", "x.pkl", "x.zip", "x.npy", "x.h5", "x.keras", "x.tar.gz"]))
def test_no_bytes_make_the_scan_fall_over(tmp_path_factory, data, name):
    report = scanned(tmp_path_factory.mktemp("scan"), data, name)
    assert not any("stumbled" in finding.problem for finding in report.findings)


def test_names_are_judged_by_the_whole_name():
    assert judge("collections", "OrderedDict") == "safe"
    assert judge("collections", "OrderedDict.fromkeys") == "unknown"
    assert judge("collections.abc", "OrderedDict") == "unknown"
    assert judge("sklearn.linear_model._base", "LinearRegression") == "safe"
    assert judge("sklearn.linear_model._base", "Parallel") == "unknown"
    assert judge("sklearn.linear_model._base", "os") == "dangerous"
    assert judge("", "") == "unknown"


def test_no_name_is_on_both_lists():
    from modelyard.safety.scanning import imports

    both = [(m, n) for m, names in imports._known().items() for n in names if n in imports._denied().get(m, ())]
    assert not both
    assert len(imports._denied()) > 100


def test_a_held_function_is_judged_by_what_is_held(tmp_path: Path) -> None:
    """`picklescan` calls `functools.partial` dangerous, and many an honest transformer is made with it."""
    honest = scanned(tmp_path, pickle.dumps(functools.partial(np.clip, a_min=0)))
    assert honest.verdict != "dangerous"
    assert scanned(tmp_path, pickle.dumps(functools.partial(os.system, "true"))).verdict == "dangerous"

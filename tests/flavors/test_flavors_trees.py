"""xgboost and lightgbm: forms that run no code."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from modelyard.core.digests import canonical_json
from modelyard.core.errors import FlavorMissing, InvalidInput, InvalidRequest, ModelUnreadable, ObjectUnusable
from modelyard.flavors import flavor_named, flavor_of
from modelyard.flavors.lightgbm_text import problem_of
from modelyard.profiles.columns import columns_of

xgb = pytest.importorskip("xgboost")
lgb = pytest.importorskip("lightgbm")

RNG = np.random.default_rng(11)
ROWS = 120
TABLE = pd.DataFrame(
    {
        "hour": RNG.integers(0, 24, ROWS),
        "temp": np.where(RNG.random(ROWS) < 0.1, np.nan, RNG.normal(10, 5, ROWS)),
        "night": RNG.random(ROWS) < 0.3,
    }
)
WITH_TEXT = TABLE.assign(
    carrier=pd.Categorical(RNG.choice(["AA", "UA", "WN"], ROWS)), gate=pd.Categorical(RNG.integers(3, 6, ROWS))
)
BEYOND_ASCII = WITH_TEXT.assign(carrier=WITH_TEXT["carrier"].cat.rename_categories({"AA": "Ärö", "WN": "Änn"}))
SQUARE = TABLE[["hour", "temp"]].to_numpy(dtype=float)
LATE = (TABLE["hour"] + RNG.normal(0, 5, ROWS) > 12).astype(int).to_numpy()
DELAY = TABLE["hour"].to_numpy() * 3.0 + RNG.normal(0, 1, ROWS)
PART = TABLE["hour"].to_numpy() // 8
SMALL = {"n_estimators": 6, "n_jobs": 1}
QUIET = {**SMALL, "verbose": -1, "min_child_samples": 5}


def pairs_loss(truth, guess):
    return guess - truth, np.ones_like(guess)


def early():
    face = xgb.XGBClassifier(n_estimators=40, early_stopping_rounds=2, n_jobs=1, learning_rate=1.0)
    return face.fit(TABLE[:60], LATE[:60], eval_set=[(TABLE[60:], LATE[60:])], verbose=False)


def early_lgb():
    face = lgb.LGBMClassifier(**QUIET | {"n_estimators": 40, "learning_rate": 1.0})
    return face.fit(
        TABLE[:60], LATE[:60], eval_X=TABLE[60:], eval_y=LATE[60:], callbacks=[lgb.early_stopping(2, verbose=False)]
    )


def xgb_booster(objective, y, **more):
    data = xgb.DMatrix(TABLE, label=y)
    return xgb.train({"objective": objective, "nthread": 1, **more}, data, num_boost_round=4)


def lgb_booster(objective, y, **more):
    params = {"objective": objective, "verbose": -1, "num_threads": 1, **more}
    return lgb.train(params, lgb.Dataset(TABLE, label=y), num_boost_round=4)


MODELS = {
    "xgb classifier": (lambda: xgb.XGBClassifier(**SMALL).fit(TABLE, LATE), TABLE),
    "xgb on an array": (lambda: xgb.XGBClassifier(**SMALL).fit(SQUARE, LATE), SQUARE),
    "xgb multiclass": (lambda: xgb.XGBClassifier(**SMALL).fit(TABLE, PART), TABLE),
    "xgb softmax": (lambda: xgb.XGBClassifier(objective="multi:softmax", **SMALL).fit(TABLE, PART), TABLE),
    "xgb multilabel": (lambda: xgb.XGBClassifier(**SMALL).fit(TABLE, np.c_[LATE, 1 - LATE]), TABLE),
    "xgb regressor": (lambda: xgb.XGBRegressor(**SMALL).fit(TABLE, DELAY), TABLE),
    "xgb forest": (lambda: xgb.XGBRFRegressor(**SMALL).fit(TABLE, DELAY), TABLE),
    "xgb two outputs": (lambda: xgb.XGBRegressor(**SMALL).fit(TABLE, np.c_[DELAY, -DELAY]), TABLE),
    "xgb dart": (
        lambda: xgb.XGBClassifier(booster="dart", enable_categorical=True, **SMALL).fit(WITH_TEXT, LATE),
        WITH_TEXT,
    ),
    "xgb linear": (lambda: xgb.XGBRegressor(booster="gblinear", **SMALL).fit(TABLE.fillna(0), DELAY), TABLE.fillna(0)),
    "xgb missing is -1": (
        lambda: xgb.XGBClassifier(missing=-1.0, **SMALL).fit(TABLE.fillna(-1), LATE),
        TABLE.fillna(-1),
    ),
    "xgb categories": (lambda: xgb.XGBClassifier(enable_categorical=True, **SMALL).fit(WITH_TEXT, LATE), WITH_TEXT),
    "xgb early stopping": (early, TABLE),
    "xgb own objective": (lambda: xgb.XGBRegressor(objective=pairs_loss, **SMALL).fit(TABLE, DELAY), TABLE),
    "lgb classifier": (lambda: lgb.LGBMClassifier(**QUIET).fit(TABLE, LATE), TABLE),
    "lgb text labels": (lambda: lgb.LGBMClassifier(**QUIET).fit(TABLE, np.where(LATE, "late", "in time")), TABLE),
    "lgb object labels": (
        lambda: lgb.LGBMClassifier(**QUIET).fit(TABLE, np.where(LATE, "b", "a").astype(object)),
        TABLE,
    ),
    "lgb on an array": (lambda: lgb.LGBMClassifier(**QUIET).fit(SQUARE, LATE), SQUARE),
    "lgb multiclass": (lambda: lgb.LGBMClassifier(**QUIET).fit(TABLE, PART), TABLE),
    "lgb regressor": (lambda: lgb.LGBMRegressor(**QUIET).fit(TABLE, DELAY), TABLE),
    "lgb categories": (lambda: lgb.LGBMClassifier(**QUIET).fit(WITH_TEXT, LATE), WITH_TEXT),
    "lgb categories beyond ASCII": (lambda: lgb.LGBMClassifier(**QUIET).fit(BEYOND_ASCII, LATE), BEYOND_ASCII),
    "lgb early stopping": (early_lgb, TABLE),
    "lgb random forest": (
        lambda: lgb.LGBMClassifier(boosting_type="rf", subsample_freq=1, subsample=0.5, **QUIET).fit(TABLE, LATE),
        TABLE,
    ),
}

BOOSTERS = {
    "xgb": (lambda: xgb_booster("reg:squarederror", DELAY), ["prediction"]),
    "xgb binary": (lambda: xgb_booster("binary:logistic", LATE), ["label", "probability"]),
    "xgb multi": (
        lambda: xgb_booster("multi:softprob", PART, num_class=3),
        ["label", "probability_0", "probability_1", "probability_2"],
    ),
    "lgb": (lambda: lgb_booster("regression", DELAY), ["prediction"]),
    "lgb binary": (lambda: lgb_booster("binary", LATE), ["label", "probability"]),
    "lgb multi": (
        lambda: lgb_booster("multiclass", PART, num_class=3),
        ["label", "probability_0", "probability_1", "probability_2"],
    ),
}


def there_and_back(model, folder):
    flavor = flavor_of(model)
    facts = json.loads(canonical_json(flavor.save(model, folder)))
    assert facts["runs_code"] is flavor.runs_code is False
    assert (folder / facts["file"]).is_file()
    loaded = flavor_named(flavor.name).load(folder, facts)
    assert type(loaded) is type(model)
    return loaded, flavor.predictor(loaded, facts)


def columns_backwards(data):
    columns = columns_of(data)
    return dict(reversed(columns.items()))


@pytest.mark.parametrize("case", MODELS)
def test_a_loaded_model_predicts_exactly_as_the_saved_one(case, tmp_path):
    make, data = MODELS[case]
    model = make()
    assert flavor_of(model).name == {"xgb": "xgboost", "lgb": "lightgbm"}[case[:3]]
    loaded, predictor = there_and_back(model, tmp_path)
    expected = model.predict(data)
    np.testing.assert_array_equal(loaded.predict(data), expected)
    found = predictor.predict(columns_backwards(data))
    if expected.ndim == 2:
        assert list(found) == ["output_0", "output_1"]
        np.testing.assert_array_equal(np.column_stack(list(found.values())), expected)
    elif not hasattr(model, "predict_proba"):
        np.testing.assert_array_equal(found["prediction"], expected)
    else:
        np.testing.assert_array_equal(found["label"], expected)
        chances = model.predict_proba(data)
        np.testing.assert_array_equal(loaded.predict_proba(data), chances)
        if chances.shape[1] == 2:
            np.testing.assert_array_equal(found["probability"], chances[:, 1])
        elif "softmax" not in case:
            assert list(found)[1:] == ["probability_0", "probability_1", "probability_2"]
            np.testing.assert_array_equal(np.column_stack(list(found.values())[1:]), chances)


@pytest.mark.parametrize("case", BOOSTERS)
def test_a_bare_booster_predicts_exactly_as_the_saved_one(case, tmp_path):
    make, names = BOOSTERS[case]
    model = make()
    _, predictor = there_and_back(model, tmp_path)
    found = predictor.predict(columns_backwards(TABLE))
    assert list(found) == names
    raw = model.predict(xgb.DMatrix(TABLE) if case.startswith("xgb") else TABLE)
    table = np.column_stack(list(found.values())[-raw.ndim if raw.ndim == 1 else 1 :])
    np.testing.assert_array_equal(table.reshape(raw.shape), raw)
    if "label" in found:
        likeliest = (raw > 0.5).astype(int) if raw.ndim == 1 else raw.argmax(axis=1)
        np.testing.assert_array_equal(found["label"], likeliest)


@pytest.mark.parametrize("case", MODELS)
def test_the_same_object_gives_the_same_bytes_before_and_after_it_has_predicted(case, tmp_path):
    make, data = MODELS[case]
    model = make()
    written = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        flavor_of(model).save(model, folder)
        written.append({path.name: path.read_bytes() for path in folder.iterdir()})
        model.predict(data)
    assert written[0] == written[1]


@pytest.mark.parametrize("case", MODELS)
def test_the_arguments_of_the_estimator_come_back(case, tmp_path):
    make, _ = MODELS[case]
    model = make()
    loaded, _ = there_and_back(model, tmp_path)
    told = {k: repr(v) for k, v in model.get_params().items() if not callable(v)}
    assert {k: repr(v) for k, v in loaded.get_params().items() if k in told} == told


def test_what_json_cannot_hold_is_named_and_not_needed(tmp_path):
    model = xgb.XGBRegressor(objective=pairs_loss, **SMALL).fit(TABLE, DELAY)
    assert flavor_of(model).save(model, tmp_path)["left_out"] == ["objective"]


def test_estimators_with_code_of_the_users_own_go_to_the_pickle_flavor():
    class Mine(xgb.XGBClassifier):
        pass

    class Ours(lgb.LGBMClassifier):
        pass

    assert flavor_of(Mine()).name == "sklearn"
    assert flavor_of(Ours()).name == "sklearn"
    assert flavor_of(lgb.LGBMRegressor(objective=pairs_loss)).name == "sklearn"


@pytest.mark.parametrize("model", [xgb.XGBClassifier(), lgb.LGBMClassifier()], ids=["xgboost", "lightgbm"])
def test_an_estimator_that_is_not_fitted_is_refused(model, tmp_path):
    with pytest.raises(ObjectUnusable, match="cannot be kept"):
        flavor_of(model).save(model, tmp_path)


@pytest.mark.parametrize("case", ["xgb categories", "lgb categories"])
def test_a_category_that_training_never_saw_counts_as_missing(case):
    make, data = MODELS[case]
    model = make()
    predictor = flavor_of(model).predictor(model, {})
    row = {name: column[:1] for name, column in columns_of(data).items()}
    new = predictor.predict(row | {"carrier": np.array(["ZZ"], object)})
    missing = predictor.predict(row | {"carrier": np.array([None], object)})
    assert new["probability"] == missing["probability"]


def test_categories_that_xgboost_itself_confuses_are_refused_before_they_are_kept(tmp_path):
    model = xgb.XGBClassifier(enable_categorical=True, **SMALL).fit(BEYOND_ASCII, LATE)
    with pytest.raises(InvalidInput, match="'carrier' has categories with letters beyond ASCII"):
        flavor_of(model).save(model, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("case", ["xgb on an array", "lgb on an array"])
def test_text_for_a_model_of_numbers_is_refused_with_its_column(case):
    model = MODELS[case][0]()
    with pytest.raises(InvalidRequest, match="column 'x1' holds other than numbers"):
        flavor_of(model).predictor(model, {}).predict({"x0": np.array([1.0]), "x1": np.array(["a"], object)})


def test_lightgbm_finds_columns_whose_names_it_has_changed():
    data = TABLE.rename(columns={"temp": "air temp"})
    model = lgb.LGBMRegressor(**QUIET).fit(data, DELAY)
    assert list(model.feature_name_) == ["hour", "air_temp", "night"]
    found = flavor_of(model).predictor(model, {}).predict(columns_of(data))
    np.testing.assert_array_equal(found["prediction"], model.predict(data))


def test_the_signature_is_what_the_booster_tells():
    def inputs(model):
        return [(f.name, f.type) for f in flavor_of(model).signature(model).inputs]

    named = [("hour", "number"), ("temp", "number")]
    assert inputs(MODELS["xgb classifier"][0]()) == [*named, ("night", "boolean")]
    assert inputs(MODELS["lgb classifier"][0]()) == [*named, ("night", "number")]
    assert (
        inputs(MODELS["xgb on an array"][0]())
        == inputs(MODELS["lgb on an array"][0]())
        == [("x0", "number"), ("x1", "number")]
    )
    assert (
        inputs(MODELS["xgb categories"][0]())[3:]
        == inputs(MODELS["lgb categories"][0]())[3:]
        == [("carrier", "any"), ("gate", "any")]
    )
    outputs = flavor_of(model := MODELS["lgb text labels"][0]()).signature(model).outputs
    assert [(f.name, f.type) for f in outputs] == [("label", "string"), ("probability", "number")]


SAVED = {"xgboost": lambda: MODELS["xgb classifier"][0](), "lightgbm": lambda: MODELS["lgb classifier"][0]()}
TRY_TO_LOAD = """
import json, sys
from pathlib import Path
from modelyard.core.errors import ModelUnreadable
from modelyard.flavors import flavor_named
name, folder, facts = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
path = folder / facts["file"]
whole = path.read_bytes()
for cut in [int(len(whole) * i / 23) for i in range(23)] + [len(whole) - 400]:
    path.write_bytes(whole[:cut])
    try:
        flavor_named(name).load(folder, facts)
    except ModelUnreadable as refusal:
        assert "\\n" not in str(refusal)
    else:
        raise SystemExit(f"{cut} of {len(whole)} bytes were taken for the whole model")
"""


@pytest.mark.parametrize("name", SAVED)
def test_a_file_cut_short_is_a_typed_error_and_not_the_end_of_the_process(name, tmp_path):
    model = SAVED[name]()
    facts = flavor_named(name).save(model, tmp_path)
    command = [sys.executable, "-c", TRY_TO_LOAD, name, str(tmp_path), json.dumps(facts)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("name", SAVED)
@pytest.mark.parametrize(
    "data", [b"", b"{}", b"hello", b"{L\x00", b"tree\nversion=v4\n", b"tree\nversion=v4\ntree_sizes=x\n\nTree=0\n"]
)
def test_a_wrong_file_is_one_typed_line(name, data, tmp_path):
    facts = flavor_named(name).save(SAVED[name](), tmp_path)
    (tmp_path / facts["file"]).write_bytes(data)
    with pytest.raises(ModelUnreadable, match=facts["file"].replace(".", r"\.")) as refusal:
        flavor_named(name).load(tmp_path, facts)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", SAVED)
def test_a_manifest_that_asks_for_another_class_is_refused(name, tmp_path):
    facts = flavor_named(name).save(SAVED[name](), tmp_path)
    with pytest.raises(ModelUnreadable, match="no class 'train'"):
        flavor_named(name).load(tmp_path, facts | {"class": f"{name}.train"})


@pytest.mark.parametrize("name", SAVED)
@pytest.mark.parametrize(
    "document", ["", "[]", "{}", '{"best_iteration": 1, "params": {"a": {"kind": "code"}}, "state": {}}']
)
def test_a_damaged_wrapper_is_a_typed_error(name, document, tmp_path):
    facts = flavor_named(name).save(SAVED[name](), tmp_path)
    (tmp_path / "wrapper.json").write_text(document)
    with pytest.raises(ModelUnreadable):
        flavor_named(name).load(tmp_path, facts)


@pytest.mark.parametrize("name", SAVED)
def test_a_library_that_is_not_installed_is_named(name, tmp_path, monkeypatch):
    facts = flavor_named(name).save(SAVED[name](), tmp_path)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(FlavorMissing, match=f"pip install {name}"):
        flavor_named(name).load(tmp_path, facts)


def test_the_text_of_a_whole_lightgbm_model_has_no_problem():
    for make, _ in [*MODELS.values(), *BOOSTERS.values()]:
        model = make()
        if flavor_of(model).name == "lightgbm":
            booster = getattr(model, "booster_", model)
            assert problem_of(booster.model_to_string(num_iteration=-1).encode()) is None

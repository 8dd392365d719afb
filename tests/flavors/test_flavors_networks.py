"""PyTorch, Keras and ONNX."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from modelyard.core.digests import canonical_json
from modelyard.core.errors import FlavorMissing, InvalidRequest, ModelUnreadable, ObjectUnusable
from modelyard.flavors import flavor_named, flavor_of, flavor_of_files
from modelyard.profiles.columns import columns_of

pytestmark = [
    pytest.mark.heavy,
    # of Keras on torch, about numpy 2, in its own code
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

X = np.random.default_rng(3).normal(size=(20, 4)).astype(np.float32)
COLUMNS = columns_of(X)


def there_and_back(model, folder):
    flavor = flavor_of(model)
    facts = json.loads(canonical_json(flavor.save(model, folder)))
    return flavor_named(flavor.name).load(folder, facts), facts


# --- PyTorch ------------------------------------------------------------------------------------------------------


def torch_modules():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)

    class Tied(torch.nn.Module):
        """Two layers of one weight, a buffer, a tensor that is in no state_dict, and a lambda."""

        def __init__(self):
            super().__init__()
            self.one = torch.nn.Linear(4, 4)
            self.two = torch.nn.Linear(4, 4)
            self.two.weight = self.one.weight
            self.register_buffer("scale", torch.tensor([1.0, 2.0, 3.0, 4.0]), persistent=False)
            self.shift = torch.ones(4)[1:2]
            self.frozen = torch.nn.Parameter(torch.ones(4), requires_grad=False)
            self.last = lambda found: found.sum(dim=1) * 2

        def forward(self, x):
            return self.last(self.two(self.one(x)) * self.scale + self.shift + self.frozen)

    class Words(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.table = torch.nn.Embedding(9, 3)

        def forward(self, x):
            return self.table(x).sum(dim=(1, 2))

    class Named(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.LSTM(4, 2, batch_first=True)

        def forward(self, x):
            found, _ = self.layer(x[:, None, :])
            return {"mean": found.mean(dim=(1, 2)), "both": found[:, 0]}

    layers = [
        torch.nn.Linear(4, 8),
        torch.nn.BatchNorm1d(8),
        torch.nn.ReLU(),
        torch.nn.Dropout(),
        torch.nn.Linear(8, 3),
    ]
    return {
        "layers": torch.nn.Sequential(*layers),
        "tied": Tied(),
        "double": torch.nn.Linear(4, 1).double(),
        "words": Words(),
        "named": Named(),
    }


@pytest.mark.parametrize("case", ["layers", "tied", "double", "words", "named"])
def test_a_loaded_module_answers_exactly_as_the_saved_one(case, tmp_path):
    module = torch_modules()[case]
    torch = pytest.importorskip("torch")
    data = np.arange(12).reshape(3, 4) % 9 if case == "words" else X
    given = torch.from_numpy(data.astype(np.float64) if case == "double" else data)
    loaded, facts = there_and_back(module, tmp_path)
    assert facts["runs_code"] is True
    assert {path.name for path in tmp_path.iterdir()} == {"module.pkl", "weights.safetensors"}
    module.eval()
    loaded.eval()
    with torch.no_grad():
        expected, found = module(given), loaded(given)
    answers = flavor_of(loaded).predictor(loaded, facts).predict(columns_of(data))
    if case == "named":
        assert list(answers) == ["mean", "both_0", "both_1"]
        assert all(torch.equal(expected[name], found[name]) for name in expected)
        np.testing.assert_array_equal(answers["both_1"], expected["both"][:, 1].numpy())
        return
    assert torch.equal(expected, found)
    assert list(answers) == (["output_0", "output_1", "output_2"] if case == "layers" else ["prediction"])
    np.testing.assert_array_equal(np.column_stack(list(answers.values())), expected.numpy().reshape(len(data), -1))


def test_shared_weights_stay_shared_and_frozen_ones_frozen(tmp_path):
    loaded, _ = there_and_back(torch_modules()["tied"], tmp_path)
    assert loaded.one.weight is loaded.two.weight
    assert loaded.one.weight.requires_grad
    assert not loaded.frozen.requires_grad
    assert loaded.training


def test_the_weights_are_stored_once_and_outside_the_pickle(tmp_path):
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(torch.nn.Linear(300, 300), torch.nn.Linear(300, 300))
    module[1].weight = module[0].weight
    flavor_of(module).save(module, tmp_path)
    assert (tmp_path / "module.pkl").stat().st_size < 4000
    assert (tmp_path / "weights.safetensors").stat().st_size < 300 * 302 * 4 + 2000


@pytest.mark.parametrize("case", ["layers", "tied", "named"])
def test_the_same_module_gives_the_same_bytes(case, tmp_path):
    module = torch_modules()[case]
    written = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        flavor_of(module).save(module, folder)
        written.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert written[0] == written[1]


READER = """
import json, sys
from pathlib import Path
import numpy as np
from modelyard.flavors import flavor_named
flavor, folder = flavor_named("pytorch"), Path(sys.argv[1])
facts = json.loads((folder / "facts.json").read_text())
answers = flavor.predictor(flavor.load(folder, facts), facts).predict({f"x{i}": np.ones(2) for i in range(4)})
print(json.dumps({name: values.tolist() for name, values in answers.items()}))
"""


def test_a_module_of_the_users_own_class_loads_without_his_code(tmp_path):
    module = torch_modules()["tied"]
    facts = flavor_of(module).save(module, tmp_path)
    (tmp_path / "facts.json").write_text(json.dumps(facts))
    command = [sys.executable, "-c", READER, str(tmp_path)]
    run = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=tmp_path, env={**os.environ, "PYTHONPATH": ""}
    )
    assert run.returncode == 0, run.stderr
    expected = flavor_of(module).predictor(module, facts).predict({f"x{i}": np.ones(2) for i in range(4)})
    assert json.loads(run.stdout) == {name: values.tolist() for name, values in expected.items()}


def test_a_request_of_another_width_is_refused_and_not_a_crash():
    module = torch_modules()["layers"]
    with pytest.raises(InvalidRequest, match="does not take this request"):
        flavor_of(module).predictor(module, {}).predict({"x0": np.ones(2)})


@pytest.mark.parametrize("name", ["module.pkl", "weights.safetensors"])
def test_a_damaged_module_is_one_typed_line(name, tmp_path):
    module = torch_modules()["layers"]
    facts = flavor_of(module).save(module, tmp_path)
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(ModelUnreadable, match=name.replace(".", r"\.")) as refusal:
        flavor_named("pytorch").load(tmp_path, facts)
    assert "\n" not in str(refusal.value)


def test_facts_that_deny_running_code_make_no_module_load(tmp_path):
    module = torch_modules()["layers"]
    facts = flavor_of(module).save(module, tmp_path)
    with pytest.raises(ModelUnreadable, match="denies that loading it runs code"):
        flavor_named("pytorch").load(tmp_path, facts | {"runs_code": False})


def test_a_module_that_cannot_be_pickled_is_refused(tmp_path):
    torch = pytest.importorskip("torch")
    module = torch.nn.Linear(1, 1)
    module.handle = open(os.devnull, "rb")  # noqa: SIM115, PTH123
    with module.handle, pytest.raises(ObjectUnusable):
        flavor_of(module).save(module, tmp_path)


def test_without_safetensors_the_package_is_named(tmp_path, monkeypatch):
    module = torch_modules()["layers"]
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    with pytest.raises(FlavorMissing, match="pip install safetensors"):
        flavor_of(module).save(module, tmp_path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_files_of_torch_are_told_apart_and_load(tmp_path):
    torch = pytest.importorskip("torch")
    module = torch.nn.Linear(4, 1).eval()
    torch.save(module.state_dict(), tmp_path / "weights.pt")
    torch.save(module, tmp_path / "module.pt")
    torch.save(module.state_dict(), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    torch.export.save(torch.export.export(module, (torch.from_numpy(X),)), tmp_path / "graph.pt2")
    forms = {name: flavor_of_files(tmp_path / name)[1] for name in ("weights.pt", "module.pt", "old.pt", "graph.pt2")}
    assert {name: (f["format"], f["runs_code"]) for name, f in forms.items()} == {
        "weights.pt": ("torch-weights", False),
        "module.pt": ("torch-pickle", True),
        "old.pt": ("torch-pickle", True),
        "graph.pt2": ("torch-export", True),
    }
    files = flavor_named("files")
    loaded = {name: files.load(tmp_path, facts) for name, facts in forms.items()}
    assert torch.equal(loaded["weights.pt"]["weight"], module.weight)
    assert torch.equal(loaded["old.pt"]["weight"], module.weight)
    with torch.no_grad():
        expected = module(torch.from_numpy(X))
        assert torch.equal(loaded["module.pt"](torch.from_numpy(X)), expected)
        assert torch.equal(loaded["graph.pt2"](torch.from_numpy(X)), expected)
    found = files.predictor(loaded["module.pt"], {}).predict(COLUMNS)
    np.testing.assert_array_equal(found["prediction"], expected.numpy().ravel())


def test_weights_that_hide_code_are_refused_by_torch_itself(tmp_path):
    pytest.importorskip("torch")

    class Bomb:
        def __reduce__(self):
            return os.system, ("touch exploded",)

    with zipfile.ZipFile(tmp_path / "w.pt", "w") as archive:
        archive.writestr("w/data.pkl", pickle.dumps(Bomb(), 2))
        archive.writestr("w/version", "3\n")
    assert flavor_of_files(tmp_path / "w.pt")[1]["format"] == "torch-pickle"
    with pytest.raises(ModelUnreadable):
        flavor_named("files").load(tmp_path, {"file": "w.pt", "format": "torch-weights", "runs_code": False})
    assert not os.path.exists("exploded")  # noqa: PTH110


# --- Keras --------------------------------------------------------------------------------------------------------


@pytest.fixture
def keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(0)
    return keras


def sequential(keras):
    return keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(5, "relu"), keras.layers.BatchNormalization(), keras.layers.Dense(2)]
    )


def named(keras):
    one, two = keras.Input((1,), name="hour"), keras.Input((1,), name="temp")
    found = keras.layers.Dense(3)(keras.layers.Concatenate()([one, two]))
    return keras.Model([one, two], {"late": keras.layers.Dense(1)(found), "kind": keras.layers.Dense(2)(found)})


def test_a_loaded_keras_model_answers_exactly_as_the_saved_one(keras, tmp_path):
    model = sequential(keras)
    assert flavor_of(model).name == "keras"
    loaded, facts = there_and_back(model, tmp_path)
    assert facts["runs_code"] is False
    found = flavor_of(loaded).predictor(loaded, facts).predict(COLUMNS)
    assert list(found) == ["output_0", "output_1"]
    np.testing.assert_array_equal(np.column_stack(list(found.values())), model.predict_on_batch(X))
    assert [f.name for f in flavor_of(loaded).signature(loaded).inputs] == ["x0", "x1", "x2", "x3"]


def test_a_keras_model_of_named_inputs_takes_them_by_name(keras, tmp_path):
    model = named(keras)
    loaded, facts = there_and_back(model, tmp_path)
    found = flavor_of(loaded).predictor(loaded, facts).predict({"temp": COLUMNS["x1"], "hour": COLUMNS["x0"]})
    expected = model.predict_on_batch({"hour": X[:, :1], "temp": X[:, 1:2]})
    np.testing.assert_array_equal(found["late"], expected["late"][:, 0])
    np.testing.assert_array_equal(found["kind_1"], expected["kind"][:, 1])
    assert [f.name for f in flavor_of(loaded).signature(loaded).inputs] == ["hour", "temp"]


def test_a_keras_lambda_is_refused_when_it_is_saved_and_leaves_nothing(keras, tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: x * 2)])
    with pytest.raises(ObjectUnusable, match="Python lambda"):
        flavor_of(model).save(model, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_keras_lambda_in_a_file_is_refused_when_it_is_loaded(keras, tmp_path):
    keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: x * 2)]).save(tmp_path / "model.keras")
    _, facts = flavor_of_files(tmp_path / "model.keras")
    with pytest.raises(ModelUnreadable, match="Python lambda"):
        flavor_named("files").load(tmp_path, facts)


@pytest.mark.filterwarnings("ignore")
def test_keras_files_load_and_predict(keras, tmp_path):
    model = sequential(keras)
    model.save(tmp_path / "model.keras")
    model.save(tmp_path / "model.h5")
    for name, form, code in (("model.keras", "keras", False), ("model.h5", "keras-hdf5", True)):
        _, facts = flavor_of_files(tmp_path / name)
        assert facts == {"file": name, "format": form, "runs_code": code}
        loaded = flavor_named("files").load(tmp_path, facts)
        found = flavor_named("files").predictor(loaded, facts).predict(COLUMNS)
        np.testing.assert_array_equal(found["output_1"], model.predict_on_batch(X)[:, 1])


@pytest.mark.parametrize("cut", [0, 10, -40])
def test_a_damaged_keras_file_is_one_typed_line(keras, cut, tmp_path):
    model = sequential(keras)
    facts = flavor_of(model).save(model, tmp_path)
    path = tmp_path / "model.keras"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ModelUnreadable, match=r"model\.keras") as refusal:
        flavor_named("keras").load(tmp_path, facts)
    assert "\n" not in str(refusal.value)


# --- ONNX ---------------------------------------------------------------------------------------------------------


def graph(width=4):
    helper = pytest.importorskip("onnx.helper")
    numpy_helper = pytest.importorskip("onnx.numpy_helper")
    weights = numpy_helper.from_array(np.arange(width * 2, dtype=np.float32).reshape(width, 2), "w")
    takes = helper.make_tensor_value_info("x", 1, [None, width])
    gives = helper.make_tensor_value_info("y", 1, [None, 2])
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    made = helper.make_graph([node], "g", [takes], [gives], [weights])
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_a_loaded_graph_answers_as_onnxruntime_does(tmp_path):
    pytest.importorskip("onnxruntime")
    model = graph()
    loaded, facts = there_and_back(model, tmp_path)
    assert facts["runs_code"] is False
    assert loaded == model
    found = flavor_of(loaded).predictor(loaded, facts).predict(COLUMNS)
    weights = np.arange(8, dtype=np.float32).reshape(4, 2)
    np.testing.assert_allclose(np.column_stack(list(found.values())), X @ weights, rtol=1e-5, atol=1e-5)
    assert [f.name for f in flavor_of(loaded).signature(loaded).inputs] == ["x0", "x1", "x2", "x3"]
    with pytest.raises(InvalidRequest, match="does not take this request"):
        flavor_of(loaded).predictor(loaded, facts).predict({"x0": np.ones(2)})


def test_the_same_graph_gives_the_same_bytes_and_a_file_of_it_loads(tmp_path):
    facts = flavor_of(graph()).save(graph(), tmp_path)
    first = (tmp_path / "model.onnx").read_bytes()
    assert facts["format"] == "ONNX graph"
    flavor_of(graph()).save(graph(), tmp_path)
    assert (tmp_path / "model.onnx").read_bytes() == first
    _, facts = flavor_of_files(tmp_path / "model.onnx")
    assert facts["format"] == "onnx"
    assert flavor_named("files").load(tmp_path, facts) == graph()


def test_a_damaged_graph_is_one_typed_line(tmp_path):
    facts = flavor_of(graph()).save(graph(), tmp_path)
    path = tmp_path / "model.onnx"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ModelUnreadable, match=r"model\.onnx") as refusal:
        flavor_named("onnx").load(tmp_path, facts)
    assert "\n" not in str(refusal.value)

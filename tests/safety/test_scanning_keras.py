"""Configurations of Keras, in their archive and in HDF5, and graphs of TensorFlow."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import h5py
import hostile_files
import pytest

from modelyard.safety.scanning import ScanReport, scan_files


def scanned(tmp_path: Path, data: bytes, name: str) -> ScanReport:
    (tmp_path / name).write_bytes(data)
    return scan_files({name: tmp_path / name})


def layer(class_name: str, module: str | None = "keras.layers", **config: object) -> dict:
    return {"class_name": class_name, "module": module, "config": config, "registered_name": None}


def model(*layers: dict) -> dict:
    return {"class_name": "Functional", "module": "keras.src.models.functional", "config": {"layers": list(layers)}}


DENSE = layer("Dense", activation={"class_name": "function", "module": "keras.activations", "config": "relu"})
CONFIGS = {
    "layers": (model(DENSE, layer("Conv2D"), layer("InputLayer")), "safe"),
    "an optimizer": (model(DENSE, layer("Adam", "keras.optimizers")), "safe"),
    "legacy, without modules": (
        {"class_name": "Sequential", "config": [{"class_name": "Dense", "config": {}}]},
        "safe",
    ),
    "a custom layer": (model(layer("Custom>Attention", "my.package")), "unknown"),
    "a layer of ours without a module": (model(layer("Attention2", None)), "unknown"),
    "a lambda": (
        model(layer("Lambda", function={"class_name": "__lambda__", "config": {"code": "4wEA"}})),
        "dangerous",
    ),
    "a legacy lambda": (
        {"class_name": "Sequential", "config": [{"class_name": "Dense", "config": {"function_type": "lambda"}}]},
        "dangerous",
    ),
    "a pickle in a layer": (model(layer("TorchModuleWrapper")), "dangerous"),
    "another model": (model(layer("TFSMLayer", filepath="/tmp/x")), "dangerous"),
    "a function of the system": (model(layer("function", "os", x="system") | {"config": "system"}), "dangerous"),
    "a download": (model(layer("function", "keras.utils") | {"config": "get_file"}), "dangerous"),
    "a class elsewhere": (model(layer("Popen", "subprocess")), "dangerous"),
    "a class with a hidden lambda": (
        model({"class_name": "Dense", "module": "keras.layers", "build_config": {"x": [layer("Lambda")]}}),
        "dangerous",
    ),
    "no text for a name": (model({"class_name": ["Lambda"], "module": "keras.layers"}), "unknown"),
    "a vocabulary that is a path": (model(layer("StringLookup", vocabulary="/etc/passwd")), "unknown"),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_a_configuration_is_judged_by_what_it_names(case, tmp_path):
    config, verdict = CONFIGS[case]
    report = scanned(tmp_path, hostile_files.keras_archive(config), "model.keras")
    assert report.verdict == verdict, report.findings


@pytest.mark.parametrize("case", CONFIGS)
def test_the_same_configuration_in_hdf5_is_judged_alike(case, tmp_path):
    config, verdict = CONFIGS[case]
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["keras_version"] = "2.13.1"
        file.attrs["model_config"] = json.dumps(config)
        file.create_group("model_weights")
    report = scanned(tmp_path, buffer.getvalue(), "model.h5")
    assert report.verdict == verdict, report.findings
    inside = scanned(tmp_path, hostile_files.in_zip("model.h5", buffer.getvalue()), "models.zip")
    assert inside.verdict == verdict


def test_weights_in_hdf5_are_safe(tmp_path):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.create_dataset("layer/kernel", data=[1.0, 2.0])
    assert scanned(tmp_path, buffer.getvalue(), "model.weights.h5").verdict == "safe"


def test_hdf5_is_never_called_safe_where_it_cannot_be_opened(tmp_path, monkeypatch):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["model_config"] = json.dumps(CONFIGS["a lambda"][0])
    plain = io.BytesIO()
    with h5py.File(plain, "w") as file:
        file.create_dataset("kernel", data=[1.0])
    monkeypatch.setitem(sys.modules, "h5py", None)
    assert scanned(tmp_path, buffer.getvalue(), "model.h5").verdict == "dangerous"
    report = scanned(tmp_path, plain.getvalue(), "model.h5")
    assert report.verdict == "unknown"
    assert "pip install h5py" in report.findings[0].problem


@pytest.mark.parametrize("cut", [8, 9, 100, 500])
def test_hdf5_that_breaks_off_has_failed(cut, tmp_path):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["model_config"] = "{}"
    assert scanned(tmp_path, buffer.getvalue()[:cut], "model.h5").verdict == "failed"


@pytest.mark.parametrize("text", ["", "[", "{" * 100_000, "nonsense", '"text"'])
def test_a_configuration_that_cannot_be_read_is_not_safe(text, tmp_path):
    buffer = hostile_files.in_zip("config.json", text.encode())
    whole = io.BytesIO(buffer)
    import zipfile

    with zipfile.ZipFile(whole, "a") as archive:
        archive.writestr("metadata.json", "{}")
    report = scanned(tmp_path, whole.getvalue(), "model.keras")
    assert report.verdict == ("safe" if text == '"text"' else "failed")


def node(operation: str) -> bytes:
    name = operation.encode()
    return b"\x0a\x04node\x12" + bytes([len(name)]) + name


def test_a_graph_that_writes_files_is_dangerous_and_another_is_not_known(tmp_path):
    assert scanned(tmp_path, node("MatMul") + node("Relu"), "saved_model.pb").verdict == "unknown"
    report = scanned(tmp_path, bytes(300_000) + node("WriteFile"), "saved_model.pb")
    assert report.verdict == "dangerous"
    assert report.findings[0].imported == "WriteFile"

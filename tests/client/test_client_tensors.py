"""The tensors of a registered version, one by one."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from layouts_samples import npz, safetensors_of

from modelyard import Workspace, errors


def _register(ws: Workspace, folder: Path, name: str = "encoder", **files: bytes) -> None:
    folder.mkdir(exist_ok=True)
    for path, data in files.items():
        (folder / path.replace("__", ".")).write_bytes(data)
    ws.register(name, folder)


def test_a_tensor_of_a_version_is_an_array_by_its_name(ws: Workspace, tmp_path: Path) -> None:
    weights = np.random.default_rng(1).standard_normal((64, 32)).astype("f4")
    _register(
        ws, tmp_path / "m", model__safetensors=safetensors_of({"encoder.weight": ("F32", weights)}), README__md=b"#"
    )
    tensors = ws.model("encoder").tensors()
    assert list(tensors) == ["encoder.weight"]
    assert np.array_equal(tensors["encoder.weight"], weights)
    info = tensors.info("encoder.weight")
    assert info.to_json() == {
        "name": "encoder.weight",
        "dtype": "F32",
        "shape": [64, 32],
        "file": "model.safetensors",
        "offset": info.offset,
        "size": weights.nbytes,
    }
    file = ws.model("encoder").path() / "model.safetensors"
    assert (
        file.read_bytes()[info.offset : info.offset + info.size] == tensors.raw("encoder.weight") == weights.tobytes()
    )


def test_a_data_set_has_tensors_too(ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(npz(x=np.arange(6).reshape(2, 3), y=np.array(["a", "b"])))
    data = ws.snapshot(tmp_path / "x.npz", "points")
    assert data.tensors()["x"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert data.tensors()["y"].tolist() == ["a", "b"]


def test_a_version_without_tensors_has_none(ws: Workspace, tmp_path: Path) -> None:
    _register(ws, tmp_path / "m", model__joblib=b"pickle")
    tensors = ws.model("encoder").tensors()
    assert dict(tensors) == {}
    with pytest.raises(errors.TensorNotFound, match="no tensor 'w' here; it has 0 others"):
        tensors["w"]


def test_tensors_are_known_without_numpy_until_one_is_read(ws: Workspace, tmp_path: Path) -> None:
    _register(ws, tmp_path / "m", model__safetensors=safetensors_of({"w": ("F32", np.ones(3, "f4"))}))
    code = f"""
import sys
from modelyard import Workspace
tensors = Workspace({str(ws.root)!r}, create=False).model("encoder").tensors()
assert tensors.info("w").shape == (3,) and "numpy" not in sys.modules
assert tensors["w"].sum() == 3
"""
    subprocess.run([sys.executable, "-c", code], check=True)

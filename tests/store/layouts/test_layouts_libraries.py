"""Against the libraries themselves: what they write is found where they find it."""

import io
import struct

import numpy as np
import pytest
from layouts_samples import layout, parts

pytestmark = pytest.mark.heavy


def test_safetensors_and_we_agree_on_every_type() -> None:
    library = pytest.importorskip("safetensors")
    from modelyard.store.layouts.safetensors import BITS

    tensors = {name: {"dtype": name, "shape": [8], "data": bytes(range(bits))} for name, bits in BITS.items()}
    header = ",".join(
        f'"{name}":{{"dtype":"{name}","shape":[8],"data_offsets":[{start},{start + len(tensor["data"])}]}}'
        for start, (name, tensor) in zip(
            np.cumsum([0, *(len(t["data"]) for t in tensors.values())]).tolist(), tensors.items(), strict=False
        )
    )
    text = f"{{{header}}}".encode()
    data = struct.pack("<Q", len(text)) + text + b"".join(t["data"] for t in tensors.values())
    theirs = {name: (t["dtype"], tuple(t["shape"]), bytes(t["data"])) for name, t in library.deserialize(data)}
    assert parts(data) == theirs
    with pytest.raises(Exception, match="unknown variant") as refused:
        library.deserialize(data.replace(b'"dtype":"F64"', b'"dtype":"F63"'))
    assert {name for name in BITS if f"`{name}`" in str(refused.value)} == set(BITS)
    assert str(refused.value).count("`") == 2 * (1 + len(BITS)), "the library has a type that we have not"


def test_a_file_of_safetensors_is_read_to_the_byte() -> None:
    library = pytest.importorskip("safetensors.numpy")
    arrays = {"b": np.arange(6, dtype="<f4").reshape(2, 3), "a": np.ones((), "<i8"), "e": np.ones((0, 2), "<f2")}
    found = parts(library.save(arrays, {"format": "np"}))
    assert {name: (shape, data) for name, (_, shape, data) in found.items()} == {
        name: (array.shape, array.tobytes()) for name, array in arrays.items()
    }


def test_a_checkpoint_of_torch_is_read_to_the_byte() -> None:
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 3))
    optimizer = torch.optim.AdamW(model.parameters())
    sum(p.sum() for p in model.parameters()).backward()
    optimizer.step()
    wide = torch.arange(12, dtype=torch.int16)
    saved = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "part": wide[3:7],
        "turned": torch.ones(2, 3).t(),
        "newer": torch.arange(4).to(torch.uint16),
        "narrow": torch.ones(4).to(torch.float8_e4m3fn),
        "brain": torch.ones(4).bfloat16(),
        "epoch": 3,
    }
    file = io.BytesIO()
    torch.save(saved, file)
    found = parts(file.getvalue())

    def expected(name: str, value: object) -> None:
        if isinstance(value, torch.Tensor):
            _, shape, data = found.pop(name)
            assert (shape, data) == (tuple(value.shape), value.reshape(-1).view(torch.uint8).numpy().tobytes())
        elif isinstance(value, dict | list):
            for key, part in value.items() if isinstance(value, dict) else enumerate(value):
                expected(f"{name}.{key}" if name else str(key), part)

    turned = saved.pop("turned")
    expected("", saved)
    [(name, (dtype, shape, data))] = found.items()
    assert name.startswith("data/")
    assert (dtype, shape, data) == ("F32", (6,), turned.t().contiguous().numpy().tobytes())


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
@pytest.mark.parametrize("scripted", [False, True])
def test_a_module_of_torch_has_the_names_of_its_state_dict(scripted: bool) -> None:
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3))
    file = io.BytesIO()
    if scripted:
        torch.jit.save(torch.jit.script(module), file)
    else:
        torch.save(module, file)
    assert set(parts(file.getvalue())) == set(module.state_dict())


def test_the_old_format_of_torch_is_plain_bytes() -> None:
    torch = pytest.importorskip("torch")
    file = io.BytesIO()
    torch.save({"a": torch.ones(3)}, file, _use_new_zipfile_serialization=False)
    assert layout(file.getvalue()) is None

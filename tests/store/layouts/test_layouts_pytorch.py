"""PyTorch's files: tensors by their names in the saved object, and nothing that the pickle says is ever done."""

import os
import pickle
import struct
import time

import pytest
from layouts_samples import Call, Name, Stored, layout, parts, pickled, torch_file, view, zipped

SIX = struct.pack("<6f", 1, 2, 3, 4, 5, 6)


def by_entry(**storages: bytes) -> dict[str, object]:
    return {f"data/{key}": ("U8", (len(data),), data) for key, data in storages.items()}


def test_tensors_are_named_by_their_path_in_the_saved_object() -> None:
    saved = {
        "model": Call("collections OrderedDict", ()),
        "optimizer": {"state": {0: {"exp_avg": view("1", (2,))}}, "groups": [{"lr": 1}, (None, view("2", ()))]},
        "epoch": 3,
        "weight": view("0", (2, 3)),
    }
    found = parts(torch_file(saved, {"0": SIX, "1": SIX[:8], "2": SIX[:4]}))
    assert found == {
        "weight": ("F32", (2, 3), SIX),
        "optimizer.state.0.exp_avg": ("F32", (2,), SIX[:8]),
        "optimizer.groups.1.1": ("F32", (), SIX[:4]),
    }


def test_a_module_has_the_names_of_its_state_dict() -> None:
    linear = Call("torch.nn Linear", (), {"_parameters": {"weight": view("0", (6,))}, "_buffers": {}, "training": True})
    module = Call("mine Net", (), {"_parameters": {}, "_modules": {"encoder": linear}})
    assert parts(torch_file(module, {"0": SIX})) == {"encoder.weight": ("F32", (6,), SIX)}


def test_a_tensor_saved_alone_is_named_by_its_entry() -> None:
    assert parts(torch_file(view("0", (6,)), {"0": SIX})) == {"data/0": ("F32", (6,), SIX)}


def test_parameters_and_subclasses_are_the_tensors_that_they_wrap() -> None:
    parameter = Call("torch._utils _rebuild_parameter", (view("0", (6,)), True, Call("collections OrderedDict", ())))
    inner = view("1", (2,))
    subclass = Call("torch._tensor _rebuild_from_type_v2", (Name(inner.function), Name("mine Kind"), inner.args, {}))
    found = parts(torch_file({"p": parameter, "s": subclass}, {"0": SIX, "1": SIX[:8]}))
    assert found == {"p": ("F32", (6,), SIX), "s": ("F32", (2,), SIX[:8])}


def test_newer_types_are_taken_from_the_view() -> None:
    args = (Stored("0", "torch.storage UntypedStorage", 8), 1, (3,), (1,), False, None, Name("torch uint16"))
    found = parts(torch_file({"t": Call("torch._utils _rebuild_tensor_v3", args)}, {"0": b"..123456"}))
    assert found == {"t": ("U16", (3,), b"123456")}


@pytest.mark.parametrize(
    ("kind", "dtype", "width"),
    [
        ("Double", "F64", 8),
        ("Half", "F16", 2),
        ("BFloat16", "BF16", 2),
        ("Long", "I64", 8),
        ("Bool", "BOOL", 1),
        ("ComplexDouble", "TORCH_COMPLEX128", 16),
    ],
)
def test_the_storage_says_the_type(kind: str, dtype: str, width: int) -> None:
    found = parts(torch_file({"t": view("0", (2,), kind=f"torch {kind}Storage")}, {"0": bytes(2 * width)}))
    assert found == {"t": (dtype, (2,), bytes(2 * width))}


# --- Views that share a storage -----------------------------------------------------------------------------------


def test_a_contiguous_part_of_a_storage_is_a_tensor_at_its_place() -> None:
    saved = {"tail": view("0", (2, 1), offset=4), "head": view("0", (3,)), "none": view("0", (0, 3), offset=3)}
    assert parts(torch_file(saved, {"0": SIX})) == {
        "head": ("F32", (3,), SIX[:12]),
        "tail": ("F32", (2, 1), SIX[16:]),
        "none": ("F32", (0, 3), b""),
    }


def test_of_tensors_that_share_bytes_the_first_stands_for_all() -> None:
    saved = {
        "z.tied": view("0", (6,)),
        "a.tied": view("0", (2, 3)),
        "a.part": view("0", (2,)),
        "late": view("0", (2,), offset=2),
    }
    assert parts(torch_file(saved, {"0": SIX})) == {"a.tied": ("F32", (2, 3), SIX)}


def test_a_storage_with_a_view_that_is_not_row_major_is_one_tensor() -> None:
    saved = {"t": view("0", (3, 2), steps=(1, 3)), "head": view("0", (2,))}
    assert parts(torch_file(saved, {"0": SIX})) == {"data/0": ("F32", (6,), SIX)}


def test_the_step_of_an_axis_of_one_says_nothing() -> None:
    assert parts(torch_file({"t": view("0", (1, 6), steps=(99, 1))}, {"0": SIX})) == {"t": ("F32", (1, 6), SIX)}


def test_a_conjugated_view_is_not_taken_for_its_bytes() -> None:
    tensor = view("0", (3,), kind="torch ComplexFloatStorage")
    assert parts(torch_file({"t": tensor}, {"0": SIX})) == {"t": ("C64", (3,), SIX)}
    tensor.args = (*tensor.args, {"conj": True})
    assert parts(torch_file({"t": tensor}, {"0": SIX})) == by_entry(**{"0": SIX})


def test_two_tensors_of_one_path_do_not_become_one() -> None:
    saved = {"a.b": view("0", (6,)), "a": {"b": view("1", (2,))}}
    assert parts(torch_file(saved, {"0": SIX, "1": SIX[:8]})) == {"a.b": ("F32", (6,), SIX)}


# --- What can not be read -----------------------------------------------------------------------------------------

ONE = view("0", (6,))
FALLBACKS = {
    "not a pickle": b"hello",
    "an empty pickle": b"",
    "a pickle that is cut": pickled({"t": ONE})[:-1],
    "a stack that is empty": b"\x80\x02R.",
    "marks that are not there": b"\x80\x02t.",
    "a memo that is empty": b"\x80\x02h\x05.",
    "a place in the memo at 2**31": b"\x80\x02]r\xff\xff\xff\x7f.",
    "a place in the memo below 0": b"]p-1\n.",
    "bytes of 2**60": b"\x80\x04\x8e" + struct.pack("<Q", 2**60) + b".",
    "a number of ten thousand digits": b"L" + b"9" * 10_000 + b"L\n.",
    "an extension": b"\x80\x02\x82\x01.",
    "a list given to a number": b"\x80\x02K\x01]b.",
    "an odd number of keys and values": b"\x80\x02}(K\x01u.",
    "a view beyond its storage": pickled({"t": view("0", (7,))}),
    "a view that begins beyond its storage": pickled({"t": view("0", (2,), offset=2**62)}),
    "a view of a storage that is missing": pickled({"t": view("9", (6,))}),
    "a negative size": pickled({"t": view("0", (-6,), steps=(1,))}),
    "a negative step": pickled({"t": view("0", (6,), steps=(-1,))}),
    "sizes without steps": pickled({"t": view("0", (6,), steps=())}),
    "a view of no storage": pickled({"t": Call(ONE.function, (None, *ONE.args[1:]))}),
    "a view of nothing": pickled({"t": Call(ONE.function, ())}),
    "no tensors at all": None,
}


@pytest.mark.parametrize("script", FALLBACKS.values(), ids=FALLBACKS)
def test_storages_stand_by_themselves_when_the_pickle_can_not_be_read(script: bytes | None) -> None:
    if script is None:
        assert parts(torch_file({"epoch": 3}, {"0": SIX})) == {}  # it was read: the bytes belong to no tensor
    else:
        assert parts(torch_file(script, {"0": SIX})) == by_entry(**{"0": SIX})


def test_big_endian_storages_have_no_type() -> None:
    assert parts(torch_file({"t": ONE}, {"0": SIX}, byteorder=b"big")) == by_entry(**{"0": SIX})


def test_a_zip_of_something_else_is_plain_bytes() -> None:
    assert layout(zipped({"deep/model/data.pkl": pickled({"t": ONE}), "deep/model/data/0": SIX})) is None
    assert layout(zipped({"metadata.pkl": pickled({"t": ONE}), "data/0": SIX})) is None


# --- Attacks ------------------------------------------------------------------------------------------------------


class Evil:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", range(6))
def test_a_malicious_pickle_runs_nothing(tmp_path, protocol: int) -> None:
    mark = tmp_path / "it ran"
    script = pickle.dumps({"evil": Evil(f"touch '{mark}'"), "n": [1.5, b"b", {2}, None]}, protocol)
    assert parts(torch_file(script, {"0": SIX})) == {}
    assert not mark.exists()
    pickle.loads(script)  # noqa: S301 - ours: it shows that the attack is one
    assert mark.exists()


@pytest.mark.parametrize("opening", [b"ios\nsystem\n", b"(cos\nsystem\n", b"(S'true'\nios\nsystem\n"])
def test_the_old_ways_to_call_run_nothing_either(opening: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "system", lambda command: pytest.fail("it ran"))
    layout(torch_file(opening + b"(S'true'\no.", {"0": SIX}))
    layout(torch_file(opening + b".", {"0": SIX}))


def test_nothing_that_the_pickle_names_is_imported(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "surprise.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    saved = {"x": Call("surprise anything", (1,), {"deep": ONE})}
    assert parts(torch_file(saved, {"0": SIX})) == {"x.deep": ("F32", (6,), SIX)}


def doubled(levels: int) -> bytes:
    """A list of a list twice, of a list twice …: two to the power of ``levels`` paths."""
    return b"\x80\x02]" + b"0]" + b"q\x00" + b"".join(b"](h%ch%ceq%c" % (i, i, i + 1) for i in range(levels)) + b"."


DEEP = 100_000
HEAVY = {
    "a list of a list of a list": b"\x80\x02" + b"(" * DEEP + b"l" * DEEP + b".",
    "a tuple of a tuple of a tuple": b"\x80\x02)" + b"\x85" * DEEP + b".",
    "2**200 paths": doubled(200),
    "a list that contains itself": b"\x80\x02]q\x00h\x00a.",
    "a dict that contains itself": b"\x80\x02}q\x00K\x01h\x00s.",
    "a call of itself": b"\x80\x02cos\nsystem\nq\x00" + b")R" * DEEP + b".",
    "keys that hash alike": b"\x80\x02}(" + b"".join(b"L%dL\nN" % (i * (2**61 - 1)) for i in range(DEEP)) + b"u.",
    "names of long parts": pickled({"k" * 4000: {"l" * 4000: [1]}}),
}


@pytest.mark.parametrize("script", HEAVY.values(), ids=HEAVY)
def test_a_pickle_that_is_made_to_be_heavy_is_not(script: bytes) -> None:
    start = time.monotonic()
    assert parts(torch_file(script, {"0": SIX})) == {}
    assert time.monotonic() - start < 10


def test_a_pickle_above_the_limits_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    data = torch_file({f"t{i}": view("0", (1,), offset=i) for i in range(6)}, {"0": SIX})
    assert len(parts(data)) == 6
    for limit in ("pytorch.PICKLE_LIMIT", "pytorch.NAMES_LIMIT", "pytorch.TENSORS_LIMIT", "pickles.OPERATIONS_LIMIT"):
        with monkeypatch.context() as patched:
            patched.setattr(f"modelyard.store.layouts.{limit}", 5)
            assert parts(data) == by_entry(**{"0": SIX})

"""NumPy's files: an array is its bytes, and whatever is not little-endian and row-major says so in its type."""

import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts_samples import layout, npy, npz, parts, zipped

DTYPES = ["<f8", "<f4", "<f2", "<i8", "<i4", "<i2", "i1", "<u8", "<u4", "<u2", "u1", "?", "<c8", "<c16", ">f4", ">i8"]
DTYPES += ["S3", "<U2", ">U2", "<M8[ns]", "<m8[D]", "V5"]


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.from_regex(r"\A[a-z][a-z0-9_.é]{0,8}\Z").filter(lambda name: name != "file"),
        st.tuples(st.sampled_from(DTYPES), st.lists(st.integers(0, 4), max_size=4), st.booleans()),
        min_size=1,
        max_size=5,
    ),
    st.randoms(use_true_random=False),
)
def test_each_array_of_an_npz_is_exactly_its_bytes(kinds, random) -> None:
    arrays = {}
    for name, (dtype, shape, fortran) in kinds.items():
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        array = np.frombuffer(bytes(b % 2 for b in random.randbytes(size)), dtype).reshape(shape)
        arrays[name] = np.asfortranarray(array) if fortran else array
    found = parts(npz(**arrays))
    assert {name: (shape, data) for name, (_, shape, data) in found.items()} == {
        name: (array.shape, array.tobytes("A")) for name, array in arrays.items()
    }


@pytest.mark.parametrize(
    ("array", "dtype"),
    [
        (np.ones((2, 3), "<f4"), "F32"),
        (np.ones((2, 3), "<c8"), "C64"),
        (np.ones((2, 3), "?"), "BOOL"),
        (np.ones((), "u1"), "U8"),
        (np.ones((2, 3), ">f4"), "NUMPY_>f4"),
        (np.ones((2, 3), "<c16"), "NUMPY_<c16"),
        (np.asfortranarray(np.ones((2, 3), "<f4")), "NUMPY_F_<f4"),
        (np.asfortranarray(np.ones((2, 3), ">f4")), "NUMPY_F_>f4"),
        (np.array([b"sixteen letters!"]), "NUMPY_S16"),
        (np.array(["ab"], "<U2"), "NUMPY_<U2"),
        (np.zeros(2, "<M8[ns]"), "NUMPY_<M8[ns]"),
    ],
    ids=str,
)
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.filterwarnings("ignore:Stored array in format")
def test_the_type_of_an_npy_says_what_the_bytes_are(array, dtype: str, version: tuple[int, int]) -> None:
    assert parts(npy(array, version=version)) == {"array": (dtype, array.shape, array.tobytes("A"))}


def header(text: str, payload: bytes = bytes(64)) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode("latin-1") + payload


TRUE = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"

LIES = {
    "objects": npy(np.array([{}, None], object)),
    "records": npy(np.zeros(2, [("a", "<f4"), ("b", object)])),
    "more elements than bytes": header(TRUE, bytes(23)),
    "an axis above all counts": header(TRUE.replace("(2, 3)", "(0, 9999999999999999999)")),
    "a negative axis": header(TRUE.replace("(2", "(-2")),
    "a shape that is a sum": header(TRUE.replace("(2, 3)", "(1+1, 3)")),
    "many axes": header(TRUE.replace("(2, 3)", "(" + "1," * 65 + ")")),
    "code for a type": header(TRUE.replace("'<f4'", "__import__('os').system('true')")),
    "an unknown type": header(TRUE.replace("<f4", "<z4")),
    "the machine's own order": header(TRUE.replace("<f4", "=f4")),
    "text before the header": header("x" + TRUE),
    "text after the header": header(TRUE + "x"),
    "as deep as it is long": header("[" * 9000),
    "a header beyond the file": header(TRUE, b"")[:-5],
    "a header above the limit": header(TRUE + " " * 20_000),
    "version 4": npy(np.ones(3)).replace(b"NUMPY\x01", b"NUMPY\x04"),
    "the name alone": b"\x93NUMPY",
}


@pytest.mark.parametrize("data", LIES.values(), ids=LIES)
def test_what_is_no_plain_array_is_plain_bytes(data: bytes) -> None:
    assert layout(data) is None


def test_the_true_header_of_the_table_is_read() -> None:
    assert parts(header(TRUE)) == {"array": ("F32", (2, 3), bytes(24))}


def test_arrays_of_objects_and_other_entries_of_an_npz_are_passed_over() -> None:
    entries = {"a.npy": npy(np.ones(2, "<f4")), "o.npy": npy(np.array([{}], object)), "notes.txt": b"hello"}
    assert parts(zipped(entries)) == {"a": ("F32", (2,), np.ones(2, "<f4").tobytes())}


def test_a_compressed_npz_is_plain_bytes() -> None:
    assert layout(zipped({"a.npy": npy(np.ones(2))}, zipfile.ZIP_DEFLATED)) is None

"""Stored bytes as arrays: every value exactly, whatever NumPy lacks."""

import math

import numpy as np
import pytest
from layouts_samples import layout, npy

from modelyard.store.tensors.arrays import NoArray, array_of, is_numeric, width_of


def _small_float(code: int, exponent_bits: int, mantissa_bits: int, bias: int) -> float:
    """A finite float of eight bits, by the book."""
    sign = -1.0 if code & 0x80 else 1.0
    exponent, mantissa = (code & 0x7F) >> mantissa_bits, code & ((1 << mantissa_bits) - 1)
    assert exponent < 1 << exponent_bits
    fraction = mantissa / (1 << mantissa_bits)
    return sign * (fraction * 2.0 ** (1 - bias) if exponent == 0 else (1 + fraction) * 2.0 ** (exponent - bias))


@pytest.mark.parametrize(
    ("dtype", "form", "not_a_number", "infinite"),
    [
        ("F8_E4M3", (4, 3, 7), {0x7F, 0xFF}, set()),
        ("F8_E5M2", (5, 2, 15), {*range(0x7D, 0x80), *range(0xFD, 0x100)}, {0x7C, 0xFC}),
        ("F8_E4M3FNUZ", (4, 3, 8), {0x80}, set()),
        ("F8_E5M2FNUZ", (5, 2, 16), {0x80}, set()),
    ],
)
def test_each_of_the_256_floats_of_eight_bits_is_its_value(
    dtype: str, form: tuple[int, int, int], not_a_number: set[int], infinite: set[int]
) -> None:
    found = array_of(bytes(range(256)), dtype, (256,))
    assert found.dtype == np.float32
    for code, value in enumerate(found.tolist()):
        if code in not_a_number:
            assert math.isnan(value), hex(code)
        elif code in infinite:
            assert value == (-math.inf if code & 0x80 else math.inf)
        else:
            wanted = _small_float(code, *form)
            assert (value, math.copysign(1, value)) == (wanted, math.copysign(1, wanted)), hex(code)


def test_a_scale_of_eight_bits_is_a_power_of_two() -> None:
    found = array_of(bytes(range(256)), "F8_E8M0", (256,)).tolist()
    assert found[:255] == [2.0 ** (code - 127) for code in range(255)]
    assert math.isnan(found[255])


def test_every_bfloat16_is_the_float32_whose_upper_half_it_is() -> None:
    codes = np.arange(65536, dtype="<u2")
    found = array_of(codes.tobytes(), "BF16", (256, 256))
    assert found.shape == (256, 256)
    assert np.array_equal(found.reshape(-1).view(np.uint32), codes.astype(np.uint32) << 16)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24, dtype=">f4").reshape(2, 3, 4),
        np.asfortranarray(np.arange(24, dtype="<f8").reshape(2, 3, 4)),
        np.asfortranarray(np.arange(6, dtype=">i2").reshape(2, 3)),
        np.array(["ab", "çd"]),
        np.array([b"ab", b"c"]),
        np.array(["2026-03-01", "NaT"], "M8[s]"),
        np.array([1 + 2j, -3j], "c16"),
        np.array([True, False]),
        np.array(7, "u8"),
        np.zeros((0, 3), "i4"),
    ],
    ids=lambda array: f"{array.dtype}-{array.ndim}",
)
def test_an_array_of_numpy_comes_back_as_numpy_loads_it(array: np.ndarray) -> None:
    data = npy(array)
    found = layout(data)
    assert found is not None
    one = found.tensors[0]
    back = array_of(data[one.offset : one.offset + one.length], one.dtype, one.shape)
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()
    assert not back.flags.writeable
    if array.ndim > 1 and array.size:
        assert back.flags.f_contiguous == array.flags.f_contiguous


def test_a_byte_that_is_neither_0_nor_1_is_true() -> None:
    assert array_of(b"\x00\x01\x02", "BOOL", (3,)).tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("dtype", "shape"),
    [("GGUF_Q4_K", (256,)), ("F4", (8,)), ("TORCH_QINT8", (4,)), ("NUMPY_S0", (4,)), ("F32", (2,)), ("F32", (1,) * 65), ("NUMPY_M8[?]", (1,))],
)  # fmt: skip
def test_what_numpy_has_no_array_for_is_refused(dtype: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(NoArray):
        array_of(b"1234", dtype, shape)


def test_widths_are_bytes_an_element_in_the_file() -> None:
    assert [width_of(dtype) for dtype in ("BF16", "F8_E4M3", "C64", "NUMPY_<U5", "GGUF_Q4_K", "NUMPY_S0")] == [2, 1, 8, 20, None, None]  # fmt: skip
    assert [is_numeric(dtype) for dtype in ("BF16", "BOOL", "NUMPY_F_>f4", "NUMPY_S3", "GGUF_Q8_0")] == [True] * 3 + [False] * 2  # fmt: skip

"""A chunk by itself: as it is, compressed, or as planes of its numbers."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from modelyard.store.codecs import planes, zstandard
from modelyard.store.codecs.codec import Bytes, Codec
from modelyard.store.codecs.elements import Element

if TYPE_CHECKING:
    from numpy.typing import NDArray

_GUESSES = ((Element.INT16, slice(1, 3)), (Element.INT32, slice(3, 7)), (Element.INT64, slice(7, 15)))
_SAMPLE = 8 * 1024
_PLACES = np.arange(8, dtype=np.uint16) * 256
_LOGS = np.arange(_SAMPLE + 1) * np.log2(np.maximum(1, np.arange(_SAMPLE + 1)))
_PROMISING = 0.95
_NOISE = 7.95  # bits a byte: compressed, encrypted or random, whose places do not differ
_PAYS = 0.98  # what saves less than one part in fifty is kept as it is: it reads fastest


def pack(raw: Bytes, element: Element | None) -> tuple[Codec, Bytes]:
    """See :func:`modelyard.store.codecs.codec.encode`."""
    noisy: tuple[bool, ...] | None = None
    if element is None:
        element, noisy = guess(raw)
    if element is None:
        return Codec.RAW, raw
    if element.width == 1:
        small = zstandard.compressed(memoryview(raw))
        return (Codec.ZSTD, small) if len(small) < _PAYS * len(raw) else (Codec.RAW, raw)
    small = _as_planes(raw, element, noisy)
    return (Codec.PLANES, small) if len(small) < _PAYS * len(raw) else (Codec.RAW, raw)


def pack_together(raws: Sequence[Bytes]) -> list[tuple[Codec, Bytes]]:
    """As :func:`pack` for each of some neighbouring chunks that nobody knows, with one look at all of them: several times as fast, since a step
    of numpy costs about the same for one chunk as for sixteen."""
    together = b"".join(raws)
    element, noisy = guess(together)
    if element is None or noisy is None:
        return [pack(raw, None) for raw in raws]
    width = element.width
    count = len(together) // width
    numbers = np.frombuffer(together, f"<u{width}", count)
    split = [(numbers >> numbers.dtype.type(8 * place)).astype(np.uint8) for place in range(width)]
    packed: list[tuple[Codec, Bytes]] = []
    start = 0
    for raw in raws:
        whole = len(raw) // width
        # the first plane of a chunk is the plane of all in which the chunk begins, from there on
        places = [divmod(start + place, width) for place in range(width)]
        if max(first for first, _ in places) + whole > count:
            packed.append(pack(raw, None))  # the last bytes of all are not a whole number
        else:
            mine = [split[place][first : first + whole] for first, place in places]
            known = [noisy[place] for _, place in places]
            small = planes.pack_planes(mine, known, head=bytes([element]), tail=raw[whole * width :])
            packed.append((Codec.PLANES, small) if len(small) < _PAYS * len(raw) else pack(raw, None))
        start += len(raw)
    return packed


def unpack(codec: Codec, stored: Bytes, length: int) -> Bytes:
    """The inverse of :func:`pack`. Raises ``ValueError`` for damaged bytes."""
    if codec is not Codec.PLANES or not len(stored):
        raise ValueError(f"{codec.name} needs another chunk to stand on")
    view = memoryview(stored)
    element = Element(view[0])
    count, rest = divmod(length, element.width)
    end = len(view) - rest
    try:
        numbers = planes.unpack(view[1:end], count, np.dtype(f"<u{element.width}"))
    except struct.error as error:
        raise ValueError(str(error)) from error
    if element.exponent is not None:
        sign = numbers << numbers.dtype.type(8 * element.width - 1)
        numbers >>= numbers.dtype.type(1)
        numbers |= sign
    return numbers.tobytes() + view[end:] if rest else numbers.view(np.uint8).data


def _as_planes(raw: Bytes, element: Element, noisy: tuple[bool, ...] | None) -> bytes:
    count, rest = divmod(len(raw), element.width)
    numbers = np.frombuffer(raw, f"<u{element.width}", count)
    if element.exponent is not None:
        # the sign goes to the lowest bit, so that the exponent has a byte of its own
        sign = numbers >> numbers.dtype.type(8 * element.width - 1)
        numbers = numbers << numbers.dtype.type(1)
        numbers |= sign
    return planes.pack(numbers, noisy, head=bytes([element]), tail=raw[len(raw) - rest :])


def guess(raw: Bytes) -> tuple[Element | None, tuple[bool, ...] | None]:
    """What bytes that nobody knows are best taken for, by a sample: numbers of a width, and which of their planes are noise; bytes; or None for
    noise altogether.

    In a plane of numbers the same place of each holds alike bytes, so the entropy of a byte given its place is less than that of any byte.
    """
    middle = max(0, (len(raw) - _SAMPLE) // 2) // 8 * 8
    sample = np.frombuffer(raw, np.uint8, min(_SAMPLE, len(raw)) // 8 * 8, middle)
    if _entropy(np.bincount(sample, minlength=256)[None])[0] > _NOISE:
        return None, None
    eight = np.bincount((sample.reshape(-1, 8) + _PLACES).ravel(), minlength=8 * 256).reshape(8, 256)
    four = eight[:4] + eight[4:]
    two = four[:2] + four[2:]
    bits = _entropy(np.concatenate((two[:1] + two[1:], two, four, eight)))
    best, noisy, least = Element.BYTE, None, _PROMISING * bits[0]
    for element, rows in _GUESSES:
        if (mean := bits[rows].mean()) < least:
            best, noisy, least = element, tuple(bool(plane > _NOISE) for plane in bits[rows]), _PROMISING * mean
    if noisy is not None and least / _PROMISING > _PROMISING * 8 * len(zstandard.compressed(sample.data)) / len(sample):
        return Element.BYTE, None  # what repeats itself does better as it is
    return best, noisy


def _entropy(counts: NDArray[np.intp]) -> NDArray[np.float64]:
    """Bits a byte in each row, by the counts of a sample, with the correction of Miller and Madow for its size."""
    total = counts.sum(axis=1)
    information: NDArray[np.float64] = np.log2(total) - _LOGS[counts].sum(axis=1) / total
    correction: NDArray[np.float64] = (np.count_nonzero(counts, axis=1) - 1) / (2 * total * np.log(2))
    return np.add(information, correction)

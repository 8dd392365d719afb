"""The one way in: the format is told from the bytes, never from a name, and here every layout is held to what it promises."""

from __future__ import annotations

from modelyard.store.layouts.archive import SIGNATURE as ZIP
from modelyard.store.layouts.archive import entries_of
from modelyard.store.layouts.gguf import MAGIC as GGUF
from modelyard.store.layouts.gguf import gguf_layout
from modelyard.store.layouts.layout import Layout, ReadAt, Unsound, in_order
from modelyard.store.layouts.numpy_arrays import MAGIC as NPY
from modelyard.store.layouts.numpy_arrays import npy_layout, npz_layout
from modelyard.store.layouts.pytorch import is_pytorch, pytorch_layout
from modelyard.store.layouts.safetensors import safetensors_layout


def layout_of(read_at: ReadAt, size: int) -> Layout | None:
    """The tensors of a file of ``size`` bytes, or None when it is of no known format or its header lies: it is then bytes like any other.

    Never raises for what a file contains, only what ``read_at`` raises; asks for no byte beyond ``size``. The time and memory it takes are
    bounded by limits beside each format, whatever counts the file claims.
    """
    try:
        layout = _told_by_its_bytes(read_at, size)
        return None if layout is None else _sound(layout, size)
    except Unsound:
        return None


def _told_by_its_bytes(read_at: ReadAt, size: int) -> Layout | None:
    head = read_at(0, min(size, 9))
    if head.startswith(GGUF):
        return gguf_layout(read_at, size)
    if head.startswith(NPY):
        return npy_layout(read_at, size)
    if head.startswith(ZIP):
        entries = entries_of(read_at, size)
        return pytorch_layout(read_at, entries) if is_pytorch(entries) else npz_layout(read_at, entries)
    if head[8:] == b"{":
        return safetensors_layout(read_at, size)
    return None


def _sound(layout: Layout, size: int) -> Layout:
    """The layout in order, if it is all that Layout promises. Raises Unsound: a layout that breaks one promise is not repaired but refused."""
    tensors = in_order(layout.tensors)
    end = 0
    for tensor in tensors:
        if tensor.offset < end or tensor.length < 0:
            raise Unsound
        end = tensor.offset + tensor.length
    if end > size or len({t.name for t in tensors}) < len(tensors) or not all(_is_text(t.name) for t in tensors):
        raise Unsound
    return Layout(layout.format, tensors)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, as JSON and pickles can spell it
        return False
    return True

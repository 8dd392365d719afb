"""Which bytes of a model's file are which tensor, read from the file's own header without running anything."""

from modelyard.store.layouts.detect import layout_of
from modelyard.store.layouts.layout import WIDTHS, Layout, ReadAt, Tensor

__all__ = ["WIDTHS", "Layout", "ReadAt", "Tensor", "layout_of"]

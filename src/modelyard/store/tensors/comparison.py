"""What differs between two trees of stored files: files, chunks and tensors.

Chunks are compared first: where two tensors lie in the same chunks they are equal, and not read. Of a tensor that has changed the differing pieces are
read on both sides; the equal ones on one side, and only since the relative norm is one of the whole tensor, however the store has cut it.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from modelyard.core.errors import TensorNotFound
from modelyard.store.manifest import Manifest
from modelyard.store.progress import Advance, Progress
from modelyard.store.reading.contents import Content, Contents
from modelyard.store.reading.files import Files, Range
from modelyard.store.reading.recipe import Recipe
from modelyard.store.tensors.file_changes import FileChange, FileChanges, file_changes
from modelyard.store.tensors.tensor_changes import Pair, TensorChange, TensorChanges, matched
from modelyard.store.tensors.tensors import named
from modelyard.store.writing.cuts import PIECE

if TYPE_CHECKING:
    from modelyard.store.tensors.change import Change

OPENED = 1000
"""Where more files than this are unchanged, as in a data set of images, they are not even opened, and the tensors in them not counted."""
TEXT_LIMIT = 64 * 1024
LINES_LIMIT = 2000


@dataclass(frozen=True)
class Side:
    """One of the two trees; they may be of different stores."""

    files: Files
    contents: Contents
    manifest: Manifest


@dataclass(frozen=True)
class Comparison:
    """``texts`` are unified differences of small texts by path, where they were asked for."""

    files: FileChanges
    tensors: TensorChanges
    texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        texts = {"texts": {path: list(lines) for path, lines in self.texts.items()}} if self.texts else {}
        return {"files": self.files.to_json(), "tensors": self.tensors.to_json(), **texts}


def compare(
    a: Side, b: Side, *, only: Collection[str] | None = None, text: bool = False, progress: Progress | None = None
) -> Comparison:
    """From ``a`` to ``b``. With ``only``, the tensors of these names alone; with ``text``, the lines of small texts (UTF-8, up to 64 KiB) too.

    ``progress`` hears of the bytes of tensors that are gone through. Raises TensorNotFound for a name that neither has; MissingBlob, CorruptBlob.
    """
    alike = {file.path for file in b.manifest.files if file == a.manifest.file(file.path)}
    left_out = alike if only is None and len(alike) > OPENED else set()
    before, after = (
        list(side.contents.of_all(file for file in side.manifest.files if file.path not in left_out)) for side in (a, b)
    )
    files = file_changes(
        a.manifest, b.manifest, {one.path: one.recipe for one in before}, {one.path: one.recipe for one in after}
    )
    texts = {one.path: lines for one in files.changed if (lines := _lines(a, b, one))} if text else {}
    return Comparison(files, _tensors(a, b, before, after, files.origins, only, progress), texts)


def _lines(a: Side, b: Side, change: FileChange) -> tuple[str, ...]:
    """The lines that differ, with three around them; none for what is no small text."""
    if max(change.before, change.after) > TEXT_LIMIT:
        return ()
    old, new = _text(a, change.was), _text(b, change.path)
    if old is None or new is None:
        return ()
    return tuple(difflib.unified_diff(old, new, change.was, change.path, lineterm=""))


def _text(side: Side, path: str) -> list[str] | None:
    file = side.manifest.file(path)
    data = b"" if file is None else side.files.read(file.digest, path)
    try:
        lines = data.decode().splitlines()
    except UnicodeDecodeError:
        return None
    return None if b"\0" in data or len(lines) > LINES_LIMIT else lines


def _tensors(
    a: Side,
    b: Side,
    before: list[Content],
    after: list[Content],
    origins: Mapping[str, str],
    only: Collection[str] | None,
    progress: Progress | None,
) -> TensorChanges:
    old, new = named(before), named(after)
    pairs, removed, added = matched(old, new, origins)
    if only is not None:
        for name in only:
            if name not in old and name not in new:
                raise TensorNotFound(name=name, found=f"the two have {len(pairs) + len(removed) + len(added)} others")
        pairs = [pair for pair in pairs if set(pair.names) & set(only)]
        removed, added = ([name for name in listed if name in only] for listed in (removed, added))
    differing = [pair for pair in pairs if not _equal_unread(pair)]
    changes = [
        TensorChange(*pair.infos, change)
        for pair, change in zip(differing, _measured(a, b, differing, progress), strict=True)
    ]
    changed = [one for one in changes if one.is_other_kind or one.change is None or one.change.changed]
    return TensorChanges(
        tuple(new[name].info(name) for name in added),
        tuple(old[name].info(name) for name in removed),
        tuple(sorted(changed, key=lambda one: one.order)),
        len(pairs) - len(changed),
    )


def _equal_unread(pair: Pair) -> bool:
    one, other = pair.before.tensor, pair.after.tensor
    if (one.dtype, one.shape, one.length) != (other.dtype, other.shape, other.length):
        return False
    return same_chunks(pair.before.content.recipe, one.offset, pair.after.content.recipe, other.offset, one.length)


def same_chunks(a: Recipe, at_a: int, b: Recipe, at_b: int, length: int) -> bool:
    """Whether these bytes of two files lie at the same places of the same chunks; then they are equal."""
    done, i, j = 0, a.at(at_a), b.at(at_b)
    while done < length:
        if a.chunks[i] != b.chunks[j] or at_a + done - a.starts[i] != at_b + done - b.starts[j]:
            return False
        i, j = i + 1, j + 1
        done = a.starts[i] - at_a
    return True


@dataclass(frozen=True)
class _Window:
    """A stretch of whole elements. Where both sides are in the same chunks only ``before`` is read, and that only of numbers, for their norm."""

    before: Range
    after: Range
    same: bool
    read: bool


def _measured(a: Side, b: Side, pairs: list[Pair], progress: Progress | None) -> Iterator[Change | None]:
    """How far each pair is apart, in order; all of them in one stream of each side, so that reading goes on ahead."""
    from modelyard.store.tensors.change import Meter

    windows = [list(_windows(pair)) if _comparable(pair) else None for pair in pairs]
    listed = [window for each in windows for window in each or ()]
    old = a.files.read_ranges(window.before for window in listed if window.read)
    new = b.files.read_ranges(window.after for window in listed if not window.same)
    for pair, each in zip(pairs, windows, strict=True):
        if each is None:
            yield None
            continue
        meter = Meter(pair.before.tensor.dtype, pair.after.tensor.dtype)
        for window in each:
            if not window.read:
                meter.unread(window.before.length)
            elif window.same:
                meter.same(next(old))
            else:
                meter.differing(next(old), next(new))
            if progress:
                progress(Advance(window.before.length))
        yield meter.change()


def _comparable(pair: Pair) -> bool:
    """Whether the elements of both sides correspond one to one: the same shape and order, and numbers, or else the same type."""
    from modelyard.store.tensors.arrays import is_column_major, is_numeric

    one, other = pair.before.tensor, pair.after.tensor
    if one.shape != other.shape:
        return False
    if one.dtype == other.dtype:
        return one.length == other.length
    order = is_column_major(one.dtype) == is_column_major(other.dtype)
    return order and is_numeric(one.dtype) and is_numeric(other.dtype)


def _windows(pair: Pair) -> Iterator[_Window]:
    from modelyard.store.tensors.arrays import is_numeric, width_of

    one, other = pair.before.tensor, pair.after.tensor
    widths, numeric = (width_of(one.dtype) or 1, width_of(other.dtype) or 1), is_numeric(one.dtype)
    step = PIECE // max(widths) or 1
    for start in range(0, one.length // widths[0], step):
        count = min(step, one.length // widths[0] - start)
        old = _range(pair.before.content, one.offset + start * widths[0], count * widths[0])
        new = _range(pair.after.content, other.offset + start * widths[1], count * widths[1])
        same = one.dtype == other.dtype and same_chunks(old.recipe, old.offset, new.recipe, new.offset, old.length)
        yield _Window(old, new, same, numeric or not same)


def _range(content: Content, offset: int, length: int) -> Range:
    return Range(content.recipe, content.path, offset, length)

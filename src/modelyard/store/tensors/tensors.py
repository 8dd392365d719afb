"""The tensors of a tree of stored files, each read by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from modelyard.core.errors import Damaged, NotAnArray, TensorNotFound
from modelyard.store.layouts.layout import Tensor
from modelyard.store.manifest import Manifest
from modelyard.store.reading.contents import Content, Contents
from modelyard.store.reading.files import Files

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class TensorInfo:
    """What is known of a tensor without reading it. ``dtype`` is the name that safetensors uses, or the format's own
    (:class:`modelyard.store.layouts.Tensor`); ``size`` bytes lie at ``offset`` of ``file``."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: str
    offset: int
    size: int

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "shape": list(self.shape)}


@dataclass(frozen=True)
class Place:
    """A tensor in its file."""

    tensor: Tensor
    content: Content

    def info(self, name: str) -> TensorInfo:
        one = self.tensor
        return TensorInfo(name, one.dtype, one.shape, self.content.path, one.offset, one.length)


class Tensors(Mapping[str, Any]):
    """The tensors of all files whose layout is known (safetensors, GGUF, NumPy, PyTorch), by name, in the order of files and offsets.

    ``tensors[name]`` reads the chunks that hold that tensor, no others, and verifies them. Names are those in the files; where two files have a tensor
    of one name (weights and the state of their optimizer), all of that name are called ``path:name`` instead. Files are opened at the first use.
    """

    def __init__(self, files: Files, contents: Contents, manifest: Manifest) -> None:
        self._files = files
        self._contents = contents
        self._manifest = manifest

    def __getitem__(self, name: str) -> NDArray[Any]:
        """The tensor as a read-only array of the values that are stored, exactly.

        BF16 and FP8, which NumPy lacks, come as float32. Raises TensorNotFound (a KeyError), NotAnArray for what NumPy has no type for, such as
        blocks of quantized numbers; MissingBlob, CorruptBlob.
        """
        from modelyard.store.tensors.arrays import NoArray, array_of

        place = self._place(name)
        one = place.tensor
        try:
            return array_of(self._read(place), one.dtype, one.shape)
        except NoArray as error:
            raise NotAnArray(name=name, dtype=one.dtype, shape=one.shape, problem=error) from error

    def raw(self, name: str) -> bytes:
        """The bytes of the tensor as they lie in its file. Raises as ``tensors[name]`` does, but for NotAnArray."""
        return self._read(self._place(name))

    def info(self, name: str) -> TensorInfo:
        """Type, shape and place of a tensor, which is not read. Raises TensorNotFound."""
        return self._place(name).info(name)

    def infos(self) -> list[TensorInfo]:
        """All of them."""
        return [place.info(name) for name, place in self.places.items()]

    @cached_property
    def places(self) -> Mapping[str, Place]:
        """Where each is. Raises MissingBlob, CorruptBlob for files whose beginning cannot be read."""
        return named(list(self._contents.of_all(self._manifest.files)))

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)

    def __contains__(self, name: object) -> bool:
        return name in self.places

    def __repr__(self) -> str:
        return f"<{len(self)} tensors>"

    def _read(self, place: Place) -> bytes:
        content = place.content
        return self._files.read_range(content.recipe, content.path, place.tensor.offset, place.tensor.length)

    def _place(self, name: str) -> Place:
        try:
            found = self.places.get(name) or self._qualified(name)
        except Damaged:  # a file that cannot be opened hides only its own tensors from whoever says which file is meant
            found = self._qualified(name)
            if found is None:
                raise
        if found is None:
            from difflib import get_close_matches

            close = get_close_matches(str(name), list(self.places)[:10_000], 1)
            raise TensorNotFound(
                name=name, found=f"did you mean {close[0]!r}?" if close else f"it has {len(self)} others"
            )
        return found

    def _qualified(self, name: str) -> Place | None:
        """The tensor that ``path:name`` names, by opening that file alone."""
        for at in (number for number, letter in enumerate(str(name)) if letter == ":"):
            file = self._manifest.file(name[:at])
            content = None if file is None else self._contents.of(file)
            if content is not None and content.layout is not None:
                for tensor in content.layout.tensors:
                    if tensor.name == name[at + 1 :]:
                        return Place(tensor, content)
        return None


def named(contents: list[Content]) -> Mapping[str, Place]:
    """Every tensor under a name of its own: that in its file where it is the only one, else with the path of the file before it."""
    places = [Place(tensor, content) for content in contents if content.layout for tensor in content.layout.tensors]
    times = Counter(place.tensor.name for place in places)
    found: dict[str, Place] = {}
    for place in places:
        name = place.tensor.name
        if times[name] > 1:
            name = f"{place.content.path}:{name}"
        while name in found:  # a name that looks like a path and a name
            name = f"{place.content.path}:{name}"
        found[name] = place
    return found

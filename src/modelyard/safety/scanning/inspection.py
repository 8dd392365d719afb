"""What a file is, by its bytes and never by its name, and what there is in it: down through archives and compression to the pickles."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO, cast

from modelyard.safety.scanning import arrays, compressed, hdf5_files, keras_configs, pickles, saved_models, tars, zips
from modelyard.safety.scanning.limits import Budget, TooMuch, Unreadable
from modelyard.safety.scanning.pickles import Seen
from modelyard.safety.scanning.report import Finding, shown
from modelyard.safety.scanning.source import BLOCK, Slice, Source, Stream
from modelyard.safety.scanning.values import Global

_HEAD = 4096
_SPOOLED = 32 * 1024 * 1024


@dataclass(frozen=True)
class Place:
    """Where something lies: a file of the version, and the way on into archives."""

    file: str
    members: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.members[-1] if self.members else self.file

    @property
    def member(self) -> str | None:
        return " > ".join(self.members) or None

    def within(self, member: str) -> Place:
        return Place(self.file, (*self.members, member))


@dataclass
class Inspection:
    """Gathers over the files of a version; ``budget`` is shared by them."""

    budget: Budget = field(default_factory=Budget)
    raw_arrays: bool = True
    """Whether joblib may be who reads the pickles; False when it is known to be Python's own reader."""
    findings: list[Finding] = field(default_factory=list)
    imports: set[Global] = field(default_factory=set)
    files: int = 0

    def file(self, name: str, path: Path) -> None:
        """Looks into one file. Whatever cannot be looked into is a finding; nothing is raised."""
        place = Place(name)
        self.files += 1
        try:
            with path.open("rb", buffering=0) as raw:
                size = raw.seek(0, 2)
                self._into(place, Slice(cast(BinaryIO, raw), 0, size))
        except TooMuch as error:
            self._failed(place, error)
        except OSError as error:
            self._failed(place, Unreadable(f"it cannot be read: {error.strerror}"))
        except Exception as error:  # noqa: BLE001 - a hostile file that makes the scan stumble is not safe, and no reason not to keep it
            self._failed(place, Unreadable(f"the scan stumbled over it ({type(error).__name__})"))

    def _into(self, place: Place, source: Slice | Stream) -> None:
        """Looks into a stretch of bytes; where they cannot be read on, that is told. Raises TooMuch."""
        if len(place.members) > self.budget.depth:
            self._tell(place, [Seen("failed", "lies in more archives than are opened")])
            return
        try:
            self._by_content(place, source)
        except TooMuch:
            raise
        except Unreadable as error:
            self._failed(place, error)

    def _by_content(self, place: Place, source: Slice | Stream) -> None:
        head = source.peek(_HEAD)
        is_archive = head.startswith(zips.BEGINS)
        if isinstance(source, Slice):
            if is_archive or zips.ends_as_zip(source):
                self._zip(place, source)
        elif is_archive:
            with self._spooled(source) as spooled:
                self._zip(place, spooled)
            return
        if compressed.is_compressed(head):
            self._into(place.within("decompressed"), compressed.expanded(_fresh(source), self.budget))
        elif (kind := compressed.closed(head)) is not None:
            self._tell(place, [Seen("unknown", f"is compressed by {kind}, which is not looked into")])
        elif head.startswith(hdf5_files.MAGIC) or (isinstance(source, Slice) and hdf5_files.begins_later(source)):
            if isinstance(source, Slice):
                self._tell(place, hdf5_files.look(source))
            else:
                with self._spooled(source) as spooled:
                    self._tell(place, hdf5_files.look(spooled))
        elif head.startswith(arrays.MAGIC):
            self._array(place, _fresh(source))
        else:
            self._others(place, source, head, is_archive)

    def _others(self, place: Place, source: Slice | Stream, head: bytes, is_archive: bool) -> None:
        """What may be a tar, a graph, or a pickle; a pickle beside being an archive too, since its reader begins where it likes."""
        if tars.is_header(head[: tars.BLOCK]):
            is_archive = True
            if isinstance(source, Stream):  # as a pickle too, as far as can be seen without reading on
                self._pickles(place, _of(source.peek(BLOCK)), certain=False)
                self._tar(place, source)
                return
            self._tar(place, source.again())
        if PurePosixPath(place.name).name == saved_models.NAME:
            self._tell(place, saved_models.look(source))
            return
        certain = not is_archive and place.name.lower().endswith(pickles.NAMES)
        self._pickles(place, _fresh(source), certain=certain)

    def _pickles(self, place: Place, source: Source, *, certain: bool) -> None:
        told, imports = pickles.look(source, self.budget, certain=certain, raw_arrays=self.raw_arrays)
        self.imports |= imports
        self._tell(place, told)

    def _array(self, place: Place, source: Source) -> None:
        objects = arrays.pass_header(source)
        self._pickles(place, source, certain=objects)

    def _zip(self, place: Place, archive: Slice) -> None:
        names: set[str] = set()
        configs: list[tuple[Place, Slice | Stream]] = []
        for member in zips.members(archive):
            self.budget.enter()
            inside = place.within(member.name)
            names.add(member.name)
            self._tell(inside, [Seen("failed", problem) for problem in member.problems])
            self._path(inside, member.name)
            if member.is_link:
                self._tell(inside, [Seen("dangerous", "is a link, which leads whoever unpacks it elsewhere")])
            if member.name.endswith("/"):
                continue
            try:
                packed, decoder = member.source(archive), member.decoder()
            except Unreadable as error:
                self._failed(inside, error)
                continue
            source = packed if decoder is None else compressed.expanded(packed, self.budget, decoder)
            if member.name == "config.json":
                configs.append((inside, source))
            elif not member.name.endswith(".weights.h5"):
                self._into(inside, source)
            if member.hidden:
                self._tell(inside, [Seen("failed", "is not named in the directory of its archive")])
        for inside, source in configs:
            if names & {"metadata.json", "model.weights.h5"}:
                self._tell(inside, keras_configs.look(source.read(keras_configs.CONFIG_LIMIT + 1)))
            else:
                self._into(inside, source)

    def _tar(self, place: Place, source: Source) -> None:
        for member, within in tars.members(source):
            self.budget.enter()
            inside = place.within(member.name)
            self._path(inside, member.name)
            if member.is_link:
                self._path(inside, member.target)
            elif member.is_file:
                self._into(inside, Stream(lambda within=within: within.read(BLOCK)))  # type: ignore[misc]
            elif member.kind != b"5":
                self._tell(inside, [Seen("dangerous", "is a device or a pipe")])

    def _path(self, place: Place, name: str) -> None:
        """Tells of a name that leads out of the folder that somebody would unpack into."""
        pure, windows = PurePosixPath(name), PureWindowsPath(name)
        if (
            pure.is_absolute()
            or windows.drive
            or windows.root
            or ".." in pure.parts
            or ".." in windows.parts
            or "\0" in name
        ):
            self._tell(place, [Seen("dangerous", "has a name that leads out of the folder it is unpacked into")])

    @contextmanager
    def _spooled(self, source: Source) -> Iterator[Slice]:
        """The rest of a stream as a file, which is gone when the block ends."""
        with tempfile.SpooledTemporaryFile(_SPOOLED) as file:
            size = 0
            while block := source.read(BLOCK):
                size += file.write(block)
            yield Slice(cast(BinaryIO, file), 0, size)

    def _failed(self, place: Place, error: Unreadable) -> None:
        self._tell(place, [Seen("failed", f"cannot be looked into: {error}")])

    def _tell(self, place: Place, told: Iterable[Seen]) -> None:
        member = None if place.member is None else shown(place.member)
        self.findings += [
            Finding(place.file, one.severity, shown(one.problem), member, one.imported and shown(one.imported))
            for one in told
        ]


def _fresh(source: Slice | Stream) -> Slice | Stream:
    """The bytes from the beginning, where they can be had again."""
    return source.again() if isinstance(source, Slice) else source


def _of(data: bytes) -> Stream:
    given = iter((data, b""))
    return Stream(lambda: next(given, b""))

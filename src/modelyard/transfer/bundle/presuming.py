"""What the receiver of an incremental bundle has: told by earlier bundles, by an inventory that was made there, or by naming versions.

An inventory is text: a first line that says so, then a line for each version whose bytes are there, with its digest, its provenance and, for people, its name.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from modelyard.core.digests import Digest, is_digest
from modelyard.core.errors import Damaged, InvalidInventory, PathMissing, TargetExists, TargetUnwritable
from modelyard.core.names import Kind
from modelyard.registry import schema
from modelyard.store import Manifest
from modelyard.store.packs import Kind as PieceKind
from modelyard.transfer.bundle import records
from modelyard.transfer.bundle.header import Earlier, Need
from modelyard.transfer.bundle.reading import BundleFile
from modelyard.transfer.bundle.sink import Presumed
from modelyard.transfer.bytes.contents import attachments
from modelyard.transfer.merging.entries import PURGED
from modelyard.transfer.selection import named

if TYPE_CHECKING:
    from modelyard.client.workspace import Workspace

FIRST_LINE = "modelyard inventory 1"
SIZE_LIMIT = 1024 * 1024 * 1024


@dataclass(frozen=True)
class Had:
    """A version that the receiver has."""

    kind: Kind
    name: str
    number: int
    digest: Digest
    provenance: Digest | None


class Presuming:
    """Collects what the receiver has, as far as this yard has it too and so can tell its chunks."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._had: list[Had] = []
        self._known: set[tuple[Digest, Digest | None]] = set()
        self.presumed = Presumed()
        self.since: list[Earlier] = []

    def bundle(self, path: Path) -> None:
        """The receiver has imported an earlier bundle. Raises what opening it raises."""
        with BundleFile(path) as bundle:
            self.since.append(Earlier(bundle.id, path.name[:255]))
            for parcel in records.parcels(bundle):
                for each in parcel.versions:
                    if each.state != PURGED:
                        provenance = None if each.provenance is None else Digest(each.provenance)
                        self._add(
                            Had(parcel.model.kind, parcel.model.name, each.number, Digest(each.digest), provenance)
                        )

    def inventory(self, path: Path) -> None:
        """The receiver wrote down what it has. Raises InvalidInventory, PathMissing."""
        for had in read_inventory(path):
            self._add(had)

    def versions(self, references: Iterable[Any], datasets: Iterable[Any] = ()) -> None:
        """The receiver has these versions, and the data sets behind them. Raises what finding them raises."""
        for (kind, name), chosen in named(self._workspace, references, datasets, aliases=False).items():
            for had in _versions(self._workspace, kind, name, sorted(chosen.numbers)):
                self._add(had)

    def needs(self) -> tuple[Need, ...]:
        """The versions that are counted on, with how many of their chunks."""
        used = self.presumed.used()
        return tuple(
            Need(had.kind, had.name, had.number, had.digest, used[number])
            for number, had in enumerate(self._had)
            if used.get(number)
        )

    def _add(self, had: Had) -> None:
        if (had.digest, had.provenance) in self._known:
            return
        self._known.add((had.digest, had.provenance))
        self._had.append(had)
        for digest in self._files(had):
            if digest not in self.presumed.files:
                with suppress(Damaged):  # what this yard has not, it cannot leave out
                    recipe = self._workspace.store.files.recipe(digest, digest)
                    depths = [self._depth(key) for key, _ in recipe.chunks]
                    self.presumed.add(len(self._had) - 1, digest, recipe, depths)

    def _files(self, had: Had) -> Iterator[Digest]:
        store = self._workspace.store
        with suppress(Damaged):
            manifest = Manifest.from_bytes(store.read(had.digest))
            yield had.digest
            yield from (file.digest for file in manifest.files)
            profile: Any = manifest.facts.get("profile")
            if is_digest(profile):
                yield Digest(profile)
        if had.provenance is not None:
            with suppress(Damaged):
                document = store.read(had.provenance)
                yield had.provenance
                yield from (digest for _, digest in attachments(document, had.name))

    def _depth(self, key: bytes) -> int:
        found = self._workspace.store.index.find(PieceKind.CHUNK, key)
        return min((entry.depth for entry in found), default=0)


def write_inventory(workspace: Workspace, path: Path, *, exist_ok: bool = False) -> int:
    """Writes down which versions are in this yard with their bytes, for whoever makes a bundle for it; how many. Raises TargetExists, TargetUnwritable."""
    if os.path.lexists(path) and not exist_ok:
        raise TargetExists(path=path)
    half = path.with_name(path.name + ".part")
    count = 0
    try:
        with half.open("w", encoding="utf-8") as out:
            out.write(f"{FIRST_LINE}\n")
            for had in _everything(workspace):
                out.write(f"{had.digest} {had.provenance or '-'} {had.kind} {had.name}/{had.number}\n")
                count += 1
            out.flush()
            os.fsync(out.fileno())
        half.replace(path)
    except OSError as error:
        half.unlink(missing_ok=True)
        raise TargetUnwritable(path=path, problem=error.strerror or error) from error
    return count


def read_inventory(path: Path) -> Iterator[Had]:
    """The inverse of :func:`write_inventory`. Raises InvalidInventory, PathMissing."""
    from modelyard.transfer.bundle import values

    try:
        if not path.is_file():
            raise PathMissing(path=path) if not path.exists() else InvalidInventory(path=path, problem="it is no file")
        with path.open(encoding="utf-8") as lines:
            if lines.readline(256).rstrip("\n") != FIRST_LINE:
                raise InvalidInventory(path=path, problem=f"its first line is not {FIRST_LINE!r}")
            for number, line in enumerate(lines, start=2):
                try:
                    digest, provenance, kind, reference = line.rstrip("\n").split(" ")
                    name, _, word = reference.rpartition("/")
                    found = values.version_number(int(word))
                    yield Had(
                        values.one_of("model", "dataset")(kind),
                        values.model_name(name),
                        found,
                        Digest(digest),
                        None if provenance == "-" else Digest(provenance),
                    )
                except ValueError:
                    raise InvalidInventory(path=path, problem=f"line {number} is not a version") from None
    except UnicodeDecodeError:
        raise InvalidInventory(path=path, problem="it is not text") from None
    except OSError as error:
        raise InvalidInventory(path=path, problem=error.strerror or error) from error


def _everything(workspace: Workspace) -> Iterator[Had]:
    models, versions = schema.models.c, schema.versions.c
    query = (
        select(models.kind, models.name, versions.number, versions.digest, versions.provenance)
        .join(schema.models, versions.model_id == models.id)
        .where(models.workspace == workspace.registry.workspace, versions.state != PURGED)
        .order_by(models.kind, models.name, versions.number)
    )
    with workspace.registry.read() as connection:
        for row in connection.execute(query):
            provenance = None if row.provenance is None else Digest(row.provenance)
            yield Had(row.kind, row.name, row.number, Digest(row.digest), provenance)


def _versions(workspace: Workspace, kind: Kind, name: str, numbers: Sequence[int]) -> list[Had]:
    wanted = set(numbers)
    return [had for had in _everything(workspace) if (had.kind, had.name) == (kind, name) and had.number in wanted]

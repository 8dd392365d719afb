"""The records of a bundle: parcels, a line of canonical JSON each, some MiB of lines compressed together as a member."""

from __future__ import annotations

from collections.abc import Iterator

from modelyard.core.digests import canonical_json
from modelyard.store.codecs import zstandard
from modelyard.transfer.bundle.documents import parcel_from_json, parcel_to_json
from modelyard.transfer.bundle.layout import parsed
from modelyard.transfer.bundle.reading import BundleFile
from modelyard.transfer.bundle.writing import BundleWriter
from modelyard.transfer.records import Parcel

FOLDER = "records/"
TARGET = 8 * 1024 * 1024
_PARCEL = "parcel"


class RecordsWriter:
    """Writes lines into members as they grow."""

    def __init__(self, writer: BundleWriter) -> None:
        self._writer = writer
        self._lines: list[bytes] = []
        self._size = 0
        self._members = 0

    def add(self, parcel: Parcel) -> None:
        """Adds a parcel."""
        self._lines.append(canonical_json({_PARCEL: parcel_to_json(parcel)}))
        self._size += len(self._lines[-1])
        if self._size >= TARGET:
            self.finish()

    def finish(self) -> None:
        """Writes what is left."""
        if self._lines:
            data = b"\n".join(self._lines)
            self._members += 1
            self._writer.add(f"{FOLDER}{self._members:06d}", [zstandard.compressed(data)], len(data))
            self._lines, self._size = [], 0


def parcels(bundle: BundleFile) -> Iterator[Parcel]:
    """The parcels of a bundle. Raises BundleDamaged for what no bundle of ours says."""
    for member in bundle.members(FOLDER):
        for line in bundle.decompressed(member).split(b"\n"):
            try:
                value = parsed(line, f"a line of {member.name}")
                if not isinstance(value, dict) or value.keys() != {_PARCEL}:
                    raise ValueError(f"a line of {member.name} is no model with its versions")
                parcel = parcel_from_json(value[_PARCEL])
            except ValueError as error:
                raise bundle.damaged(str(error)) from None
            yield parcel

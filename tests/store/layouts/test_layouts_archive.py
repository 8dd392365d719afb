"""Zips: stored entries are found where they lie, and a directory that lies is not believed."""

import io
import struct
import zipfile

import pytest
from layouts_samples import zipped

from modelyard.store.layouts.archive import entries_of
from modelyard.store.layouts.layout import Unsound

ENTRIES = {"a": b"first", "folder/b": b"", "ü": b"third"}


def found(data: bytes) -> dict[str, bytes]:
    entries = entries_of(lambda offset, length: data[offset : offset + length], len(data))
    return {entry.name: data[entry.offset : entry.offset + entry.length] for entry in entries}


def streamed(entries: dict[str, bytes]) -> bytes:
    """As zipfile writes into a pipe: the sizes behind the bytes; and as if each entry could be larger than four GiB."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise OSError

        seek = tell  # type: ignore[assignment]

    file = Pipe()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in entries.items():
            with archive.open(name, "w", force_zip64=True) as entry:
                entry.write(data)
    return file.getvalue()


def in_64(data: bytes) -> bytes:
    """The same archive, all numbers in zip64's own records, as for files above four GiB."""
    end = data.rindex(b"PK\x05\x06")
    count, length, start = struct.unpack_from("<HLL", data, end + 10)
    directory, at = b"", start
    for _ in range(count):
        record = bytearray(data[at : at + 46])
        packed, size, named, extra, comment = struct.unpack_from("<LLHHH", record, 20)
        (head,) = struct.unpack_from("<L", record, 42)
        struct.pack_into("<LLHH", record, 20, 2**32 - 1, 2**32 - 1, named, extra + (4 + 4) + (4 + 28))
        struct.pack_into("<L", record, 42, 2**32 - 1)
        name = data[at + 46 : at + 46 + named]
        other = struct.pack("<HH4s", 0x5455, 4, b"time")
        directory += bytes(record) + name + other + struct.pack("<HHQQQL", 1, 28, size, packed, head, 0)
        at += 46 + named + extra + comment
    assert at == start + length
    where = start + len(directory)
    record_64 = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, len(directory), start)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, where, 1)
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 2**16 - 1, 2**16 - 1, 2**32 - 1, 2**32 - 1, 0)
    return data[:start] + directory + record_64 + locator + tail


@pytest.mark.parametrize(
    "write", [zipped, streamed, lambda entries: in_64(zipped(entries))], ids=["plain", "streamed", "zip64"]
)
def test_stored_entries_are_found_where_they_lie(write) -> None:
    data = write(ENTRIES)
    assert zipfile.ZipFile(io.BytesIO(data)).testzip() is None
    assert found(data) == ENTRIES


def test_a_comment_behind_the_end_is_passed_over() -> None:
    file = io.BytesIO(zipped(ENTRIES))
    with zipfile.ZipFile(file, "a") as archive:
        archive.comment = b"PK\x05 is not the end" * 3000
    assert found(file.getvalue()) == ENTRIES


def test_compressed_entries_and_folders_are_left_out() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.mkdir("folder")
        archive.writestr("small", bytes(1000), zipfile.ZIP_DEFLATED)
        archive.writestr("plain", b"plain")
    assert found(file.getvalue()) == {"plain": b"plain"}


def changed(at: int, format: str, *values: int, of: bytes = b"PK\x01\x02", data: bytes | None = None) -> bytes:  # noqa: A002 - as struct calls it
    """The sample with ``values`` at ``at`` of its first record that begins with ``of``."""
    changed = bytearray(data or zipped({"a": b"first", "b": b"second"}))
    struct.pack_into(format, changed, changed.index(of) + at, *values)
    return bytes(changed)


END, LOCAL, END_64 = b"PK\x05\x06", b"PK\x03\x04", b"PK\x06\x06"
LARGE = in_64(zipped(ENTRIES))
LIES = {
    "an entry longer than the file": changed(20, "<LL", 9999, 9999),
    "an entry that reaches into the next": changed(20, "<LL", 20, 20),
    "an entry of two lengths": changed(24, "<L", 4),
    "an entry that lies elsewhere": changed(42, "<L", 3),
    "an entry beyond the file": changed(42, "<L", 2**31),
    "an entry in a record that is missing": changed(42, "<L", 2**32 - 1),
    "two entries at one place": changed(46 + 1 + 42, "<L", 0),
    "a name other than the entry's own": changed(46, "<B", ord("x")),
    "two entries of one name": changed(46, "<B", ord("b"), data=changed(30, "<B", ord("b"), of=LOCAL)),
    "a record that is none": changed(0, "<B", 0),
    "a name longer than the directory": changed(28, "<H", 9999),
    "an entry's own name is longer": changed(26, "<H", 2, of=LOCAL),
    "an entry's own extra field reaches too far": changed(28, "<H", 60_000, of=LOCAL),
    "an entry that is compressed after all": changed(8, "<H", 8, of=LOCAL),
    "a directory beyond the file": changed(16, "<L", 2**31, of=END),
    "a directory longer than the file": changed(12, "<L", 2**31, of=END),
    "more entries than there are": changed(8, "<HH", 3, 3, of=END),
    "a comment that is missing": changed(20, "<H", 1, of=END),
    "the end is cut": zipped(ENTRIES)[:-1],
    "zip64 promised and not kept": changed(10, "<H", 2**16 - 1, of=END),
    "10**18 entries": changed(24, "<QQ", 10**18, 10**18, of=END_64, data=LARGE),
    "a directory of 10**18 bytes": changed(40, "<Q", 10**18, of=END_64, data=LARGE),
    "a record of the end that is none": changed(0, "<B", 0, of=END_64, data=LARGE),
    "a name that is not UTF-8": zipped({"ü": b"x"}).replace("ü".encode(), b"\xff\xff"),
    "an end and nothing else": END,
    "nothing": b"",
}


@pytest.mark.parametrize("data", LIES.values(), ids=LIES)
def test_a_directory_that_lies_is_refused(data: bytes) -> None:
    with pytest.raises(Unsound):
        found(data)


def test_a_directory_above_the_limits_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    data = zipped({str(i): b"" for i in range(50)})
    assert len(found(data)) == 50
    with monkeypatch.context() as patched:
        patched.setattr("modelyard.store.layouts.archive.TENSORS_LIMIT", 49)
        with pytest.raises(Unsound):
            found(data)
    monkeypatch.setattr("modelyard.store.layouts.archive.DIRECTORY_LIMIT", 100)
    with pytest.raises(Unsound):
        found(data)

"""What is registered may be anything: a file that lies about its form, that is no file, or that changes while it is read."""

import json
import os
import random
import socket
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from modelyard.core.errors import PathUnusable
from modelyard.store import Advance, Manifest, Progress, Store
from modelyard.store.writing.cuts import PIECE


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def keep(store: Store, path: Path, progress: Progress | None = None, earlier: Sequence[Manifest] = ()) -> Manifest:
    with store.intake(progress) as intake:
        manifest = intake.put_manifest("model", intake.put_tree(path, earlier), {})
        intake.commit()
    return manifest


def is_empty(store: Store) -> bool:
    """Whether nothing was kept, and no lease was left behind."""
    return list(store.objects.list("")) == []


def safetensors(header: object, payload: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + payload


def tensor(name: str, begin: int, end: int, **other: object) -> dict[str, object]:
    return {name: {"dtype": "U8", "shape": [end - begin], "data_offsets": [begin, end]} | other}


PAYLOAD = random.Random(1).randbytes(200_000)
LIES = {
    "two tensors overlap": safetensors(tensor("a", 0, 150_000) | tensor("b", 100_000, 200_000), PAYLOAD),
    "two tensors are one": safetensors(tensor("a", 0, 200_000) | tensor("b", 0, 200_000), PAYLOAD),
    "a tensor ends beyond the file": safetensors(tensor("a", 0, 200_001), PAYLOAD),
    "a tensor begins before the file": safetensors(tensor("a", -9, 100), PAYLOAD),
    "a tensor of 2**63 bytes": safetensors(tensor("a", 0, 2**63), PAYLOAD),
    "shape and length differ": safetensors(tensor("a", 0, 200_000, shape=[7]), PAYLOAD),
    "an unknown type": safetensors(tensor("a", 0, 200_000, dtype="F33"), PAYLOAD),
    "two tensors of one name": safetensors(
        json.dumps(tensor("a", 0, 100_000)).encode()[:-1]
        + b","
        + json.dumps(tensor("a", 100_000, 200_000)).encode()[1:],
        PAYLOAD,
    ),
    "a header of 100 MB in a small file": safetensors(tensor("a", 0, 200_000), PAYLOAD, length=100_000_000),
    "a header of all the bytes there are": safetensors(tensor("a", 0, 200_000), PAYLOAD, length=2**64 - 1),
    "a header as deep as it is long": safetensors(b'{"t":' + b"[" * 200_000, PAYLOAD),
    "a header that is not UTF-8": safetensors(b'{"\xff":1}', PAYLOAD),
    "random bytes": PAYLOAD,
    "zeros": bytes(200_000),
    "a zip that ends too soon": b"PK\x03\x04" + PAYLOAD,
    "a GGUF of 2**64 tensors": b"GGUF" + struct.pack("<IQQ", 3, 2**64 - 1, 2**64 - 1) + PAYLOAD,
    "an array of 2**60 numbers": b"\x93NUMPY\x01\0"
    + struct.pack("<H", 118)
    + b"{'descr': '<f8', 'fortran_order': False, 'shape': (1152921504606846976,), }".ljust(117)
    + b"\n"
    + PAYLOAD,
    "nothing": b"",
    "one byte": b"\x08",
    "a length and no header": struct.pack("<Q", 2),
}


@pytest.mark.parametrize("data", LIES.values(), ids=LIES)
@pytest.mark.parametrize("name", ["model.safetensors", "model.pt"])
def test_a_file_that_lies_about_its_form_comes_back_equal(store: Store, tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    first = keep(store, path)
    path.write_bytes(data[: len(data) // 2] + b"inserted" + data[len(data) // 2 :])
    second = keep(store, path, earlier=[first])
    for reader in (store, Store(tmp_path / "store")):
        assert reader.read(first.files[0].digest) == data
        assert reader.read(second.files[0].digest) == path.read_bytes()


@pytest.mark.slow
def test_a_true_header_of_100_megabytes_comes_back_equal(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(safetensors(b'{"__metadata__":{"x":"' + b"a" * 100_000_000 + b'"}}', PAYLOAD))
    manifest = keep(store, path)
    Store(tmp_path / "store").materialize(manifest, tmp_path / "out")
    assert store.verify_tree(manifest, tmp_path / "out")


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    home = Path.cwd()
    os.chdir(path.parent)  # the name of a socket may not be long
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(home)


def _not_utf8(path: Path) -> None:
    Path(os.fsdecode(os.fsencode(path) + b"\xff\xfe")).write_text("x")


UNUSABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a pipe": (_pipe, "neither a file nor a folder"),
    "a socket": (_socket, "neither a file nor a folder"),
    "a link to a device": (lambda path: path.symlink_to("/dev/zero"), "neither a file nor a folder"),
    "a link to itself": (lambda path: path.symlink_to(path), "symbolic link"),
    "a link to the folder that it is in": (lambda path: path.symlink_to(path.parent), "link to a folder"),
    "a link to another folder": (lambda path: path.symlink_to("/usr"), "link to a folder"),
    "a link to nothing": (lambda path: path.symlink_to(path.parent / "gone"), "No such file"),
    "a name that is not UTF-8": (_not_utf8, "UTF-8"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_what_is_no_file_is_refused_by_name_wherever_it_is(store: Store, tmp_path: Path, case: str) -> None:
    make, problem = UNUSABLE[case]
    folder = tmp_path / "source" / "deep"
    folder.mkdir(parents=True)
    (tmp_path / "source" / "a").write_text("comes first")
    make(folder / "odd")
    with pytest.raises(PathUnusable, match=problem) as caught:
        keep(store, tmp_path / "source")
    assert "odd" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert is_empty(store)


def test_a_device_is_refused_and_not_read(store: Store) -> None:
    for device in ("/dev/zero", "/dev/null", "/dev/stdin"):
        with pytest.raises(PathUnusable, match="neither a file nor a folder"):
            keep(store, Path(device))
    assert is_empty(store)


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_file_or_folder_that_may_not_be_read_is_refused_by_name(store: Store, tmp_path: Path) -> None:
    (tmp_path / "source" / "deep").mkdir(parents=True)
    (tmp_path / "source" / "secret").write_text("x")
    (tmp_path / "source" / "secret").chmod(0)
    with pytest.raises(PathUnusable, match=r"secret.*Permission denied"):
        keep(store, tmp_path / "source")
    (tmp_path / "source" / "secret").unlink()
    (tmp_path / "source" / "deep").chmod(0)
    try:
        with pytest.raises(PathUnusable, match=r"deep.*Permission denied"):
            keep(store, tmp_path / "source")
    finally:
        (tmp_path / "source" / "deep").chmod(0o700)
    assert is_empty(store)


def _once(change: Callable[[], object]) -> Progress:
    done: list[Advance] = []

    def advance(said: Advance) -> None:
        if not done:
            change()
        done.append(said)

    return advance


def _grow(path: Path) -> None:
    with path.open("ab") as more:
        more.write(b"more")


def _shrink(path: Path) -> None:
    os.truncate(path, 10 * PIECE)


def _empty(path: Path) -> None:
    os.truncate(path, 0)


def _rewrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(15 * PIECE)
        file.write(b"other")
    os.utime(path, ns=(0, 10**18))


@pytest.mark.parametrize("change", [_grow, _shrink, _empty, _rewrite], ids=lambda change: change.__name__.strip("_"))
@pytest.mark.parametrize("form", ["opaque", "tensors"])
def test_a_file_that_changes_while_it_is_read_is_refused(
    store: Store, tmp_path: Path, change: Callable[[Path], None], form: str
) -> None:
    path = tmp_path / "model.bin"
    body = random.Random(2).randbytes(20 * PIECE)
    path.write_bytes(body if form == "opaque" else safetensors(tensor("w", 0, len(body)), body))
    with pytest.raises(PathUnusable, match="changed while"):
        keep(store, path, _once(lambda: change(path)))
    assert is_empty(store)
    path.write_bytes(body)
    assert store.read(keep(store, path).files[0].digest) == body, "the next attempt, when the file is at rest, fails"


@pytest.mark.parametrize("change", [_grow, _empty, _rewrite], ids=lambda change: change.__name__.strip("_"))
def test_a_file_that_changes_while_it_is_recognized_is_refused(
    store: Store, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    """A file that an earlier version has as it is, is only hashed."""
    (tmp_path / "source").mkdir()
    path = tmp_path / "source" / "model.bin"
    path.write_bytes(random.Random(2).randbytes(20 * PIECE))
    first = keep(store, tmp_path / "source")
    with pytest.raises(PathUnusable, match="changed while"):
        keep(store, tmp_path / "source", _once(lambda: change(path)), [first])


def _replaced_by(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def replace(path: Path) -> None:
        path.unlink()
        make(path)

    return replace


@pytest.mark.parametrize(
    "make",
    [_pipe, _socket, lambda path: path.symlink_to("/dev/zero"), lambda path: path.symlink_to("/dev/full"), Path.mkdir],
    ids=["a pipe", "a socket", "an endless device", "a device", "a folder"],
)
def test_a_file_that_is_replaced_by_what_is_none_before_it_is_read_is_refused(
    store: Store, tmp_path: Path, make: Callable[[Path], object]
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_bytes(b"first")
    (source / "b").write_bytes(b"second")
    with pytest.raises(PathUnusable, match="b cannot be kept"):
        keep(store, source, _once(lambda: _replaced_by(make)(source / "b")))


def test_a_file_that_goes_away_before_it_is_read_is_refused(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_bytes(b"first")
    (source / "b").write_bytes(b"second")
    with pytest.raises(PathUnusable, match="No such file"):
        keep(store, source, _once((source / "b").unlink))


def test_a_file_that_is_replaced_while_it_is_read_is_kept_as_it_was(store: Store, tmp_path: Path) -> None:
    """Whoever replaces a file by renaming leaves the old one whole, and that is what was asked for."""
    path, body = tmp_path / "model.bin", random.Random(2).randbytes(20 * PIECE)
    path.write_bytes(body)
    (tmp_path / "elsewhere").write_bytes(b"not asked for")
    manifest = keep(store, path, _once(lambda: _replaced_by(lambda p: p.symlink_to(tmp_path / "elsewhere"))(path)))
    assert store.read(manifest.files[0].digest) == body


def test_what_the_callback_raises_comes_through_and_leaves_nothing(store: Store, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(PAYLOAD)

    def fail() -> None:
        raise RuntimeError("the window was closed")

    with pytest.raises(RuntimeError, match="the window was closed"):
        keep(store, tmp_path / "model.bin", _once(fail))
    assert is_empty(store)


def test_the_progress_adds_up(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_bytes(PAYLOAD)
    (source / "b").write_bytes(PAYLOAD)
    (source / "c").write_bytes(b"")
    said: list[Advance] = []
    manifest = keep(store, source, said.append)
    assert sum(each.done for each in said) == manifest.size == 400_000
    assert sum(each.known for each in said) == 200_000
    assert 200_000 < sum(each.stored for each in said) < 210_000
    said.clear()
    keep(store, source, said.append, [manifest])
    assert sum(each.done for each in said) == sum(each.known for each in said) == 400_000
    said.clear()
    store.materialize(manifest, tmp_path / "out", progress=said.append)
    assert sum(each.done for each in said) == 400_000
    said.clear()
    store.materialize(manifest, tmp_path / "out", replace=True, progress=said.append)
    assert sum(each.known for each in said) == sum(each.done for each in said) == 400_000

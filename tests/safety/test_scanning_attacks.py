"""What an attacker writes is never called safe, and nothing of it runs."""

from __future__ import annotations

import io
import json
import pickle
import struct
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import hostile_files
import pytest
from hostile_pickles import call, stack_global, text

from modelyard.safety.scanning import scan_files, scan_tree
from modelyard.safety.scanning.limits import Budget

ATTACKS = hostile_files.attacks("touch MARKER")
UNKNOWN = {"calls what it made"}
"""No harm is known that it does; nor is it known to do none."""


def scanned(tmp_path: Path, data: bytes, name: str = "model.pkl", **options: object):
    (tmp_path / name).write_bytes(data)
    return scan_files({name: tmp_path / name}, **options)


@pytest.mark.parametrize("case", ATTACKS)
def test_an_attack_is_dangerous_whatever_it_is_wrapped_in(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name, data = ATTACKS[case]
    report = scanned(tmp_path, data, name)
    assert report.verdict == ("unknown" if case in UNKNOWN else "dangerous"), report.findings
    assert report.findings[0].file == name
    assert [path.name for path in tmp_path.iterdir()] == [name], "something of it ran"


def test_the_attacks_are_real(tmp_path):
    """The plainest of them, loaded in a process of its own: it does what the scan says that it would."""
    for case in (
        "os.system",
        "protocol 0",
        "protocol 0 inst",
        "names from the memo",
        "getattr of an import",
        "numpy runstring",
        "breaks off after the call",
    ):
        (tmp_path / "model.pkl").write_bytes(hostile_files.attacks(f"touch {tmp_path / 'ran'}")[case][1])
        code = f"import pickle; pickle.load(open({str(tmp_path / 'model.pkl')!r}, 'rb'))"
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
        assert (tmp_path / "ran").exists(), case
        (tmp_path / "ran").unlink()


@pytest.mark.parametrize("case", ATTACKS)
def test_no_beginning_of_an_attack_and_no_changed_byte_makes_the_scan_fall_over(case, tmp_path):
    name, data = ATTACKS[case]
    for end in range(0, len(data), max(1, len(data) // 12)):
        assert "stumbled" not in scanned(tmp_path, data[:end], name).sentence
    for at in range(0, len(data), max(1, len(data) // 12)):
        changed = data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]
        assert "stumbled" not in scanned(tmp_path, changed, name).sentence


def test_without_the_second_list_an_attack_is_still_never_safe(tmp_path, monkeypatch):
    monkeypatch.setattr("modelyard.safety.scanning.opinion.version", lambda: None)
    verdicts = {case: scanned(tmp_path, data, name).verdict for case, (name, data) in ATTACKS.items()}
    assert {case for case, verdict in verdicts.items() if verdict != "dangerous"} == UNKNOWN


def test_the_second_list_turns_unknown_into_dangerous(tmp_path):
    data = b"\x80\x04" + call("torch.utils.data.dataset", "Dataset") + b"."
    assert scanned(tmp_path, data).verdict == "unknown"
    data = b"\x80\x04" + call("aiohttp.client", "ClientSession") + b"."
    assert scanned(tmp_path, data).verdict == "dangerous"


def test_a_name_hidden_behind_raw_bytes_of_joblib_is_seen_by_either_reader(tmp_path):
    """joblib takes the bytes behind the wrapper for an array; Python's own reader takes them for opcodes."""
    array = (
        stack_global("joblib.numpy_pickle", "NumpyArrayWrapper")
        + b")\x81}("
        + (text("shape") + b"K\x28\x85" + text("dtype") + _dtype("i1") + text("order") + text("C"))
        + b"ub"
    )
    system = call("os", "system", text("touch MARKER"))
    for_pickle = (b"0" + system + b".").ljust(40, b"N")
    report = scanned(tmp_path, b"\x80\x04" + array + for_pickle + b"0N.", "model.pkl")
    assert report.verdict == "dangerous"
    swallowed = b"B" + struct.pack("<I", 200)  # for opcodes the rest of the file, for joblib the end of the array
    data = b"\x80\x04" + array + swallowed.ljust(40, b"N") + b"0" + system + b"."
    assert scanned(tmp_path, data, "model.joblib").verdict == "dangerous"


def _dtype(kind: str) -> bytes:
    state = b"(K\x03" + text("|") + b"NNN" + b"J\xff\xff\xff\xff" * 2 + b"K\x00tb"
    return stack_global("numpy", "dtype") + text(kind) + b"\x89\x88\x87R" + state


def _wrapped(fields: bytes) -> bytes:
    """A wrapper of joblib with these fields; what follows is its array, as joblib sees it."""
    return stack_global("joblib.numpy_pickle", "NumpyArrayWrapper") + b")\x81" + fields + b"b"


def _fields(shape: bytes, dtype: bytes) -> bytes:
    return b"}(" + text("shape") + shape + text("dtype") + dtype + b"u"


def _dtype_of(state: bytes, kind: str = "S1") -> bytes:
    return stack_global("numpy", "dtype") + text(kind) + b"\x89\x88\x87R" + state + b"b"


ONE, FIVE, MANY = b"K\x01", b"K\x05", b"M\x00\x02"
STATES = {
    "a size that the state changes": b"(K\x03" + text("|") + b"NNN" + MANY + ONE + b"K\x00t",
    "objects by a flag": b"(K\x03" + text("|") + b"NNN" + ONE + ONE + b"K\x3ft",
    "an array in each element": b"(K\x03" + text("|") + b"K\x01" + FIVE + b"\x86" + b"NN" + ONE + ONE + b"K\x00t",
    "an array out of the memo": b"K\x01"
    + FIVE
    + b"\x86q\xc80(K\x03"
    + text("|")
    + b"h\xc8"
    + b"NN"
    + ONE
    + ONE
    + b"K\x00t",
    "a state out of the memo": b"(K\x03" + text("|") + b"NNN" + MANY + ONE + b"K\x00tq\xc80h\xc8",
}


def _hiding(wrapper: bytes) -> bytes:
    """A file that does harm behind an array of 512 bytes, and none when the array is taken to have one."""
    hidden = b"0" + call("os", "system", text("touch MARKER")) + b"."
    swallows = b"NB" + struct.pack("<I", 512 - 6 + len(hidden))
    return b"\x80\x04" + wrapper + swallows.ljust(512, b"N") + hidden + b"0N."


def test_what_hides_behind_an_array_is_hidden_well():
    """The file that the next tests are about: whoever takes the array for one byte long sees nothing in it."""
    plain = b"(K\x03" + text("|") + b"NNN" + ONE + ONE + b"K\x00t"
    data = _hiding(_wrapped(_fields(ONE + b"\x85", _dtype_of(plain))))
    assert scanned_bytes(data).verdict == "safe"


def scanned_bytes(data: bytes):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return scanned(Path(folder), data, "model.joblib")


@pytest.mark.parametrize("case", STATES)
def test_the_length_of_an_array_is_taken_as_joblib_takes_it(case):
    """Where the scan went on too early, what lies there would be hidden."""
    report = scanned_bytes(_hiding(_wrapped(_fields(ONE + b"\x85", _dtype_of(STATES[case])))))
    assert report.verdict == ("dangerous" if case == "a size that the state changes" else "failed")


def test_fields_that_are_changed_through_the_memo_are_seen():
    dtype = _dtype_of(b"(K\x03" + text("|") + b"NNN" + ONE + ONE + b"K\x00t")
    first = b"}q\xc8(" + text("shape") + ONE + b"\x85" + text("dtype") + dtype + b"u"
    assert scanned_bytes(_hiding(_wrapped(first))).verdict == "safe"
    changed = first + b"h\xc8" + text("shape") + MANY + b"\x85s0"
    assert scanned_bytes(_hiding(_wrapped(changed))).verdict == "dangerous"


def test_parts_of_a_compressed_file_are_put_together_as_readers_do(tmp_path):
    import bz2
    import gzip
    import lzma

    system = ATTACKS["os.system"][1]
    for pack in (gzip.compress, bz2.compress, lzma.compress):
        for between in (b"", bytes(4), bytes(600_000)):
            data = pack(system[:3]) + between + pack(system[3:])
            assert scanned(tmp_path, data, "model.bin").verdict == "dangerous", (pack, len(between))


def test_hdf5_behind_a_block_of_the_users_own_is_found(tmp_path):
    import h5py

    with h5py.File(tmp_path / "model.h5", "w", userblock_size=1024) as file:
        file.attrs["model_config"] = json.dumps(hostile_files.LAMBDA)
    assert scan_tree(tmp_path / "model.h5").verdict == "dangerous"


@pytest.mark.parametrize(
    "made",
    [
        call(
            "copyreg",
            "_reconstructor",
            stack_global("joblib.numpy_pickle", "NumpyArrayWrapper"),
            stack_global("builtins", "object"),
            b"N",
        ),
        call("sklearn.neighbors._kd_tree", "newObj", stack_global("joblib.numpy_pickle", "NumpyArrayWrapper")),
    ],
    ids=["copyreg", "newObj"],
)
def test_a_wrapper_of_joblib_that_is_made_in_another_way_is_not_overlooked(made, tmp_path):
    data = (
        b"\x80\x04"
        + made
        + b"}("
        + text("shape")
        + b"K\x05\x85"
        + text("dtype")
        + _dtype("i1")
        + b"ub"
        + b"C\x03abc0N."
    )
    assert scanned(tmp_path, data, "model.joblib").verdict != "safe"


def test_bound_methods_are_told_by_what_they_lead_to(tmp_path):
    assert scanned(tmp_path, pickle.dumps(str.lower)).imports == ("builtins.str", "builtins.str.lower")
    hidden = b"\x80\x04" + call("builtins", "getattr", stack_global("builtins", "dict"), text("__class__")) + b"."
    assert scanned(tmp_path, hidden).verdict == "dangerous"
    handed_on = b"\x80\x04" + call("collections", "defaultdict", stack_global("builtins", "getattr")) + b"."
    assert scanned(tmp_path, handed_on).verdict == "dangerous"


HOSTILE_NAMES = [
    "../evil.txt",
    "/etc/cron.d/x",
    "a/../../b",
    "..\\evil",
    "C:\\x",
    "C:x",
    "\\\\host\\share",
    "a/..",
    ".",
]


@pytest.mark.parametrize("name", HOSTILE_NAMES[:-1])
@pytest.mark.parametrize("make", [hostile_files.in_zip, hostile_files.in_tar], ids=["zip", "tar"])
def test_a_member_whose_name_leads_elsewhere_is_dangerous(name, make, tmp_path):
    report = scanned(tmp_path, make(name, b"plain"), "data.bin")
    assert report.verdict == "dangerous"
    assert "leads out" in report.findings[0].problem


def test_links_and_devices_in_archives_are_dangerous(tmp_path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, kind, target in (
            ("x", tarfile.SYMTYPE, "/etc/passwd"),
            ("y", tarfile.LNKTYPE, "../y"),
            ("z", tarfile.CHRTYPE, ""),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            archive.addfile(member)
    report = scanned(tmp_path, buffer.getvalue(), "data.tar")
    assert {finding.member for finding in report.findings} == {"x", "y", "z"}
    link = zipfile.ZipInfo("model.bin")
    link.external_attr = 0o120777 << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert scanned(tmp_path, buffer.getvalue(), "data.zip").verdict == "dangerous"


def bomb(levels: int, width: int, size: int) -> bytes:
    data = bytes(size)
    for _ in range(levels):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for number in range(width):
                archive.writestr(f"{number}.zip", data)
        data = buffer.getvalue()
    return data


def test_bombs_end_in_failure_and_not_in_memory(tmp_path):
    small = Budget(expanded=10_000_000, members=1000)
    report = scanned(tmp_path, bomb(4, 10, 1_000_000), "bomb.zip", budget=small)
    assert report.verdict == "failed"
    assert small.members >= -1
    deep = hostile_files.nested(hostile_files.in_zip("model.pkl", ATTACKS["os.system"][1]), 12)
    assert scanned(tmp_path, deep, "deep.zip").verdict == "failed"


def test_members_that_share_bytes_are_not_opened_one_by_one(tmp_path):
    archive = bytearray(hostile_files.torch_zip(pickle.dumps([1])))
    records = [at for at in range(len(archive)) if archive[at : at + 4] == b"PK\x01\x02"]
    for at in records[1:]:
        archive[at + 42 : at + 46] = archive[records[0] + 42 : records[0] + 46]
    assert scanned(tmp_path, bytes(archive), "model.pt").verdict == "failed"


def test_ten_million_operations_are_not_all_walked(tmp_path):
    budget = Budget()
    report = scanned(tmp_path, b"\x80\x04](" + b"N" * 10_000_000 + b"e.", budget=budget)
    assert report.verdict == "failed"
    assert "more operations" in report.findings[0].problem
    assert -300_000 < budget.operations < 0  # it gave up at the limit, but for the block that it was in


def test_deep_nesting_in_a_pickle_costs_nothing(tmp_path):
    for data in (
        b"\x80\x04" + b"(" * 200_000 + b".",
        b"\x80\x04N" + b"\x85" * 200_000 + b".",
        b"\x80\x04" + b"]" * 100_000 + b"a" * 99_999 + b".",
    ):
        scanned(tmp_path, data)


def test_a_gigabyte_in_one_opcode_is_passed_over(tmp_path):
    path = tmp_path / "model.pkl"
    with path.open("wb") as file:
        file.write(b"\x80\x04\x8e" + struct.pack("<Q", 2**30))
        file.truncate(2**30 + 11)
        file.seek(0, 2)
        file.write(call("os", "system", text("x")) + b".")
    assert scan_tree(path).verdict == "dangerous"


@pytest.mark.parametrize("size", [2**31, 2**40, 2**63 + 1, 2**64 - 1])
def test_a_length_that_lies_breaks_off(size, tmp_path):
    data = b"\x80\x04\x8e" + struct.pack("<Q", size) + b"abc."
    report = scanned(tmp_path, data)
    assert report.verdict == "failed"
    assert "breaks off" in report.findings[0].problem


def test_headers_that_ask_for_memory_get_none(tmp_path):
    """An lzma stream whose dictionary would be four gigabytes, an array whose header would be, a tar whose names would be."""
    lzma_alone = b"\x5d" + struct.pack("<I", 0xFFFFFFFF) + b"\xff" * 8 + bytes(64)
    assert scanned(tmp_path, lzma_alone, "model.joblib").verdict == "failed"
    long_header = b"\x93NUMPY\x02\x00" + struct.pack("<I", 0xFFFFFFF0) + bytes(64)
    assert scanned(tmp_path, long_header, "a.npy").verdict == "failed"
    member = tarfile.TarInfo("x" * 300)
    header = bytearray(member.tobuf(tarfile.GNU_FORMAT)[:512])
    header[124:136] = b"77777777777\0"
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + 256 + sum(header[156:]))
    assert scanned(tmp_path, bytes(header), "a.tar").verdict == "failed"


def test_a_file_that_cannot_be_read_is_told_and_not_raised(tmp_path):
    report = scan_files({"gone.pkl": tmp_path / "gone.pkl"})
    assert report.verdict == "failed"


def test_findings_without_end_are_counted(tmp_path):
    data = b"\x80\x04" + b"".join(stack_global("m", f"n{number}") + b"0" for number in range(3000)) + b"N."
    report = scanned(tmp_path, data)
    assert (len(report.findings), report.left_out, report.counts) == (500, 2500, (3000, 0, 0))
    assert len(report.imports) == 2000


@pytest.mark.parametrize("name", ["\ud800", "a\x00b", "\x1b[31mred", "n" * 250, "a\nb", "ä"])
def test_names_out_of_hostile_files_can_be_stored_and_printed(name, ws, tmp_path):
    data = b"\x80\x04" + b"".join(_text(part) for part in ("m" + name, name)) + b"\x93)R."
    (tmp_path / "model.pkl").write_bytes(hostile_files.in_tar("x" + name.replace("\ud800", "").replace("\0", ""), data))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "model.pkl").write_bytes(data)
    for path in (tmp_path / "model.pkl", tmp_path / "folder"):
        version = ws.register("fraud", path)
        report = version.scan()
        assert report.verdict in ("unknown", "dangerous")
        assert json.dumps(report.to_json()).encode()
        for finding in report.findings:
            assert (finding.problem + (finding.member or "")).isprintable()


def _text(value: str) -> bytes:
    data = value.encode("utf-8", "surrogatepass")
    return b"\x8c" + bytes([len(data)]) + data


def test_text_without_end_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("modelyard.safety.scanning.stack.TEXT_LIMIT", 100_000)
    words = b"".join(_text(f"{number:0200}") + b"\x94" for number in range(1000))
    assert scanned(tmp_path, b"\x80\x04](" + words + b"e.").verdict == "failed"
    sentences = b"".join(_text(f"{number:0200} in words") + b"\x94" for number in range(1000))
    assert scanned(tmp_path, b"\x80\x04](" + sentences + b"e.").verdict == "safe"
    lines = b"".join(b"c" + b"m" * 2000 + b"\nn\n0" for _ in range(10))
    assert scanned(tmp_path, lines + b"N.").verdict == "failed"


def test_where_the_scan_itself_stumbles_the_version_is_kept_and_not_called_safe(ws, tmp_path, monkeypatch):
    def stumble(*_: object) -> None:
        raise RecursionError

    monkeypatch.setattr("modelyard.safety.scanning.inspection.pickles.look", lambda *_, **__: stumble())
    (tmp_path / "model.pkl").write_bytes(b"N.")
    assert ws.register("fraud", tmp_path / "model.pkl").scan().verdict == "failed"

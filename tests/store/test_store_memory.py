"""A file far larger than what a writer or a reader may hold in memory goes in, changes, and comes out."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SIZE = 768 << 20
LIMIT = 512 << 20
"""Bytes that a process may ever have in memory."""

STEP = """
import json, re, resource, struct, sys
from pathlib import Path

import numpy

from modelyard.core.digests import Digest
from modelyard.store import Store

folder, size, step = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
store, path, said = Store(folder / "store"), folder / "model.bin", folder / "digest"


def make():
    block = numpy.frombuffer(numpy.random.default_rng(1).bytes(64 << 20), "<u4")
    head = json.dumps({"w": {"dtype": "F32", "shape": [size // 8], "data_offsets": [0, size // 2]}}).encode()
    with path.open("wb") as out:  # half of it one tensor, the other half bytes that nobody knows
        out.write(struct.pack("<Q", len(head)) + head)
        for number in range(size // block.nbytes):
            out.write((block + numpy.uint32(number)).tobytes())


def change():
    with path.open("r+b") as file:
        for start in range(1 << 20, size // 4, 1 << 20):
            file.seek(start)
            nudged = numpy.frombuffer(file.read(1 << 20), "<u4") ^ numpy.uint32(1)
            file.seek(start)
            file.write(nudged.tobytes())


def put():
    earlier = [store.manifest(Digest(said.read_text()))] if said.exists() else []
    with store.intake() as intake:
        manifest = intake.put_manifest("model", intake.put_tree(path, earlier), {})
        intake.commit()
    said.write_text(manifest.digest)


def get():
    store.materialize(store.manifest(Digest(said.read_text())), folder / "out")


def peak():
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # not ru_maxrss: that of a child counts what its parent had in memory when it began
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])


{"make": make, "change": change, "put": put, "get": get}[step]()
print(peak())
"""


@pytest.mark.slow
def test_a_large_file_goes_in_changes_and_comes_out_in_less_memory_than_it_takes(tmp_path: Path) -> None:
    def run(step: str) -> int:
        done = subprocess.run(
            [sys.executable, "-c", STEP, tmp_path, str(SIZE), step], capture_output=True, text=True, check=True
        )
        return int(done.stdout)

    try:
        run("make")
        assert run("put") < LIMIT
        run("change")
        assert run("put") < LIMIT, "the difference from the version before took too much"
        kept = sum(path.stat().st_size for path in (tmp_path / "store" / "packs").iterdir())
        assert kept < 1.2 * SIZE, "the second version was not kept as a difference"
        assert run("get") < LIMIT
        compared = subprocess.run(["cmp", tmp_path / "model.bin", tmp_path / "out" / "model.bin"], check=False)
        assert compared.returncode == 0
    finally:
        for folder in ("store", "out"):  # pytest keeps the folders of the last runs
            shutil.rmtree(tmp_path / folder, ignore_errors=True)
        (tmp_path / "model.bin").unlink(missing_ok=True)

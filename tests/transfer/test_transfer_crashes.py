"""Transfers that die at any step, on a full disk, or two at once: what is there is whole, and repeated brings the rest."""

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from transfer_yards import StepClock, counts, fill, require_whole, said

from modelyard import Workspace
from modelyard.core.errors import TargetUnwritable, YardUnwritable
from modelyard.transfer import create_bundle, import_bundle, mirror, push, verify_bundle

MakeYard = Callable[..., Workspace]

# One interpreter for all rounds: each round is a fork that dies at its own step. Nothing is open before the fork.
DIE = """
import itertools, json, os, signal, sys
from pathlib import Path

from sqlalchemy.engine import Connection

from modelyard import Workspace
from modelyard.store.objects import folder
from modelyard.store.packs import pack
from modelyard.store.writing import writer
from modelyard.transfer import create_bundle, import_bundle, mirror, moving, source

what, origin, bundle, targets, rounds = sys.argv[1], *map(Path, sys.argv[2:5]), int(sys.argv[5])


def die_at(last):
    steps = itertools.count()

    def step():
        if next(steps) == last:
            os.kill(os.getpid(), signal.SIGKILL)

    def between(home, name):
        do = getattr(home, name)

        def stepwise(*args, **kwargs):
            step()
            done = do(*args, **kwargs)
            step()
            return done

        setattr(home, name, stepwise)

    for name in ("rename", "fsync", "unlink", "replace", "link"):
        between(os, name)
    between(folder, "_write")
    between(Connection, "_commit_impl")
    between(Connection, "_execute_context")
    return lambda: next(steps)


def act(target):
    if what == "import":
        import_bundle(Workspace(target, actor="ben"), bundle)
    elif what == "mirror":
        mirror(Workspace(origin, create=False, actor="ana"), target)
    else:
        target.mkdir(exist_ok=True)
        create_bundle(Workspace(origin, create=False, actor="ana"), target / "f.myb", everything=True)


moving.AT_ONCE = 2
source.PARCEL = 2
writer.TARGET = 60_000


def forked(number, last):
    reader, said = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reader)
            count = die_at(last)
            act(targets / str(number))
            os.write(said, str(count()).encode())
            os._exit(0)
        except BaseException as error:
            os.write(said, repr(error).encode())
            os._exit(1)
    os.close(said)
    with os.fdopen(reader) as told:
        answer = told.read()
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status), answer


status, steps = forked("whole", -1)
assert status == 0, steps
points = sorted({round(int(steps) * number / rounds) for number in range(rounds)})
print(json.dumps([[number, *forked(number, point)] for number, point in enumerate(points)]))
"""


def died(what: str, origin: Path, bundle: Path, targets: Path, rounds: int) -> list[str]:
    """The names of the targets of the rounds, each of which was killed at another step."""
    targets.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", DIE, what, str(origin), str(bundle), str(targets), str(rounds)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert all(status == 9 for _, status, _ in told), told
    assert len(told) > rounds / 2
    return [str(number) for number, _, _ in told]


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    ws = fill(Workspace(tmp_path / "origin", actor="ana", clock=StepClock()), tmp_path / "files", versions=3)
    create_bundle(ws, tmp_path / "f.myb", everything=True)
    ws.close()
    return ws.root


@pytest.mark.slow
@pytest.mark.parametrize("what", ["import", "mirror"])
def test_a_transfer_that_is_killed_anywhere_and_repeated_is_whole(origin: Path, tmp_path: Path, what: str) -> None:
    source = Workspace(origin, create=False)
    for name in died(what, origin, tmp_path / "f.myb", tmp_path / "targets", 24):
        target = Workspace(tmp_path / "targets" / name, actor="ben")
        require_whole(target)
        if what == "import":
            import_bundle(target, tmp_path / "f.myb")
        else:
            mirror(source, target)
        require_whole(target)
        assert said(target) == said(source)
        target.close()


@pytest.mark.slow
def test_a_bundle_whose_maker_is_killed_anywhere_is_whole_or_not_there(origin: Path, tmp_path: Path) -> None:
    source = Workspace(origin, create=False)
    for name in died("create", origin, tmp_path / "f.myb", tmp_path / "targets", 24):
        path = tmp_path / "targets" / name / "f.myb"
        if path.exists():
            verify_bundle(path)
        create_bundle(source, path, everything=True, exist_ok=True)
        assert verify_bundle(path).whole
        assert [each.name for each in path.parent.iterdir()] == ["f.myb"]


def test_two_importers_at_once_end_as_one_after_the_other(
    make_yard: MakeYard, sample_bundle: Path, tmp_path: Path
) -> None:
    first = make_yard("target")
    others = [Workspace(first.url, create=False, actor=actor) for actor in ("ana", "ben", "cleo")]
    with ThreadPoolExecutor(3) as pool:
        reports = list(pool.map(lambda ws: import_bundle(ws, sample_bundle), others))
    assert len(reports) == 3
    alone = Workspace(tmp_path / "alone")
    import_bundle(alone, sample_bundle)
    here, there = counts(first), counts(alone)
    assert said(first) == said(alone)
    assert {name: count for name, count in here.items() if name not in ("ledger", "yards")} == {
        name: count for name, count in there.items() if name not in ("ledger", "yards")
    }
    assert len(first.registry.history(kind="yard")) == 1
    require_whole(first)
    for ws in others:
        ws.close()


def test_two_yards_that_mirror_each_other_at_once_agree_in_the_end(make_yard: MakeYard, tmp_path: Path) -> None:
    one, two = make_yard("one"), make_yard("two")
    for ws, name in ((one, "fraud"), (two, "churn")):
        for number in range(4):
            (tmp_path / "x").write_text(f"{name} {number}")
            ws.register(name, tmp_path / "x")
    with ThreadPoolExecutor(2) as pool:
        for job in [pool.submit(mirror, one, two), pool.submit(mirror, two, one)]:
            job.result()
    mirror(one, two)
    mirror(two, one)
    assert said(one) == said(two)
    for ws in (one, two):
        require_whole(ws)


def test_what_is_registered_during_a_transfer_is_whole(yard: MakeYard, tmp_path: Path) -> None:
    source, target = yard("source"), yard("target")
    (tmp_path / "x").write_text("0")
    source.register("fraud", tmp_path / "x")

    def register() -> None:
        mine = Workspace(source.root, create=False, actor="ben")
        for number in range(15):
            (tmp_path / "y").write_text(f"{number}")
            mine.register("fraud", tmp_path / "y")
            mine.promote(f"fraud/{number + 2}", to="production")

    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(register)
        while not job.done():
            mirror(source, target)
            assert not target.check().problems
        job.result()
    mirror(source, target)
    assert said(target) == said(source)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a small disk")
def test_an_import_into_a_full_disk_changes_nothing_and_goes_on_when_there_is_room(
    yard: MakeYard, tmp_path: Path
) -> None:
    source = yard("source")
    (tmp_path / "big").write_bytes(random.Random(1).randbytes(3_000_000))
    source.register("big", tmp_path / "big")
    create_bundle(source, tmp_path / "f.myb", ["big"])
    with small_disk(tmp_path / "disk", "5m") as disk:
        target = Workspace(disk / "yard")
        (disk / "ballast").write_bytes(bytes(2_500_000))
        before = counts(target)
        for attempt in (lambda: import_bundle(target, tmp_path / "f.myb"), lambda: push(source, target, ["big"])):
            with pytest.raises(YardUnwritable, match=r"No space left|full"):
                attempt()
            assert counts(target) == before
        (disk / "ballast").unlink()
        import_bundle(target, tmp_path / "f.myb")
        assert said(target) == said(source)
        require_whole(target)
        target.close()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a small disk")
def test_a_bundle_on_a_full_disk_leaves_nothing(full: Workspace, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "400k") as disk:
        with pytest.raises(TargetUnwritable, match="No space left"):
            create_bundle(full, disk / "f.myb", everything=True)
        assert list(disk.iterdir()) == []


MEASURE = """
import re, sys
from pathlib import Path

from modelyard import Workspace
from modelyard.transfer import create_bundle, import_bundle, verify_bundle

folder, step = Path(sys.argv[1]), sys.argv[2]
if step == "create":
    create_bundle(Workspace(folder / "source", create=False), folder / "f.myb", everything=True)
elif step == "verify":
    verify_bundle(folder / "f.myb")
else:
    import_bundle(Workspace(folder / "target"), folder / "f.myb")
print(1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_a_version_is_bundled_and_imported_in_less_memory_than_it_takes(yard: MakeYard, tmp_path: Path) -> None:
    size, limit = 640 << 20, 400 << 20
    noise = random.Random(1).randbytes(1 << 20)
    with (tmp_path / "big").open("wb") as out:
        for number in range(size >> 20):
            out.write(noise[:-8] + number.to_bytes(8, "little"))
    yard("source").register("big", tmp_path / "big")
    (tmp_path / "big").unlink()
    for step in ("create", "verify", "import"):
        done = subprocess.run([sys.executable, "-c", MEASURE, str(tmp_path), step], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert int(re.findall(r"\d+", done.stdout)[-1]) < limit, step
    assert Workspace(tmp_path / "target").model("big").size == size

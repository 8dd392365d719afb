"""modelyard as a store."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.store.stores import Failed, size
from benchmarks.store.worker import Worker

NAME = "modelyard"


class Yard:
    """A yard in a folder, through the SDK in one process; a folder with one file is registered as that file."""

    def __init__(self, work: Path, *, dataset: bool = False) -> None:
        self.name, self.work, self.root = NAME, work, work / ".modelyard"
        self._dataset = dataset
        self.worker = Worker(self.name, work, [sys.executable, Path(__file__).with_name("yard_worker.py"), self.root])

    def put(self, number: int) -> dict[str, float]:
        files = [path for path in (self.work / "data").iterdir() if path.is_file()]
        source = files[0] if len(files) == 1 else self.work / "data"
        answer = self.worker.ask("put", path=str(source), name="bench", dataset=self._dataset)
        return {"register": answer["seconds"]}

    def get(self, number: int, target: Path) -> float:
        return self._get(number, target, warm=False)

    def get_again(self, number: int, target: Path, *, link: bool = False) -> float:
        """As :meth:`get`, with the cache as it is, as links to it or not; seconds."""
        return self._get(number, target, warm=True, link=link)

    def path(self, number: int) -> float:
        """The version in the cache, made there when it is not; seconds."""
        answer = self.worker.ask("path", reference=f"bench/{number}", dataset=self._dataset)
        return float(answer["seconds"])

    def tensor(self, number: int, name: str, target: Path) -> float:
        """Reads one tensor of a version, with an empty cache, and leaves its bytes in ``target``; seconds."""
        answer = self.worker.ask("tensor", reference=f"bench/{number}", tensor=name, target=str(target))
        return float(answer["seconds"])

    def restored(self, target: Path) -> Path:
        return target

    def kept(self) -> int:
        return size(self.root / "store")

    def close(self) -> None:
        self.worker.close()

    def _get(self, number: int, target: Path, *, warm: bool, link: bool = False) -> float:
        question = {
            "reference": f"bench/{number}",
            "target": str(target),
            "warm": warm,
            "link": link,
            "dataset": self._dataset,
        }
        return float(self.worker.ask("get", **question)["seconds"])


def command(work: Path, *arguments: str | Path) -> float:
    """Runs ``modelyard`` as a person would, on the yard in ``work``; wall seconds with the start of Python. Raises Failed."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "modelyard", *arguments],
        cwd=work,
        env=os.environ | {"MODELYARD_URL": str(work / ".modelyard")},
        capture_output=True,
        check=False,
        text=True,
    )
    if done.returncode:
        raise Failed(f"modelyard {arguments[0]} failed: {(done.stderr.strip().splitlines() or ['silently'])[-1]}")
    return time.perf_counter() - started

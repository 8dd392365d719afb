"""restic, borg, DVC, hf_xet and plain copies as stores."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.store.places import program, remove, venv
from benchmarks.store.stores import Failed, Store, size
from benchmarks.store.worker import Worker

BLOCK = 4 << 20


class Commands:
    """Runs the commands of a peer, with a home of its own, so that neither settings nor caches of the user take part."""

    def __init__(self, name: str, work: Path, **settings: str) -> None:
        self.name, self.work = name, work
        (work / "home").mkdir()
        own = {"HOME": str(work / "home"), "XDG_CACHE_HOME": str(work / "home" / "cache"), "GIT_CONFIG_NOSYSTEM": "1"}
        self.environment = os.environ | own | settings

    def __call__(self, *command: str | Path, cwd: Path | None = None) -> float:
        """Runs one command in the work folder; seconds. Raises Failed."""
        started = time.perf_counter()
        done = subprocess.run(
            command, cwd=cwd or self.work, env=self.environment, capture_output=True, check=False, text=True
        )
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise Failed(
                f"{self.name}: {Path(command[0]).name} {command[1]} failed: {said[-1] if said else 'silently'}"
            )
        return time.perf_counter() - started


class Restic:
    """restic with its defaults (zstd, content-defined chunks, encryption)."""

    def __init__(self, work: Path) -> None:
        self.name, self.work, self.program = "restic", work, program("restic", "restic")
        self._run = Commands(self.name, work, RESTIC_PASSWORD="x", RESTIC_REPOSITORY=str(work / "repo"))  # noqa: S106 - guards nothing
        self._run(self.program, "init", "--repository-version", "2")

    def put(self, number: int) -> dict[str, float]:
        return {"backup": self._run(self.program, "backup", "-q", "data", "--tag", f"v{number}")}

    def get(self, number: int, target: Path) -> float:
        remove(self.work / "home" / "cache")
        return self._run(self.program, "restore", "-q", "latest", "--tag", f"v{number}", "--target", target)

    def restored(self, target: Path) -> Path:
        return target / "data"

    def kept(self) -> int:
        return size(self.work / "repo")

    def close(self) -> None:
        pass


class Borg:
    """borg without encryption; by default it compresses with lz4, which is its fastest."""

    def __init__(self, work: Path, compression: str) -> None:
        self.name, self.work, self.program = f"borg {compression}", work, program("borg", "borgbackup")
        self._compression = compression
        self._run = Commands(
            self.name,
            work,
            BORG_BASE_DIR=str(work / "home"),
            BORG_REPO=str(work / "repo"),
            BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK="yes",
        )
        self._run(self.program, "init", "-e", "none")

    def put(self, number: int) -> dict[str, float]:
        return {"create": self._run(self.program, "create", "-C", self._compression, f"::v{number}", "data")}

    def get(self, number: int, target: Path) -> float:
        target.mkdir()
        return self._run(self.program, "extract", f"::v{number}", cwd=target)

    def restored(self, target: Path) -> Path:
        return target / "data"

    def kept(self) -> int:
        return size(self.work / "repo")

    def close(self) -> None:
        pass


class Dvc:
    """DVC with a remote in a folder, as a team would share it; its cache, which holds every version again, is not counted as kept."""

    def __init__(self, work: Path) -> None:
        self.name, self.work = "dvc", work
        self.program = venv("dvc", "dvc==3.67.*") / "dvc"
        who = {f"GIT_{role}_{key}": "bench@x" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}
        site = str(work / "home" / "site")
        self._run = Commands(self.name, work, DVC_NO_ANALYTICS="1", DVC_SITE_CACHE_DIR=site, **who)
        (work / "project").mkdir()
        self._in_project("git", "init", "-q", ".")
        self._in_project(self.program, "init", "-q")
        self._in_project(self.program, "remote", "add", "-q", "-d", "team", work / "remote")
        self._in_project("git", "add", "-A")
        self._in_project("git", "commit", "-qm", "start")

    def _in_project(self, *command: str | Path) -> float:
        return self._run(*command, cwd=self.work / "project")

    def put(self, number: int) -> dict[str, float]:
        (self.work / "data").rename(self.work / "project" / "data")
        try:
            add = self._in_project(self.program, "add", "-q", "data")
            self._in_project("git", "add", "-A")
            self._in_project("git", "commit", "-qm", f"v{number}", "--allow-empty")
            self._in_project("git", "tag", f"v{number}")
            return {"add": add, "push": self._in_project(self.program, "push", "-q")}
        finally:
            (self.work / "project" / "data").rename(self.work / "data")

    def get(self, number: int, target: Path) -> float:
        self._run("git", "clone", "-q", "-b", f"v{number}", self.work / "project", target)
        return self._run(self.program, "pull", "-q", cwd=target)

    def restored(self, target: Path) -> Path:
        return target / "data"

    def check_out(self, number: int) -> float:
        """Writes a version into the project from its cache, after its files are gone; seconds."""
        self._in_project("git", "checkout", "-q", f"v{number}")
        remove(self.work / "project" / "data")
        return self._in_project(self.program, "checkout", "-q")

    def kept(self) -> int:
        return size(self.work / "remote")

    def close(self) -> None:
        pass


class Xet:
    """hf_xet, the chunk store behind the Hugging Face hub, on a store in a folder; it runs in one process, without start-up in its times."""

    def __init__(self, work: Path) -> None:
        self.name, self.work = "hf_xet", work
        python = venv("xet", "hf-xet==1.8.*", "huggingface_hub") / "python"
        (work / "cas").mkdir()
        settings = {"HF_XET_CACHE": str(work / "cache"), "HF_HUB_OFFLINE": "1", "HOME": str(work)}
        self._worker = Worker(self.name, work, [python, Path(__file__).with_name("xet_worker.py")], settings)
        self._stored: dict[int, dict[str, object]] = {}

    def put(self, number: int) -> dict[str, float]:
        files = sorted((self.work / "data").iterdir())
        answer = self._worker.ask("put", files=[str(path) for path in files], cas=str(self.work / "cas"))
        self._stored[number] = {path.name: stored for path, stored in zip(files, answer["stored"], strict=True)}
        return {"upload": answer["seconds"]}

    def get(self, number: int, target: Path) -> float:
        remove(self.work / "cache")
        target.mkdir()
        wanted = {str(target / name): stored for name, stored in self._stored[number].items()}
        seconds: float = self._worker.ask("get", wanted=wanted, cas=str(self.work / "cas"))["seconds"]
        return seconds

    def restored(self, target: Path) -> Path:
        return target

    def kept(self) -> int:
        return size(self.work / "cas")

    def close(self) -> None:
        self._worker.close()


class Copy:
    """The least that a store could do: read, hash, write, and be on the disk; back with ``cp``."""

    def __init__(self, work: Path) -> None:
        self.name, self.work = "plain copy", work
        self._run = Commands(self.name, work)

    def put(self, number: int) -> dict[str, float]:
        started = time.perf_counter()
        target, sums = self.work / "repo" / str(number), []
        target.mkdir(parents=True)
        for path in (self.work / "data").iterdir():
            digest = hashlib.sha256()
            with path.open("rb") as source, (target / path.name).open("wb") as sink:
                while block := source.read(BLOCK):
                    digest.update(block)
                    sink.write(block)
            sums.append(f"{digest.hexdigest()}  {path.name}\n")
        (self.work / f"{number}.sha256").write_text("".join(sums))
        self._run("sync", "-f", target)
        return {"copy": time.perf_counter() - started}

    def get(self, number: int, target: Path) -> float:
        return self._run("cp", "-r", self.work / "repo" / str(number), target)

    def restored(self, target: Path) -> Path:
        return target

    def kept(self) -> int:
        return size(self.work / "repo")

    def close(self) -> None:
        pass


MAKERS: dict[str, Callable[[Path], Store]] = {
    "hf_xet": Xet,
    "restic": Restic,
    "borg zstd,3": lambda work: Borg(work, "zstd,3"),
    "borg lz4": lambda work: Borg(work, "lz4"),
    "dvc": Dvc,
    "plain copy": Copy,
}
"""Every peer, by the name that tables call it."""

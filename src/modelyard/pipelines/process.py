"""Processes of stages: started in a group of their own, so that all of a stage can be ended; known by more than a number."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

POLL = 0.05  # seconds
_PROC = Path("/proc")  # macOS has none; there `ps` is asked


@dataclass(frozen=True)
class Identity:
    """A process: its number, and its start, which tells it from a later one of the same number."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """None when there is no such process."""
        started = _start_of(pid)
        return cls(pid, started) if started else None

    @classmethod
    def from_json(cls, document: Any) -> Identity | None:
        match document:
            case {"pid": int(pid), "started": str(started)}:
                return cls(pid, started)
        return None

    def to_json(self) -> dict[str, Any]:
        return {"pid": self.pid, "started": self.started}

    def alive(self) -> bool:
        return _start_of(self.pid) == self.started


def _start_of(pid: int) -> str:
    if _PROC.is_dir():
        try:
            # Field 22 of proc(5)'s stat; the name before may hold spaces and brackets, so count after the last ")".
            fields = (_PROC / f"{pid}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            return ""
        return "" if fields[0] in (b"Z", b"X") else fields[19].decode()
    done = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def start(command: Sequence[str], folder: Path, environ: Mapping[str, str], log: int) -> subprocess.Popen[bytes]:
    """Starts a command whose output goes to the open file ``log``; raises OSError when it cannot be started.

    A file and not a pipe: what the stage leaves running may go on writing, and a dead reader stops nobody.
    """
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def end_group(process: subprocess.Popen[bytes], grace: float, hurry: Callable[[], bool] = lambda: False) -> None:
    """Ends the process and all that it started in its group: asks with SIGTERM, and after ``grace`` seconds, or when told to
    hurry, kills."""
    deadline = time.monotonic() + grace
    _signal_group(process.pid, signal.SIGTERM)
    while _group_lives(process) and time.monotonic() < deadline and not hurry():
        time.sleep(POLL)
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()


def _group_lives(process: subprocess.Popen[bytes]) -> bool:
    process.poll()  # a leader that is not waited for would keep its group
    return _signal_group(process.pid, 0)


def _signal_group(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS says so of a group of zombies
        return False
    return True


class Interruption:
    """The first signal that asked this process to stop, and whether it was asked again."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.again = False

    def note(self, number: int, frame: object = None) -> None:
        self.again = self.number is not None
        self.number = self.number or number

    def raise_(self) -> None:
        """What Python raises by itself: KeyboardInterrupt for ^C; for the others an exit with 128 and the number."""
        if self.number == signal.SIGINT:
            raise KeyboardInterrupt
        if self.number is not None:
            raise SystemExit(128 + self.number)


@contextmanager
def interruptions() -> Iterator[Interruption]:
    """Notes SIGINT, SIGTERM and SIGHUP instead of being torn out of the middle of something; raises at the end.

    Outside the main thread, where signals cannot be caught, and for signals that are ignored (``nohup``), nothing changes.
    """
    noted = Interruption()
    before: dict[signal.Signals, Any] = {}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            with suppress(ValueError):
                before[number] = signal.signal(number, noted.note)
    try:
        yield noted
    finally:
        for caught, handler in before.items():
            signal.signal(caught, handler)
    noted.raise_()

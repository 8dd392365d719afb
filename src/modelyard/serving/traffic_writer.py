"""The writing side of the traffic log: a bounded queue and one thread, so that a prediction never waits for a disk."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from queue import Empty, Full, Queue
from threading import Event, Lock, Thread

from modelyard.serving.records import LabelRecord, PredictionRecord

_Task = PredictionRecord | LabelRecord | Event | None  # an event asks for a flush, None for the end
_AT_ONCE = 512


class TrafficWriter:
    """Appends the records of one replica to its segments, in the order given.

    ``prediction`` and ``labels`` never block and never raise: what finds the queue full, or cannot be written, is
    dropped and counted in ``dropped``. Safe to call from any thread. A record reaches the operating system within
    about the time of one write, so it survives the death of the process, though not the loss of power.
    """

    def __init__(self, folder: Path, replica: str, number: int, segment_bytes: int, queue_limit: int) -> None:
        self._files = {
            kind: _Segments(folder, kind, replica, number, segment_bytes) for kind in ("predictions", "labels")
        }
        self._queue: Queue[_Task] = Queue(queue_limit)
        self._lock = Lock()
        self._closed = False
        self._dropped = 0
        self._thread = Thread(target=self._work, name=f"traffic-{replica}", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Records lost since the start, because the queue was full or a write failed."""
        return self._dropped

    def prediction(self, record: PredictionRecord) -> bool:
        return self._put(record)

    def labels(self, record: LabelRecord) -> bool:
        return self._put(record)

    def flush(self, timeout: float = 10.0) -> bool:
        """Returns when all that was given before is with the operating system; ``False`` after ``timeout`` seconds."""
        done = Event()
        try:
            self._queue.put(done, timeout=timeout)
        except Full:
            return False
        # a thread that has ended will never set the event
        return done.wait(timeout) if self._thread.is_alive() else done.is_set()

    def close(self, timeout: float = 10.0) -> None:
        """Writes what is queued, then closes the files. Further records are dropped. Does nothing the second time."""
        with self._lock:
            first, self._closed = not self._closed, True
        if first:
            with suppress(Full):  # only a disk that hangs can keep the queue full for so long
                self._queue.put(None, timeout=timeout)
        self._thread.join(timeout)

    def _put(self, record: PredictionRecord | LabelRecord) -> bool:
        with self._lock:  # so that nothing can be queued behind the end
            if not self._closed:
                try:
                    self._queue.put_nowait(record)
                    return True
                except Full:
                    pass
            self._dropped += 1
            return False

    def _work(self) -> None:
        going = True
        while going:
            tasks = [self._queue.get()]
            with suppress(Empty):
                while len(tasks) < _AT_ONCE:
                    tasks.append(self._queue.get_nowait())
            self._write([task for task in tasks if isinstance(task, PredictionRecord | LabelRecord)])
            for task in tasks:
                if isinstance(task, Event):
                    task.set()
            going = None not in tasks
        for file in self._files.values():
            file.close()

    def _write(self, records: list[PredictionRecord | LabelRecord]) -> None:
        for kind, wanted in (("predictions", PredictionRecord), ("labels", LabelRecord)):
            mine = [record for record in records if isinstance(record, wanted)]
            lost = len(mine) - self._files[kind].append(mine) if mine else 0
            if lost:
                with self._lock:
                    self._dropped += lost


class _Segments:
    """The segments of one kind: opens each when the first line comes, and the next when one is full."""

    def __init__(self, folder: Path, kind: str, replica: str, number: int, segment_bytes: int) -> None:
        self._folder = folder
        self._stem = f"{kind}-{replica}"
        self._number = number
        self._limit = segment_bytes
        self._file: int | None = None
        self._size = 0

    def append(self, records: list[PredictionRecord | LabelRecord]) -> int:
        """How many of the records were written: a disk that is full must not end the thread."""
        lines = []
        for record in records:
            try:
                text = json.dumps(record.to_json(), separators=(",", ":"), allow_nan=False)
            except (TypeError, ValueError):  # a value that JSON has no word for
                continue
            lines.append(text.encode() + b"\n")
        try:
            self._append(b"".join(lines))
        except OSError:
            self.close()  # what is there may end in half a line: go on in a new segment
            self._number += 1
            return 0
        return len(lines)

    def _append(self, data: bytes) -> None:
        if self._file is not None and self._size >= self._limit:
            self.close()
            self._number += 1
        if self._file is None:
            self._file = self._open()
            self._size = 0
        view = memoryview(data)
        while view:
            written = os.write(self._file, view)
            self._size += written
            view = view[written:]

    def _open(self) -> int:
        while True:  # never a file that somebody else has begun
            path = self._folder / f"{self._stem}-{self._number}.jsonl"
            try:
                return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
            except FileExistsError:
                self._number += 1

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

"""The log of live traffic: append-only segments of JSON lines, written by replicas and read by whoever measures them.

The format is in docs/formats/traffic-log.md. A line counts once its newline is there, so a reader never sees half a record and a
process killed in the middle of a line costs that line only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelyard.core.errors import InvalidName
from modelyard.serving.records import LabelRecord, PredictionRecord
from modelyard.serving.traffic_writer import TrafficWriter

Cursor = dict[str, int]
"""How far a reader has come: bytes read of each file, by file name. Plain JSON; a file it does not name is unread."""

_SEGMENT = re.compile(r"(predictions|labels)-([A-Za-z0-9][A-Za-z0-9._-]*)-(\d+)\.jsonl")
_REPLICA = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
SEGMENT_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """One file of the log; a writer only ever appends to its own highest ``number``."""

    kind: str
    replica: str
    number: int
    path: Path


class TrafficLog:
    """The log of one deployment in ``folder``, for any number of writers (one a replica) and readers, in any processes.

    ``skipped`` counts the lines that this object could not read: torn by a crash, or not a record.
    """

    def __init__(self, folder: Path, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.folder = Path(folder)
        self.segment_bytes = segment_bytes
        self.skipped = 0

    def open_writer(self, replica: str, queue_limit: int = 10_000) -> TrafficWriter:
        """A writer that starts segments of its own, after any that the replica left; at most one open a replica.

        Raises :class:`InvalidName` for a replica that cannot stand in a file name, and ``OSError`` when the folder
        cannot be written.
        """
        if not _REPLICA.fullmatch(replica):
            allowed = "up to 100 letters, digits, '-', '_' and '.', starting with a letter or digit"
            raise InvalidName(what="replica", name=replica, problem="it cannot be part of a file name", allowed=allowed)
        self.folder.mkdir(parents=True, exist_ok=True)
        number = 1 + max((s.number for s in self.segments() if s.replica == replica), default=0)
        return TrafficWriter(self.folder, replica, number, self.segment_bytes, queue_limit)

    def segments(self) -> list[Segment]:
        """The files of the log, by kind, replica and number; anything else in the folder is left alone."""
        if not self.folder.is_dir():
            return []
        names = ((path, _SEGMENT.fullmatch(path.name)) for path in self.folder.iterdir())
        return sorted(Segment(m[1], m[2], int(m[3]), path) for path, m in names if m)

    def read(
        self, after: Mapping[str, int] | None = None, limit_bytes: int | None = None
    ) -> tuple[list[PredictionRecord | LabelRecord], Cursor]:
        """The records that were completed since ``after``, by time, and the cursor to pass next time.

        Reading from the cursor of one read gives what came later: each record once, however the reads fall. At most about
        ``limit_bytes`` are read of each file, so that a long log can be taken in pieces; it is read to its present end
        when a call returns the cursor it was given.
        """
        cursor: Cursor = dict(after or {})
        records: list[PredictionRecord | LabelRecord] = []
        segments = self.segments()
        last = {(s.kind, s.replica): s.number for s in segments}
        for segment in segments:
            name = segment.path.name
            start = cursor.get(name, 0)
            superseded = segment.number < last[segment.kind, segment.replica]
            try:
                complete, tail, size = _new_lines(segment.path, start, limit_bytes)
            except FileNotFoundError:  # removed by whoever keeps the folder small
                continue
            for line in complete:
                record = _record(segment.kind, line)
                if record is None:
                    self.skipped += 1
                else:
                    records.append(record)
            if tail and superseded:  # its writer is gone: the line will never be completed
                self.skipped += 1
                size += tail
            if size:
                cursor[name] = start + size
        records.sort(key=lambda record: record.time)
        return records, cursor


def _new_lines(path: Path, start: int, limit: int | None) -> tuple[list[bytes], int, int]:
    """The complete lines from ``start``, the bytes of an unfinished line after them at the end of the file, and the
    bytes that the complete lines take. One line longer than the limit is read whole."""
    with path.open("rb") as file:
        file.seek(start)
        data = file.read() if limit is None else file.read(limit)
        if limit is not None and len(data) == limit and not data.endswith(b"\n"):
            data += file.readline()
        at_end = not file.read(1)
    end = data.rfind(b"\n") + 1
    return data[:end].splitlines(), len(data) - end if at_end else 0, end


def _record(kind: str, line: bytes) -> PredictionRecord | LabelRecord | None:
    try:
        document: Any = json.loads(line)
        return PredictionRecord.from_json(document) if kind == "predictions" else LabelRecord.from_json(document)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None

"""Who is writing, and which packs are about to go: how `gc` and a writer that found a chunk already there keep out of each other's way.

A writer puts a lease before it first looks at what is there and removes it when what it wrote is referred to. `gc` marks the packs that nothing refers to
as condemned, then waits until every lease that was there before the marks is gone, then looks again and removes what is still not referred to. A writer
that began after the marks does not count on condemned packs; one that began before is waited for. Nobody ever holds a lock.

A mark is never taken back while its pack is there: what turns out to be needed is copied out first (:mod:`modelyard.store.upkeep.removal`). So what one `gc` has
decided stays true however slow it is, and whatever others do meanwhile.

Instants are those of the store, never of this machine. An object may become visible a while after the instant that it bears, so a mark is put twice: the
instant of the second, longer one is one at which the first was there to be seen.
"""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from modelyard.core.errors import RegistrationOvertaken, Unavailable
from modelyard.store.objects.objects import Objects

PREFIX = "leases/"
CONDEMNED = "condemned/"
CLOCK = "clock/"
RENEW = 60.0
"""Seconds after which a writer says again that it is there."""
STALE = timedelta(hours=1)
"""A lease that nobody has renewed for so long is that of a writer that died."""
SKEW = timedelta(seconds=5)
"""So far may the clocks of the machines of one store be apart."""
AT_ONCE = 8
"""So many marks are put or removed at the same time."""


@dataclass(frozen=True)
class Lease:
    """A writer that may be at work: when it began and when it last said so by the clock of the store, and what it is."""

    key: str
    began: datetime
    modified: datetime
    holder: str
    dead: bool


@dataclass(frozen=True)
class Mark:
    """A pack that is about to go. A writer that began after ``since`` has seen the mark; None where nobody knows yet from when on."""

    pack: str
    since: datetime | None

    def waits_for(self, lease: Lease) -> bool:
        """Whether this writer may count on the pack."""
        return not lease.dead and (self.since is None or lease.began <= self.since + SKEW)


class Holding:
    """The lease of this writer."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._key = PREFIX + uuid.uuid4().hex
        self._said: float | None = None
        self._began = ""

    def renew(self) -> None:
        """Says that this writer is still there, once a minute; call it as often as you like. Raises RegistrationOvertaken."""
        now = time.monotonic()
        if self._said is None or now - self._said > RENEW:
            self._say()
            self._said = now

    def confirm(self) -> None:
        """To be called before what was written is referred to. Raises RegistrationOvertaken where this writer was silent for so long that it
        counted as dead: what it counted on may be gone."""
        if self._objects.size(self._key) is None:
            raise RegistrationOvertaken(hours=STALE.total_seconds() / 3600)
        self.renew()

    def end(self) -> None:
        """Says that it is done."""
        self._objects.delete(self._key)

    def _say(self) -> None:
        if self._said is not None:
            mine = next((info for info in self._objects.list(PREFIX) if info.key == self._key), None)
            if mine is None:
                raise RegistrationOvertaken(hours=STALE.total_seconds() / 3600)
            self._began = self._began or mine.modified.isoformat()  # the put below replaces it
        body = {"host": socket.gethostname(), "pid": os.getpid(), "boot": boot(), "began": self._began}
        self._objects.put(self._key, [json.dumps(body).encode()])


@contextmanager
def held(objects: Objects) -> Iterator[Holding]:
    """A lease for as long as the block runs."""
    holding = Holding(objects)
    holding.renew()
    try:
        yield holding
    finally:
        # a place that went away must not hide what happened in the block; the lease then dies of age
        with suppress(Unavailable):
            holding.end()


def condemned(objects: Objects) -> frozenset[str]:
    """The names of the packs that are about to go."""
    return frozenset(mark.pack for mark in marks(objects))


def marks(objects: Objects) -> list[Mark]:
    """The marks on packs that are about to go."""
    return [
        Mark(info.key.removeprefix(CONDEMNED), info.modified if info.size else None) for info in objects.list(CONDEMNED)
    ]


def condemn(objects: Objects, packs: Iterable[str]) -> None:
    """Marks the packs, and finishes what an earlier `gc` that died has begun to mark. On return every new writer sees the marks."""
    new = sorted(set(packs) - condemned(objects))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda pack: objects.put(CONDEMNED + pack, [b""]), new))
        begun = [mark.pack for mark in marks(objects) if mark.since is None]
        list(pool.map(lambda pack: objects.put(CONDEMNED + pack, [b"seen"]), begun))


def unmark(objects: Objects, packs: Iterable[str]) -> None:
    """Removes the marks of packs that are gone."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda pack: objects.delete(CONDEMNED + pack), sorted(packs)))


def clock(objects: Objects) -> datetime:
    """An instant that has just been, by the clock of the store. Writes one small object; everything that was deleted before it stays deleted
    where the file system keeps the order of what is done."""
    objects.put(CLOCK + "now", [b""])
    return max(info.modified for info in objects.list(CLOCK))


def leases(objects: Objects, now: datetime) -> list[Lease]:
    """The writers that may be at work, and those that died without saying so; ``now`` is by the clock of the store."""
    found: list[Lease] = []
    for info in objects.list(PREFIX):
        try:
            body = json.loads(objects.get(info.key))
        except FileNotFoundError:
            continue
        except ValueError:
            body = None
        if not isinstance(body, dict):
            body = {"began": "unreadable"}
        holder = f"process {body.get('pid')} on {body.get('host')}"
        dead = now - info.modified > STALE or _is_gone(body)
        found.append(Lease(info.key, _began(body, info.modified), info.modified, holder, dead))
    return found


def _began(body: dict[str, object], modified: datetime) -> datetime:
    told = body.get("began")
    if not told:
        return modified
    try:
        return datetime.fromisoformat(str(told)).astimezone(UTC)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)  # it may have been there for ever


def _is_gone(body: dict[str, object]) -> bool:
    """Whether the writer was a process of this machine that is no more."""
    if body.get("host") != socket.gethostname() or not body.get("boot"):
        return False
    if body["boot"] != boot():
        return True
    try:
        os.kill(int(str(body["pid"])), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, KeyError, ValueError):
        return False
    return False


def boot() -> str:
    """What is different after each start of this machine, and in each container on it; empty where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip() + str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""

"""Steps of tests on a store: registrations into it, with the roots that a registry would keep."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from modelyard.core.digests import Digest
from modelyard.store import Intake, Manifest, Store
from modelyard.store.objects.objects import Objects
from modelyard.store.upkeep.collection import plan_collection
from modelyard.store.upkeep.compaction import Thresholds, plan_compaction
from modelyard.store.upkeep.reachability import Roots
from modelyard.store.upkeep.removal import Outcome, carry_out
from modelyard.store.upkeep.survey import Plan, survey

NARROW = Thresholds(share=0.8, small=200_000, many=3)
"""For packs of kilobytes."""


class House:
    """A store, a folder for files, and what a registry would refer to: ``contents`` of each version by the digest of its manifest."""

    def __init__(self, objects: Objects, folder: Path, contents: dict[Digest, bytes] | None = None) -> None:
        self.objects = objects
        self.folder = folder
        self.contents: dict[Digest, bytes] = {} if contents is None else contents
        self.store = Store(objects)

    def roots(self) -> Roots:
        return Roots(manifests=frozenset(self.contents))

    def register(self, data: bytes, earlier: Digest | None = None) -> Digest:
        """A whole registration."""
        with self.store.intake() as intake:
            manifest = self.put(intake, data, earlier)
            intake.commit()
            self.contents[manifest.digest] = data
        return manifest.digest

    def put(self, intake: Intake, data: bytes, earlier: Digest | None = None) -> Manifest:
        path = self.folder / "weights.bin"
        path.write_bytes(data)
        before = [] if earlier is None else [self.store.manifest(earlier)]
        return intake.put_manifest("model", intake.put_tree(path, before), {})

    def abandon(self, data: bytes, earlier: Digest | None = None) -> None:
        """A registration that stores everything and dies before anybody refers to it."""
        with self.store.intake() as intake:
            self.put(intake, data, earlier)
            intake.commit()

    @contextmanager
    def registering(self, data: bytes) -> Iterator[Intake]:
        """In the middle of a registration, with everything looked up; registered when the block ends."""
        with self.store.intake() as intake:
            manifest = self.put(intake, data)
            yield intake
            intake.commit()
            self.contents[manifest.digest] = data

    def plan_gc(self) -> Plan:
        return plan_collection(survey(self.store, self.roots, datetime.now(UTC)))

    def plan_compact(self, thresholds: Thresholds = NARROW) -> Plan:
        return plan_compaction(survey(self.store, self.roots, datetime.now(UTC)), thresholds)

    def gc(self, wait: float = 0.0) -> Outcome:
        return carry_out(self.store, self.plan_gc(), self.roots, wait=wait)

    def compact(self, wait: float = 0.0, thresholds: Thresholds = NARROW) -> Outcome:
        return carry_out(self.store, self.plan_compact(thresholds), self.roots, wait=wait)

    def reopen(self) -> House:
        """Another process, or this one after a crash."""
        return House(self.objects, self.folder, self.contents)

    def require_whole(self) -> None:
        """Every version reads back equal, by who has just come."""
        fresh = Store(self.objects)
        for digest, data in self.contents.items():
            (file,) = fresh.manifest(digest).files
            assert fresh.read(file.digest) == data

    def keys(self, prefix: str = "") -> list[str]:
        return [info.key for info in self.objects.list(prefix)]


def noise(seed: int, length: int = 150_000) -> bytes:
    """Bytes that do not compress: some chunks."""
    return random.Random(seed).randbytes(length)


def altered(data: bytes, seed: int) -> bytes:
    """The data with some stretches overwritten, as a later version has."""
    chance, changed = random.Random(seed), bytearray(data)
    for _ in range(3):
        at = chance.randrange(max(1, len(changed) - 200))
        changed[at : at + 200] = chance.randbytes(min(200, len(changed)))
    return bytes(changed)

"""One yard as several people see it, at times that the test sets."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from modelyard import Workspace
from modelyard.client.records import examine_records
from modelyard.core.digests import Digest, canonical_json
from modelyard.core.names import ModelName
from modelyard.registry import NewVersion, VersionRow

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class SetClock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)

    def go_on(self, **length: float) -> None:
        self.time += timedelta(**length)


class People:
    """``people("ben")`` is the workspace as ben sees it; all share one clock."""

    def __init__(self, make_yard: Callable[..., Workspace], tmp_path: Path) -> None:
        self.clock = SetClock()
        self._yard = make_yard(clock=self.clock)
        self._known: dict[str, Workspace] = {"ana": self._yard}
        self._tmp_path = tmp_path

    def __call__(self, actor: str) -> Workspace:
        if actor not in self._known:
            self._known[actor] = Workspace(self._yard.url, actor=actor, clock=self.clock, create=False)
        return self._known[actor]

    def close(self) -> None:
        for each in self._known.values():
            each.close()

    def problems(self) -> list[str]:
        """What is wrong with the database, and between its rows and the ledger."""
        return examine_records(self("ana"))[1]

    def version(self, name: str = "fraud", *, actor: str = "ana", **facts: Any) -> VersionRow:
        """Registers a version without files: its digest is that of its number's text."""
        registry = self(actor).registry
        given: dict[str, Any] = {"kind": "model", "provenance": None, "flavor": "files", "size": 7, "files": 1}
        given |= {"digest": Digest.of(str(facts).encode()), **facts}
        return registry.create_version(NewVersion(name=ModelName(name), **given))

    def whole(
        self, name: str = "fraud", *, signature: Any = None, provenance: Any = None, actor: str = "ana", **facts: Any
    ) -> VersionRow:
        """Registers a version whose manifest and provenance are in the store."""
        workspace = self(actor)
        told = {"single": True, "flavor": {"name": "files"}, **({"signature": signature} if signature else {})}
        path = self._tmp_path / "content"
        path.write_text(str(facts))
        with workspace.store.intake() as intake:
            manifest = intake.put_manifest("model", intake.put_tree(path), told)
            where = intake.put_bytes(canonical_json(provenance or {})).digest
            intake.commit()
        return self.version(name, actor=actor, digest=manifest.digest, provenance=where, **facts)

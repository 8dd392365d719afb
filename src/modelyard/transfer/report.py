"""What a transfer does, or would do, in words and in numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from modelyard.core.errors import ModelyardError
from modelyard.core.names import Kind
from modelyard.transfer.bytes.demand import Demand
from modelyard.transfer.merging.decisions import ParcelPlan, VersionChange
from modelyard.transfer.records import Alias, Model


@dataclass
class NameReport:
    """Of one name: the numbers of the versions that are ``new``, and a sentence for each other change with its reason."""

    kind: Kind
    name: str
    new: list[int] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "name": self.name, "new": self.new, "changes": self.changes}


@dataclass
class TransferReport:
    """``rows`` ledger rows come. ``raw`` bytes of files were lacking, of which ``stored`` bytes in ``chunks`` chunks travel. ``conflicts`` stand in the
    way; ``links`` are inputs that stay behind because the version that was used is not there."""

    origin: str
    target: str
    dry_run: bool
    names: dict[tuple[Kind, str], NameReport] = field(default_factory=dict)
    rows: int = 0
    raw: int = 0
    chunks: int = 0
    stored: int = 0
    conflicts: list[ModelyardError] = field(default_factory=list)
    links: list[str] = field(default_factory=list)

    @property
    def versions(self) -> int:
        """How many versions are new."""
        return sum(len(each.new) for each in self.names.values())

    @property
    def nothing(self) -> bool:
        """Whether everything was there already."""
        return not (self.names or self.rows)

    def add(self, model: Model, plan: ParcelPlan) -> None:
        """Takes in what was decided of a parcel."""
        self.conflicts += plan.conflicts
        self.rows += len(plan.rows)
        if plan.nothing:
            return
        found = self.names.setdefault((model.kind, model.name), NameReport(model.kind, model.name))
        found.new += [version.number for version in plan.new]
        found.changes += _changes(model, plan)

    def note(self, demand: Demand) -> None:
        """Takes in what of the bytes has to travel."""
        self.raw, self.chunks, self.stored = demand.raw, demand.chunks, demand.stored

    def to_json(self) -> dict[str, Any]:
        return {
            "from": self.origin,
            "to": self.target,
            "dry_run": self.dry_run,
            "nothing": self.nothing,
            "versions": self.versions,
            "rows": self.rows,
            "raw": self.raw,
            "chunks": self.chunks,
            "stored": self.stored,
            "names": [each.to_json() for each in self.names.values()],
            "conflicts": [{"error": type(each).__name__, "message": str(each)} for each in self.conflicts],
            "links": self.links,
        }


def ranges(numbers: Iterable[int]) -> str:
    """Numbers in as few words as it takes.

    >>> ranges([1, 2, 3, 7, 9, 10])
    '1 to 3, 7, 9, 10'
    """
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    told = [f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
    return ", ".join(told)


def _changes(model: Model, plan: ParcelPlan) -> Iterator[str]:
    name = model.name
    if not plan.create_model:
        if "next_number" in plan.model_columns:
            yield f"{name}: the next number is {plan.model_columns['next_number']}, as it is there"
        later = [key for key in plan.model_columns if key not in ("next_number", "state_time")]
        later += [f"tag {key}" for key in plan.model_tags]
        if later:
            yield f"{name}: {', '.join(later)} as it was set later there"
    for change in plan.changes:
        if not change.nothing:
            yield f"{name}/{change.number}: " + "; ".join(_change(change))
    for alias in plan.aliases:
        here, there = _told(alias.before), _told(alias.after)
        why = alias.settles or "as it was moved there since"
        yield (
            f"{name}@{alias.name}: {here} to {there}, {why}" if here != there else f"{name}@{alias.name}: {here}, {why}"
        )
    for alias_name, policy in plan.policies.items():
        yield f"{name}@{alias_name}: " + ("the policy that it has there" if policy else "no policy, as there")
    if plan.approvals:
        yield f"{name}: {len(plan.approvals)} approvals"


def _change(change: VersionChange) -> Iterator[str]:
    later = [key for key in change.columns if key not in ("state_time", "state")]
    if "state" in change.columns:
        later.append(f"state {change.columns['state']}")
    later += [f"tag {key}={value}" if value is not None else f"no tag {key}" for key, value in change.tags.items()]
    if later:
        yield f"{', '.join(later)} as it was set later there"
    if change.settles is not None:
        yield f"{change.settles[1]} as it is here, {change.settles[0]} there"
    for what, added in (("property", change.properties), ("metric", change.metrics), ("report", change.reports)):
        if added:
            yield f"{len(added)} more {what if len(added) == 1 else _plural(what)}"


def _plural(what: str) -> str:
    return "properties" if what == "property" else f"{what}s"


def _told(alias: Alias | None) -> str:
    return "nowhere" if alias is None else str(alias.number)

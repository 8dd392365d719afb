"""``gc``, ``compact``, ``stats``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from modelyard.cli.output import AsJson, bytes_text, progress, say, show_json, show_table
from modelyard.cli.session import workspace

if TYPE_CHECKING:
    from modelyard.client.upkeep import Upkeep
    from modelyard.store import Advance
    from modelyard.store.upkeep.removal import Outcome
    from modelyard.store.upkeep.survey import Plan

RESTORE_DAYS = 30.0  # as registry.lifecycle says, which is not loaded for the help alone
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done, and why.")]
Wait = Annotated[
    float,
    typer.Option(metavar="SECONDS", min=0, help="How long to wait for registrations that began before; 0 by default."),
]

DeletedFor = Annotated[
    float,
    typer.Option(
        metavar="DAYS",
        min=0,
        help="Give up the bytes of versions that were deleted so long ago; they cannot be restored then.",
    ),
]

DOES = {"remove": "remove", "rewrite": "rewrite", "index": "keep and index", "finish": "remove"}


def add_to(app: typer.Typer) -> None:
    app.command("gc")(gc)
    app.command("compact")(compact)
    app.command("stats")(stats)


def gc(
    dry_run: DryRun = False, wait: Wait = 0.0, deleted_for: DeletedFor = RESTORE_DAYS, as_json: AsJson = False
) -> None:
    """Remove what no version needs: what a registration that was cut off has left, and versions deleted long ago. Safe while others register.

    Example: modelyard gc --dry-run
    """
    show = None if as_json else _show_plan
    found = workspace().gc(dry_run=dry_run, wait=wait, show=show, deleted_days=deleted_for)
    _show_result(found, dry_run, as_json)


def compact(
    dry_run: DryRun = False, wait: Wait = 0.0, deleted_for: DeletedFor = RESTORE_DAYS, as_json: AsJson = False
) -> None:
    """Remove what no version needs, write packs anew that are mostly unused, and join small ones. Safe while others register.

    Example: modelyard compact
    """
    with ExitStack() as open_bars:
        bars: list[Callable[[Advance], None] | None] = []

        def show(plan: Plan) -> None:
            if not as_json:
                _show_plan(plan)
            if plan.carried and not dry_run:  # the bar comes after what is planned has been said
                bars.append(open_bars.enter_context(progress("compact", plan.carried)))

        def advance(step: Advance) -> None:
            for bar in bars:
                if bar is not None:
                    bar(step)

        found = workspace().compact(dry_run=dry_run, wait=wait, show=show, progress=advance, deleted_days=deleted_for)
    _show_result(found, dry_run, as_json)


def stats(
    name: Annotated[str | None, typer.Argument(help="A model or data set; all by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what each version costs: its bytes outside, what it alone needs, and its share of all that is kept.

    Example: modelyard stats fraud
    """
    from modelyard.client.upkeep import accounts_of

    found = workspace().stats(name)
    chosen = accounts_of(found, name)
    if as_json:
        show_json({**found.to_json(), "versions": [each.to_json() for each in chosen]})
        return
    show_table(
        ("name", "raw", "own", "share", "of raw", "chunks", "differences"),
        [
            (
                each.name,
                bytes_text(each.raw),
                bytes_text(each.own),
                bytes_text(each.share),
                _percent(each.share, each.raw),
                each.chunks,
                each.differences,
            )
            for each in chosen
        ],
        empty="no versions yet; make one with: modelyard register NAME PATH",
    )
    raw, share = sum(each.raw for each in chosen), sum(each.share for each in chosen)
    if name is not None:
        say(
            f"{_count(len(chosen), 'version')} of {name}, {bytes_text(raw)}, kept in {bytes_text(share)} ({_percent(share, raw)})"
        )
    kept = f"{bytes_text(found.kept)} ({_percent(found.kept, found.raw)})"
    say(
        f"{_count(len(found.versions), 'version')}, {bytes_text(found.raw)}, kept in {kept}: {_where(found.packs, found.segments)}"
    )
    if found.depths:
        say("chunks by steps to read: " + ", ".join(f"{depth}: {count}" for depth, count in found.depths.items()))
    if found.garbage or found.spare:
        say(
            f"{bytes_text(found.garbage)} that no version needs, {bytes_text(found.spare)} kept twice; see: modelyard compact --dry-run"
        )
    for problem in found.problems:
        say(f"not counted: {problem}")


def _show_plan(plan: Plan) -> None:
    for verdict in plan.verdicts:
        if verdict.action in DOES:
            carried = f", {bytes_text(verdict.carried)} of it written anew" if verdict.carried else ""
            say(
                f"{DOES[verdict.action]} pack {verdict.pack[:12]} ({bytes_text(verdict.size)}{carried}): {verdict.reason}"
            )
    kept = Counter(verdict.reason for verdict in plan.verdicts if verdict.action == "keep" and not verdict.full)
    for reason, count in kept.items():
        say(f"keep {_count(count, 'pack')}: {reason}")
    if full := sum(verdict.action == "keep" and verdict.full for verdict in plan.verdicts):
        say(f"keep {_count(full, 'pack')}: all in them is needed")
    for name in plan.unreadable:
        say(
            f"keep pack {name[:12]}: the index does not know it and its table cannot be read, so nobody knows what is in it"
        )
    if plan.merge > 1:
        say(f"merge {plan.merge} index segments into one")
    if plan.dead:
        say(f"end {_count(plan.dead, 'lease')} of registrations that died")
    if plan.leftovers:
        say(f"remove {_count(plan.leftovers, 'half-written file')}")


def _show_result(found: Upkeep, dry_run: bool, as_json: bool) -> None:
    if found.purged and not as_json:
        gone = ", ".join(found.purged[:5]) + (f" and {len(found.purged) - 5} more" if len(found.purged) > 5 else "")
        say(f"{'would give' if dry_run else 'gave'} up for good: {gone}")
    if as_json:
        show_json(found.to_json())
    elif found.outcome is not None:
        _show_outcome(found.outcome)
    elif found.plan.empty:
        say("there is nothing to do")
    else:
        say(f"nothing was changed; this would free {bytes_text(found.plan.freed)}" if dry_run else "")


def _show_outcome(done: Outcome) -> None:
    told = []
    if done.removed or not (done.waiting or done.merged or done.indexed or done.leftovers or done.leases):
        told.append(f"removed {_count(len(done.removed), 'pack')} ({bytes_text(done.freed)})")
    if done.written:
        told.append(f"wrote {_count(len(done.written), 'pack')} ({bytes_text(done.carried)})")
    if done.indexed:
        told.append(f"indexed {_count(len(done.indexed), 'pack')}")
    if done.leftovers:
        told.append(f"removed {_count(done.leftovers, 'half-written file')}")
    if done.leases:
        told.append(f"ended {_count(done.leases, 'lease')}")
    if done.merged > 1:
        told.append(f"merged {done.merged} index segments")
    if told:
        say(", ".join(told))
    if done.waiting:
        say(
            f"{_count(len(done.waiting), 'pack')} will go in a later run: {', '.join(done.writers)} began before and may count on them; "
            "to wait, give --wait SECONDS"
        )
    for name in done.damaged:
        say(f"kept pack {name[:12]}: something in it is needed and cannot be read; see: modelyard check --read")


def _where(packs: int, segments: int) -> str:
    return f"{_count(packs, 'pack')} and {_count(segments, 'index segment')}"


def _percent(part: float, whole: float) -> str:
    return f"{part / whole:.0%}" if whole else "–"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")

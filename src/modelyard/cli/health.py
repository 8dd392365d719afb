"""``check``, ``rebuild-index``, ``repair``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from modelyard.cli.output import AsJson, progress, say, show_json
from modelyard.cli.session import workspace

if TYPE_CHECKING:
    from modelyard.client.workspace import Workspace

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


def add_to(app: typer.Typer) -> None:
    app.command("check")(check)
    app.command("rebuild-index")(rebuild_index)
    app.command("repair")(repair)


def check(
    read: Annotated[
        bool, typer.Option("--read", help="Read and verify every stored byte, not only what is there.")
    ] = False,
    ledger: Annotated[bool, typer.Option("--ledger", help="Only the ledger: every row and the chain of them.")] = False,
    as_json: AsJson = False,
) -> None:
    """Look for damage: the database, the ledger's chain, the bytes of every version. Exit code 1 when there is any.

    Damage that hurts no version, because there is another copy or nothing needs the bytes, counts too and is marked as harmless.

    Example: modelyard check --read
    """
    from modelyard.client.check import bytes_to_read

    found = workspace()
    if ledger:
        _check_ledger(found, as_json)
        return
    with progress("check", lambda: bytes_to_read(found) if read else None) as bar:
        report = found.check(read=read, progress=bar)
    if as_json:
        show_json(report.to_json())
    else:
        for problem in report.problems:
            say(f"damaged: {problem}")
        depth = "every byte read" if read else "presence and length; --read verifies every byte"
        say(f"{report.versions} versions ({depth}), {report.ledger_rows} ledger rows, {len(report.problems)} problems")
        if report.hurt:
            say("next: modelyard repair, or modelyard repair --from ANOTHER_YARD_OR_FILE")
        if report.leftovers:
            say(f"{report.leftovers} half-written files of writers that were cut off; harmless")
        for note in report.notes:
            say(note)
    if not report.whole:
        raise typer.Exit(1)


def _check_ledger(found: Workspace, as_json: bool) -> None:
    rows, problems = found.registry.check_ledger()
    if as_json:
        show_json({"ledger_rows": rows, "problems": problems})
    else:
        for problem in problems:
            say(f"damaged: {problem}")
        say(f"{rows} ledger rows, {len(problems)} problems")
    if problems:
        raise typer.Exit(1)


def rebuild_index(dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Write the index anew from the packs, which say themselves what is in them. Exit code 1 when a pack does not.

    Example: modelyard rebuild-index --dry-run
    """
    made = workspace().rebuild_index(dry_run=dry_run)
    if as_json:
        show_json(
            {
                "dry_run": dry_run,
                "packs": made.packs,
                "entries": len(made.entries),
                "new": made.new,
                "gone": made.gone,
                "kept": made.kept,
                "damaged": dict(made.damaged),
                "unreadable": dict(made.unreadable),
                "lost": list(made.lost),
            }
        )
    else:
        for name, why in made.damaged.items():
            say(f"segment {name[:12]} {'would be' if dry_run else 'was'} replaced: {why}")
        for name, why in made.unreadable.items():
            known = "what is in it is not known" if name in made.lost else "its entries were kept from the index"
            say(f"damaged: pack {name[:12]}: {why}; {known}")
        verb = "would hold" if dry_run else "holds"
        say(f"the index {verb} {len(made.entries)} entries of {made.packs} packs; {made.new} new, {made.gone} gone")
        if made.unreadable:
            say("next: modelyard repair")
    if made.unreadable:
        raise typer.Exit(1)


def repair(
    place: Annotated[
        list[str] | None,
        typer.Option(
            "--from", metavar="PLACE", help="Another yard, the URL of a store, a folder or a file; may be repeated."
        ),
    ] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Make whole what is damaged, from other copies, the cache, another yard or files. Exit code 1 when something stays damaged.

    Reads everything first. Nothing that may be the only copy is removed, however damaged.

    Example: modelyard repair --from /backup/yard --dry-run
    """
    from modelyard.client.check import bytes_to_read

    found = workspace()
    with progress("repair", lambda: bytes_to_read(found)) as bar:
        report = found.repair(*(place or ()), dry_run=dry_run, progress=bar)
    if as_json:
        show_json(report.to_json())
    elif report.nothing:
        say("nothing to repair: every byte is as it was written")
    else:
        for healing in report.healed:
            hurt = healing.hurt
            what = f"{hurt.length} bytes at offset {hurt.offset}"
            say(f"{hurt.version}: {hurt.file}: {what} {'would come' if dry_run else 'came'} from {healing.source}")
        for sentence in report.packs:
            say(sentence)
        if report.index:
            say(f"the index {'would be' if dry_run else 'was'} written anew from the packs")
        for hurt in report.hurt:
            say(f"still hurt: {hurt.version}: {hurt.file}: {hurt.problem}")
        if report.hurt:
            say(f"looked in: {', '.join(report.asked)}; next: modelyard repair --from ANOTHER_YARD_OR_FILE")
    if not report.whole:
        raise typer.Exit(1)

"""``promote``, ``rollback``, ``history``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from modelyard.cli.output import AsJson, pairs_text, say, show_json, show_table, time_text
from modelyard.cli.session import workspace

if TYPE_CHECKING:
    from modelyard.registry.aliases import AliasMove
    from modelyard.registry.ledger import LedgerRow

Reason = Annotated[str, typer.Option(help="Why; kept in the ledger.")]
Expected = Annotated[
    str | None, typer.Option(metavar="N", help="Only if the alias is at this version now; 0 for nowhere yet.")
]


def add_to(app: typer.Typer) -> None:
    app.command("promote")(promote)
    app.command("rollback")(rollback)
    app.command("history")(history)


def promote(
    reference: Annotated[str, typer.Argument(metavar="REFERENCE", help="The version: name/3, name:1.0, name")],
    to: Annotated[str, typer.Option(metavar="ALIAS", help="The alias to move.")] = "production",
    reason: Reason = "",
    expected: Expected = None,
    break_glass: Annotated[
        str | None,
        typer.Option(metavar="REASON", help="Move it although its policy does not hold; for those whom it lists."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Move an alias to a version, through its policies. Replicas that follow the alias load the version.

    Example: modelyard promote fraud/3 --to production --reason "better on recent data" --expected 2
    """
    found = workspace()
    expects = expected_version(expected)
    move = found.promote(reference, to=to, reason=reason, expected=expects, break_glass=break_glass)
    if break_glass is not None and not move.broke_glass:
        typer.echo("note: all that must hold holds; the glass was not broken", err=True)
    _show(move, as_json)


def rollback(
    reference: Annotated[str, typer.Argument(metavar="NAME@ALIAS", help="The alias to move back.")],
    to: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=2**31, help="To this version, not to the one before.")
    ] = None,
    reason: Reason = "",
    expected: Expected = None,
    as_json: AsJson = False,
) -> None:
    """Move an alias back to the version before. Nothing is erased: the ledger gains a row.

    Example: modelyard rollback fraud@production --reason "wrong on weekends"
    """
    found = workspace()
    _show(found.rollback(reference, to=to, reason=reason, expected=expected_version(expected)), as_json)


def history(
    subject: Annotated[str | None, typer.Argument(help="A name, name/3 or name@alias; everything without it.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=2**31, help="At most so many rows, the newest.")] = 50,
    dataset: Annotated[bool, typer.Option("--dataset", help="Of a data set, not of a model.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the ledger, newest first: who changed what, when and why.

    Example: modelyard history fraud@production
    """
    rows = workspace().history(subject, kind="dataset" if dataset else None, limit=limit)
    if as_json:
        show_json([row.to_json() for row in rows])
        return
    show_table(
        ("#", "time", "who", "what", "subject", "change", "why"),
        [(r.sequence, time_text(r.time), r.actor, r.action, r.subject, change_text(r), r.reason) for r in rows],
        empty="the ledger has no such rows",
    )


def change_text(row: LedgerRow) -> str:
    """What a row changed, on one line."""
    before, after = row.before, row.after
    if row.action.startswith("alias."):
        change = f"{before['version'] if before else 'nothing'} -> {after['version'] if after else 'nothing'}"
        broken = (row.evidence or {}).get("broken") if row.action == "alias.break_glass" else None
        return f"{change} GLASS BROKEN: {len(broken)} did not hold" if broken else change
    if row.action.startswith("policy."):
        old, new = before or {}, after or {}
        return ", ".join(key for key in {**old, **new} if old.get(key) != new.get(key))[:80]
    if row.action == "version.register":
        return str(after["digest"])[:19]
    if isinstance(after, dict):
        return pairs_text({key: value for key, value in after.items() if not isinstance(value, dict | list)})[:80]
    return "" if after is None else str(after)[:80]


def _show(move: AliasMove, as_json: bool) -> None:
    if move.broke_glass:
        typer.echo(f"WARNING: the glass of {move.name}@{move.alias} is broken; what did not hold:", err=True)
        for clause in move.verdict.failed:
            typer.echo(f"WARNING:   {clause.explanation} (policy of {clause.policy})", err=True)
    if as_json:
        show_json(
            {
                "name": move.name,
                "alias": move.alias,
                "before": move.before,
                "after": move.after,
                "sequence": move.row.sequence if move.row else None,
                "action": move.row.action if move.row else None,
            }
        )
    elif move.row is None:
        say(f"{move.name}@{move.alias} is at version {move.after} already; nothing changed")
    else:
        before = f"version {move.before}" if move.before else "nowhere"
        say(f"{move.name}@{move.alias}: {before} -> version {move.after} (ledger row {move.row.sequence})")


def expected_version(expected: str | None) -> int | str | None:
    """A number as a number; a reference as it is."""
    return (
        int(expected)
        if expected is not None and expected.isascii() and expected.isdigit() and len(expected) < 10
        else expected
    )

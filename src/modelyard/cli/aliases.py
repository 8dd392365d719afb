"""``promote``, ``rollback``, ``unalias``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from modelyard.cli.output import AsJson, say, show_json
from modelyard.cli.session import workspace
from modelyard.cli.versions import OfData

if TYPE_CHECKING:
    from modelyard.registry.aliases import AliasMove

Reason = Annotated[str, typer.Option(help="Why; kept in the ledger.")]
Expected = Annotated[
    str | None, typer.Option(metavar="N", help="Only if the alias is at this version now; 0 for nowhere yet.")
]


def add_to(app: typer.Typer) -> None:
    app.command("promote")(promote)
    app.command("rollback")(rollback)
    app.command("unalias")(unalias)


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


def unalias(
    reference: Annotated[str, typer.Argument(metavar="NAME@ALIAS", help="The alias to take away.")],
    reason: Reason = "",
    expected: Expected = None,
    dataset: OfData = False,
    as_json: AsJson = False,
) -> None:
    """Take an alias away. Its history stays.

    Example: modelyard unalias fraud@candidate --reason "the trial is over"
    """
    found = workspace()
    move = found.remove_alias(reference, expected=expected_version(expected), reason=reason, dataset=dataset)
    sequence = move.row.sequence if move.row else None
    if as_json:
        show_json({"name": move.name, "alias": move.alias, "before": move.before, "after": None, "sequence": sequence})
    else:
        say(f"{move.name}@{move.alias}: version {move.before} -> nowhere (ledger row {sequence})")


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

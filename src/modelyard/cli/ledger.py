"""``history``, ``blame``, ``ledger``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelyard.cli.output import AsJson, pairs_text, say, show_json, show_table, time_text
from modelyard.cli.session import workspace
from modelyard.cli.versions import At, OfData

if TYPE_CHECKING:
    from modelyard.registry.ledger import LedgerRow

ledger = typer.Typer(
    name="ledger",
    help="Heads of the ledger: note them elsewhere, and check later that history was not rewritten.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def add_to(app: typer.Typer) -> None:
    app.command("history")(history)
    app.command("blame")(blame)
    app.add_typer(ledger)


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


def blame(
    reference: Annotated[
        str, typer.Argument(metavar="REFERENCE", help="name/3, name@alias, or a name for its aliases.")
    ],
    field: Annotated[str | None, typer.Argument(help="One field: tags.type, metrics.auc, state …")] = None,
    at: At = None,
    dataset: OfData = False,
    as_json: AsJson = False,
) -> None:
    """Show who set what: each tag, metric, property and alias with the ledger row that did it.

    Example: modelyard blame fraud/3 tags.type
    """
    found = workspace().blame(reference, field, at=at, dataset=dataset)
    if as_json:
        show_json([{"field": each.field, "value": each.value, "row": each.row.to_json()} for each in found])
        return
    show_table(
        ("field", "value", "who", "when", "#", "why"),
        [
            (
                each.field,
                _short(each.value),
                each.row.actor,
                time_text(each.row.happened),
                each.row.sequence,
                each.row.reason,
            )
            for each in found
        ],
        empty=f"nothing was ever set of {reference}",
    )


@ledger.command("head")
def head(
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="Sign it with this private key (PEM).")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it here; otherwise print it.")
    ] = None,
) -> None:
    """Print the head of the ledger: keep it where those who can write the database cannot reach.

    Example: modelyard ledger head --key private.pem -o head-2026-03-01.json
    """
    from modelyard.core.errors import TargetUnwritable

    document = workspace().ledger_head(key=key, password=os.environ.get("MODELYARD_KEY_PASSWORD"))
    if output is None:
        show_json(document)
        return
    try:
        output.write_text(json.dumps(document, indent=2) + "\n")
    except OSError as error:
        raise TargetUnwritable(path=output, problem=error.strerror or error) from error
    say(f"row {document['sequence']} noted in {output}")


@ledger.command("verify")
def verify(
    noted: Annotated[Path, typer.Argument(metavar="FILE", help="A head that was noted before.")],
    key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The public key that it must be signed with.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check that the ledger still goes on from a head that was noted before. Exit code 1 when history was rewritten.

    Example: modelyard ledger verify head-2026-03-01.json --key public.pem
    """
    sequence = workspace().require_head(noted, key=key)
    if as_json:
        show_json({"sequence": sequence, "unchanged": True})
    else:
        say(f"rows 1 to {sequence} are those that were noted")


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"

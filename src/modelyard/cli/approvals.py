"""``approve``, ``reject``, ``withdraw``, ``approvals``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from modelyard.cli.aliases import Reason
from modelyard.cli.output import AsJson, say, show_json, show_table, time_text
from modelyard.cli.session import workspace

if TYPE_CHECKING:
    from modelyard.registry.policies.decisions import Decision

Reference = Annotated[str, typer.Argument(metavar="REFERENCE", help="The version: name/3, name:1.0, name")]
For = Annotated[str, typer.Option("--for", metavar="ALIAS", help="The alias that it may, or may not, become.")]


def add_to(app: typer.Typer) -> None:
    app.command("approve")(approve)
    app.command("reject")(reject)
    app.command("withdraw")(withdraw)
    app.command("approvals")(approvals)


def approve(
    reference: Reference,
    alias: For = "production",
    reason: Reason = "",
    expires: Annotated[str | None, typer.Option(metavar="TIME", help="30d: so long it counts.")] = None,
    as_json: AsJson = False,
) -> None:
    """Approve a version for an alias. It is of these very bytes, and counts for no others.

    Example: modelyard approve fraud/3 --for production --reason "checked on March" --expires 30d
    """
    _told(workspace().approve(reference, for_alias=alias, reason=reason, expires=expires), reference, as_json)


def reject(reference: Reference, alias: For = "production", reason: Reason = "", as_json: AsJson = False) -> None:
    """Reject a version for an alias: takes back your approval, and holds it up until you withdraw that or approve.

    Example: modelyard reject fraud/3 --for production --reason "wrong on weekends"
    """
    _told(workspace().reject(reference, for_alias=alias, reason=reason), reference, as_json)


def withdraw(reference: Reference, alias: For = "production", reason: Reason = "", as_json: AsJson = False) -> None:
    """Take back what you have said of a version for an alias.

    Example: modelyard withdraw fraud/3 --for production
    """
    found = workspace().withdraw(reference, for_alias=alias, reason=reason)
    if as_json:
        show_json([decision.to_json() for decision in found])
    else:
        say(f"{reference} for {alias}: {found[-1].actor} has nothing to say any more")


def approvals(
    reference: Reference,
    alias: Annotated[str | None, typer.Option("--for", metavar="ALIAS", help="Only for this alias.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show who approved or rejected a version, and what has become of that.

    Example: modelyard approvals fraud/3
    """
    from modelyard.registry.policies.decisions import state

    found = workspace()
    version = found.model(reference)
    listed = found.approvals(version.reference, for_alias=alias)
    now = found.clock.now()
    states = [
        state(each, [other for other in listed if other.alias == each.alias], version.digest, now) for each in listed
    ]
    if as_json:
        show_json([{**each.to_json(), "state": told} for each, told in zip(listed, states, strict=True)])
        return
    show_table(
        ("#", "time", "who", "says", "for", "state", "until", "why"),
        [
            (
                each.id,
                time_text(each.time),
                each.actor,
                each.word,
                each.alias,
                told,
                "" if each.expires is None else time_text(each.expires),
                each.reason,
            )
            for each, told in zip(listed, states, strict=True)
        ],
        empty=f"nobody has approved or rejected {version.reference}",
    )


def _told(decision: Decision, reference: str, as_json: bool) -> None:
    if as_json:
        show_json(decision.to_json())
        return
    done = {"approve": "approves", "reject": "rejects"}[decision.word]
    until = "" if decision.expires is None else f" until {time_text(decision.expires)}"
    say(f"{decision.actor} {done} {reference} ({decision.digest[:19]}) for {decision.alias}{until}")

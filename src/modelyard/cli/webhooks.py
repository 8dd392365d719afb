"""``webhook``."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from modelyard.cli.aliases import Reason
from modelyard.cli.events import Where
from modelyard.cli.output import AsJson, say, show_facts, show_json, show_table, time_text
from modelyard.cli.session import INTERRUPTED, workspace

if TYPE_CHECKING:
    from modelyard.events import Attempt, Webhook

Name = Annotated[str, typer.Argument(metavar="NAME", help="The webhook.")]

webhook = typer.Typer(
    name="webhook",
    help="Send every change to a URL: signed, in order per subject, again until it arrives.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def add_to(app: typer.Typer) -> None:
    app.add_typer(webhook)


@webhook.command("add")
def add(
    name: Name,
    url: Annotated[str, typer.Argument(metavar="URL", help="Where to send: https://…")],
    where: Where = None,
    secret_file: Annotated[
        typer.FileText | None,
        typer.Option(
            metavar="FILE",
            help="A file with the secret to sign with (whsec_…), - for standard input; one is made without it.",
        ),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Allow http:// to this machine and private networks.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Send every change from now on to a URL. The secret that the receiver checks signatures with is printed once.

    Example: modelyard webhook add chat https://hooks.example.com/modelyard --where "action like 'alias.%'"
    """
    secret = None if secret_file is None else secret_file.read().strip()
    made = workspace().webhooks.add(name, url, filter=where or "", secret=secret, insecure=insecure)
    if as_json:
        show_json(made.to_json())
        return
    say(f"{made.name} sends to {made.origin}")
    if secret is None:
        say(f"its secret, which is not shown again: {made.secret}")
    say(f"next: modelyard webhook test {made.name}, then keep running: modelyard webhook deliver --follow")


@webhook.command("list")
def list_webhooks(as_json: AsJson = False) -> None:
    """List the webhooks, with what waits and what has failed.

    Example: modelyard webhook list
    """
    found = workspace().webhooks.list()
    if as_json:
        show_json([{key: value for key, value in each.to_json().items() if key != "url"} for each in found])
        return
    show_table(
        ("name", "to", "state", "where", "not looked at", "waiting", "failed"),
        [(e.name, e.origin, e.state, e.filter or "everything", e.behind, e.waiting, e.failed) for e in found],
        empty="no webhooks; make one with: modelyard webhook add NAME URL",
    )


@webhook.command("show")
def show(name: Name, as_json: AsJson = False) -> None:
    """Show one webhook; its whole URL, which may be a secret, and never its secret.

    Example: modelyard webhook show chat
    """
    found = workspace().webhooks.get(name)
    if as_json:
        show_json(found.to_json())
        return
    show_facts(_facts(found))
    if found.failed:
        say(f"next: modelyard webhook deliveries {found.name} --state failed")


@webhook.command("remove")
def remove(name: Name, reason: Reason = "") -> None:
    """Remove a webhook, and with it what was on its way there.

    Example: modelyard webhook remove chat
    """
    workspace().webhooks.remove(name, reason=reason)
    say(f"{name} is removed")


@webhook.command("pause")
def pause(name: Name, reason: Reason = "") -> None:
    """Send nothing more there until it is resumed; nothing is lost.

    Example: modelyard webhook pause chat --reason "the receiver moves"
    """
    workspace().webhooks.pause(name, reason=reason)
    say(f"{name} is paused; go on with: modelyard webhook resume {name}")


@webhook.command("resume")
def resume(name: Name, reason: Reason = "") -> None:
    """Go on sending, from where it was paused.

    Example: modelyard webhook resume chat
    """
    workspace().webhooks.resume(name, reason=reason)
    say(f"{name} is active")


@webhook.command("test")
def ping(name: Name, as_json: AsJson = False) -> None:
    """Send a webhook.ping there now. Exit code 1 when it was not taken.

    Example: modelyard webhook test chat
    """
    attempt = workspace().webhooks.test(name)
    if as_json:
        show_json(attempt.to_json())
    else:
        say(line(attempt))
    if not attempt.answer.taken:
        raise typer.Exit(1)


@webhook.command("deliver")
def deliver(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]…", help="Only these webhooks.")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until SIGTERM or ^C.")] = False,
    poll: Annotated[float, typer.Option(min=0.05, max=3600, help="Look for news every so many seconds.")] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Send what is due. With --follow it is the process that does so all the time; any number may run.

    Asked to end, it finishes the attempts under way. Exit code 1 when an attempt failed and it does not follow.

    Example: modelyard webhook deliver --follow
    """
    import logging

    if follow:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)

    def told(attempt: Attempt) -> None:
        if not as_json:
            say(line(attempt))

    with _asked_to_end() as (stop, signals):
        report = workspace().webhooks.deliver(*(names or ()), once=not follow, stop=stop, poll=poll, show=told)
    if as_json:
        show_json(report.to_json())
    else:
        say(f"{report.delivered} delivered, {report.again} to be tried again, {report.failed} failed")
        for name in sorted(report.busy):
            say(f"{name}: another process delivers for it")
        for name in sorted(report.paused):
            say(f"{name} is paused; go on with: modelyard webhook resume {name}")
    if signal.SIGINT in signals:
        raise SystemExit(INTERRUPTED)
    if not follow and (report.again or report.failed):
        raise typer.Exit(1)


@webhook.command("replay")
def replay(
    name: Name,
    from_sequence: Annotated[
        int | None,
        typer.Option("--from", metavar="N", min=1, max=2**62, help="Every wanted ledger row from this one on."),
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only what has failed; so without --from.")] = False,
    reason: Reason = "",
) -> None:
    """Send again what was sent or has failed, with the webhook-id that it had. It is sent by the next delivery.

    Example: modelyard webhook replay chat --from 120
    """
    found = workspace().webhooks
    count = found.replay(name, from_sequence=from_sequence, failed=failed or from_sequence is None, reason=reason)
    if failed or from_sequence is None:
        say(f"{count} that had failed will be sent again to {name}")
    else:
        say(f"{count} ledger rows will be looked at again for {name}")


@webhook.command("deliveries")
def deliveries(
    name: Name,
    state: Annotated[str | None, typer.Option(metavar="STATE", help="pending, held, delivered or failed.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, the newest.")] = 50,
    before: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=2**62, help="From before this ledger row.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List what is on its way to a webhook, what arrived in the last 30 days, and what has failed; newest first.

    Held is what waits behind an earlier one of its subject.

    Example: modelyard webhook deliveries chat --state failed
    """
    found = workspace().webhooks.deliveries(name, state=state, before=before, limit=limit)
    if as_json:
        show_json([each.to_json() for each in found])
        return
    show_table(
        ("#", "subject", "state", "attempts", "next", "status", "problem"),
        [
            (e.sequence, e.subject, e.state, e.attempts, e.next_time and time_text(e.next_time), e.status, e.problem)
            for e in found
        ],
        empty=f"no such deliveries of {name}",
    )


def line(attempt: Attempt) -> str:
    """An attempt on one line."""
    row = "" if attempt.sequence is None else f" row {attempt.sequence}"
    told = f"{attempt.webhook}:{row} {attempt.subject} {attempt.outcome}"
    if attempt.next_time is not None:
        told += f" at {time_text(attempt.next_time)}"
    return told + (
        f": {attempt.answer.problem}" if attempt.answer.problem else f" ({attempt.answer.seconds * 1000:.0f} ms)"
    )


def _facts(found: Webhook) -> list[tuple[str, object]]:
    return [
        ("name", found.name),
        ("url", found.url),
        ("state", found.state),
        ("where", found.filter or "everything"),
        ("looked at", f"ledger row {found.cursor}, {found.behind} behind"),
        ("waiting", found.waiting),
        ("failed", found.failed),
        ("made", f"{time_text(found.created_time)} by {found.created_by}"),
    ]


@contextmanager
def _asked_to_end() -> Iterator[tuple[Event, list[int]]]:
    """An event that SIGTERM and ^C set, and those that came; the second ^C is as everywhere."""
    stop, came = Event(), list[int]()

    def end(number: int, _frame: object) -> None:
        came.append(number)
        stop.set()
        signal.signal(number, before[number])

    before = {int(number): signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop, came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

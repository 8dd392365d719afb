"""``push``, ``pull``, ``mirror``: versions from yard to yard."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelyard.cli.output import AsJson, bytes_text, progress, say, show_json
from modelyard.cli.session import workspace

if TYPE_CHECKING:
    from modelyard.store import Advance
    from modelyard.transfer import Choices, TransferReport

References = Annotated[
    list[str] | None,
    typer.Argument(metavar="[REFERENCE]...", help="fraud@production, fraud/3, fraud:1.0; fraud/* for all of a name."),
]
Data = Annotated[list[str] | None, typer.Option("--dataset", metavar="REFERENCE", help="A data set; may be repeated.")]
All = Annotated[bool, typer.Option("--all", help="All models and data sets.")]
Inputs = Annotated[
    bool, typer.Option("--inputs/--no-inputs", help="With the data sets that the versions were made from.")
]
Aliases = Annotated[bool, typer.Option("--aliases/--no-aliases", help="With the aliases that point at the versions.")]
Policies = Annotated[
    bool, typer.Option("--policies/--no-policies", help="With the policies of their aliases, and approvals.")
]
KeepMine = Annotated[
    bool, typer.Option("--keep-mine", help="What was changed on both sides stays as it is in the yard.")
]
TakeTheirs = Annotated[
    bool, typer.Option("--take-theirs", help="An alias that was moved on both sides goes as it comes.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done, and what stands in the way.")]
Where = Annotated[
    str, typer.Argument(metavar="WHERE", help="The other yard: a folder, or postgresql://user@host/name.")
]
StoreOption = Annotated[
    str | None, typer.Option("--store", metavar="URL", help="Where a yard that is made keeps its bytes, as for init.")
]


def add_to(app: typer.Typer) -> None:
    app.command("push")(push)
    app.command("pull")(pull)
    app.command("mirror")(mirror)


def push(
    where: Where,
    references: References = None,
    dataset: Data = None,
    everything: All = False,
    inputs: Inputs = True,
    aliases: Aliases = True,
    policies: Policies = False,
    keep_mine: KeepMine = False,
    take_theirs: TakeTheirs = False,
    store: StoreOption = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Bring versions of this yard into another one, which is made where there is none. Only what it lacks travels.

    Example: modelyard push /shared/yard fraud@production
    """
    from modelyard.transfer import push as push_versions

    choices = choices_of(aliases, policies, keep_mine, take_theirs)
    with Watch("push", as_json, dry_run) as watch:
        report = push_versions(
            workspace(),
            where,
            references or (),
            datasets=dataset or (),
            everything=everything,
            inputs=inputs,
            choices=choices,
            store=store,
            dry_run=dry_run,
            show=watch.show,
            progress=watch.advance,
        )
    show_result(report, as_json)


def pull(
    where: Where,
    references: References = None,
    dataset: Data = None,
    everything: All = False,
    inputs: Inputs = True,
    aliases: Aliases = True,
    policies: Policies = False,
    keep_mine: KeepMine = False,
    take_theirs: TakeTheirs = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Bring versions of another yard into this one. Only what it lacks travels.

    Example: modelyard pull /shared/yard fraud@production
    """
    from modelyard.transfer import pull as pull_versions

    choices = choices_of(aliases, policies, keep_mine, take_theirs)
    with Watch("pull", as_json, dry_run) as watch:
        report = pull_versions(
            workspace(create=not dry_run),
            where,
            references or (),
            datasets=dataset or (),
            everything=everything,
            inputs=inputs,
            choices=choices,
            dry_run=dry_run,
            show=watch.show,
            progress=watch.advance,
        )
    show_result(report, as_json)


def mirror(
    where: Where,
    aliases: Aliases = True,
    policies: Policies = False,
    keep_mine: KeepMine = False,
    take_theirs: TakeTheirs = False,
    store: StoreOption = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Make another yard have everything that this one has, tombstones and history too. A repeat costs what has changed since.

    Example: modelyard mirror /backup/yard
    """
    from modelyard.transfer import mirror as mirror_yard

    choices = choices_of(aliases, policies, keep_mine, take_theirs)
    with Watch("mirror", as_json, dry_run) as watch:
        report = mirror_yard(
            workspace(),
            where,
            choices=choices,
            store=store,
            dry_run=dry_run,
            show=watch.show,
            progress=watch.advance,
        )
    show_result(report, as_json)


class Watch:
    """Shows the plan before it is carried out, and then a bar over the bytes of the new versions."""

    def __init__(self, verb: str, as_json: bool, dry_run: bool) -> None:
        self._verb, self._as_json, self._dry_run = verb, as_json, dry_run
        self._stack = ExitStack()
        self._bar: Callable[[Advance], None] | None = None

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.close()

    def show(self, report: TransferReport) -> None:
        if not self._as_json:
            _show_plan(report)
        if report.raw and not self._dry_run and not report.conflicts:
            self._bar = self._stack.enter_context(progress(self._verb, report.raw))

    def advance(self, step: Advance) -> None:
        if self._bar is not None:
            self._bar(step)


def choices_of(aliases: bool, policies: bool, keep_mine: bool, take_theirs: bool) -> Choices:
    """What the options say."""
    from modelyard.transfer import Choices as ChoicesClass

    if keep_mine and take_theirs:
        raise typer.BadParameter("give one of --keep-mine and --take-theirs, not both")
    return ChoicesClass(aliases=aliases, policies=policies, keep_mine=keep_mine, take_theirs=take_theirs)


def _show_plan(report: TransferReport) -> None:
    from modelyard.transfer.report import ranges

    for each in report.names.values():
        if each.new:
            word = "version" if len(each.new) == 1 else "versions"
            say(f"new: {each.kind} {each.name}, {word} {ranges(each.new)}")
        for change in each.changes:
            say(f"change: {change}")
    if report.rows:
        say(f"history: {count_text(report.rows, 'ledger row')}")
    for conflict in report.conflicts:
        say(f"conflict: {conflict}")


def show_result(report: TransferReport, as_json: bool) -> None:
    """What a transfer did, or would do; leaves with 1 where a dry run found conflicts."""
    if as_json:
        show_json(report.to_json())
    elif report.dry_run:
        if report.conflicts:
            say(f"nothing was changed; {count_text(len(report.conflicts), 'conflict')} would stop it")
        elif report.nothing:
            say(f"{report.target} has all of it already")
        else:
            stored = f"{bytes_text(report.stored)} in {count_text(report.chunks, 'chunk')}"
            say(f"nothing was changed; {stored} would travel for {bytes_text(report.raw)} of files")
    elif report.nothing:
        say(f"{report.target} has all of it already")
    else:
        say(
            f"{count_text(report.versions, 'new version')}, {count_text(report.rows, 'ledger row')}: {report.origin} to {report.target}"
        )
    if not as_json:
        for link in report.links:
            say(f"note: {link} was used and is not here, so it is named by the provenance only")
    if report.dry_run and report.conflicts:
        raise typer.Exit(1)


def count_text(count: int, noun: str) -> str:
    """``1 version``, ``2 versions``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"

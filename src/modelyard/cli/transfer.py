"""``push``, ``pull``, ``mirror``, ``bundle``: versions from yard to yard."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelyard.cli.output import AsJson, bytes_text, progress, say, show_facts, show_json, show_table
from modelyard.cli.session import workspace

if TYPE_CHECKING:
    from modelyard.store import Advance
    from modelyard.transfer import Choices, TransferReport
    from modelyard.transfer.bundle.report import BundleReport

bundle = typer.Typer(
    name="bundle",
    help="Versions in one file, with everything that is known of them, for where no network goes.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

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
PublicKey = Annotated[
    Path | None, typer.Option("--key", metavar="PEM", help="Only if the owner of this public key signed it.")
]
File = Annotated[Path, typer.Argument(metavar="FILE", help="The bundle.")]


def add_to(app: typer.Typer) -> None:
    app.command("push")(push)
    app.command("pull")(pull)
    app.command("mirror")(mirror)
    app.add_typer(bundle)


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

    choices = _choices(aliases, policies, keep_mine, take_theirs)
    with _Progress("push", as_json, dry_run) as watch:
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
    _show_result(report, as_json)


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

    choices = _choices(aliases, policies, keep_mine, take_theirs)
    with _Progress("pull", as_json, dry_run) as watch:
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
    _show_result(report, as_json)


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

    choices = _choices(aliases, policies, keep_mine, take_theirs)
    with _Progress("mirror", as_json, dry_run) as watch:
        report = mirror_yard(
            workspace(),
            where,
            choices=choices,
            store=store,
            dry_run=dry_run,
            show=watch.show,
            progress=watch.advance,
        )
    _show_result(report, as_json)


@bundle.command("create")
def create(
    references: References = None,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The file to write.")] = Path(
        "yard.myb"
    ),
    dataset: Data = None,
    everything: All = False,
    since: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Leave out what this earlier bundle had; may be repeated.")
    ] = None,
    have: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Leave out what the receiver's `bundle inventory` names; may be repeated."),
    ] = None,
    base: Annotated[
        list[str] | None,
        typer.Option(metavar="REFERENCE", help="Leave out what this version has; may be repeated."),
    ] = None,
    inputs: Inputs = True,
    aliases: Aliases = True,
    policies: Policies = False,
    sign: Annotated[Path | None, typer.Option(metavar="PEM", help="Sign it with this private key.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a bundle that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write versions into one file, with their history, provenance and data sets.

    Example: modelyard bundle create fraud@production -o fraud.myb --sign key.pem
    """
    from modelyard.transfer import create_bundle

    found = workspace()
    with progress("bundle", None) as bar:
        report = create_bundle(
            found,
            output,
            references or (),
            datasets=dataset or (),
            everything=everything,
            inputs=inputs,
            choices=_choices(aliases, policies, False, False),
            since=since or (),
            have=have or (),
            base=base or (),
            key=sign,
            password=os.environ.get("MODELYARD_KEY_PASSWORD"),
            exist_ok=force,
            progress=bar,
        )
    _show_bundle(report, as_json)


@bundle.command("show")
def show(file: File, as_json: AsJson = False) -> None:
    """Show what a bundle says that is in it; its bytes are not read.

    Example: modelyard bundle show fraud.myb
    """
    from modelyard.transfer import show_bundle

    _show_bundle(show_bundle(file), as_json)


@bundle.command("verify")
def verify(file: File, key: PublicKey = None, as_json: AsJson = False) -> None:
    """Read all of a bundle: every byte is held against its digest, every file decoded, every ledger row against its hash.

    Example: modelyard bundle verify fraud.myb --key key.pub
    """
    from modelyard.transfer import verify_bundle

    with progress("verify", lambda: file.stat().st_size if file.is_file() else None) as bar:
        report = verify_bundle(file, key=key, progress=bar)
    _show_bundle(report, as_json)


@bundle.command("import")
def import_(
    file: File,
    key: PublicKey = None,
    aliases: Aliases = True,
    policies: Policies = False,
    keep_mine: KeepMine = False,
    take_theirs: TakeTheirs = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Bring what is in a bundle into this yard. Doing it twice changes nothing.

    Example: modelyard bundle import fraud.myb --key key.pub
    """
    from modelyard.transfer import import_bundle

    choices = _choices(aliases, policies, keep_mine, take_theirs)
    with _Progress("import", as_json, dry_run) as watch:
        report = import_bundle(
            workspace(create=not dry_run),
            file,
            key=key,
            choices=choices,
            dry_run=dry_run,
            show=watch.show,
            progress=watch.advance,
        )
    _show_result(report, as_json)


@bundle.command("inventory")
def inventory(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The file to write.")] = Path(
        "have.txt"
    ),
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Write down which versions this yard has, for whoever makes a bundle for it: bundle create --have FILE.

    Example: modelyard bundle inventory -o have.txt
    """
    from modelyard.transfer import write_inventory

    count = write_inventory(workspace(), output, exist_ok=force)
    say(f"{output}: {_count(count, 'version')}")


class _Progress:
    """Shows the plan before it is carried out, and then a bar over the bytes of the new versions."""

    def __init__(self, verb: str, as_json: bool, dry_run: bool) -> None:
        self._verb, self._as_json, self._dry_run = verb, as_json, dry_run
        self._stack = ExitStack()
        self._bar: Callable[[Advance], None] | None = None

    def __enter__(self) -> _Progress:
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


def _choices(aliases: bool, policies: bool, keep_mine: bool, take_theirs: bool) -> Choices:
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
        say(f"history: {_count(report.rows, 'ledger row')}")
    for conflict in report.conflicts:
        say(f"conflict: {conflict}")


def _show_result(report: TransferReport, as_json: bool) -> None:
    if as_json:
        show_json(report.to_json())
    elif report.dry_run:
        if report.conflicts:
            say(f"nothing was changed; {_count(len(report.conflicts), 'conflict')} would stop it")
        elif report.nothing:
            say(f"{report.target} has all of it already")
        else:
            stored = f"{bytes_text(report.stored)} in {_count(report.chunks, 'chunk')}"
            say(f"nothing was changed; {stored} would travel for {bytes_text(report.raw)} of files")
    elif report.nothing:
        say(f"{report.target} has all of it already")
    else:
        say(
            f"{_count(report.versions, 'new version')}, {_count(report.rows, 'ledger row')}: {report.origin} to {report.target}"
        )
    if not as_json:
        for link in report.links:
            say(f"note: {link} was used and is not here, so it is named by the provenance only")
    if report.dry_run and report.conflicts:
        raise typer.Exit(1)


def _show_bundle(report: BundleReport, as_json: bool) -> None:
    if as_json:
        show_json(report.to_json())
        return
    from modelyard.transfer.report import ranges

    header = report.header
    show_facts(
        (
            ("bundle", report.path),
            ("id", f"sha256:{report.id}"),
            ("from yard", header.yard),
            ("ledger", f"row {header.sequence}, {header.hash}"),
            ("size", f"{bytes_text(report.size)} for {bytes_text(header.bytes)} of files"),
            ("signed by", ", ".join(report.signed_by) or "nobody"),
            ("signature", report.checked and f"right: {report.checked}"),
            ("continues", ", ".join(f"{each.name} (sha256:{each.id})" for each in header.since)),
            ("needs", ", ".join(f"{each.told} ({_count(each.chunks, 'chunk')})" for each in header.needs)),
            ("read", report.whole and _read_words(report)),
        )
    )
    show_table(
        ("kind", "name", "versions", "aliases"),
        [
            (
                each.kind,
                each.name,
                ranges(each.numbers),
                ", ".join(f"{alias} {number}" for alias, number in each.aliases.items() if number is not None),
            )
            for each in report.names
        ],
        empty="there are no versions in it",
    )


def _read_words(report: BundleReport) -> str:
    borrowed = f"; {report.borrowed} of them stand on what its base has" if report.borrowed else ""
    return f"whole: {_count(report.chunks, 'chunk')} in {bytes_text(report.stored)}{borrowed}"


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"

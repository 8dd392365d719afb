"""``bundle``: versions in one file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelyard.cli.output import AsJson, bytes_text, progress, say, show_facts, show_json, show_table
from modelyard.cli.session import workspace
from modelyard.cli.transfer import (
    Aliases,
    All,
    Data,
    DryRun,
    Inputs,
    KeepMine,
    Policies,
    References,
    TakeTheirs,
    Watch,
    choices_of,
    count_text,
    show_result,
)

if TYPE_CHECKING:
    from modelyard.transfer.bundle.report import BundleReport

bundle = typer.Typer(
    name="bundle",
    help="Versions in one file, with everything that is known of them, for where no network goes.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

PublicKey = Annotated[
    Path | None, typer.Option("--key", metavar="PEM", help="Only if the owner of this public key signed it.")
]
File = Annotated[Path, typer.Argument(metavar="FILE", help="The bundle.")]


def add_to(app: typer.Typer) -> None:
    app.add_typer(bundle)


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
            choices=choices_of(aliases, policies, False, False),
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

    choices = choices_of(aliases, policies, keep_mine, take_theirs)
    with Watch("import", as_json, dry_run) as watch:
        report = import_bundle(
            workspace(create=not dry_run),
            file,
            key=key,
            choices=choices,
            dry_run=dry_run,
            show=watch.show,
            progress=watch.advance,
        )
    show_result(report, as_json)


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
    say(f"{output}: {count_text(count, 'version')}")


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
            ("needs", ", ".join(f"{each.told} ({count_text(each.chunks, 'chunk')})" for each in header.needs)),
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
    return f"whole: {count_text(report.chunks, 'chunk')} in {bytes_text(report.stored)}{borrowed}"

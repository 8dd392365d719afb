"""``scan``, ``sign``, ``verify``, ``keygen``, ``bom``."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelyard.cli.output import AsJson, say, show_facts, show_json, show_table
from modelyard.cli.session import workspace
from modelyard.cli.versions import OfData, Reference

if TYPE_CHECKING:
    from modelyard.client.entry import Entry

PASSWORD = "MODELYARD_KEY_PASSWORD"  # noqa: S105 - the name of the variable

PrivateKey = Annotated[Path, typer.Option("--key", metavar="PEM", help="The private key to sign with.")]
PublicKey = Annotated[
    Path | None, typer.Option("--key", metavar="PEM", help="The public key of who is to have signed.")
]


def add_to(app: typer.Typer) -> None:
    app.command("scan")(scan)
    app.command("sign")(sign)
    app.command("verify")(verify)
    app.command("keygen")(keygen)
    app.command("bom")(bom)


def scan(reference: Reference, dataset: OfData = False, as_json: AsJson = False) -> None:
    """Look for what loading a version would run, without running anything, and keep the report. Exit code 1 when it is dangerous.

    Example: modelyard scan fraud/3
    """
    entry = _entry(reference, dataset)
    report = entry.scan()
    if as_json:
        show_json({"reference": entry.reference, **report.to_json()})
    else:
        show_table(
            ("severity", "where", "what"),
            [(finding.severity, finding.place, finding.problem) for finding in report.findings],
            empty="nothing that is not known to be safe",
        )
        more = f", {report.left_out} more findings" if report.left_out else ""
        say(f"{entry.reference}: {report.verdict} ({report.files} files, {report.issues} issues{more}; {report.tool})")
    if report.verdict == "dangerous":
        raise typer.Exit(1)


def sign(
    reference: Reference,
    key: PrivateKey,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the signature to a file too.")
    ] = None,
    dataset: OfData = False,
    as_json: AsJson = False,
) -> None:
    """Sign the files of a version as OpenSSF model signing does. The key's password is asked for, or MODELYARD_KEY_PASSWORD.

    Example: modelyard sign fraud/3 --key release.pem --output fraud.sig
    """
    from modelyard.client.signatures import summary_json

    entry = _entry(reference, dataset)
    made = entry.sign(key, _password(key))
    if output is not None:
        output.write_bytes(made.bundle)
    if as_json:
        show_json(summary_json(made))
        return
    say(f"{made.reference} signed by key {made.key}")
    if output is not None:
        say(f"the signature is in {output}; model_signing verifies the downloaded files with it")


def verify(
    reference: Reference,
    key: PublicKey = None,
    trusted: Annotated[
        bool, typer.Option("--trusted", help="By any key that your trust policy names; the default without --key.")
    ] = False,
    signature: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A signature from elsewhere, instead of those that are kept.")
    ] = None,
    dataset: OfData = False,
    as_json: AsJson = False,
) -> None:
    """Check that the owner of a key signed just this version. Exit code 1 when nobody did.

    Example: modelyard verify fraud@production --key release.pub
    """
    if key is not None and trusted:
        raise typer.BadParameter("give --key or --trusted, not both")
    entry = _entry(reference, dataset)
    found = entry.verify(key, signature=signature)
    if as_json:
        show_json({**vars(found), "not_signed": list(found.not_signed)})
        return
    say(f"{found.reference} is what key {found.key} signed: {found.files} files")
    if found.not_signed:
        say(f"left out by the signer: {', '.join(found.not_signed)}")


def keygen(
    private: Annotated[Path, typer.Argument(metavar="PRIVATE", help="The file for the private key.")],
    public: Annotated[
        Path | None,
        typer.Argument(metavar="[PUBLIC]", help="The file for the public key; PRIVATE with .pub by default."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key pair for signing. With MODELYARD_KEY_PASSWORD set, the private key is locked with it.

    Example: modelyard keygen release.pem
    """
    from modelyard.safety.signing import write_key_pair

    other = private.with_suffix(".pub") if public is None else public
    named = write_key_pair(private, other, os.environ.get(PASSWORD))
    if as_json:
        show_json({"private": str(private), "public": str(other), "key": named})
        return
    show_facts([("private", f"{private} (keep it to yourself)"), ("public", f"{other} (give it out)"), ("key", named)])


def bom(
    reference: Reference,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it to a file, not to the screen.")
    ] = None,
    dataset: OfData = False,
) -> None:
    """Print what a version is made of as a CycloneDX ML-BOM: files, data, libraries, code, metrics.

    Example: modelyard bom fraud/3 -o fraud.cdx.json
    """
    document = _entry(reference, dataset).bom()
    if output is None:
        show_json(document)
        return
    output.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    say(str(output))


def _entry(reference: str, dataset: bool) -> Entry:
    found = workspace()
    return found.dataset(reference) if dataset else found.model(reference)


def _password(key: Path) -> str | None:
    """What opens the key: the variable, else what is typed, where somebody is there to type."""
    from modelyard.safety.signing import is_locked

    given = os.environ.get(PASSWORD)
    if given is None and sys.stdin.isatty() and is_locked(key):
        typed: str = typer.prompt(f"password of {key}", hide_input=True, err=True)
        return typed
    return given

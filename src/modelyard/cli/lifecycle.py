"""``archive``, ``restore``, ``delete``, ``label``, ``describe``, ``metrics``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from modelyard.cli import pairs
from modelyard.cli.aliases import Reason
from modelyard.cli.output import AsJson, say, show_json, show_table, time_text
from modelyard.cli.session import workspace
from modelyard.cli.versions import OfData

Which = Annotated[str, typer.Argument(metavar="REFERENCE", help="name/3 or name:1.0; a bare name with --all.")]
All = Annotated[bool, typer.Option("--all", help="The name with all its versions.")]


def add_to(app: typer.Typer) -> None:
    for command in (archive, restore, delete, label, describe, metrics):
        app.command(command.__name__)(command)


def archive(
    reference: Which, everything: All = False, reason: Reason = "", dataset: OfData = False, as_json: AsJson = False
) -> None:
    """Take a version out of use: no longer the latest, and no alias may move to it. Refused while something refers to it.

    Example: modelyard archive fraud/3 --reason "superseded"
    """
    found = workspace()
    if everything:
        _show(found.archive_model(reference, reason=reason, dataset=dataset), "archived", reference, as_json)
    else:
        found.archive(reference, reason=reason, dataset=dataset)
        _show([reference], "archived", reference, as_json)


def restore(
    reference: Which, everything: All = False, reason: Reason = "", dataset: OfData = False, as_json: AsJson = False
) -> None:
    """Bring back what was archived or deleted, with its number, label and tags.

    Example: modelyard restore fraud/3
    """
    found = workspace()
    if everything:
        _show(found.restore_model(reference, reason=reason, dataset=dataset), "restored", reference, as_json)
    else:
        found.restore(reference, reason=reason, dataset=dataset)
        _show([reference], "restored", reference, as_json)


def delete(
    reference: Which, everything: All = False, reason: Reason = "", dataset: OfData = False, as_json: AsJson = False
) -> None:
    """Delete a version. Refused, naming them, while aliases, deployments or other versions refer to it.

    Its number is never used again. For 30 days it can be restored; a `modelyard gc` after that removes its bytes.

    Example: modelyard delete fraud/3 --reason "trained on the wrong data"
    """
    found = workspace()
    if everything:
        _show(found.delete_model(reference, reason=reason, dataset=dataset), "deleted", reference, as_json)
    else:
        found.delete(reference, reason=reason, dataset=dataset)
        _show([reference], "deleted", reference, as_json)
    if not as_json:
        say(
            f"for 30 days: modelyard restore {reference}{' --all' if everything else ''}{' --dataset' if dataset else ''}"
        )


def label(
    reference: Annotated[str, typer.Argument(metavar="REFERENCE", help="name/3, name@alias or name")],
    text: Annotated[str, typer.Argument(metavar="LABEL", help="A free version name such as 1.0.")],
    reason: Reason = "",
    dataset: OfData = False,
) -> None:
    """Give a version its label, once: it never comes to mean another version.

    Example: modelyard label fraud/3 1.0.0
    """
    found = workspace()
    found.label(reference, text, reason=reason, dataset=dataset)
    entry = found.dataset(reference) if dataset else found.model(reference)
    say(f"{entry.reference} is {entry.name}:{entry.label}")


def describe(
    reference: Annotated[str, typer.Argument(metavar="REFERENCE", help="A version; a bare name for the model itself.")],
    description: Annotated[str | None, typer.Argument(help="What it is, in a sentence.")] = None,
    card: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A Markdown file that becomes the model card.")
    ] = None,
    reason: Reason = "",
    dataset: OfData = False,
) -> None:
    """Write the description or the model card of a version, or of a model as a whole; without either, print the card.

    Example: modelyard describe fraud/3 "retrained without weekends" --card MODEL_CARD.md
    """
    found = workspace()
    if description is None and card is None:
        say(found.card(reference, dataset=dataset))
        return
    text = None if card is None else _read(card)
    found.describe(reference, description=description, card=text, reason=reason, dataset=dataset)
    say(f"{reference} described")


def metrics(
    reference: Annotated[str, typer.Argument(metavar="REFERENCE", help="name, name/3, name:1.0 or name@alias")],
    values: Annotated[list[str] | None, typer.Argument(metavar="[NAME=NUMBER]...", help="What was measured.")] = None,
    on: Annotated[str | None, typer.Option(metavar="DATASET", help="The data set that it was measured on.")] = None,
    step: Annotated[int | None, typer.Option(help="The step of training that it was measured at.")] = None,
    as_json: AsJson = False,
) -> None:
    """Log measurements of a version; without any, show all that were logged.

    Example: modelyard metrics fraud/3 auc=0.93 --on flights/2
    """
    model = workspace().model(reference)
    if values:
        model.log_metrics(pairs.metrics(values) or {}, step=step, dataset=on)
    found = model.measurements()
    if as_json:
        show_json([{**vars(each), "time": time_text(each.time)} for each in found])
        return
    show_table(
        ("metric", "value", "step", "data set", "logged"),
        [(m.key, f"{m.value:.6g}", m.step, m.dataset, time_text(m.time)) for m in found],
        empty=f"{model.reference} has no metrics; log some with: modelyard metrics {model.reference} auc=0.93",
    )


def _show(changed: list[str], done: str, asked: str, as_json: bool) -> None:
    if as_json:
        show_json({"asked": asked, done: changed})
    else:
        say("\n".join(f"{each} {done}" for each in changed) or f"nothing of {asked} was to be {done}")


def _read(path: Path) -> str:
    from modelyard.core.errors import PathMissing, PathUnusable

    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise PathMissing(path=path) from None
    except (OSError, UnicodeDecodeError) as error:
        raise PathUnusable(path=path, problem=f"it is no text in UTF-8 ({error})") from None

"""``search``."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelyard.cli.output import AsJson, age_text, bytes_text, pairs_text, say, show_json, show_table, time_text
from modelyard.cli.session import workspace

if TYPE_CHECKING:
    from modelyard.client.entry import Entry
    from modelyard.registry import LedgerRow
    from modelyard.registry.search import ModelRow


class Of(StrEnum):
    """What is searched."""

    VERSIONS = "versions"
    MODELS = "models"
    DATASETS = "datasets"
    DATASET_VERSIONS = "dataset_versions"
    LEDGER = "ledger"


def add_to(app: typer.Typer) -> None:
    app.command("search")(search)


def search(
    filter: Annotated[  # noqa: A002 - its name everywhere
        str,
        typer.Argument(
            metavar="FILTER", help="A condition, such as: metrics.auc > 0.9 and tags.type = 'x'. Empty for all."
        ),
    ] = "",
    of: Annotated[Of, typer.Option("--of", help="What to search.")] = Of.VERSIONS,
    order: Annotated[
        list[str] | None, typer.Option("--order", metavar="FIELD [desc]", help="In which order. May be repeated.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 100,
    page: Annotated[
        str | None, typer.Option("--page", metavar="TOKEN", help="Go on after the page that gave this token.")
    ] = None,
    count: Annotated[bool, typer.Option("--count", help="Only say how many there are.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find versions, models, data sets or ledger rows by any field that is stored, the newest first.

    Example: modelyard search "metrics.auc > 0.9 and provenance.git.dirty = false" --order "metrics.auc desc"
    """
    found = workspace()
    if count:
        number = found.count(filter, of=of.value)
        show_json({"count": number}) if as_json else say(str(number))
        return
    result = found.search(filter, of=of.value, order_by=order or (), limit=limit, page_token=page)
    if as_json:
        from modelyard.client.listing import documents

        if of in (Of.VERSIONS, Of.DATASET_VERSIONS):
            items = documents(result.items)
        else:
            items = [item.to_json() for item in result]
        show_json({"items": items, "next_page": result.next_token})
        return
    columns, rows = _TABLES[of](result.items)
    show_table(columns, rows, empty="nothing was found")
    if result.next_token is not None:
        typer.echo(f"there is more; go on with: --page {result.next_token}", err=True)


def _versions(found: Sequence[Entry]) -> tuple[Sequence[str], list[Sequence[object]]]:
    columns = ("name", "version", "label", "aliases", "metrics", "size", "created", "tags")
    return columns, [
        (
            entry.name,
            entry.version,
            entry.label,
            ", ".join(entry.aliases),
            pairs_text({key: f"{value:.4g}" for key, value in entry.metrics.items()}),
            bytes_text(entry.size),
            age_text(entry.created_time),
            pairs_text(entry.tags),
        )
        for entry in found
    ]


def _models(found: Sequence[ModelRow]) -> tuple[Sequence[str], list[Sequence[object]]]:
    columns = ("name", "version", "state", "created", "who", "description")
    return columns, [
        (row.name, row.latest, row.state, age_text(row.created_time), row.created_by, row.description) for row in found
    ]


def _ledger(found: Sequence[LedgerRow]) -> tuple[Sequence[str], list[Sequence[object]]]:
    from modelyard.cli.ledger import change_text

    columns = ("#", "time", "who", "what", "subject", "change", "why")
    return columns, [
        (row.sequence, time_text(row.time), row.actor, row.action, row.subject, change_text(row), row.reason)
        for row in found
    ]


_TABLES: dict[Of, Any] = {
    Of.VERSIONS: _versions,
    Of.DATASET_VERSIONS: _versions,
    Of.MODELS: _models,
    Of.DATASETS: _models,
    Of.LEDGER: _ledger,
}

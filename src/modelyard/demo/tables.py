"""What the tour shows, as text."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from modelyard.client.model import Model
from modelyard.deployments import Measurement
from modelyard.registry import LedgerRow


def moment(when: datetime) -> str:
    """The time of day, in the local zone."""
    return when.astimezone().strftime("%H:%M:%S")


def facts(model: Model) -> str:
    """What is known of a version, a line each."""
    git, build = model.provenance["git"], model.provenance["build"]
    environment = model.provenance["environment"]
    signature = model.signature
    metrics = ", ".join(f"{key} {value:.3f}" for key, value in model.metrics.items())
    return "\n".join(
        [
            f"commit      {git['commit'][:7]} on {git['branch']}{' (changed)' if git['dirty'] else ''}",
            f"data        {', '.join(reference for _, reference in model.inputs)}",
            f"environment Python {environment['python']}, {len(environment['distributions'])} distributions",
            f"build       {build['number']}",
            f"metrics     {metrics}",
            f"signature   {', '.join(column.name for column in signature.inputs) if signature else 'none'}",
            f"digest      {model.digest}",
        ]
    )


def lineage(model: Model) -> str:
    """What a version was made from, as a tree."""
    git, build = model.provenance["git"], model.provenance["build"]
    command = " ".join(model.provenance["command"]["argv"])
    lines = [f"{model.reference} {model.digest[:19]}"]
    lines += [
        f"├─ data   {reference} {model.workspace.dataset(reference).digest[:19]}" for _, reference in model.inputs
    ]
    lines += [
        f"├─ code   {git['commit'][:7]} on {git['branch']}",
        f"├─ ran    {command}",
        f"└─ build  {build['number']}",
    ]
    return "\n".join(lines)


def versions(models: Sequence[Model], width: int) -> str:
    return _table(
        ("version", "aliases", "months", "data", "commit", "build", "offline auc"),
        [
            (
                model.reference,
                ", ".join(model.aliases),
                model.tags.get("months", ""),
                ", ".join(reference for _, reference in model.inputs),
                model.provenance["git"]["commit"][:7],
                model.provenance["build"]["number"],
                f"{model.metrics['auc']:.3f}" if "auc" in model.metrics else "",
            )
            for model in models
        ],
        width,
    )


def ledger(rows: Sequence[LedgerRow], width: int) -> str:
    return _table(
        ("#", "time", "what", "subject", "why"),
        [(row.sequence, moment(row.time), row.action, row.subject, row.reason or _subject(row)) for row in rows],
        width,
    )


def _subject(row: LedgerRow) -> str:
    candidate = row.after.get("candidate") if isinstance(row.after, dict) else None
    return f"version {candidate} goes out" if candidate else ""


def drift(found: Measurement, features: Sequence[str], width: int) -> str:
    """One line a month and version that served users."""
    rows = []
    for window in found.windows:
        if not window.stable_requests:
            continue
        scores = {score.feature: score for score in window.drift}
        cells = []
        for feature in features:
            score = scores.get(feature)
            known = score is not None and score.value is not None
            cells.append(f"{score.value:.2f}{'*' if score.drifted else ''}" if known and score else "")
        quality = window.quality.get("auc")
        rows.append(
            (
                window.start.strftime("%B"),
                window.version,
                window.rows,
                *cells,
                f"{quality.value:.3f}" if quality else "",
            )
        )
    return _table(("month", "version", "flights", *features, "live auc"), rows, width)


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]], width: int) -> str:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", justify="left")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    text = io.StringIO()
    Console(file=text, width=width, highlight=False, force_terminal=False).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())

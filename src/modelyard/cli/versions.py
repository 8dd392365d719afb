"""``register``, ``list``, ``show``, ``get``, ``tag``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelyard.cli import pairs
from modelyard.cli.difference import show_tensors
from modelyard.cli.output import (
    AsJson,
    age_text,
    bytes_text,
    pairs_text,
    progress,
    say,
    show_facts,
    show_json,
    show_table,
    time_text,
)
from modelyard.cli.session import workspace

if TYPE_CHECKING:
    from modelyard.client.entry import Entry
    from modelyard.client.workspace import Workspace

Reference = Annotated[str, typer.Argument(metavar="REFERENCE", help="name, name/3, name:1.0 or name@alias")]
OfData = Annotated[bool, typer.Option("--dataset", help="The reference is of a data set, not of a model.")]
At = Annotated[
    str | None, typer.Option(metavar="TIME", help="Where the alias pointed then: 2026-03-01T12:00, '2h ago'.")
]
TagOption = Annotated[list[str] | None, typer.Option("--tag", metavar="KEY=VALUE", help="May be repeated.")]


def add_to(app: typer.Typer) -> None:
    app.command("register")(register)
    app.command("list")(list_versions)
    app.command("show")(show)
    app.command("get")(get)
    app.command("tag")(tag)


def register(
    name: Annotated[str, typer.Argument(help="The name of the model; made by its first version.")],
    path: Annotated[Path, typer.Argument(help="The file or folder to keep.")],
    tag: TagOption = None,
    label: Annotated[str | None, typer.Option(help="A free version name such as 1.0, unique in the model.")] = None,
    metric: Annotated[list[str] | None, typer.Option(metavar="NAME=NUMBER", help="May be repeated.")] = None,
    prop: Annotated[
        list[str] | None, typer.Option("--property", metavar="KEY=VALUE", help="Write-once; may be repeated.")
    ] = None,
    dataset: Annotated[
        list[str] | None, typer.Option(metavar="REFERENCE", help="A data set it was made from; may be repeated.")
    ] = None,
    base: Annotated[
        str | None, typer.Option(metavar="REFERENCE", help="The version that it was trained from; of any model.")
    ] = None,
    description: Annotated[str, typer.Option(help="What it is, in a sentence.")] = "",
    as_json: AsJson = False,
) -> None:
    """Keep a file or folder as the next version of a model, with the commit, environment and CI build that made it.

    Example: modelyard register fraud model.joblib --tag build_number=20190809.2 --label 1.0 --metric auc=0.93
    """
    found = workspace(create=True)
    with progress("register", lambda: size_of(path)) as bar:
        model = found.register(
            name,
            path,
            label=label,
            tags=pairs.tags(tag),
            properties=pairs.tags(prop),
            metrics=pairs.metrics(metric),
            datasets=dataset or (),
            base=base,
            description=description,
            progress=bar,
        )
    if as_json:
        show_json(model.to_json())
    else:
        say(f"{model.reference} {model.digest}")


def list_versions(
    name: Annotated[str | None, typer.Argument(help="A model; without it, the newest version of every model.")] = None,
    tag: TagOption = None,
    latest: Annotated[bool, typer.Option("--latest", help="Only the newest match of each model.")] = False,
    datasets: Annotated[bool, typer.Option("--datasets", help="Data sets instead of models.")] = False,
    as_json: AsJson = False,
) -> None:
    """List models, or the versions of one.

    Example: modelyard list fraud --tag type=classification
    """
    from modelyard.core.names import Kind, ModelName
    from modelyard.core.tags import tags_to_match

    found = workspace()
    kind: Kind = "dataset" if datasets else "model"
    if name is not None:
        found.registry.require(kind, ModelName(name))
    rows = found.registry.versions(
        kind,
        name=None if name is None else ModelName(name),
        wanted=tags_to_match(pairs.tags(tag)),
        latest=latest or name is None,
    )
    entries: list[Entry] = [found._dataset(row) if datasets else found._model(row) for row in rows]
    if as_json:
        show_json([entry.to_json() for entry in entries])
        return
    show_table(
        ("name", "version", "label", "aliases", "metrics", "size", "created", "tags"),
        [
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
            for entry in entries
        ],
        empty=f"no {kind} versions in {found.place}; make one with: "
        + ("modelyard snapshot PATH --name NAME" if datasets else "modelyard register NAME PATH"),
    )


def show(
    reference: Reference,
    dataset: OfData = False,
    at: At = None,
    tensors: Annotated[
        bool, typer.Option("--tensors", help="List its tensors instead; in JSON beside the rest.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show everything known of a version: files, metrics, and what made it.

    Example: modelyard show fraud@production --at "2h ago"
    """
    found = workspace()
    entry = _entry(found, reference, dataset, at)
    if tensors and not as_json:
        show_tensors(entry)
        return
    provenance = entry.provenance
    if as_json:
        files = [{"path": f.path, "size": f.size, "digest": f.digest} for f in entry.manifest.files]
        listed = {"tensors": [one.to_json() for one in entry.tensors().infos()]} if tensors else {}
        show_json({**entry.to_json(), "files": files, "provenance": provenance, **listed})
        return
    show_facts(
        [
            ("version", entry.reference + (f" (label {entry.label})" if entry.label else "")),
            ("aliases", ", ".join(entry.aliases)),
            ("digest", entry.digest),
            ("description", entry.description),
            ("created", f"{time_text(entry.created_time)} by {entry.created_by}"),
            ("flavor", entry.flavor),
            ("metrics", pairs_text({key: f"{value:.6g}" for key, value in entry.metrics.items()})),
            ("tags", pairs_text(entry.tags)),
            ("properties", pairs_text(entry.properties)),
            ("files", "\n".join(f"{f.path} ({bytes_text(f.size)})" for f in entry.manifest.files[:20])),
            ("signature", _signature(entry)),
            *_lineage(provenance, entry),
        ]
    )


def get(
    reference: Reference,
    target: Annotated[Path, typer.Argument(help="The folder to write into; here by default.")] = Path(),
    dataset: OfData = False,
    at: At = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
    link: Annotated[
        bool, typer.Option("--link", help="Read-only hard links into the cache: a second copy costs nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write the verified files of a version into a folder and print where.

    Example: modelyard get fraud@production ./model
    """
    entry = _entry(workspace(), reference, dataset, at)
    with progress("get", entry.size) as bar:
        path = entry.download(target, exist_ok=force, link=link, progress=bar)
    if as_json:
        show_json({"reference": entry.reference, "digest": entry.digest, "path": path})
    else:
        say(path)


def tag(
    reference: Reference,
    tags: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Tags to set.")] = None,
    remove: Annotated[list[str] | None, typer.Option(metavar="KEY", help="A tag to remove; may be repeated.")] = None,
    dataset: OfData = False,
    as_json: AsJson = False,
) -> None:
    """Set or remove tags of a version, and show what it has.

    Example: modelyard tag fraud/3 reviewed=yes --remove draft
    """
    entry = _entry(workspace(), reference, dataset, None)
    if tags:
        entry.add_tags(pairs.tags(tags))
    if remove:
        entry.remove_tags(remove)
    if as_json:
        show_json({"reference": entry.reference, "tags": entry.tags})
    else:
        say(f"{entry.reference} {pairs_text(entry.tags)}".rstrip())


def _entry(found: Workspace, reference: str, dataset: bool, at: str | None) -> Entry:
    return found.dataset(reference, at=at) if dataset else found.model(reference, at=at)


def size_of(path: Path) -> int | None:
    """Bytes of the file at a path, or of all files below it; None where there is nothing to read, which whoever reads it will say."""
    from modelyard.core.errors import ModelyardError
    from modelyard.store.writing.tree import tree_of

    try:
        return sum(file.size for file in tree_of(path))
    except ModelyardError:
        return None


def _signature(entry: Entry) -> str:
    signature = getattr(entry, "signature", None)
    if signature is None:
        return ""
    inputs = ", ".join(f"{field.name}: {field.type}" for field in signature.inputs)
    outputs = ", ".join(f"{field.name}: {field.type}" for field in signature.outputs)
    return f"({inputs})" + (f" -> ({outputs})" if outputs else "")


def _lineage(provenance: dict[str, Any], entry: Entry) -> list[tuple[str, object]]:
    git, build = provenance.get("git") or {}, provenance.get("build") or {}
    environment = provenance.get("environment") or {}
    command = provenance.get("command") or {}
    state = " with uncommitted changes (kept)" if git.get("dirty") else ""
    return [
        ("commit", f"{git.get('commit')} on {git.get('branch') or 'no branch'}{state}" if git.get("commit") else ""),
        ("remote", git.get("remote")),
        ("command", " ".join(command.get("argv") or [])),
        ("build", f"{build.get('system')} {build.get('number')} {build.get('url') or ''}".strip() if build else ""),
        (
            "data",
            "\n".join(
                f"{item['reference']} as {item['role']} {item['digest'][:19]}" for item in provenance.get("inputs", [])
            ),
        ),
        (
            "environment",
            f"Python {environment.get('python')}, {len(environment.get('distributions') or [])} distributions"
            if environment
            else "",
        ),
    ]

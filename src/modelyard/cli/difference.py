"""``diff``, and lists of tensors."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelyard.cli.output import AsJson, bytes_text, progress, say, show_json, show_table
from modelyard.cli.session import workspace

if TYPE_CHECKING:
    from modelyard.client.difference import Difference, Keyed, Pair
    from modelyard.client.entry import Entry
    from modelyard.store.tensors.file_changes import FileChanges
    from modelyard.store.tensors.tensor_changes import TensorChange, TensorChanges
    from modelyard.store.tensors.tensors import TensorInfo

FEW = 20
"""So many rows of each part are shown without ``--all``."""
LINES = 40


def add_to(app: typer.Typer) -> None:
    app.command("diff")(diff)


def diff(
    a: Annotated[str, typer.Argument(metavar="FROM", help="name/3, name:1.0, name@alias")],
    b: Annotated[str, typer.Argument(metavar="TO", help="Another version, of the same model or of another.")],
    dataset: Annotated[bool, typer.Option("--dataset", help="The references are of data sets, not of models.")] = False,
    tensor: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this tensor; may be repeated.")] = None,
    text: Annotated[bool, typer.Option("--text", help="The lines of small text files too.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help=f"All rows, not only the first {FEW} of each part.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what changes from one version to another: files, tensors, metadata, metrics, code, environment.

    Example: modelyard diff fraud@production fraud
    """
    with progress("compare", None) as bar:
        found = workspace().diff(a, b, dataset=dataset, tensors=tensor, text=text, progress=bar)
    if as_json:
        show_json(found.to_json())
        return
    say(f"{found.before} -> {found.after}: {found.summary}" if not found.is_itself else found.summary)
    limit = None if everything else FEW
    _show_files(found.comparison.files, limit)
    _show_tensors(found.comparison.tensors, limit)
    for path, lines in found.comparison.texts.items():
        _section(f"text of {path}", lines, None if everything else LINES)
    _section("metrics", _metrics(found), limit)
    _section("metadata", _pairs(found.metadata), limit)
    _section("tags", _keyed(found.tags), limit)
    _section("properties", _keyed(found.properties), limit)
    _section("inputs", _keyed(found.inputs), limit)
    _section("code", _pairs(found.code), limit)
    _section("environment", [*_pairs(found.environment), *_keyed(found.packages)], limit)


def show_tensors(entry: Entry) -> None:
    """The tensors of a version as a table."""
    show_table(
        ("name", "dtype", "shape", "bytes", "file"),
        [
            (printable(one.name), one.dtype, _shape(one), one.size, printable(one.file))
            for one in entry.tensors().infos()
        ],
        empty=f"no file of {entry.reference} is of a format whose tensors are known (safetensors, GGUF, NumPy, PyTorch)",
    )


def _show_files(files: FileChanges, limit: int | None) -> None:
    lines = [
        f"changed  {_from_to(one.was, one.path)} ({_from_to(bytes_text(one.before), bytes_text(one.after))}; "
        f"{_share(one.common, one.after)} of its bytes in chunks that it had)"
        for one in files.changed
    ]
    lines += [f"renamed  {_from_to(one.was, one.path)} ({bytes_text(one.size)})" for one in files.renamed]
    lines += [f"added    {one.path} ({bytes_text(one.size)})" for one in files.added]
    lines += [f"removed  {one.path} ({bytes_text(one.size)})" for one in files.removed]
    if lines:
        rest = f"{files.unchanged} unchanged, {files.new_chunks} new chunks of {bytes_text(files.new_bytes)}"
        _section(f"files ({rest})", lines, limit)


def _show_tensors(tensors: TensorChanges, limit: int | None) -> None:
    rows = [_row(one) for one in tensors.changed]
    rows += [("added", one.name, one.dtype, _shape(one), "", "", "", "") for one in tensors.added]
    rows += [("removed", one.name, one.dtype, _shape(one), "", "", "", "") for one in tensors.removed]
    if not rows:
        return
    columns = ("", "name", "dtype", "shape", "relative norm", "largest", "elements changed", "not finite")
    told = [column for column in range(len(columns)) if any(row[column] for row in rows[:limit])]
    say(f"\ntensors ({tensors.unchanged} unchanged)")
    show_table(
        [columns[column] for column in told],
        [[printable(row[column]) for column in told] for row in rows[:limit]],
        empty="",
    )
    _rest(len(rows), limit)


def _row(one: TensorChange) -> tuple[str, ...]:
    found = one.change
    dtype = _from_to(one.before.dtype, one.after.dtype)
    shape = _from_to(_shape(one.before), _shape(one.after))
    if found is None:
        return "changed", one.name, dtype, shape, "", "", "", ""
    bad = " -> ".join(map(str, found.not_finite)) if any(found.not_finite) else ""
    return (
        "changed",
        one.name,
        dtype,
        shape,
        _number(found.relative),
        _number(found.largest),
        _share(found.changed, found.elements),
        bad,
    )


def _metrics(found: Difference) -> Iterator[str]:
    from modelyard.client.difference import number

    for key, pair in found.metrics.changed.items():
        yield f"{key}  {number(pair.before)} -> {number(pair.after)} ({pair.after - pair.before:+.6g})"
    yield from (f"{key}  added: {number(value)}" for key, value in found.metrics.added.items())
    yield from (f"{key}  removed: {number(value)}" for key, value in found.metrics.removed.items())


def _pairs(found: Mapping[str, Pair]) -> Iterator[str]:
    for key, pair in found.items():
        if key == "signature":
            yield from _signature(pair)
        else:
            yield f"{key}  {_value(pair.before)} -> {_value(pair.after)}"


def _signature(pair: Pair) -> Iterator[str]:
    from modelyard.client.difference import keyed

    for part in ("inputs", "outputs"):
        before, after = (
            {
                field["name"]: field["type"] + ("" if field.get("required", True) else "?")
                for field in side.get(part, ())
            }
            for side in (pair.before or {}, pair.after or {})
        )
        changes = keyed(before, after)
        yield from (f"signature {part}: {line}" for line in _keyed(changes))
        if not changes and list(before) != list(after):
            yield f"signature {part}: another order"


def _keyed(found: Keyed) -> Iterator[str]:
    yield from (f"{key}  {_value(pair.before)} -> {_value(pair.after)}" for key, pair in found.changed.items())
    yield from (f"{key}  added: {_value(value)}" for key, value in found.added.items())
    yield from (f"{key}  removed: {_value(value)}" for key, value in found.removed.items())


def _section(title: str, lines: Sequence[str] | Iterator[str], limit: int | None) -> None:
    listed = list(lines)
    if not listed:
        return
    say(f"\n{printable(title)}")
    for line in listed[:limit]:
        say(f"  {printable(line)}")
    _rest(len(listed), limit)


def _rest(count: int, limit: int | None) -> None:
    if limit is not None and count > limit:
        say(f"  … and {count - limit} more; see them with --all")


def printable(text: str) -> str:
    """Names come from files of others: what would steer the terminal is shown as its escape."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, str) and value.startswith("sha256:"):
        return value[:19]
    told = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return told if len(told) <= 80 else told[:77] + "…"


def _shape(one: TensorInfo) -> str:
    return "×".join(map(str, one.shape)) or "scalar"


def _from_to(before: str, after: str) -> str:
    return before if before == after else f"{before} -> {after}"


def _share(part: int, whole: int) -> str:
    """A percentage that is 0 % or 100 % only when it is.

    >>> _share(1, 100_000), _share(99_999, 100_000), _share(0, 0)
    ('<0.1%', '>99.9%', '0%')
    """
    percent = 100 * part / whole if whole else 0.0
    if 0 < percent < 0.1:
        return "<0.1%"
    if 99.9 < percent < 100:
        return ">99.9%"
    return f"{percent:.3g}%"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return "from zero" if math.isinf(value) else f"{value:.3g}"

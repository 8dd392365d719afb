"""Bundles that say what they like: a real one taken apart, changed, and put together with digests that fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from modelyard.core.digests import canonical_json
from modelyard.store.codecs import zstandard
from modelyard.store.packs import Entry, PackBuilder
from modelyard.store.packs.pack import ONCE, key_of, table_of
from modelyard.transfer.bundle.objects import BundleObjects
from modelyard.transfer.bundle.reading import BundleFile
from modelyard.transfer.bundle.writing import BundleWriter

Lines = list[dict[str, Any]]
Pieces = list[tuple[Entry, bytes]]


def forged(
    path: Path,
    target: Path,
    *,
    records: Callable[[Lines], None] = lambda _lines: None,
    pieces: Callable[[Pieces], None] = lambda _pieces: None,
    header: Callable[[dict[str, Any]], None] = lambda _header: None,
) -> Path:
    """Writes ``path`` anew as ``target`` with changed lines, pieces and header; everything else of it is as it must be."""
    with BundleFile(path) as bundle:
        lines = [
            json.loads(line)
            for member in bundle.members("records/")
            for line in bundle.decompressed(member).split(b"\n")
        ]
        objects = BundleObjects(bundle)
        listed: Pieces = []
        for member in bundle.members("packs/"):
            name = member.name.removeprefix("packs/")
            for entry in table_of(objects, name, member.size):
                listed.append((entry, bundle.read_at(member, entry.offset, entry.stored)))
        told = json.loads(json.dumps(bundle.header))
    records(lines)
    pieces(listed)
    header(told)
    builder = PackBuilder(bytes(ONCE))
    for entry, stored in listed:
        builder.add(
            entry.kind,
            entry.key,
            entry.codec,
            stored,
            entry.length,
            base=entry.base,
            depth=entry.depth,
            rank=entry.rank,
        )
    data = b"\n".join(canonical_json(line) for line in lines)
    with BundleWriter(target, exist_ok=True) as writer:
        writer.add("records/000001", [zstandard.compressed(data)], len(data))
        if listed:
            pack = builder.finish()
            writer.add(key_of(pack.name), pack.parts)
        writer.finish(told)
    return target

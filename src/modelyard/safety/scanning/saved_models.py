"""The graph of a TensorFlow SavedModel: operations in it that reach out of the model."""

from __future__ import annotations

from modelyard.safety.scanning.pickles import Seen
from modelyard.safety.scanning.source import BLOCK, Source

NAME = "saved_model.pb"
REACHING = ("WriteFile", "ReadFile", "PyFunc", "EagerPyFunc", "PyFuncStateless", "MatchingFiles")


def look(source: Source) -> list[Seen]:
    """What there is to tell: an operation is named in the graph by its field ``op``, a string of protobuf."""
    marks = {b"\x12" + bytes([len(name)]) + name.encode(): name for name in REACHING}
    found: set[str] = set()
    before = b""
    while block := source.read(BLOCK):
        text = before + block
        found |= {name for mark, name in marks.items() if mark in text}
        before = text[-64:]
    reaching = sorted(found)
    told = [
        Seen("dangerous", f"has the operation {name} in its graph, which reaches out of the model", name)
        for name in reaching
    ]
    return [*told, Seen("unknown", "is a graph of TensorFlow, of which only operations on files are known here")]

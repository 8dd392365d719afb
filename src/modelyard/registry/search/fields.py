"""What can be asked of models, versions and ledger rows: every stored field, by its name here and in MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, Literal, TypeAlias

from modelyard.registry.language import Mistake
from modelyard.registry.language.tree import Name

Subject: TypeAlias = Literal["models", "versions", "datasets", "dataset_versions", "ledger"]
Type: TypeAlias = Literal["text", "label", "whole", "number", "truth", "time", "document", "several"]

IN_WORDS: Final[Mapping[Type, str]] = {
    "text": "text", "label": "text", "whole": "a number", "number": "a number", "truth": "true or false", "time": "a time",
    "document": "a document", "several": "several texts",
}  # fmt: skip


@dataclass(frozen=True)
class Field:
    """One field; a ``keyed`` one has a key of its own after its name, as ``tags.type`` has, and a document may have several."""

    name: str
    type: Type
    about: str
    keys: Literal["none", "one", "two", "any"] = "none"


def _fields(*found: Field) -> dict[str, Field]:
    return {field.name: field for field in found}


_TAGS = Field("tags", "text", "a tag", "one")
VERSION_FIELDS: Final = _fields(
    Field("name", "text", "the name of the model"),
    Field("number", "whole", "1, 2, 3 … in its model"),
    Field("label", "label", "the free version name; < and > compare semantic versions as such"),
    Field("digest", "text", "of the manifest: what the version is"),
    Field("flavor", "text", "how the object became files: sklearn, onnx, files …"),
    Field("size", "whole", "bytes of all files"),
    Field("files", "whole", "how many files"),
    Field("description", "text", "what was said of it"),
    Field("card", "text", "the model card, Markdown"),
    Field("state", "text", "active, archived, deleted or purged"),
    Field("state_time", "time", "when it came into this state; null while it was always active"),
    Field("archived", "truth", "whether its state is archived"),
    Field("created_time", "time", "when it was registered"),
    Field("created_by", "text", "who registered it"),
    _TAGS,
    Field("properties", "text", "a property", "one"),
    Field("metrics", "number", "the last value of a metric", "one"),
    Field("measured_on", "number", 'the last value on a data set: measured_on["flights/3"].auc', "two"),
    Field("alias", "several", "the aliases that point here"),
    Field("aliases", "whole", "has(aliases.production): whether that alias points here", "one"),
    Field("input", "several", "the versions that it was made from, such as 'flights/3'"),
    Field("inputs", "several", "the same by role: inputs.training", "one"),
    Field("provenance", "document", "what made it: provenance.git.commit, provenance.build.number …", "any"),
    Field("scan", "document", "what the last safety scan found", "any"),
    Field("signatures", "document", "the last signature", "any"),
)
MODEL_FIELDS: Final = _fields(
    Field("name", "text", "the name"),
    Field("description", "text", "what was said of it"),
    Field("card", "text", "the model card, Markdown"),
    Field("state", "text", "active, archived or deleted"),
    Field("state_time", "time", "when it came into this state; null while it was always active"),
    Field("archived", "truth", "whether its state is archived"),
    Field("created_time", "time", "when the name was first used"),
    Field("created_by", "text", "who used it first"),
    Field("updated_time", "time", "when its newest version was registered"),
    _TAGS,
    Field("alias", "several", "the aliases that it has"),
    Field("aliases", "whole", "the number that an alias points to: aliases.production", "one"),
    Field("versions", "whole", "how many active versions it has"),
    Field("latest", "whole", "the highest number of an active version; null without one"),
)
LEDGER_FIELDS: Final = _fields(
    Field("sequence", "whole", "1, 2, 3 …"),
    Field("time", "time", "when the row was written here"),
    Field("happened", "time", "when the change was made, also where it was made in another yard"),
    Field("actor", "text", "who did it"),
    Field("action", "text", "what was done: version.register, alias.move …"),
    Field("kind", "text", "model, dataset, deployment or yard"),
    Field("name", "text", "of the model, data set or deployment"),
    Field("subject", "text", "fraud/3, fraud@production …"),
    Field("reason", "text", "why"),
    Field("before", "document", "what was: before.version", "any"),
    Field("after", "document", "what is since then: after.version", "any"),
    Field("evidence", "document", "on what it rests", "any"),
    Field("origin_yard", "text", "the yard that the row came from; null for one of this yard"),
)
FIELDS: Final[Mapping[Subject, Mapping[str, Field]]] = {
    "versions": VERSION_FIELDS, "dataset_versions": VERSION_FIELDS, "models": MODEL_FIELDS, "datasets": MODEL_FIELDS, "ledger": LEDGER_FIELDS,
}  # fmt: skip

_OF_VERSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "version": ("number",), "version_number": ("number",), "creation_timestamp": ("created_time",),
    "last_updated_timestamp": ("created_time",), "user_id": ("created_by",), "aliases": ("alias",), "inputs": ("input",),
    "run_id": ("properties", "mlflow.run_id"), "source_path": ("properties", "mlflow.source"),
}  # fmt: skip
_OF_MODELS: Final[Mapping[str, tuple[str, ...]]] = {
    "creation_timestamp": ("created_time",), "last_updated_timestamp": ("updated_time",), "timestamp": ("updated_time",), "aliases": ("alias",),
}  # fmt: skip
SPELLINGS: Final[Mapping[Subject, Mapping[str, tuple[str, ...]]]] = {
    "versions": _OF_VERSIONS, "dataset_versions": _OF_VERSIONS, "models": _OF_MODELS, "datasets": _OF_MODELS, "ledger": {},
}  # fmt: skip
"""Other names that stand for the whole of a field: those of MLflow, and the plural where no key follows."""

_PREFIXES = ("attribute", "attributes", "attr")
_LAST_PLACE = 2**31 - 1
_UNSEARCHABLE = frozenset('"\\') | {chr(code) for code in range(32)}


def resolved(subject: Subject, name: Name) -> tuple[Field, Name]:
    """The field that is meant, and its name as it is spelled here. Raises Mistake for a name that leads to no field."""
    path = name.path
    if path[0] in _PREFIXES and len(path) > 1:
        path = path[1:]
    if len(path) == 1:
        path = SPELLINGS[subject].get(str(path[0]), path)
    found = FIELDS[subject].get(str(path[0]))
    if found is None:
        raise Mistake(name.column, _no_field(subject, str(path[0])))
    keys = path[1:]
    problem = _wrong_keys(found, keys)
    if problem:
        raise Mistake(name.column, problem)
    return found, Name(path, start=name.start, end=name.end)


def _wrong_keys(field: Field, keys: tuple[str | int, ...]) -> str:
    wanted = {"none": 0, "one": 1, "two": 2, "any": len(keys)}[field.keys]
    if len(keys) < wanted:
        keyed = f"{field.name}.key" if field.keys == "one" else f'{field.name}["data set"].key'
        return f"{field.name} is asked for by key: {keyed}"
    if len(keys) > wanted:
        return f"{field.name} is {IN_WORDS[field.type]} and has no key {keys[wanted]!r}"
    if field.type != "document" and any(isinstance(key, int) for key in keys):
        return f"{field.name} has keys of text; write the key in quotes"
    for key in keys if field.type == "document" else ():
        if isinstance(key, str) and (not key or _UNSEARCHABLE & set(key)):
            return f"the key {key!r} of a document cannot be searched for"
        if isinstance(key, int) and key > _LAST_PLACE:
            return f"{key} is no place in a list"
    return ""


def _no_field(subject: Subject, word: str) -> str:
    known = [*FIELDS[subject], *SPELLINGS[subject]]
    what = {"ledger": "a ledger row", "models": "a model", "datasets": "a data set"}.get(subject, "a version")
    close = get_close_matches(word, known, 1) or get_close_matches(word.lower(), known, 1)
    hint = f"did you mean {close[0]!r}?" if close else f"text stands in quotes; fields are {', '.join(FIELDS[subject])}"
    return f"{what} has no field {word!r}; {hint}"

"""Random yards and random filters over them, what every version in them is to the evaluator, and the order that is to be expected."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from sqlalchemy import Connection, insert, update

from modelyard.core.clock import from_micros, to_micros
from modelyard.core.digests import canonical_json
from modelyard.core.names import LabelName
from modelyard.registry import labels, schema
from modelyard.registry.language import Node
from modelyard.registry.language.tree import (
    And,
    Comparison,
    Constant,
    Has,
    IsNull,
    Like,
    Name,
    Not,
    Or,
    Within,
)
from modelyard.registry.search.documents import ZERO

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MODELS = ["fraud", "Fraud", "fra_ud", "churn"]
KEYS = ["type", "a.b", "my key", "it's", 'q"q', "`", "ü", "%"]
ROLES = ["training", "base"]
ALIASES = ["production", "staging"]
ODD = ["", " ", "a", "A", "ab", "aB", "%", "_", "a%", "a_b", "it's", '"', "\\", "*", "[a]", "?", "é", "É", "ß", "😀", "\uffff", "a\nb", "1", "true", "null"]  # fmt: skip
LONG = ["x" * 119, "x" * 120, "x" * 121, "x" * 120 + "y"]
LABELS = [
    "1.0.0",
    "1.0",
    "v1.0.0",
    "1.10.0",
    "1.9.0",
    "2.0.0-rc.1",
    "2.0.0-rc.10",
    "2.0.0",
    "2.0.0+b1",
    "nightly",
    "A",
    "a",
]
NUMBERS = [0.0, -0.0, 1.0, -1.5, 0.1, 0.30000000000000004, 1e300, -1e300, 5e-324, 2.0**53, 2.0**53 + 2]
INTEGERS = [0, 1, -1, 2, 3, 2**53, 2**53 + 1, 2**53 - 1, 2**62, -(2**62)]
TIMES = [to_micros(NOW - timedelta(hours=hours, microseconds=micros)) for hours in (0, 1, 2, 48) for micros in (0, 1)]
TEXTS = st.sampled_from(ODD + LONG) | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)
FLOATS = st.sampled_from(NUMBERS) | st.floats(allow_nan=False, allow_infinity=False)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.sampled_from(INTEGERS) | st.sampled_from(NUMBERS) | TEXTS | st.just("a\0b"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["git", "dirty", "a.b", "é", "0"]), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@dataclass(frozen=True)
class Version:
    """One version of a random yard."""

    model: str
    label: str | None
    state: str
    state_time: int | None
    created_time: int
    created_by: str
    size: int
    description: str
    flavor: str
    lineage: Any
    scan: Any
    tags: Mapping[str, str]
    properties: Mapping[str, str]
    metrics: Mapping[str, float]
    measured_on: Mapping[str, float]
    aliases: Sequence[str]
    inputs: Mapping[str, int]
    facts: dict[str, Any] = field(default_factory=dict)


def _mappings(values: st.SearchStrategy[Any], keys: Sequence[str] = KEYS) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(list(keys)), values, max_size=3)


VERSIONS = st.builds(
    Version,
    model=st.sampled_from(MODELS),
    label=st.none() | st.sampled_from(LABELS),
    state=st.sampled_from(["active", "active", "active", "archived", "deleted"]),
    state_time=st.none() | st.sampled_from(TIMES),
    created_time=st.sampled_from(TIMES),
    created_by=st.sampled_from(["ana", "ben"]),
    size=st.sampled_from([0, 1, 1024, 2**40, 2**53 + 1]),
    description=TEXTS,
    flavor=st.sampled_from(["files", "sklearn"]),
    lineage=st.none() | st.dictionaries(st.sampled_from(["git", "build", "a.b"]), DOCUMENTS, max_size=2),
    scan=st.none() | st.dictionaries(st.sampled_from(["issues", "safe"]), DOCUMENTS, max_size=2),
    tags=_mappings(TEXTS),
    properties=_mappings(TEXTS, [*KEYS, "mlflow.run_id"]),
    metrics=_mappings(FLOATS),
    measured_on=_mappings(FLOATS),
    aliases=st.lists(st.sampled_from(ALIASES), max_size=2, unique=True),
    inputs=st.dictionaries(st.sampled_from(ROLES), st.integers(0, 3), max_size=2),
)


def searched(document: Any) -> Any:
    """A document as a filter sees it: one with a zero character is not looked into."""
    return None if document is None or ZERO in canonical_json(document).decode() else document


def store(connection: Connection, yard: Sequence[Version], workspace: str = "default") -> list[Version]:
    """Writes the yard; gives the versions with their facts, the first with the lowest id."""
    owners: dict[str, int] = {}
    numbers: dict[str, int] = {}
    ids: list[int] = []
    pointed: dict[tuple[str, str], int] = {}
    for version in yard:
        owner = owners.get(version.model)
        if owner is None:
            facts = {
                "workspace": workspace,
                "kind": "model",
                "name": version.model,
                "next_number": 1,
                "created_time": 0,
            }
            made = connection.execute(insert(schema.models).values(**facts, created_by="ana"))
            owner = owners[version.model] = made.inserted_primary_key[0]
        number = numbers[version.model] = numbers.get(version.model, 0) + 1
        taken = [each.facts["label"] for each in yard[: len(ids)] if each.model == version.model]
        label = None if version.label in taken else version.label
        row = connection.execute(
            insert(schema.versions).values(
                model_id=owner, number=number, label=label, label_order=None if label is None else labels.order(label),
                digest=f"sha256:{len(ids):064x}", lineage=version.lineage, flavor=version.flavor, size=version.size, files=1,
                description=version.description, state=version.state, state_time=version.state_time,
                created_time=version.created_time, created_by=version.created_by,
            )
        )  # fmt: skip
        ids.append(row.inserted_primary_key[0])
        here = {"version_id": ids[-1], "model_id": owner}
        for key, value in version.tags.items():
            connection.execute(
                insert(schema.tags).values(**here, number=number, key=key, value=value, head=value[:120])
            )
        for key, value in version.properties.items():
            connection.execute(
                insert(schema.properties).values(version_id=ids[-1], key=key, value=value, head=value[:120])
            )
        for key, value in version.metrics.items():
            old = {"key": key, "value": 77.5, "time": 0, "current": 0}
            connection.execute(insert(schema.metrics).values(**here, **old))
            connection.execute(insert(schema.metrics).values(**here, **{**old, "value": value, "current": 1}))
        for key, value in version.measured_on.items():
            on = {"key": key, "value": value, "time": 0, "current": 0, "dataset": "flights/3"}
            connection.execute(insert(schema.metrics).values(**here, **on))
        used = {role: place for role, place in version.inputs.items() if place < len(ids) - 1}
        for role, place in used.items():
            connection.execute(insert(schema.inputs).values(version_id=ids[-1], role=role, input_version_id=ids[place]))
        if version.scan is not None:
            report = {"version_id": ids[-1], "kind": "scan", "tool": "t", "time": 0, "actor": "ana"}
            connection.execute(insert(schema.reports).values(**report, summary={"issues": 77, "safe": "old"}))
            connection.execute(insert(schema.reports).values(**report, summary=version.scan))
        for alias in version.aliases:
            pointed[version.model, alias] = number
        references = {role: f"{yard[place].model}/{yard[place].facts['number']}" for role, place in used.items()}
        version.facts.update(
            id=ids[-1], name=version.model, number=number, label=None if label is None else LabelName(label),
            digest=f"sha256:{len(ids) - 1:064x}", flavor=version.flavor, size=version.size, files=1, description=version.description,
            card="", state=version.state, state_time=None if version.state_time is None else from_micros(version.state_time),
            archived=version.state == "archived", created_time=from_micros(version.created_time), created_by=version.created_by,
            tags=version.tags, properties=version.properties, metrics=version.metrics, measured_on={"flights/3": version.measured_on},
            input=frozenset(references.values()), inputs={role: frozenset([each]) for role, each in references.items()},
            provenance=searched(version.lineage), scan=searched(version.scan), signatures=None,
        )  # fmt: skip
    for model, owner in owners.items():
        counted = update(schema.models).where(schema.models.c.id == owner).values(next_number=numbers[model] + 1)
        connection.execute(counted)
    for (model, alias), number in pointed.items():
        moved = {"model_id": owners[model], "name": alias, "number": number, "moved_time": 0, "moved_by": "ana"}
        connection.execute(insert(schema.aliases).values(**moved))
    for version in yard:
        found = {
            a for (model, a), number in pointed.items() if (model, number) == (version.model, version.facts["number"])
        }
        version.facts.update(alias=frozenset(found), aliases=dict.fromkeys(found, version.facts["number"]))
    return list(yard)


# --- filters ---

SIGNS = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
TEXT_NAMES = st.one_of(
    st.sampled_from([("name",), ("description",), ("state",), ("created_by",), ("flavor",), ("digest",), ("card",), ("properties", "mlflow.run_id")]),
    st.tuples(st.sampled_from(["tags", "properties"]), st.sampled_from(KEYS)),
).map(Name)  # fmt: skip
NUMBER_NAMES = st.one_of(
    st.sampled_from([("number",), ("size",), ("files",), ("aliases", "production")]),
    st.tuples(st.just("metrics"), st.sampled_from(KEYS)),
    st.tuples(st.just("measured_on"), st.just("flights/3"), st.sampled_from(KEYS)),
).map(Name)
TIME_NAMES = st.sampled_from([Name(("created_time",)), Name(("state_time",))])
SEVERAL_NAMES = st.sampled_from([Name(("alias",)), Name(("input",)), Name(("inputs", "training"))])
_STEPS = st.sampled_from(["git", "dirty", "a.b", "é", "build", "issues", "safe", "0", 0, 1])
DOCUMENT_NAMES = st.tuples(st.sampled_from(["provenance", "scan"]), st.lists(_STEPS, max_size=3)).map(
    lambda found: Name((found[0], *found[1]))
)
ALL_NAMES = (
    TEXT_NAMES
    | NUMBER_NAMES
    | TIME_NAMES
    | SEVERAL_NAMES
    | DOCUMENT_NAMES
    | st.sampled_from([Name(("label",)), Name(("archived",))])
)
TEXT_VALUES = st.one_of(st.sampled_from(ODD + LONG + MODELS + ["archived", "deleted", "active", "ana", "files"]), TEXTS)
NUMBER_VALUES = st.one_of(
    st.sampled_from(INTEGERS), st.sampled_from(NUMBERS), st.sampled_from([0.5, 1.5, -0.5, 1024, 2.0**60, 1e30])
)
TIME_VALUES = st.one_of(
    st.sampled_from(TIMES).map(lambda micros: from_micros(micros).isoformat()),
    st.sampled_from(TIMES).map(lambda micros: micros // 1000),
    st.sampled_from(["2h ago", "now", "2 d ago", "2026-03-01T12:00:00Z"]),
)
PATTERNS = st.lists(
    st.sampled_from(["%", "_", "a", "A", "b", "é", "É", "*", "[", "]", "?", "\\", "/", "x" * 119, "!", "'"]), max_size=4
).map("".join)


def compared(
    names: st.SearchStrategy[Name], values: st.SearchStrategy[Any], signs: Any = SIGNS
) -> st.SearchStrategy[Node]:
    constants = values.map(Constant)
    return st.one_of(
        st.builds(lambda name, sign, value: Comparison(name, ((sign, value),)), names, signs, constants),
        st.builds(lambda name, sign, value: Comparison(value, ((sign, name),)), names, signs, constants),
        st.builds(Within, names, st.lists(constants, min_size=1, max_size=3).map(tuple), st.booleans()),
    )


def _chains(names: st.SearchStrategy[Name], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Node]:
    constants = values.map(Constant)
    return st.builds(
        lambda low, first, name, second, high: Comparison(low, ((first, name), (second, high))),
        constants, SIGNS, names, SIGNS, constants,
    )  # fmt: skip


def _likes(pattern: str, names: Name, *flags: bool) -> Node:
    escape = "!" if "!" not in pattern.rstrip("!") and not pattern.endswith("!") and flags[2] else None
    return Like(names, pattern, escape, flags[0], flags[1])


SAME = st.sampled_from(["=", "!="])
ATOMS = st.one_of(
    compared(TEXT_NAMES, TEXT_VALUES),
    compared(NUMBER_NAMES, NUMBER_VALUES),
    compared(TIME_NAMES, TIME_VALUES),
    compared(st.just(Name(("label",))), st.sampled_from([*LABELS, "1.5.0", "3"])),
    compared(st.just(Name(("archived",))), st.booleans(), SAME),
    compared(SEVERAL_NAMES, st.sampled_from([*ALIASES, *(f"{model}/{n}" for model in MODELS for n in (1, 2))]), SAME),
    compared(DOCUMENT_NAMES, TEXT_VALUES | NUMBER_VALUES),
    compared(DOCUMENT_NAMES, st.booleans(), SAME),
    _chains(NUMBER_NAMES, NUMBER_VALUES),
    st.builds(_likes, PATTERNS, TEXT_NAMES | SEVERAL_NAMES | DOCUMENT_NAMES | st.just(Name(("label",))), *[st.booleans()] * 3),
    st.builds(lambda a, sign, b: Comparison(a, ((sign, b),)), TEXT_NAMES, SIGNS, TEXT_NAMES),
    st.builds(lambda a, sign, b: Comparison(a, ((sign, b),)), TIME_NAMES, SIGNS, TIME_NAMES),
    st.builds(lambda a, sign, b: Comparison(a, ((sign, b),)), DOCUMENT_NAMES, SIGNS, DOCUMENT_NAMES),
    st.builds(lambda a, sign, b: Comparison(a, ((sign, b),)), TEXT_NAMES, SIGNS, DOCUMENT_NAMES),
    st.builds(lambda name, value: Within(Constant(value), name), SEVERAL_NAMES, st.sampled_from(ALIASES)),
    st.builds(Has, ALL_NAMES, st.booleans()),
    st.builds(IsNull, ALL_NAMES, st.booleans()),
    st.sampled_from([Name(("archived",)), Name(("provenance", "git", "dirty")), Constant(True), Constant(False), Constant(None)]),
)  # fmt: skip


def joined(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    some = st.lists(inner, min_size=2, max_size=3).map(tuple)
    truths = st.builds(lambda a, sign, b: Comparison(a, ((sign, b),)), inner, SAME, inner)
    return st.one_of(
        st.builds(And, some),
        st.builds(And, some),
        st.builds(Or, some),
        st.builds(Not, inner),
        st.builds(IsNull, inner, st.booleans()),
        truths,
    )


FILTERS = st.recursive(ATOMS, joined, max_leaves=6)
ORDERS = st.lists(
    st.tuples(ALL_NAMES.filter(lambda name: name.path[0] not in ("alias", "input", "inputs")), st.booleans()),
    max_size=3,
)


# --- what is to be expected ---


def led(facts: Mapping[str, Any], path: tuple[str | int, ...]) -> Any:
    """What is under a name, or None."""
    found: Any = facts
    for key in path:
        try:
            found = found[key] if isinstance(key, int) is isinstance(found, list) else None
        except (KeyError, IndexError, TypeError):
            return None
    return found


def sorted_by(yard: Sequence[Mapping[str, Any]], order: Sequence[tuple[Name, bool]]) -> list[Mapping[str, Any]]:
    """These facts in the order that is asked for: what is absent last, equals by their id in the direction of the last field."""
    found = sorted(yard, key=lambda facts: facts["id"], reverse=order[-1][1] if order else True)
    for name, descending in reversed(order):
        document = name.path[0] in ("provenance", "scan", "before", "after", "evidence")
        for part in reversed(range(3 if document else 1)):

            def key(
                facts: Mapping[str, Any], part: int = part, path: Any = name.path, document: bool = document
            ) -> Any:
                value = led(facts, path)
                return _ranked(value)[part] if document else _plain(value)

            there = sorted((facts for facts in found if key(facts) is not None), key=key, reverse=descending)
            found = [*there, *(facts for facts in found if key(facts) is None)]
    return found


def _plain(value: Any) -> Any:
    return (
        labels.order(value)
        if isinstance(value, LabelName)
        else to_micros(value)
        if isinstance(value, datetime)
        else value
    )


def _ranked(value: Any) -> tuple[Any, Any, Any]:
    if isinstance(value, bool):
        return 0, int(value), None
    if isinstance(value, int | float):
        return 1, value, None
    return (2, None, value) if isinstance(value, str) else (None, None, None)

"""Random models and ledger rows, what they are to the evaluator, and filters over them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st
from search_rows import (
    ALIASES,
    DOCUMENTS,
    SAME,
    SIGNS,
    TEXTS,
    TIME_VALUES,
    TIMES,
    compared,
    joined,
    searched,
)
from sqlalchemy import Connection, insert

from modelyard.core.clock import from_micros
from modelyard.registry import schema
from modelyard.registry.language import Node
from modelyard.registry.language.tree import Has, IsNull, Like, Name

KEYS = ["type", "a.b", "it's"]
NAMES = ["churn", "fraud", "Fraud", "fra_ud", "x"]
WORDS = st.sampled_from([*NAMES, *ALIASES, "ana", "ben", "active", "archived", "1", "", "fraud/1", "fraud@production"])


def _names(*paths: tuple[str | int, ...]) -> st.SearchStrategy[Name]:
    return st.sampled_from([Name(path) for path in paths])


def _filters(
    texts: st.SearchStrategy[Name],
    wholes: st.SearchStrategy[Name],
    times: st.SearchStrategy[Name],
    others: st.SearchStrategy[Node],
) -> st.SearchStrategy[Node]:
    every = texts | wholes | times
    atoms = st.one_of(
        compared(texts, WORDS | TEXTS),
        compared(wholes, st.integers(-1, 4) | st.sampled_from([0.5, 1.0, 2.5])),
        compared(times, TIME_VALUES),
        st.builds(
            Like, texts, st.sampled_from(["%", "f%", "F%", "%a_d", "%@%"]), st.none(), st.booleans(), st.booleans()
        ),
        st.builds(Has, every, st.booleans()),
        st.builds(IsNull, every, st.booleans()),
        others,
    )
    return st.recursive(atoms, joined, max_leaves=5)


def _orders(names: st.SearchStrategy[Name]) -> st.SearchStrategy[list[tuple[Name, bool]]]:
    return st.lists(st.tuples(names, st.booleans()), max_size=3)


# --- models ---

MODELS = st.dictionaries(
    st.sampled_from(NAMES),
    st.fixed_dictionaries(
        {
            "state": st.sampled_from(["active", "active", "archived", "deleted"]),
            "state_time": st.none() | st.sampled_from(TIMES),
            "description": TEXTS,
            "created_time": st.sampled_from(TIMES),
            "created_by": st.sampled_from(["ana", "ben"]),
            "tags": st.dictionaries(st.sampled_from(KEYS), WORDS | TEXTS, max_size=2),
            "versions": st.lists(
                st.tuples(st.sampled_from(["active", "archived"]), st.sampled_from(TIMES)), max_size=3
            ),
            "aliases": st.dictionaries(st.sampled_from(ALIASES), st.integers(1, 3), max_size=2),
        }
    ),
)
_ALIAS = Name(("alias",))
_TEXT_NAMES = _names(("name",), ("description",), ("state",), ("created_by",), *(("tags", key) for key in KEYS))
_WHOLE_NAMES = _names(("versions",), ("latest",), *(("aliases", alias) for alias in ALIASES))
_TIME_NAMES = _names(("created_time",), ("updated_time",), ("state_time",))
MODEL_FILTERS = _filters(
    _TEXT_NAMES,
    _WHOLE_NAMES,
    _TIME_NAMES,
    compared(st.just(_ALIAS), WORDS, SAME) | st.builds(Has, st.just(_ALIAS), st.booleans()) | _names(("archived",)),
)
MODEL_ORDERS = _orders(_TEXT_NAMES | _WHOLE_NAMES | _TIME_NAMES)


def store_models(connection: Connection, yard: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Writes the models; their facts."""
    found = []
    for name, model in yard.items():
        row = {key: model[key] for key in ("state", "state_time", "description", "created_time", "created_by")}
        named = {"workspace": "default", "kind": "model", "name": name, "next_number": len(model["versions"]) + 1}
        made = connection.execute(insert(schema.models).values(**row, **named))
        owner = made.inserted_primary_key[0]
        for number, (state, time) in enumerate(model["versions"], 1):
            facts = {"model_id": owner, "number": number, "digest": "d", "flavor": "f", "size": 1, "files": 1}
            made = insert(schema.versions).values(**facts, state=state, created_time=time, created_by="ana")
            connection.execute(made)
        for key, value in model["tags"].items():
            connection.execute(insert(schema.model_tags).values(model_id=owner, key=key, value=value, head=value[:120]))
        for alias, number in model["aliases"].items():
            moved = {"model_id": owner, "name": alias, "number": number, "moved_time": 0, "moved_by": "ana"}
            connection.execute(insert(schema.aliases).values(**moved))
        active = [number for number, (state, _) in enumerate(model["versions"], 1) if state == "active"]
        found.append(
            {
                **row, "id": owner, "name": name, "card": "", "archived": model["state"] == "archived", "tags": model["tags"],
                "created_time": from_micros(model["created_time"]), "aliases": model["aliases"], "alias": frozenset(model["aliases"]),
                "state_time": None if model["state_time"] is None else from_micros(model["state_time"]),
                "updated_time": from_micros(model["versions"][-1][1] if model["versions"] else model["created_time"]),
                "versions": len(active), "latest": max(active, default=None),
            }
        )  # fmt: skip
    return found


# --- the ledger ---

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "actor": st.sampled_from(["ana", "ben"]),
            "action": st.sampled_from(["version.register", "alias.move"]),
            "kind": st.sampled_from(["model", "dataset", "deployment", "another"]),
            "name": st.sampled_from(NAMES[:3]),
            "subject": st.sampled_from(["fraud/1", "fraud@production"]),
            "reason": TEXTS,
            "before": DOCUMENTS,
            "after": st.dictionaries(st.sampled_from(["version", "x"]), DOCUMENTS, max_size=2) | st.none(),
            "evidence": st.none(),
            "pause": st.integers(0, 2),
            "origin": st.none() | st.just({"yard": "y1", "time": 1}),
        }
    ),
    max_size=8,
)
_LEDGER_TEXTS = _names(("actor",), ("action",), ("kind",), ("name",), ("subject",), ("reason",), ("origin_yard",))
_LEDGER_DOCUMENTS = _names(
    ("before",), ("before", "git"), ("before", 0), ("after", "version"), ("after", "x", "a.b"), ("evidence", "y")
)
_LEDGER_TIMES = _names(("time",), ("happened",))
_MOMENTS = st.integers(-1, 12).map(lambda minutes: _moment(minutes).isoformat())
LEDGER_FILTERS = _filters(
    _LEDGER_TEXTS,
    _names(("sequence",)),
    _LEDGER_TIMES,
    st.one_of(
        compared(_LEDGER_DOCUMENTS, TEXTS | st.sampled_from([0, 1, 0.1, 2**53])),
        st.builds(Has, _LEDGER_DOCUMENTS, st.booleans()),
        compared(_LEDGER_TIMES, _MOMENTS, SIGNS),
    ),
)
LEDGER_ORDERS = _orders(_LEDGER_TEXTS | _LEDGER_DOCUMENTS | _LEDGER_TIMES | _names(("sequence",)))


def _moment(minutes: int) -> datetime:
    return datetime(2026, 3, 1, 10, tzinfo=UTC).replace(minute=max(0, minutes), second=30 if minutes < 0 else 0)


def store_ledger(connection: Connection, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Writes the rows, along which time never goes back; their facts."""
    found, minutes = [], 0
    for sequence, row in enumerate(rows, 1):
        minutes += row["pause"]
        time, micros = _moment(minutes), int(_moment(minutes).timestamp() * 1_000_000)
        kept = {key: value for key, value in row.items() if key != "pause"}
        here = {"sequence": sequence, "time": micros, "workspace": "default", "previous": "", "hash": ""}
        origin = row["origin"]
        away = {
            "origin_yard": origin and origin["yard"],
            "origin_sequence": origin and sequence,
            "happened": 1 if origin else micros,
        }
        connection.execute(insert(schema.ledger).values(**kept, **here, **away))
        documents = {key: searched(row[key]) for key in ("before", "after", "evidence")}
        facts = {**kept, **documents, **away, "id": sequence, "sequence": sequence, "time": time}
        found.append({**facts, "happened": from_micros(away["happened"])})
    return found

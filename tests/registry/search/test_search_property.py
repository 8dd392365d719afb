"""The one property: what SQL finds, on SQLite and on PostgreSQL, is what the evaluator says is true, in the same order, page by page."""

from typing import Any

import search_databases
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from search_databases import Opened
from search_other_rows import (
    LEDGER_FILTERS,
    LEDGER_ORDERS,
    MODEL_FILTERS,
    MODEL_ORDERS,
    MODELS,
    ROWS,
    store_ledger,
    store_models,
)
from search_rows import FILTERS, NOW, ORDERS, VERSIONS, Version, sorted_by, store
from sqlalchemy import Connection

from modelyard.registry import language
from modelyard.registry.language import Node
from modelyard.registry.language.tree import Name, names
from modelyard.registry.search import count, find

opened = search_databases.opened
many = settings(
    max_examples=settings().max_examples * 3 // 5,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    deadline=None,
)


def asks_state(tree: Node) -> bool:
    return bool({"state", "archived"} & {str(name.path[0]) for name in names(tree)})


def pages(connection: Connection, text: str, order: list[str], size: int, of: Any = "versions") -> list[int]:
    """The ids of all pages."""
    found: list[int] = []
    token = None
    while True:
        page = find(connection, "default", of, text, order, size, token, now=NOW)
        found += [getattr(row, "id", None) or row.sequence for row in page]
        token = page.next_token
        if token is None:
            return found
        assert len(page) == size


def written(order: list[tuple[Name, bool]]) -> list[str]:
    return [f"{language.text(name)}{' desc' if descending else ''}" for name, descending in order]


@many
@given(st.lists(VERSIONS, max_size=8), FILTERS, ORDERS, st.integers(1, 4))
def test_a_search_finds_what_the_filter_is_true_of(
    opened: Opened, yard: list[Version], tree: Node, order: list[tuple[Name, bool]], size: int
) -> None:
    text = language.text(tree)
    tree = language.parse(text)  # in which null = x is what it says: x is null
    with opened() as connection:
        rows = [version for version in store(connection, yard) if asks_state(tree) or version.state == "active"]
        true = [version for version in rows if language.value(tree, version.facts, NOW) is True]
        expected = [facts["id"] for facts in sorted_by([version.facts for version in true], order)]
        assert pages(connection, text, written(order), size) == expected
        assert sorted(pages(connection, text, [], size)) == sorted(expected)
        assert count(connection, "default", "versions", text, now=NOW) == len(expected)


@many
@given(st.lists(VERSIONS, max_size=8), st.data())
def test_clauses_that_an_index_answers_find_the_same_as_clauses_that_none_does(
    opened: Opened, yard: list[Version], data: st.DataObject
) -> None:
    """``true and x`` is answered by the index of x, ``false or x`` by looking at each row."""
    text = language.text(data.draw(FILTERS))
    with opened() as connection:
        store(connection, yard)
        plain, hidden = (sorted(pages(connection, way, [], 3)) for way in (f"true and ({text})", f"false or ({text})"))
        assert plain == hidden


@many
@given(MODELS, MODEL_FILTERS, MODEL_ORDERS, st.integers(1, 3))
def test_a_search_of_models_finds_what_the_filter_is_true_of(
    opened: Opened, yard: dict[str, Any], tree: Node, order: list[tuple[Name, bool]], size: int
) -> None:
    text = language.text(tree)
    tree = language.parse(text)
    with opened() as connection:
        rows = [facts for facts in store_models(connection, yard) if asks_state(tree) or facts["state"] == "active"]
        true = [facts for facts in rows if language.value(tree, facts, NOW) is True]
        usual = order or [(Name(("name",)), False)]
        assert pages(connection, text, written(order), size, "models") == [
            facts["id"] for facts in sorted_by(true, usual)
        ]
        assert count(connection, "default", "models", text, now=NOW) == len(true)
        assert count(connection, "default", "datasets", text, now=NOW) == 0


@many
@given(ROWS, LEDGER_FILTERS, LEDGER_ORDERS, st.integers(1, 3))
def test_a_search_of_the_ledger_finds_what_the_filter_is_true_of(
    opened: Opened, written_rows: list[dict[str, Any]], tree: Node, order: list[tuple[Name, bool]], size: int
) -> None:
    text = language.text(tree)
    tree = language.parse(text)
    with opened() as connection:
        true = [facts for facts in store_ledger(connection, written_rows) if language.value(tree, facts, NOW) is True]
        expected = [facts["id"] for facts in sorted_by(true, order)]
        assert pages(connection, text, written(order), size, "ledger") == expected
        assert count(connection, "default", "ledger", text, now=NOW) == len(expected)

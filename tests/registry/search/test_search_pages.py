"""Pages: in order, whole, without twins, bound to their question, also while the yard changes."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import search_databases
from hypothesis import given, settings
from hypothesis import strategies as st
from search_databases import Opened
from search_rows import NOW, Version, store
from sqlalchemy import Connection, insert, update

from modelyard.core import errors
from modelyard.core.clock import to_micros
from modelyard.registry import schema
from modelyard.registry.search import Page, find
from modelyard.registry.versions import VersionRow

opened = search_databases.opened
PLAIN = Version(
    "fraud", None, "active", None, 0, "ana", 1, "", "files", None, None, {}, {}, {}, {}, (), {}
)  # fmt: skip


def made(**facts: Any) -> Version:
    return replace(PLAIN, facts={}, **facts)


def ids(page: Page[VersionRow]) -> list[str]:
    return [row.reference for row in page]


def search(
    connection: Connection, text: str = "", order: Any = (), size: int = 100, token: str | None = None
) -> Page[Any]:
    return find(connection, "default", "versions", text, order, size, token, now=NOW)


def all_pages(connection: Connection, text: str = "", order: Any = (), size: int = 2) -> list[str]:
    page = search(connection, text, order, size)
    found = ids(page)
    while page.next_token:
        page = search(connection, text, order, size, page.next_token)
        found += ids(page)
    return found


def test_the_newest_come_first(opened: Opened) -> None:
    with opened() as connection:
        store(connection, [made(created_time=5), made(model="churn", created_time=9), made(created_time=1)])
        assert all_pages(connection) == ["fraud/2", "churn/1", "fraud/1"]
        assert all_pages(connection, "name = 'fraud'") == ["fraud/2", "fraud/1"]
        assert all_pages(connection, "created_time > 1") == []
        assert all_pages(connection, "created_time >= '1970-01-01T00:00:00Z'") == ["churn/1", "fraud/1", "fraud/2"]


def test_of_one_model_the_order_is_that_of_the_numbers_also_where_they_came_otherwise(opened: Opened) -> None:
    """As an import does, which brings version 1 after version 2."""
    with opened() as connection:
        rows = store(connection, [made(tags={"a": "x"}), made(tags={"a": "x"}), made(tags={"a": "x"})])
        for row, number in zip(rows, (12, 11, 13), strict=True):
            mine = row.facts["id"]
            connection.execute(update(schema.versions).where(schema.versions.c.id == mine).values(number=number))
            connection.execute(update(schema.tags).where(schema.tags.c.version_id == mine).values(number=number))
        connection.execute(update(schema.models).values(next_number=14))
        for text in ("name = 'fraud'", "name = 'fraud' and tags.a = 'x'", "tags.a = 'x' and 'fraud' = name and true"):
            assert all_pages(connection, text) == ["fraud/13", "fraud/12", "fraud/11"]
        assert all_pages(connection, "tags.a = 'x'") == ["fraud/13", "fraud/11", "fraud/12"]


def test_what_is_not_active_is_found_only_by_a_filter_that_asks_for_the_state(opened: Opened) -> None:
    with opened() as connection:
        store(connection, [made(state=state) for state in ("active", "archived", "deleted", "purged")])
        assert all_pages(connection) == ["fraud/1"]
        assert all_pages(connection, "archived") == ["fraud/2"]
        assert all_pages(connection, "state = 'deleted'") == ["fraud/3"]
        assert all_pages(connection, "state != 'active'") == ["fraud/4", "fraud/3", "fraud/2"]
        assert all_pages(connection, "has(state) and name = 'fraud'") == ["fraud/4", "fraud/3", "fraud/2", "fraud/1"]


def test_other_workspaces_and_other_kinds_are_not_found(opened: Opened) -> None:
    with opened() as connection:
        store(connection, [made(tags={"a": "x"}, metrics={"m": 1.0}, aliases=("production",))])
        store(connection, [made(model="theirs", tags={"a": "x"}, metrics={"m": 1.0}, aliases=("production",))], "other")
        for text in (
            "",
            "tags.a = 'x'",
            "metrics.m > 0",
            "alias = 'production'",
            "name in ('fraud', 'theirs')",
            "number = 1",
        ):
            assert ids(search(connection, text)) == ["fraud/1"]
            assert len(find(connection, "default", "dataset_versions", text)) == 0
        assert len(search(connection, "name = 'theirs'")) == 0
        assert ids(find(connection, "other", "versions", "name = 'theirs'")) == ["theirs/1"]


VALUES = st.one_of(
    st.none(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.1, 0.30000000000000004, 5e-324, -0.0, 0.0, 1e308]),
)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(VALUES, max_size=9),
    st.booleans(),
    st.integers(1, 3),
    st.sampled_from(["metrics.m", "tags.t", "provenance.p"]),
)
def test_values_survive_in_a_token(
    opened: Opened, values: list[float | None], down: bool, size: int, field: str
) -> None:
    key = field.partition(".")[2]
    facts: dict[str, Callable[[float], dict[str, Any]]] = {
        "metrics.m": lambda value: {"metrics": {key: value}},
        "tags.t": lambda value: {"tags": {key: repr(value) + "'\"\\é😀"}},
        "provenance.p": lambda value: {"lineage": {key: value}},
    }
    with opened() as connection:
        store(connection, [made(**({} if value is None else facts[field](value))) for value in values])
        order = f"{field} {'desc' if down else 'asc'}"
        assert all_pages(connection, "", order, size) == ids(search(connection, "", order))
        assert sorted(all_pages(connection, "", order, size)) == sorted(f"fraud/{n + 1}" for n in range(len(values)))


ORDERS = [(), "metrics.m desc", "metrics.m", "created_time desc", "tags.t, number", "name, number"]


@pytest.mark.parametrize("order", ORDERS)
def test_rows_that_come_and_go_meanwhile_move_no_other(opened: Opened, order: Any) -> None:
    def some(model: str, count: int) -> list[Version]:
        return [
            made(model=model, metrics={"m": float(n * 7 % 5)}, tags={"t": f"{n % 3}", "x": "y"}, created_time=n % 4)
            for n in range(count)
        ]

    with opened() as connection:
        store(connection, some("other", 12))
        staying = [f"other/{number}" for number in range(1, 13) if number not in (3, 7, 11)]
        expected = [each for each in ids(search(connection, "tags.x = 'y'", order)) if each in staying]
        page = search(connection, "tags.x = 'y'", order, 2)
        found = ids(page)
        for name, leaving in (("a", 3), ("new", 7), ("z", 11), *[("", 0)] * 20):
            if name:
                store(connection, some(name, 4))
                gone = schema.versions.c.number == leaving
                connection.execute(update(schema.versions).where(gone).values(state="archived"))
            if page.next_token is not None:
                page = search(connection, "tags.x = 'y'", order, 2, page.next_token)
                found += ids(page)
        assert page.next_token is None
        assert len(found) == len(set(found))
        assert [each for each in found if each in staying] == expected


def test_a_token_counts_ago_from_when_the_first_page_was_asked_for(opened: Opened) -> None:
    with opened() as connection:
        hours = [to_micros(NOW - timedelta(hours=hour)) for hour in range(6)]
        store(connection, [made(created_time=time) for time in hours])
        text = "created_time >= '3h ago'"
        first = find(connection, "default", "versions", text, (), 2, now=NOW)
        second = find(connection, "default", "versions", text, (), 2, first.next_token, now=NOW + timedelta(hours=9))
        assert ids(first) + ids(second) == ["fraud/1", "fraud/2", "fraud/3", "fraud/4"]


def test_a_token_belongs_to_its_question(opened: Opened) -> None:
    with opened() as connection:
        store(connection, [made(tags={"a": "x"}) for _ in range(3)])
        token = search(connection, "tags.a = 'x'", "number", 1).next_token
        assert token is not None
        assert ids(search(connection, "tags['a']=\"x\"", "number", 2, token)) == [
            "fraud/2",
            "fraud/3",
        ]
        others = [("tags.a = 'y'", "number"), ("", "number"), ("tags.a = 'x'", "number desc"), ("tags.a = 'x'", ())]
        for text, order in others:
            with pytest.raises(errors.InvalidPageToken, match="another search"):
                search(connection, text, order, 1, token)
        with pytest.raises(errors.InvalidPageToken, match="another search"):
            find(connection, "other", "versions", "tags.a = 'x'", "number", 1, token)
        with pytest.raises(errors.InvalidPageToken, match="another search"):
            find(connection, "default", "dataset_versions", "tags.a = 'x'", "number", 1, token)


def _forged(token: str, change: Callable[[list[Any]], Any]) -> str:
    document = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    text = json.dumps(change(document))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def test_a_token_that_was_not_given_out_is_refused(opened: Opened) -> None:
    with opened() as connection:
        store(connection, [made(metrics={"m": 1.0}, lineage={"p": 1}) for _ in range(3)])
        order = "metrics.m, name, created_time, provenance.p"
        token = search(connection, "", order, 1).next_token
        assert token is not None
        assert len(search(connection, "", order, 1, token)) == 1
        broken: list[Any] = [
            "",
            " ",
            "x",
            "%",
            token[:-3],
            token + "A",
            token + "=",
            "A" * 200_000,
            "bnVsbA",
            "W10",
            7,
            b"x",
            None,
        ]
        bound, now, row, values = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        wrong: list[list[Any]] = [
            [], [bound], [bound, now, row, values, 1], [bound, "now", row, values], [bound, 10**30, row, values], [bound, now, "x", values],
            [bound, now, 2**70, values], [bound, now, True, values], [bound, now, None, values], [bound, now, row, None], [bound, now, row, {}],
            [bound, now, row, []], [bound, now, row, values[1:]], [bound, now, row, [*values, 1]],
        ]  # fmt: skip
        for place, bad in [(0, "x"), (0, 1), (0, float("inf")), (0, True), (1, 3), (1, None), (1, "a\0"), (1, "\ud800"), (2, 1.5), (2, None), (2, 2**63), (3, "x"), (5, "x"), (5, {"n": "x"}), (5, {"n": "1" * 500}), (6, 5)]:  # fmt: skip
            wrong.append([bound, now, row, [*values[:place], bad, *values[place + 1 :]]])
        broken += [_forged(token, lambda _, other=other: other) for other in wrong]  # type: ignore[misc]
        for other in broken:
            if other is None:
                continue
            with pytest.raises(errors.InvalidPageToken) as caught:
                search(connection, "", order, 1, other)
            assert len(str(caught.value)) < 250


ATTACKS = [
    "'; DROP TABLE versions; --", "' OR '1'='1", "x' UNION SELECT secret FROM webhooks --", '" OR 1=1 --', "%(x)s", ":param", "?", "{0}", "$1", "\\'; --",
    "%", "_", "*", "[a-z]*", "a%'", "`", ";", "/*", "--", "\n", "\t", "É", "👩‍🚀", "‮", "'" * 50, "%s %d %%",
]  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_text_is_more_than_text(opened: Opened, attack: str) -> None:
    quoted, ticked = attack.replace("'", "''"), attack.replace("`", "``")
    with opened() as connection:
        store(
            connection,
            [made(tags={"a": attack, "b": "plain"}), made(tags={"a": "plain"}), made(properties={attack: "here"})],
        )
        assert ids(search(connection, f"tags.a = '{quoted}'")) == ["fraud/1"]
        assert ids(search(connection, f"tags.a in ('{quoted}', 'no') or tags.a = '{quoted}'")) == ["fraud/1"]
        assert ids(search(connection, f"tags.a like '{'!'.join(['', *quoted]) if set(attack) & set('%_') else quoted}' escape '!'" if "''" not in quoted else "number = 1")) == ["fraud/1"]  # fmt: skip
        assert ids(search(connection, f"properties.`{ticked}` = 'here'")) == ["fraud/3"]
        assert ids(search(connection, "", f"properties.`{ticked}`", 1)) == ["fraud/3"]
        assert ids(search(connection, f"name = '{quoted}' or description = '{quoted}' or alias = '{quoted}'")) == []
        assert len(search(connection)) == 3


def test_a_long_list_and_many_conditions_are_answered(opened: Opened) -> None:
    with opened() as connection:
        store(
            connection,
            [made(tags={"a": f"{n}"}, size=n, lineage={"n": n, "t": f"{n}"}, metrics={"m": n / 2}) for n in range(3)],
        )
        texts = ",".join(f"'{n}'" for n in range(1, 1500))
        numbers = ",".join(str(n) for n in range(1, 2000))
        for text in (
            f"tags.a in ({texts})", f"size in ({numbers})", f"provenance.n in ({numbers})", f"provenance.t in ({texts})",
            f"metrics.m in (0.5, {numbers})", f"number in (2, 3, {numbers}) and size > 0",
            " or ".join([*[f"tags.a = '{n}'" for n in range(1, 490)]]), " and ".join(["size > 0"] * 500),
            "not (" * 29 + "size < 1" + ")" * 29, "(size > 0 and (tags.a != 'x' or " * 14 + "size > 0" + "))" * 14,
        ):  # fmt: skip
            assert ids(search(connection, text)) == ["fraud/3", "fraud/2"], text[:80]


@pytest.mark.parametrize(
    ("text", "order", "found"),
    [  # as MLflow's own documentation spells them
        ("name = 'fraud'", ["version_number DESC"], [3, 2, 1]),
        ("name='fraud' and tags.task = 'classification'", [], [2, 1]),
        ("tag.`mlflow.user` = 'ana' AND name ILIKE '%RAU%'", ["name ASC", "version_number ASC"], [1, 3]),
        ("tags.mlflow.user = 'ana'", ["creation_timestamp DESC"], [3, 1]),
        ("run_id = 'e14afa2f47a040728060c1699968fd43'", [], [2]),
        ("run_id IN ('e14afa2f47a040728060c1699968fd43', 'x')", None, [2]),
        ("source_path LIKE 's3://%/model'", ["last_updated_timestamp"], [1]),
        ("version_number > 1 and version_number <= 3", ["version_number ASC"], [2, 3]),
        ("attributes.name != 'churn' and attribute.version_number = 1", [], [1]),
        ('tags."task" != "regression" AND name LIKE "f%"', "version_number", [1, 2]),
        ("creation_timestamp >= 1772362800000", [], [3]),
    ],
)
def test_the_filters_of_mlflow_are_understood(opened: Opened, text: str, order: Any, found: list[int]) -> None:
    with opened() as connection:
        store(
            connection,
            [
                made(
                    tags={"task": "classification", "mlflow.user": "ana"}, properties={"mlflow.source": "s3://b/model"}
                ),
                made(tags={"task": "classification"}, properties={"mlflow.run_id": "e14afa2f47a040728060c1699968fd43"}),
                made(tags={"mlflow.user": "ana", "task": "regression"}, created_time=to_micros(NOW)),
            ],
        )
        assert [row.number for row in search(connection, text, order or ())] == found


def test_a_measurement_that_is_replaced_counts_no_more(opened: Opened) -> None:
    with opened() as connection:
        (version,) = store(connection, [made(metrics={"auc": 0.5}, measured_on={"auc": 0.9})])
        assert ids(search(connection, "metrics.auc = 0.5 and measured_on['flights/3'].auc = 0.9")) == ["fraud/1"]
        assert ids(search(connection, "metrics.auc > 70")) == []  # the value before, in the table still
        current = (schema.metrics.c.version_id == version.facts["id"], schema.metrics.c.current == 1)
        connection.execute(update(schema.metrics).where(*current).values(current=0))
        new = {"version_id": version.facts["id"], "model_id": 1, "key": "auc", "value": 0.75, "time": 0, "current": 1}
        new["model_id"] = connection.execute(schema.models.select()).scalar_one()
        connection.execute(insert(schema.metrics).values(**new))
        assert ids(search(connection, "metrics.auc = 0.75")) == ["fraud/1"]

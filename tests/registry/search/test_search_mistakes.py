"""What cannot be searched for is told at its column, before the database is asked."""

from typing import Any

import pytest
import search_databases
from hypothesis import given
from hypothesis import strategies as st
from search_databases import Opened

from modelyard.core import errors
from modelyard.registry.search import FIELDS, count, find
from modelyard.registry.search.fields import SPELLINGS

opened = search_databases.opened


@pytest.mark.parametrize(
    ("filter", "column", "problem"),
    [
        ("nam = 'x'", 1, "did you mean 'name'?"),
        ("number > 1 and Flavour = 'x'", 16, "did you mean 'flavor'?"),
        ("xyz = 1", 1, "text stands in quotes; fields are name, number"),
        ("name.x = 'a'", 1, "name is text and has no key 'x'"),
        ("tags = 'x'", 1, "tags is asked for by key: tags.key"),
        ("has(metrics)", 5, "metrics is asked for by key"),
        ("measured_on.auc > 1", 1, 'measured_on["data set"].key'),
        ("label = 1.0", 9, "label is text; write the value in quotes: '1.0'"),
        ("tags.build = 7", 14, "tags.build is text; write the value in quotes: '7'"),
        ("7 = tags.build", 1, "tags.build is text"),
        ("tags.build in ('1', 2)", 21, "tags.build is text"),
        ("number = '3'", 10, "number is a number, and '3' is none"),
        ("metrics.auc > true", 15, "metrics.auc is a number, and true is none"),
        ("number", 1, "by itself no condition"),
        ("name and true", 1, "name is text, and by itself no condition"),
        ("alias or true", 1, "several texts, and by itself no condition"),
        ("'x'", 1, "by itself is no condition"),
        ("not 3", 5, "by itself is no condition"),
        ("3 + 4", 1, "by itself is no condition"),
        ("archived = 'true'", 12, "true or false, without quotes"),
        ("archived < true", 1, "true and false have no order"),
        ("provenance.git.dirty < true", 24, "true and false have no order"),
        ("created_time > 'yesterday'", 16, "is not a time"),
        ("created_time > 1.5", 16, "whole milliseconds since 1970"),
        ("created_time > 99999999999999999", 16, "whole milliseconds since 1970"),
        ("created_time like '2026%'", 1, "like is asked of text"),
        ("number like '1%'", 1, "like is asked of text"),
        ("alias < 'x'", 1, "several values, which have no order"),
        ("alias = 3", 9, "is text"),
        ("alias = name", 9, "several values are compared with text"),
        ("name = number", 8, "text and a number cannot be compared"),
        ("label < name", 9, "a label has its order among labels only"),
        ("created_time = provenance.x", 16, "with a written value only"),
        ("'x' in name", 8, "or a field of several values"),
        ("metrics.auc - metrics.f1 > 0", 13, "no arithmetic with fields"),
        ("-number < 0", 1, "no arithmetic with fields"),
        ("number > 1 / 0", 10, "no number that can be stored"),
        ("size > 9223372036854775807 + 1", 8, "no number that can be stored"),
        ('provenance.`a"b` = 1', 1, "cannot be searched for"),
        ("provenance.`a\\b` = 1", 1, "cannot be searched for"),
        ("provenance.`` = 1", 1, "cannot be searched for"),
        ("provenance.x[4294967296] = 1", 1, "no place in a list"),
        ("tags.a = 'x' or " * 499 + "nam = 'x'", 7985, "did you mean 'name'?"),
        (" or ".join(["files=1"] * 501), 5501, "500 conditions in a row are the most"),
        (" and ".join(["files=1"] * 501), 6001, "500 conditions in a row are the most"),
        ("has(label", 10, "')' is expected"),
        ("name = 'x' name = 'y'", 12, "join two conditions"),
        (7, 1, "a filter is text, not a int"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_filter_is_told_with_its_column(opened: Opened, filter: Any, column: int, problem: str) -> None:  # noqa: A002
    with opened() as connection:
        for ask in (find, count):
            with pytest.raises(errors.InvalidFilter) as caught:
                ask(connection, "default", "versions", filter)
            assert problem in caught.value.problem
            assert caught.value.column == column
            assert caught.value.expression == str(filter)
            assert "\n" not in str(caught.value)
            assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("order", "column", "problem"),
    [
        ("nam", 1, "did you mean 'name'?"),
        ("name descending", 6, "asc, desc or a comma is expected after name"),
        ("name desc, ", 12, "a value is expected, not the end"),
        ("name desc number", 11, "asc, desc or a comma"),
        ("", 1, "a value is expected"),
        ("number + 1", 8, "asc, desc or a comma"),
        ("alias", 1, "several values, which have no order"),
        ("tags", 1, "asked for by key"),
        (", ".join(["number"] * 11), 81, "10 fields to order by are the most"),
        (["name", 3], 1, "an order is text"),
        (["name", "label, nam"], 8, "did you mean 'name'?"),
    ],
)
def test_a_mistake_in_an_order_is_told_with_its_column(opened: Opened, order: Any, column: int, problem: str) -> None:
    with opened() as connection, pytest.raises(errors.InvalidOrder) as caught:
        find(connection, "default", "versions", "", order)
    assert (problem in caught.value.problem, caught.value.column) == (True, column)


@pytest.mark.parametrize("size", [0, -1, 10_001, True, "5", 2.0, None])
def test_a_page_has_one_to_ten_thousand_rows(opened: Opened, size: Any) -> None:
    with opened() as connection, pytest.raises(errors.InvalidPageSize, match="ask for 1 to 10000"):
        find(connection, "default", "versions", "", (), size)


def test_only_what_is_there_can_be_searched(opened: Opened) -> None:
    with opened() as connection, pytest.raises(errors.InvalidInput, match="search versions, dataset_versions, models"):
        find(connection, "default", "runs", "")  # type: ignore[arg-type]


def test_every_field_can_be_asked_for_and_ordered_by(opened: Opened) -> None:
    examples = {"none": "", "one": ".`a key`", "two": '["flights/3"].auc', "any": ".a[0].b"}
    with opened() as connection:
        for subject, fields in FIELDS.items():
            for field in fields.values():
                name = field.name + examples[field.keys]
                find(connection, "default", subject, f"has({name}) or missing({name}) and ({name} is null)")
                assert field.about
                if field.type != "several":
                    find(connection, "default", subject, "", f"{name} desc, {name}")
            for spelled, path in SPELLINGS[subject].items():
                assert path[0] in fields
                assert count(connection, "default", subject, f"has({spelled})") == 0


@given(st.text(max_size=40) | st.lists(st.sampled_from(["name", "tags", ".", "x", "=", "'x'", "(", ")", "and", "not", "in", "like", "5", "label", "has(", ",", "archived", "provenance", "created_time"]), max_size=12).map(" ".join))  # fmt: skip
def test_no_text_does_more_than_find_nothing_or_be_refused(opened: Opened, text: str) -> None:
    with opened() as connection:
        try:
            found = [len(find(connection, "default", subject, text)) for subject in FIELDS]
        except errors.InvalidFilter as error:
            found = [0 if 1 <= error.column <= len(text) + 1 else 1]
        assert not any(found)

"""From text to a tree and back: what the spellings mean, and where the mistakes are."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from language_trees import TREES

from modelyard.registry.language import Mistake, Node, parse, text
from modelyard.registry.language.tree import Comparison, Name


@given(TREES)
def test_a_tree_that_is_printed_is_read_again_as_it_was(tree: Node) -> None:
    assert parse(text(tree), 1_000_000) == tree


PIECES = [
    "tags", ".", "a", "`", "'", '"', "[", "]", "(", ")", ",", "=", "<", ">", "!", "and", "or", "not", "in", "like", "ilike", "is", "null",
    "has(", "missing(", "escape", "1", ".5", "1e9", "-", "+", "*", "/", " ", "\n", "\\", "%", "_", "é", "\0", "\ud800", "𝔞", "٣", "true",
]  # fmt: skip


@given(
    st.lists(st.sampled_from(PIECES), max_size=25).map("".join)
    | st.lists(st.sampled_from(PIECES), max_size=25).map(" ".join)
    | st.text()
)
@example("\ud800")
@example("tags.")
def test_no_text_does_more_than_be_read_or_be_a_mistake_within_it(expression: str) -> None:
    mistake = None
    try:
        tree = parse(expression)
    except Mistake as found:
        mistake = found
    else:
        assert parse(text(tree), 100_000) == tree
    assert mistake is None or (1 <= mistake.column <= len(expression) + 1 and mistake.problem)


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("a == 1 AND NOT b <> 2 Or c", "a = 1 and not b != 2 or c"),
        ("a or b and c", "a or b and c"),
        ("(a or b) and c", "(a or b) and c"),
        ("not (a)", "not a"),
        ("not a = b", "not a = b"),
        ("(not a) = b", "(not a) = b"),
        ("tags['my key'] = \"it's\"", "tags.`my key` = 'it''s'"),
        ('tags."my key" = \'say ""hi""\'', 'tags.`my key` = \'say ""hi""\''),
        ('a = "say ""hi"""', "a = 'say \"hi\"'"),
        ("tag.`it``s` = 1", "tags.`it``s` = 1"),
        ("tags.mlflow.user = 'x'", "tags.`mlflow.user` = 'x'"),
        ("alias.metric.a.b > 1", "alias.metrics.`a.b` > 1"),
        ("metrics.2d.loss > .5", "metrics.`2d.loss` > 0.5"),
        ("metrics.1e5 > 1e5", "metrics.1e5 > 100000.0"),
        ("provenance.git.dirty", "provenance.git.dirty"),
        ("provenance.inputs[0].name = ''", "provenance.inputs[0].name = ''"),
        ("tags.in like '%'", "tags.in like '%'"),
        ("`and` = 1", "`and` = 1"),
        ("a = null", "a is null"),
        ("null != a", "a is not null"),
        ("a IS NOT NULL", "a is not null"),
        ("a NOT IN [1, -2, 'x',]", "a not in (1, -2, 'x')"),
        ("'x' in aliases", "'x' in aliases"),
        ("a not ilike '50!%' escape '!'", "a not ilike '50!%' escape '!'"),
        ("0.6 < a <= 0.8", "0.6 < a <= 0.8"),
        ("a - (b - c) - d * -e", "a - (b - c) - d * -e"),
        ("-(-5) < - 3", "5 < -3"),
        ("has(a.b) and missing(c)", "has(a.b) and missing(c)"),
        ("has = 1 and missing = 2 and escape = 3", "has = 1 and missing = 2 and escape = 3"),
        ("a = 'C:\\new\\'", "a = 'C:\\new\\'"),
        ("a\n=\t1", "a = 1"),
        ("True = TRUE and a = None", "true = true and a is null"),
    ],
)
def test_one_meaning_has_many_spellings(written: str, plain: str) -> None:
    assert text(parse(written)) == plain
    assert parse(plain) == parse(written)


@pytest.mark.parametrize(
    ("expression", "column", "problem"),
    [
        ("", 1, "empty"),
        ("   ", 1, "empty"),
        ("a =", 4, "a value is expected, not the end"),
        ("a = = 1", 5, "it is written once"),
        ("a =< 1", 4, "write <= or >="),
        ("a => 1", 4, "write <= or >="),
        ("a and", 6, "not the end"),
        ("a and or b", 7, "a value is expected, not 'or'"),
        ("(a and b", 9, "parenthesis at column 1"),
        ("a and b)", 8, "')' cannot stand here"),
        ("a b", 3, "join two conditions with and, or"),
        ("a = 'x", 5, "never closed"),
        ("tags.`x = 1", 6, "never closed"),
        ("tags. = 1", 7, "a key is expected after the dot"),
        ("tags[x] = 1", 6, "a key in quotes"),
        ("tags[1.5] = 1", 6, "a key in quotes"),
        ("tags['x' = 1", 10, "']' is expected"),
        ("tags['a'].b = 'x'", 6, "one key"),
        ("tags[0] = 'x'", 6, "keys of text"),
        ("a = 12abc", 5, "text stands in quotes"),
        ("label = 1.2.3", 9, "text stands in quotes"),
        ("a = 9223372036854775808", 5, "too large"),
        ("a = 1e999", 5, "too large"),
        ("a = " + "9" * 5000, 5, "too large"),
        ("a && b", 3, "'and' is written as a word"),
        ("a || b", 3, "'or' is written as a word"),
        ("!a", 1, "'not' is written as a word"),
        ("a = 1;", 6, "ends without"),
        ("a = “x”", 5, "plain quotes"),
        ("tags.a:b = 1", 7, "back-ticks"),
        ("tags.a-b = 'x'", 7, "tags.`a-b`"),
        ("tags.a + 1 > 2", 8, "a tag or a property is text"),
        ("a between 1 and 2", 3, "low <= name"),
        ("a contains 'x'", 3, "like '%word%'"),
        ("a like b", 8, "a pattern in quotes"),
        ("a like 'x!' escape '!'", 10, "nothing follows the escape"),
        ("a like 'x' escape 'ab'", 19, "one character"),
        ("a in 3", 6, "a list is expected"),
        ("a in ()", 7, "the list is empty"),
        ("a in (1, null)", 10, "or … is null"),
        ("a in (1 2)", 9, "')' is expected"),
        ("a = (1, 2)", 5, "a list stands only after in"),
        ("[1] = a", 1, "a list stands only after in"),
        ("a < null", 5, "null has no order"),
        ("a < b < null", 9, "null has no order"),
        ("a is true", 6, "values are compared with ="),
        ("a like 'x' = true", 12, "in parentheses"),
        ("a is null is null", 11, "in parentheses"),
        ("a = not b", 5, "in parentheses"),
        ("a not 1", 3, "cannot stand here"),
        ("lower(a) = 'x'", 1, "there is no function 'lower'"),
        ("has(1)", 5, "a value is expected"),
        ("has(a", 6, "')' is expected"),
        ("a ** 2 > 1", 3, "'**'"),
        ("a + 'x' = 1", 5, "with numbers"),
        ("-'x' = 1", 2, "with numbers"),
        ("a = 'x\0y'", 7, "cannot stand in text"),
        ("a = 'x' and\ud800", 12, "cannot stand in text"),
        ("true.x = 1", 1, "a value is expected, not 'true'"),
        ("a = 1 order by b", 7, "beside the filter"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_column(expression: str, column: int, problem: str) -> None:
    with pytest.raises(Mistake) as caught:
        parse(expression)
    assert caught.value.column == column, caught.value.problem
    assert problem in caught.value.problem


@pytest.mark.parametrize(
    "expression",
    [
        "(" * 5000,
        "not " * 2000 + "a",
        "-" * 9000 + "1",
        "a" + "[0]" * 3000 + "(",
        "a = " * 2000,
        "1" + "+1" * 4000,
        "(a or " * 100 + "b" + ")" * 100,
    ],
)
def test_no_nesting_is_too_deep_to_be_refused(expression: str) -> None:
    with pytest.raises(Mistake):
        parse(expression)


def test_a_long_expression_that_is_not_deep_is_read() -> None:
    assert len(parse(" and ".join(["a = 1"] * 900)).parts) == 900  # type: ignore[union-attr]
    nested = "(a or not (b and " * 14 + "c" + "))" * 14
    assert parse(nested)
    with pytest.raises(Mistake, match="10000 are the most") as caught:
        parse("a = '" + "x" * 10_000 + "'")
    assert caught.value.column == 10_001


def test_a_node_knows_where_it_stands() -> None:
    written = "  (tags.type = 'x') and not  metrics.auc  > 0.5 "
    first, second = parse(written).parts  # type: ignore[union-attr]
    assert written[first.start : first.end] == "(tags.type = 'x')"
    assert written[second.start : second.end] == "not  metrics.auc  > 0.5"
    assert isinstance(second.operand, Comparison)
    assert isinstance(second.operand.first, Name)
    assert second.operand.first.column == 30

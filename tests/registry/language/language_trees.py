"""Hypothesis strategies: any tree that the language can express."""

from hypothesis import strategies as st

from modelyard.registry.language.cursor import FLAT
from modelyard.registry.language.tree import (
    And,
    Arithmetic,
    Comparison,
    Constant,
    Has,
    IsNull,
    Like,
    Name,
    Negative,
    Node,
    Not,
    Or,
    Within,
)

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
NUMBERS = st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
SIGNS = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])


def _usual(path: list[str | int]) -> bool:
    """Not one that the parser would write another way."""
    return path[0] != "alias" and path[0] not in FLAT | {"tag", "property", "metric"}


PATHS = st.one_of(
    st.tuples(st.sampled_from(sorted(FLAT)), TEXT),
    st.lists(TEXT, min_size=1, max_size=4).filter(_usual).map(tuple),
    st.tuples(TEXT, st.integers(0, 2**31), TEXT).filter(lambda path: _usual(list(path))),
    st.sampled_from([("tags",), ("alias", "metrics", "a.b"), ("alias", "tags", "and"), ("not", "in"), ("_",)]),
)
NAMES = st.builds(Name, PATHS)
CONSTANTS = st.builds(Constant, TEXT | NUMBERS | st.booleans())
COUNTED = st.builds(Constant, NUMBERS) | NAMES.filter(lambda name: not {"tags", "properties"} & set(name.path[:2]))


def _values() -> st.SearchStrategy[Node]:
    def more(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
        arithmetic = st.builds(Arithmetic, inner, st.sampled_from("+-*/"), inner)
        return arithmetic | st.builds(Negative, inner.filter(lambda node: not isinstance(node, Constant)))

    return CONSTANTS | NAMES | st.recursive(COUNTED, more, max_leaves=5)


def _conditions(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    values = _values() | inner
    escaped = st.builds(
        Like, values, TEXT.map(lambda text: text.replace("!", "")), st.just("!"), st.booleans(), st.booleans()
    )
    some = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        st.builds(Comparison, values, st.lists(st.tuples(SIGNS, values), min_size=1, max_size=3).map(tuple)),
        st.builds(Within, values, st.lists(values, min_size=1, max_size=3).map(tuple) | NAMES, st.booleans()),
        st.builds(Like, values, TEXT, st.none(), st.booleans(), st.booleans()),
        escaped,
        st.builds(IsNull, values | st.just(Constant(None)), st.booleans()),
        st.builds(Has, NAMES, st.booleans()),
        st.builds(Not, inner),
        st.builds(And, some),
        st.builds(Or, some),
    )


TREES = st.recursive(CONSTANTS | NAMES, _conditions, max_leaves=12)

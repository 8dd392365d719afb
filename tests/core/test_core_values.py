"""Names, references, tags, digests and times: parsed once, round-trip, and refuse the rest in one line."""

import pickle
import string
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.core import errors
from modelyard.core.clock import from_micros, parse_when, to_micros, to_text
from modelyard.core.digests import Digest, canonical_json
from modelyard.core.names import AliasName, LabelName, ModelName
from modelyard.core.references import Alias, Label, Latest, Number, Reference
from modelyard.core.tags import matches, tags_to_match, tags_to_write

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,20}(\.[A-Za-z0-9_-]{1,10})?", fullmatch=True)
aliases = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,20}", fullmatch=True).filter(
    lambda text: text.lower() != "latest" and not (text[0] in "vV" and text[1:].isdigit())
)
labels = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_+-]{0,10}(\.[0-9]{1,4})?", fullmatch=True)
references = st.builds(
    Reference,
    names.map(ModelName),
    st.one_of(
        st.just(Latest()),
        st.integers(1, 10**9).map(Number),
        labels.map(lambda text: Label(LabelName(text))),
        aliases.map(lambda text: Alias(AliasName(text))),
    ),
)


@given(references)
def test_a_reference_survives_being_written_and_read(reference: Reference) -> None:
    assert Reference.parse(str(reference)) == reference


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fraud", Reference(ModelName("fraud"))),
        ("fraud/3", Reference(ModelName("fraud"), Number(3))),
        ("fraud:1.0", Reference(ModelName("fraud"), Label(LabelName("1.0")))),
        ("fraud@production", Reference(ModelName("fraud"), Alias(AliasName("production")))),
        ("models:/fraud/3", Reference(ModelName("fraud"), Number(3))),
        ("models:/fraud@production", Reference(ModelName("fraud"), Alias(AliasName("production")))),
        ("fraud/latest", Reference(ModelName("fraud"))),
        ("fraud@latest", Reference(ModelName("fraud"))),
    ],
)
def test_every_documented_spelling_is_read(text: str, expected: Reference) -> None:
    assert Reference.parse(text) == expected


@pytest.mark.parametrize("text", ["fraud/0", "fraud/03", "fraud/-1", "fraud/x", "fraud/3/4", "fraud/"])
def test_what_is_not_a_number_is_refused_with_the_spellings_that_work(text: str) -> None:
    with pytest.raises(errors.InvalidReference, match="name@alias"):
        Reference.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "../x",
        "/etc/passwd",
        "a..b",
        "a b",
        "a\nb",
        "a\0b",
        "a" * 256,
        "é",
        "-a",
        "a@",
        "fraud@v3",
        "fraud@LATEST2!",
        "x\u202ey",
    ],
)
def test_a_hostile_name_is_refused_in_one_printable_line(text: str) -> None:
    with pytest.raises(errors.InvalidInput) as caught:
        Reference.parse(text)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


@given(st.text(max_size=300))
def test_no_text_becomes_a_name_that_could_be_a_path(text: str) -> None:
    try:
        name = ModelName(text)
    except errors.InvalidName:
        return
    assert set(name) <= set(string.ascii_letters + string.digits + "._-")
    assert ".." not in name
    assert not name.startswith(".")


@pytest.mark.parametrize("value", [None, 3, b"fraud", ["fraud"]])
def test_a_name_that_is_not_text_is_refused(value: object) -> None:
    with pytest.raises(errors.InvalidName, match="not text"):
        ModelName(value)


@pytest.mark.parametrize(
    "tags", [{"a": "1", "b": ""}, [("a", "1"), "b"], [["a", "1"], ["b", ""]], (t for t in [("a", "1"), "b"])]
)
def test_a_dict_a_list_of_keys_and_a_list_of_pairs_write_the_same_tags(tags: object) -> None:
    assert tags_to_write(tags) == {"a": "1", "b": ""}  # type: ignore[arg-type]


def test_a_bare_key_asks_for_any_value_and_a_pair_for_just_that_one() -> None:
    found = {"a": "1", "b": "2"}
    assert matches(tags_to_match(["a", ("b", "2")]), found)
    assert matches(tags_to_match({"b": "2"}), found)
    assert not matches(tags_to_match({"b": "3"}), found)
    assert not matches(tags_to_match(["c"]), found)


@pytest.mark.parametrize(
    "tags",
    [
        {"a": 1},
        {"a": None},
        {1: "a"},
        {"": "a"},
        {"a=b": "c"},
        {" a": "b"},
        {"a\n": "b"},
        [("a",)],
        [1],
        "a",
        b"a",
        5,
        {"a": "x" * 8001},
    ],
)
def test_a_tag_that_is_not_text_is_refused_and_says_how_to_write_one(tags: object) -> None:
    with pytest.raises(errors.InvalidTag, match="build_number=42"):
        tags_to_write(tags)  # type: ignore[arg-type]


@given(st.integers(0, 200_000_000_000_000_000).map(from_micros))
def test_an_instant_survives_the_database_and_text_to_the_microsecond(when: datetime) -> None:
    assert from_micros(to_micros(when)) == when
    assert parse_when(to_text(when), NOW) == when


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW),
        ("2h ago", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("1.5 days ago", datetime(2026, 2, 28, 0, tzinfo=UTC)),
        ("30 min ago", datetime(2026, 3, 1, 11, 30, tzinfo=UTC)),
        ("2026-03-01T12:00Z", NOW),
        ("2026-03-01 13:00+01:00", NOW),
    ],
)
def test_a_time_may_be_written_as_people_write_it(text: str, expected: datetime) -> None:
    assert parse_when(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "12 parsecs ago", 5])
def test_what_is_not_a_time_is_refused(text: object) -> None:
    with pytest.raises(errors.InvalidTime):
        parse_when(text, NOW)  # type: ignore[arg-type]


def test_canonical_json_does_not_depend_on_the_order_of_keys() -> None:
    assert (
        canonical_json({"b": 1, "a": [1, "é"]})
        == '{"a":[1,"é"],"b":1}'.encode()
        == canonical_json({"a": [1, "é"], "b": 1})
    )


@pytest.mark.parametrize(
    "text", ["", "sha256:", "sha256:" + "g" * 64, "md5:" + "0" * 32, "0" * 64, "sha256:" + "0" * 64 + "\n"]
)
def test_what_is_not_a_digest_is_refused(text: str) -> None:
    with pytest.raises(errors.InvalidDigest):
        Digest(text)


def _all_errors(base: type[errors.ModelyardError] = errors.ModelyardError) -> list[type[errors.ModelyardError]]:
    return [base, *(found for child in base.__subclasses__() for found in _all_errors(child))]


class _Anything(dict[str, str]):
    def __missing__(self, key: str) -> float:
        return 1.5


@pytest.mark.parametrize("cls", _all_errors())
def test_every_error_is_one_line_and_survives_a_process_boundary(cls: type[errors.ModelyardError]) -> None:
    fields = [name for _, name, _, _ in string.Formatter().parse(cls.sentence) if name]
    error = cls(**dict.fromkeys(fields, 1.5))
    assert "\n" not in str(error)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(copy) is cls
    assert str(copy) == str(error)
    for name in fields:
        assert getattr(copy, name) == 1.5

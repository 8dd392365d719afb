"""Lines do not depend on how the bytes were cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.pipelines.lines import LineFeed


def fed(pieces: list[bytes], limit: int = 16) -> list[str]:
    feed = LineFeed(limit)
    return [line for piece in pieces for line in feed.feed(piece)] + feed.end()


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"a\nb\n", ["a", "b"]),
        (b"a\r\nb", ["a", "b"]),
        (b"10%\r20%\r", ["10%", "20%"]),
        (b"\n\r\n\r", ["", "", ""]),
        (b"bad \xff byte\n", ["bad \ufffd byte"]),
        (b"x" * 40, ["x" * 16, "x" * 16, "x" * 8]),
        (b"x" * 16 + b"\n" + b"y", ["x" * 16, "y"]),
        ("é".encode() * 9, ["é" * 8, "é"]),
        (("x" + "é" * 9).encode(), ["x" + "é" * 7, "éé"]),
    ],
)
def test_lines_end_where_a_person_sees_them_end(data: bytes, lines: list[str]) -> None:
    assert fed([data]) == lines


@given(
    st.lists(st.sampled_from([b"a", b"\n", b"\r", b"\r\n", "é".encode(), "😀".encode(), b"\xff", b"x" * 15])), st.data()
)
def test_feeding_in_pieces_gives_the_lines_of_feeding_at_once(parts: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert fed(pieces) == fed([whole]) == fed([bytes([byte]) for byte in whole])


@given(st.text("ab é😀", max_size=200))
def test_no_character_is_lost_or_broken_in_a_long_line(text: str) -> None:
    assert "".join(fed([text.encode()])) == text

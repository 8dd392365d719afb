"""The stack and the memo of an unpickler, and the opcodes that only move values: what lies there is kept only where it decides something."""

from __future__ import annotations

from typing import Any, NoReturn

from modelyard.safety.scanning import opcodes as op
from modelyard.safety.scanning.limits import TooMuch, Unreadable
from modelyard.safety.scanning.reader import TWO_WAYS, Reader, unescaped
from modelyard.safety.scanning.source import Source
from modelyard.safety.scanning.values import CAREFUL, KEPT, UNKNOWN, Fields, Global, Made, Walk

NAME_LIMIT = 255
"""A longer string is no name; what is imported by one cannot be told."""
PLAIN_LIMIT = 64
"""Nor is a longer one with white space in it; shorter ones may be the fields of an array."""
TEXT_LIMIT = 256 * 1024 * 1024
"""So much text is kept in one walk."""
TUPLE_LIMIT = 64


class Stack(Reader):
    """Each method is one opcode, or several that differ in the number of bytes that follow; it is given the code."""

    def __init__(self, source: Source, walk: Walk) -> None:
        super().__init__(source)
        self.seen = walk
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: list[Any] = []  # by index, without gaps; what is of no interest is UNKNOWN
        self.sparse: dict[int, Any] = {}  # and what was put further on
        self.proto = 0
        self.text = 0

    def _stray(self, code: int) -> None:
        raise Unreadable(f"it holds the byte {code:#04x} where an opcode should be")

    def _pop(self) -> Any:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise Unreadable("it takes more from its stack than there is")
        return self.stack.pop()

    def _top(self) -> Any:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise Unreadable("it takes more from its stack than there is")
        return self.stack[-1]

    def _to_mark(self) -> list[Any]:
        if not self.marks:
            raise Unreadable("it takes more from its stack than there is")
        mark = self.marks.pop()
        found = self.stack[mark:]
        del self.stack[mark:]
        return found

    def push_nothing(self, code: int) -> None:
        width = op.PUSH_NOTHING[code]
        if width:
            self.skip(width)
        self.stack.append(None if code == op.NONE else UNKNOWN)

    def push_number(self, code: int) -> None:
        data = self.take(op.NUMBERS[code])
        self.stack.append(int.from_bytes(data, "little", signed=code == 0x4A))

    def push_long(self, code: int) -> None:
        length = self.number(op.LENGTHS[code])
        if length <= 16 and code in (0x8A, 0x8B):
            self.stack.append(int.from_bytes(self.take(length), "little", signed=True))
            return
        self.skip(length)
        self.stack.append(UNKNOWN)

    def push_line(self, code: int) -> None:
        line = self.line()
        try:
            self.stack.append(int(line.rstrip(b"L")) if code != 0x46 and len(line) < 20 else UNKNOWN)
        except ValueError:
            raise Unreadable("it holds a number that is none") from None

    def push_string(self, code: int) -> None:
        length = self.number(op.STRINGS[code])
        if length > NAME_LIMIT:
            self.skip(length)
            self.stack.append(UNKNOWN)
            return
        data = self.take(length)
        if length > PLAIN_LIMIT and len(data.split(None, 1)) > 1:
            self.stack.append(UNKNOWN)
            return
        self.text += length
        if self.text > TEXT_LIMIT:
            raise TooMuch("its pickles have more text than is looked into")
        try:
            text = data.decode("utf-8", "surrogatepass") if code in op.TEXT_STRINGS else data.decode("ascii")
        except UnicodeDecodeError:
            self.stack.append(UNKNOWN)
        else:
            self.stack.append(text)

    def push_text_line(self, code: int) -> None:
        line = self.line()
        if len(line) > NAME_LIMIT:
            self.stack.append(UNKNOWN)
            return
        try:
            if code == op.UNICODE_LINE:
                self.stack.append(line.decode("raw-unicode-escape"))
                return
            quoted = line.strip()
            if len(quoted) < 2 or quoted[:1] != quoted[-1:] or quoted[:1] not in (b"'", b'"'):
                raise Unreadable("it holds a string without quotes")
            self.stack.append(unescaped(quoted[1:-1]).decode("ascii"))
        except ValueError:
            self.stack.append(UNKNOWN)

    def push_container(self, code: int) -> None:
        self.stack.append(Fields() if code == op.EMPTY_DICT else UNKNOWN)

    def ignore(self, _: int) -> None:
        pass

    def begin(self, _: int) -> None:
        self.begin_frame(self.number(8))

    def two_ways(self) -> NoReturn:
        self.seen.odd[TWO_WAYS] = "dangerous"
        super().two_ways()

    def protocol(self, _: int) -> None:
        self.proto = self.number(1)
        if self.proto > 5:
            raise Unreadable(f"it is of protocol {self.proto}")

    def mark(self, _: int) -> None:
        self.marks.append(len(self.stack))

    def discard(self, _: int) -> None:
        if self.marks and self.marks[-1] == len(self.stack):
            self.marks.pop()
        else:
            self._pop()

    def discard_to_mark(self, _: int) -> None:
        self._to_mark()

    def duplicate(self, _: int) -> None:
        self._push(self._top())

    def _push(self, value: Any) -> None:
        if value in CAREFUL:
            self.seen.pushed[value] += 1
        self.stack.append(value)

    # --- containers ---

    def small_tuple(self, code: int) -> None:
        items = [self._pop() for _ in range(op.TUPLES[code])]
        self.stack.append(tuple(reversed(items)))

    def tuple_to_mark(self, _: int) -> None:
        found = self._to_mark()
        self.stack.append(tuple(found) if len(found) <= TUPLE_LIMIT else UNKNOWN)

    def container_to_mark(self, code: int) -> None:
        found = self._to_mark()
        if code != op.DICT:
            self.stack.append(UNKNOWN)
            return
        fields = Fields()
        fields.fill(found)
        self.stack.append(fields)

    def append(self, _: int) -> None:
        self._pop()
        self._change(self._top())

    def append_to_mark(self, _: int) -> None:
        self._to_mark()
        self._change(self._top())

    def set_item(self, _: int) -> None:
        value, key = self._pop(), self._pop()
        self._set(self._top(), [key, value])

    def set_to_mark(self, _: int) -> None:
        found = self._to_mark()
        self._set(self._top(), found)

    def _set(self, target: Any, found: list[Any]) -> None:
        if isinstance(target, Fields):
            target.fill(found)
        else:
            self._change(target)

    def _change(self, target: Any) -> None:
        """Something is added to what is no plain list or dict: its own methods are called for it."""
        if isinstance(target, Global):
            self.seen.called[target] = None
            self.seen.odd[f"changes {target.module}.{target.name} itself"] = "unknown"

    # --- the memo ---

    def get_memo(self, code: int) -> None:
        self._get(self.number(op.GET_MEMO[code]))

    def get_memo_line(self, _: int) -> None:
        self._get(_index(self.line()))

    def _get(self, index: int) -> None:
        if index < len(self.memo):
            self._push(self.memo[index])
        elif index in self.sparse:
            self._push(self.sparse[index])
        else:
            raise Unreadable("it asks its memo for what was never put there")

    def put_memo(self, code: int) -> None:
        self._put(self.number(op.PUT_MEMO[code]))

    def put_memo_line(self, _: int) -> None:
        self._put(_index(self.line()))

    def memoize(self, _: int) -> None:
        self._put(len(self.memo) + len(self.sparse))

    def _put(self, index: int) -> None:
        value = self._top()
        if not (isinstance(value, str | Global | Fields) or (isinstance(value, Made) and value.function in KEPT)):
            value = UNKNOWN
        if index < len(self.memo):
            self.memo[index] = value
        elif index > len(self.memo):
            self.sparse[index] = value
        else:
            self.memo.append(value)
            while len(self.memo) in self.sparse:
                self.memo.append(self.sparse.pop(len(self.memo)))


def _index(line: bytes) -> int:
    try:
        found = int(line)
    except ValueError:
        raise Unreadable("its memo is asked for what is no number") from None
    if not 0 <= found < 2**32:
        raise Unreadable("its memo is asked for what is no number")
    return found
